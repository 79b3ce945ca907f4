"""Telling a client that waits that its command is still worked at (INPROGRESS, RFC 9585).

The clock is looked at while the account's lane works for the command, and only then: a client that sends a
message slowly, or reads slowly, knows what it waits for. Nothing is told in the middle of a response.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailnode.imap.replies import Reply, ok
from mailnode.wire.imap.writer import NIL

T = TypeVar("T")

PERIOD = 10.0  # seconds; section 4 recommends 10 to 15

Measure = Callable[[], tuple[int, int]]


def _nothing(_: Reply) -> None:
    """What is told of a session that has ended."""


class Progress:
    """What one session tells. A command may set `measure`: what is done, and what is to be done."""

    def __init__(self, clock: IReactorTime, tell: Callable[[Reply], None]) -> None:
        self.measure: Measure | None = None
        self._clock = clock
        self._tell = tell
        self._tag = NIL
        self._due: float | None = None  # when something is to be told; None where nothing is in progress
        self._working = 0
        self._responding = False  # some of a response was sent, and perhaps not all
        self._timer: IDelayedCall | None = None  # one, however many commands there are

    def begin(self, tag: bytes) -> None:
        """A command begins. A tag with "]" would end the response code."""
        self._tag = NIL if b"]" in tag else b'"%b"' % tag
        self._due = self._clock.seconds() + PERIOD
        self.measure = None

    def rest(self) -> None:
        """The command has nothing to do but to wait, as IDLE."""
        self._due = None

    def during(self, work: "Deferred[T]") -> "Deferred[T]":
        """The lane works at something, until this is fired; meanwhile nothing else is written."""
        if not work.called:
            self.start()
            work.addBoth(self._worked)
        return work

    def _worked(self, result: T) -> T:
        self.stop()
        return result

    def start(self) -> None:
        """The lane begins to work."""
        self._working += 1
        if self._timer is None and self._due is not None:
            self._wait(self._due)

    def stop(self) -> None:
        """The lane has done its work."""
        self._working -= 1

    @contextmanager
    def sending(self) -> Iterator[Callable[[], None]]:
        """The lane makes responses, in pieces; gives what is to be called before one is written."""
        self.start()
        try:
            yield self._respond
        finally:
            self.stop()
            self._responding = False

    def _respond(self) -> None:
        self._responding = True

    def close(self) -> None:
        """The session is at its end; it is known here no longer, so that it need not be found as garbage."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tell = _nothing

    def _wait(self, due: float) -> None:
        left = due - self._clock.seconds()
        self._timer = self._clock.callLater(left if left > 0 else PERIOD, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._working or self._due is None:
            return
        if self._clock.seconds() >= self._due and not self._responding:
            self._tell(ok("Still working", self._code()))
            self._due = self._clock.seconds() + PERIOD
        self._wait(self._due)

    def _code(self) -> bytes:
        """ "INPROGRESS" [SP "(" inprogress-tag SP inprogress-state ")"]; a goal is more than what is done."""
        done, goal = self.measure() if self.measure is not None else (0, 0)
        state = b"%d %d" % (done, goal) if 0 <= done < goal else b"NIL NIL"
        return b"INPROGRESS (%b %b)" % (self._tag, state)
