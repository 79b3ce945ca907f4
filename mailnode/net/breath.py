"""Turns of the reactor, shared fairly by the sessions that have much to do.

A session goes on as long as it finds commands in its buffer, and one that never waits would keep the reactor
from all others. So it has to breathe when BREATH seconds of this turn are used up, by it or by those before
it: then it goes on in one of the next turns, after those that wait already. However many send 20,000 commands
at once, a turn takes little more than BREATH and one command of each.
"""

from collections import deque

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from mailnode.net.wait import Wait

BREATH = 0.005
_SMALL = BREATH / 10  # what has used up less needs no delayed call to be forgotten


class Breather:
    """What all sessions of a reactor share."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._until: float | None = None  # how long this turn is to be, once somebody has used some of it
        self._next = False  # whether the next turn is told of
        self._waiting: deque[Deferred[None]] = deque()

    def is_due(self, awake_since: float) -> bool:
        """Whether a session that has found more to do, and is awake since then, has to breathe."""
        now = self._clock.seconds()
        if self._until is None:
            if now - awake_since < _SMALL:
                return False
            self._until = now + BREATH
            self._await_turn()
        return now > min(self._until, awake_since + BREATH)

    def breathe(self) -> "Deferred[None]":
        """Fires when it is time to go on."""
        waits: Wait[None] = Wait()
        self._waiting.append(waits)
        self._await_turn()
        return waits

    def _await_turn(self) -> None:
        if not self._next:
            self._next = True
            self._clock.callLater(0.0, self._turn)

    def _turn(self) -> None:
        self._next = False
        self._until = None
        if not self._waiting:
            return
        self._until = self._clock.seconds() + BREATH
        self._await_turn()
        while self._waiting and self._clock.seconds() <= self._until:
            self._waiting.popleft().callback(None)
