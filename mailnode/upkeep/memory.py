"""Keeps the full collections of Python's garbage collector short.

A full collection looks at every object there is, and meanwhile no thread does anything else: with a mailbox
of 200,000 messages in memory that takes 0.4 s, and it happens again and again while the mailbox is read. So
what has survived one is not looked at by the next (gc.freeze); each object is looked at once.

Reference counting frees nearly everything all the same. Circles among what was set aside are found in a quiet
moment, when all is looked at again; not while that is little. A look writes to each object, and gives a copy
of the main process pages of its own for all that the two have together.

The young are looked at less often than Python does it, after 700 new objects: some hundred messages or
commands that wait for an answer have more than that, and would be looked at again and again. That took an
eighth of the time in which a full queue was sent.
"""

from collections.abc import Callable
from typing import Literal, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

FULL = 2  # the oldest generation
EVERY = 600.0  # seconds between two looks at everything
LITTLE = 50_000  # objects set aside since the last one that are not worth another: 5 MB or so

# New objects until the young are looked at, and how many looks at the younger ones go before one at the
# older. So a full collection comes after some 125,000 new objects; with Python's 700, 10 and 10 after 85,000.
THRESHOLDS = (5000, 4, 4)

Callback = Callable[[Literal["start", "stop"], dict[str, int]], object]


class Collector(Protocol):
    """What is used of the module gc."""

    callbacks: list[Callback]

    def freeze(self) -> None: ...
    def unfreeze(self) -> None: ...
    def get_freeze_count(self) -> int: ...
    def collect(self) -> int: ...
    def get_threshold(self) -> tuple[int, int, int]: ...
    def set_threshold(self, young: int, middle: int, old: int, /) -> None: ...


class ShortCollections:
    """One for the process; `quiet` tells whether nobody would mind a pause."""

    def __init__(self, clock: IReactorTime, collector: Collector, quiet: Callable[[], bool]) -> None:
        self._collector = collector
        self._quiet = quiet
        self._usual = collector.get_threshold()
        self._loop = LoopingCall(self._look_at_all)
        self._loop.clock = clock
        self._looked_at = 0  # how many objects were set aside when all had been looked at

    def start(self) -> None:
        """From now on what survives is set aside, and the young are looked at less often."""
        self._collector.set_threshold(*THRESHOLDS)
        self._collector.callbacks.append(self._collected)
        self._looked_at = self._collector.get_freeze_count()
        self._loop.start(EVERY, now=False)

    def stop(self) -> None:
        """Leave the collector as it was."""
        if self._loop.running:
            self._loop.stop()
            self._collector.callbacks.remove(self._collected)
            self._collector.unfreeze()
            self._collector.set_threshold(*self._usual)

    def _collected(self, phase: str, facts: dict[str, int]) -> None:
        if phase == "stop" and facts["generation"] == FULL:
            self._collector.freeze()

    def _look_at_all(self) -> None:
        aside = self._collector.get_freeze_count()
        self._looked_at = min(self._looked_at, aside)  # much of it may have gone by itself
        if self._quiet() and aside - self._looked_at > LITTLE:
            self._collector.unfreeze()
            self._collector.collect()
            self._looked_at = self._collector.get_freeze_count()
