"""Coroutines, and what they wait for, for less than Twisted's driver and a Deferred take.

A Deferred has a chain of callbacks, and the driver a context for each coroutine. Together they cost as much
as what a coroutine has to do for a short command, and a session only ever waits for one thing at a time.
"""

from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailnode.events.log import Log

T = TypeVar("T")

_log = Log("mailnode.net")

_TAKEN: Any = None  # the result, once a coroutine has it


class Wait(Deferred[T]):
    """A Deferred that mostly the coroutine of a Running awaits: that is called at once, by no chain."""

    _go: Callable[[object], None] | None = None

    def __await__(self) -> Generator[Deferred[T], Any, T]:
        """Wait once: who resumes the coroutine has the result."""
        if self.called:
            return (yield from super().__await__())
        result: T = yield self
        return result

    __iter__ = __await__

    def resume(self, go: Callable[[object], None]) -> None:
        """Have this called when the coroutine goes on."""
        if self._callbacks or self.called or self._go is not None:
            self.addBoth(go)
        else:
            self._go = go

    def callback(self, result: T | Failure) -> None:
        """Have the coroutine go on with this."""
        if self._go is None or not self._goes_on(result):
            super().callback(result)

    def errback(self, fail: Failure | BaseException | None = None) -> None:
        """Raise this in the coroutine."""
        failure = fail if isinstance(fail, Failure) else Failure(fail)
        if not self._goes_on(failure):
            super().errback(failure)

    def _goes_on(self, result: object) -> bool:
        """Whether nobody but the coroutine waited, which has gone on; else it is the first of a chain."""
        go, self._go = self._go, None
        if go is None:
            return False
        if self._callbacks:
            call: Any = go, (), {}
            self._callbacks.insert(0, (call, call))
            return False
        self.called, self.result, self._canceller = True, _TAKEN, None
        go(result)
        return True


class Bell(Wait[T]):
    """What the one coroutine that knows it waits for again and again: nothing is made anew for it."""

    def resume(self, go: Callable[[object], None]) -> None:
        """Have this called when it rings."""
        self._go = go

    def put_away(self) -> None:
        """Let go of who might cancel: nobody waits for it any more."""
        self._canceller = None

    def ring(self, result: T) -> None:
        """Have the coroutine go on with this; under Twisted's driver it can be rung only once."""
        go, self._go = self._go, None
        if go is not None:
            go(result)
        else:
            self.callback(result)


class Running:
    """A coroutine that runs from go() to its end, of which `over` is told."""

    __slots__ = ("_coroutine", "_ended", "_over", "_send")

    def __init__(self, coroutine: Coroutine[Any, Any, None], over: Callable[["Running"], None]) -> None:
        self._coroutine = coroutine
        self._send = coroutine.send
        self._over = over
        self._ended: list[Deferred[None]] = []

    def go(self, result: object = None) -> None:
        """Go on with what was waited for, till it waits again."""
        try:
            if isinstance(result, Failure):
                waits = result.throwExceptionIntoGenerator(self._coroutine)
            else:
                waits = self._send(result)
        except StopIteration:
            self._end()
        except BaseException:  # whatever it is: who resumed it has others to resume
            _log.bug("a session has ended early", Failure())
            self._end()
        else:
            if type(waits) is Bell or isinstance(waits, Wait):  # to ask for the type alone is quicker
                waits.resume(self.go)
            else:
                waits.addBoth(self.go)

    def _end(self) -> None:
        self._over(self)
        for ended in self._ended:
            ended.callback(None)

    def ended(self) -> Deferred[None]:
        """Fires when a coroutine that still runs has ended."""
        ended: Deferred[None] = Deferred()
        self._ended.append(ended)
        return ended
