"""One line of time for everybody, and a clock on it for each machine, which may be wrong and be put right."""

import heapq
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

START = 1_000_000_000.0  # seconds since the epoch


class Timeline:
    """What is to happen, in order; time goes from one happening to the next."""

    def __init__(self) -> None:
        self.now = START
        self.happened = 0
        self._order: list[tuple[float, int, Call]] = []
        self._numbers = itertools.count()

    def put(self, time: float, call: "Call") -> None:
        """Have a call made at this time; an earlier arrangement for it is void."""
        call.number = next(self._numbers)
        heapq.heappush(self._order, (max(time, self.now), call.number, call))

    def step(self, until: float) -> bool:
        """Let the next thing happen, if there is one up to that time."""
        while self._order and self._order[0][0] <= until:
            time, number, call = heapq.heappop(self._order)
            if call.number != number:
                continue
            self.now = time
            self.happened += 1
            call.run()
            return True
        return False

    def waiting(self) -> "list[Call]":
        """What has not happened yet."""
        return [call for _, number, call in sorted(self._order) if call.number == number]


@implementer(IDelayedCall)
class Call:
    """Something that is to be done later."""

    __slots__ = ("_clock", "_function", "_state", "number", "time")

    def __init__(self, clock: "Clock", time: float, function: Callable[[], object]) -> None:
        self.time = time  # by the clock it was asked of
        self.number = -1
        self._clock = clock
        self._function = function
        self._state: type[Exception] | None = None

    def __repr__(self) -> str:
        return f"<{self._function!r} at {self.time:.3f}>"

    def getTime(self) -> float:
        """When, by its own clock."""
        return self.time

    def active(self) -> bool:
        """Whether it is still to be done."""
        return self._state is None

    def cancel(self) -> None:
        """Not to be done any more."""
        if self._state is not None:
            raise self._state
        self._state = AlreadyCancelled
        self.number = -1
        self._clock.forget(self)

    def delay(self, secondsLater: float) -> None:
        """That much later than it was to be."""
        self._clock.move(self, self.time + secondsLater)

    def reset(self, secondsFromNow: float) -> None:
        """That much later than now."""
        self._clock.move(self, self._clock.seconds() + secondsFromNow)

    def run(self) -> None:
        """Its time has come."""
        self._state = AlreadyCalled
        self._clock.forget(self)
        self._function()


@implementer(IReactorTime)
class Clock:
    """A machine's clock and timers: a reactor's time, which is also the time of the day there.

    It may be ahead of the line of time, or behind; when it is put right timers come sooner or later, as the
    system's do. A clock that is stopped forgets all timers, and takes no new ones: its machine is dead.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.stopped = False
        self._ahead = 0.0
        self._calls: dict[Call, None] = {}

    def seconds(self) -> float:
        """Since the epoch, as this machine believes."""
        return self.timeline.now + self._ahead

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kw: Any) -> IDelayedCall:
        """As a reactor's."""
        wanted = partial(callable, *args, **kw) if args or kw else callable
        call = Call(self, self.seconds() + delay, wanted)
        if not self.stopped:
            self._calls[call] = None
            self.timeline.put(call.time - self._ahead, call)
        return call

    def getDelayedCalls(self) -> list[IDelayedCall]:
        """As a reactor's."""
        return list(self._calls)

    def move(self, call: Call, time: float) -> None:
        """Have a call made at another time."""
        call.time = time
        self.timeline.put(time - self._ahead, call)

    def forget(self, call: Call) -> None:
        """A call is over."""
        self._calls.pop(call, None)

    def jump(self, seconds: float) -> None:
        """Show another time from now on."""
        self._ahead += seconds
        for call in self._calls:
            self.timeline.put(call.time - self._ahead, call)

    @property
    def ahead(self) -> float:
        """Seconds by which it is wrong."""
        return self._ahead

    def stop(self) -> None:
        """Nothing of what was asked for happens."""
        self.stopped = True
        for call in self._calls:
            call.number = -1
        self._calls.clear()
