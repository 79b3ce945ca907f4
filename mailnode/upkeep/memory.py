"""Keeps the full collections of Python's garbage collector short.

A full collection looks at every object there is, and meanwhile no thread does anything else: with a mailbox
of 200,000 messages in memory that takes 0.4 s, and it happens again and again while the mailbox is read. So
what has survived one is not looked at by the next (gc.freeze); each object is looked at once.

Reference counting frees nearly everything all the same. Circles among what was set aside are found in a quiet
moment, when all is looked at again; not while that is little. A look writes to each object, and gives a copy
of the main process pages of its own for all that the two have together.
"""

from collections.abc import Callable
from typing import Literal, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

FULL = 2  # the oldest generation
EVERY = 600.0  # seconds between two looks at everything
LITTLE = 50_000  # objects set aside since the last one that are not worth another: 5 MB or so


Callback = Callable[[Literal["start", "stop"], dict[str, int]], object]


class Collector(Protocol):
    """What is used of the module gc."""

    callbacks: list[Callback]

    def freeze(self) -> None: ...
    def unfreeze(self) -> None: ...
    def get_freeze_count(self) -> int: ...
    def collect(self) -> int: ...


class ShortCollections:
    """One for the process; `quiet` tells whether nobody would mind a pause."""

    def __init__(self, clock: IReactorTime, collector: Collector, quiet: Callable[[], bool]) -> None:
        self._collector = collector
        self._quiet = quiet
        self._loop = LoopingCall(self._look_at_all)
        self._loop.clock = clock
        self._looked_at = 0  # how many objects were set aside when all had been looked at

    def start(self) -> None:
        """From now on what survives is set aside."""
        self._collector.callbacks.append(self._collected)
        self._looked_at = self._collector.get_freeze_count()
        self._loop.start(EVERY, now=False)

    def stop(self) -> None:
        """Leave the collector as it was."""
        if self._loop.running:
            self._loop.stop()
            self._collector.callbacks.remove(self._collected)
            self._collector.unfreeze()

    def _collected(self, phase: str, facts: dict[str, int]) -> None:
        if phase == "stop" and facts["generation"] == FULL:
            self._collector.freeze()

    def _look_at_all(self) -> None:
        if self._quiet() and self._collector.get_freeze_count() - self._looked_at > LITTLE:
            self._collector.unfreeze()
            self._collector.collect()
            self._looked_at = self._collector.get_freeze_count()
