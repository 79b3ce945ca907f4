"""So many at a time: what Twisted's DeferredSemaphore does, for crowds.

That one calls the next who waits from within its release(). Where what it guards is over without waiting
itself, as a question that is answered from a cache, hundreds who wait are hundreds of nested calls, and that
is more than Python allows. Here each is called by the reactor.
"""

from collections import deque
from types import TracebackType

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


class Turns:
    """An asynchronous context manager that `most` may be in; who asks first has the next turn."""

    def __init__(self, clock: IReactorTime, most: int = 1) -> None:
        self._clock = clock
        self._most = self._free = most
        self._waiting: deque[Deferred[None]] = deque()

    @property
    def idle(self) -> bool:
        """Whether nobody is in, or waits."""
        return self._free == self._most

    async def __aenter__(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn: Deferred[None] = Deferred()
        self._waiting.append(turn)
        await turn

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._waiting:
            self._clock.callLater(0, self._waiting.popleft().callback, None)
        else:
            self._free += 1
