"""Where the time of a run goes: seconds by group and by what was done."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

PHASES = ("filling", "starting", "measuring", "stopping")


class Phases:
    """A watch that is stopped and started; what is told of nothing else counts as `other`."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], float] = defaultdict(float)
        self._group = ""
        self._now: list[str] = []  # what is being done; the last one counts
        self._since = time.perf_counter()

    @contextmanager
    def group(self, name: str) -> Iterator[None]:
        """What follows is done for these rows."""
        self._group = name
        with self.doing("other"):
            yield

    @contextmanager
    def doing(self, phase: str) -> Iterator[None]:
        """What follows is this, and not what is around it."""
        self._count()
        self._now.append(phase)
        try:
            yield
        finally:
            self._count()
            self._now.pop()

    def _count(self) -> None:
        now = time.perf_counter()
        if self._now:
            self._seconds[self._group, self._now[-1]] += now - self._since
        self._since = now

    def lines(self) -> Iterator[str]:
        """A table, the groups in their order."""
        groups = list(dict.fromkeys(group for group, _ in self._seconds))
        columns = (*PHASES, "other")
        yield self._line("seconds", [*columns, "all"])
        rows = {group: [self._seconds.get((group, one), 0.0) for one in columns] for group in groups}
        for group, values in rows.items():
            yield self._line(group, [f"{value:.1f}" for value in (*values, sum(values))])
        sums = [sum(column) for column in zip(*rows.values(), strict=True)]
        yield self._line("all", [f"{value:.1f}" for value in (*sums, sum(sums))])

    @staticmethod
    def _line(head: str, cells: Sequence[str]) -> str:
        return f"{head:<20}" + "".join(f"{cell:>11}" for cell in cells)


WATCH = Phases()  # of this run
