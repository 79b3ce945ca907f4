"""Shorter turns of the reactor."""

from functools import partial
from select import EPOLLEXCLUSIVE, EPOLLIN
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


def take_turns(reactor: Any, port: Any) -> None:
    """Have the kernel wake one of the processes that accept on a port for a connection, not all of them.

    Mostly the one that slept last: for protocols whose sessions are short.
    """
    if isinstance(reactor, EPollReactor):
        reactor._poller.unregister(port.fileno())
        reactor._poller.register(port.fileno(), EPOLLIN | EPOLLEXCLUSIVE)


def _turn(reactor: Any, timeout: float | None) -> None:
    """Wait till something is ready, at most so many seconds, and let all work that are."""
    selectables = reactor._selectables
    try:
        ready = reactor._poller.poll(timeout, len(selectables))
    except InterruptedError:  # by a signal, whose handler has something for the reactor to do
        return
    for selectable, descriptor, event in [(selectables.get(one), one, event) for one, event in ready]:
        # It may have gone by what another one did in this turn, and somebody else have its descriptor.
        if selectable is None or selectables.get(descriptor) is not selectable:
            continue
        try:
            if event == EPOLLIN:  # nearly all
                end = selectable.doRead()
            else:
                reactor._doReadOrWrite(selectable, descriptor, event)
                continue
        except Exception as error:
            _log.bug("a connection went wrong", Failure())
            end = error if event == EPOLLIN else None
        if end is not None:
            _disconnect(reactor, selectable, end)


def _disconnect(reactor: Any, selectable: Any, end: Exception) -> None:
    try:
        reactor._disconnectSelectable(selectable, end, True)
    except Exception:
        _log.bug("a connection went wrong", Failure())
