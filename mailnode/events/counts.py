"""Counters that several processes keep together.

Each process counts for itself and tells the others of every step; what they have told is added when a number
is asked for. So a limit is kept everywhere, but for steps that two processes take in the same moment.
"""

from collections import Counter
from collections.abc import Callable, Iterator


class Counts:
    """Counters by name. `tell` is called with each step of ours."""

    def __init__(self) -> None:
        self.tell: Callable[[str, int], None] = lambda name, by: None
        self._counts: Counter[str] = Counter()

    def __getitem__(self, name: str) -> int:
        """How many there are in all processes."""
        return self._counts[name]

    def named(self, beginning: str) -> Iterator[tuple[str, int]]:
        """Those whose names have this beginning, without it."""
        for name, number in self._counts.items():
            if name.startswith(beginning):
                yield name.removeprefix(beginning), number

    def add(self, name: str, by: int) -> None:
        """Count here, and tell the others."""
        self.hear(name, by)
        self.tell(name, by)

    def hear(self, name: str, by: int) -> None:
        """Others have counted."""
        self._counts[name] += by
        if not self._counts[name]:
            del self._counts[name]
