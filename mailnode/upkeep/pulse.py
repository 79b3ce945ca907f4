"""How late the reactor is: the time between the moment a call is due and the one at which it is made.

Everything that one session does for long delays all the others by that. A look every half second costs
nothing that can be measured; the last five minutes are remembered.
"""

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailnode.values import frozen

EVERY = 0.5  # seconds
KEPT = 600


@frozen
class Delay:
    """Seconds: half of the calls were late by no more than `median`, all but one in a hundred by `p99`."""

    median: float = 0.0
    p99: float = 0.0
    worst: float = 0.0


class Pulse:
    """One for the process. `minute` is called each minute."""

    def __init__(self, clock: IReactorTime, minute: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._minute = minute
        self._late: deque[float] = deque(maxlen=KEPT)
        self._beats = 0
        self._next: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to look."""
        self._plan()

    def stop(self) -> None:
        """Look no more."""
        call, self._next = self._next, None
        if call is not None:
            call.cancel()

    def delay(self) -> Delay:
        """What was seen in the last five minutes."""
        late = sorted(self._late)
        if not late:
            return Delay()
        return Delay(late[len(late) // 2], late[len(late) * 99 // 100], late[-1])

    def _plan(self) -> None:
        self._next = self._clock.callLater(EVERY, self._beat, self._clock.seconds() + EVERY)

    def _beat(self, due: float) -> None:
        self._late.append(max(0.0, self._clock.seconds() - due))  # the clock may be set back
        self._beats += 1
        self._plan()
        if self._beats * EVERY % 60 == 0:
            self._minute()
