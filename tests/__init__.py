"""The tests of mailnode: they work in memory, and no example fails because the machine is busy."""

from hypothesis import HealthCheck, settings

from tests.scratch import work_in_memory

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
work_in_memory()
