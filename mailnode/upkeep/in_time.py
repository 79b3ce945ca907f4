"""Waiting for a thread, but not for ever: a disk that hangs must not silence what says that it hangs."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


def done_in_time(work: "Deferred[Any]", seconds: float, clock: IReactorTime) -> "Deferred[bool]":
    """Fires with True when the work is done, with False when it is not after that time.

    Nothing is cancelled, and the work keeps its result for others.
    """
    over: Deferred[bool] = Deferred()
    late = clock.callLater(seconds, over.callback, False)

    def done(result: object) -> object:
        if late.active():
            late.cancel()
            over.callback(True)
        return result

    work.addBoth(done)
    return over
