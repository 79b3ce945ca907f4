"""The tests of mailnode; they work in memory, see tests.scratch."""

from tests.scratch import work_in_memory

work_in_memory()
