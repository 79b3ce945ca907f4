"""Shorter turns of the reactor."""

from functools import partial
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.python.failure import Failure

from mailnode.events.log import Log

_log = Log("mailnode.net")


def shorten(reactor: Any) -> None:
    """Have a reactor that waits by epoll do without a context of the old log for each event.

    Twisted's makes one, in which what is logged is said to be of this connection: a quarter of what a short
    command costs. Our log names connections itself. Other reactors stay as they are.
    """
    epoll: Any = reactor
    if isinstance(reactor, EPollReactor):
        epoll.doIteration = partial(_turn, reactor)


def _turn(reactor: Any, timeout: float | None) -> None:
    """Wait till something is ready, at most so many seconds, and let all work that are."""
    selectables = reactor._selectables
    try:
        ready = reactor._poller.poll(timeout, len(selectables))
    except InterruptedError:  # by a signal, whose handler has something for the reactor to do
        return
    for descriptor, event in ready:
        selectable = selectables.get(descriptor)
        if selectable is not None:  # it may have gone by what another one did in this turn
            try:
                reactor._doReadOrWrite(selectable, descriptor, event)
            except Exception:
                _log.bug("a connection went wrong", Failure())
