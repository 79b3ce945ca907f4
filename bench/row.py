"""What is measured: a row is data and one function, rows that share their servers are a group.

A group opens every side anew for each size of the work (1x, 4x, 16x for one that grows), fills it with the
same messages, and runs its rows in order, each side in turn. What a row's function gives is one number for
each of its figures; the report makes medians and ratios of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import field

from bench.corpus import Corpora
from bench.sides import Side
from mailnode.values import frozen


@frozen
class Scale:
    """How much of everything: the short form is for a look, the full one for figures to keep."""

    name: str
    rounds: int
    full: bool
    seconds: float  # for work that goes on for a time

    def pick(self, counts: tuple[int, int]) -> int:
        """Of the counts of the short and of the full form, this one's."""
        return counts[self.full]


SHORT = Scale("short", rounds=1, full=False, seconds=0.7)
FULL = Scale("full", rounds=3, full=True, seconds=5.0)


@frozen
class Figure:
    """A number that a row gives. `more`: whether more of it is better."""

    unit: str
    more: bool = True
    name: str = ""  # where a row has several


@frozen
class Task:
    """What a row's function is asked for: the count of the row, else of the group; and how long."""

    count: int
    seconds: float


@frozen
class Row:
    """One kind of work. `once` where a second time would be other work; `limit` is what bounds it."""

    name: str
    figures: tuple[Figure, ...]
    work: Callable[[Side, Task], Sequence[float]]
    counts: tuple[int, int] | None = None  # short and full
    once: bool = False
    limit: str = ""


@frozen
class Setting:
    """What a group's sides are opened for: the count of the work, and where its mail comes from."""

    count: int
    corpora: Corpora

    def maildir(self, *, typical: int = 2500) -> str:
        """A Maildir of so many messages of the corpus."""
        return self.corpora.maildir(self.count, typical=typical)


Opener = Callable[[Setting], Side]  # gives a side that has started, unless its rows do that


@frozen
class Group:
    """Rows on the same servers; ours is the first of `sides`. `counts` are of the short and the full form."""

    name: str
    sides: dict[str, Opener]
    rows: tuple[Row, ...]
    counts: tuple[int, int] = (0, 0)
    growth: tuple[int, ...] = field(default=(1,))


GROWING = (1, 4, 16)
