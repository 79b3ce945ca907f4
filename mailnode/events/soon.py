"""What can wait for a moment is done then, much of it at once.

Nobody waits for a line of the log or for a counter. Each made where it happens would take several times as
long: the interpreter and the processor have just done something else, and go on with something else.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.interfaces import IReactorTime

MOMENT = 0.01  # seconds
MOST_AT_ONCE = 256  # things

T = TypeVar("T")


class Soon(Generic[T]):
    """Things that wait for `work`, which is called with all of them, in order. Used on the reactor thread."""

    def __init__(self, clock: IReactorTime, work: Callable[[list[T]], object]) -> None:
        self._clock = clock
        self._work = work
        self._things: list[T] = []
        self._most = MOST_AT_ONCE
        self._planned = False  # whether a moment will be over; it may be that of things that are done already

    def add(self, thing: T, /) -> None:
        """Have it done in a moment."""
        self._things.append(thing)
        if len(self._things) >= self._most:
            self.flush()
        elif not self._planned:
            self._planned = True
            self._clock.callLater(MOMENT, self._end_moment)

    def _end_moment(self) -> None:
        self._planned = False
        self.flush()

    def flush(self) -> None:
        """Do now what waits."""
        things, self._things = self._things, []
        if things:
            self._work(things)

    def wait_no_longer(self) -> None:
        """Do what waits, and from here on each at once."""
        self._most = 1
        self.flush()
