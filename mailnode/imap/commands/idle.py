"""IDLE (RFC 2177): the client waits, the server tells what happens."""

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.imap.words.languages import resp_text
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.command import announcement

POLL = 10.0  # seconds between looks at the disk, for what other programs do there and no hint tells


class Bell:
    """A wake-up call that is not lost while nobody waits for it."""

    def __init__(self) -> None:
        self._rung = False
        self._waiting: Deferred[None] | None = None

    def ring(self) -> None:
        """Wake the waiter, now or when it next waits."""
        self._rung = True
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    async def heard(self) -> None:
        """Wait for the next ring."""
        if not self._rung:
            self._waiting = Deferred()
            await self._waiting
        self._rung = False


async def run(session: Session, _: None) -> Reply:
    """Until DONE; the one read of that line has the whole autologout time, however much happens meanwhile."""
    session.stream.write(b"+ " + resp_text(session.language, "idling") + b"\r\n")
    session.progress.rest()
    bell = Bell()
    ended: list[bytes | Failure] = []

    def end(line: bytes | Failure) -> None:
        ended.append(line)
        bell.ring()

    line = Deferred.fromCoroutine(session.stream.line(session.line_limit))
    line.addBoth(end)
    try:
        await _watch(session, bell, ended)
    finally:
        line.cancel()
    result = ended[0]
    if isinstance(result, Failure):
        result.raiseException()
    if result.upper() != b"DONE":
        session.awaited = announcement(result)
        raise BadSyntax("DONE expected")
    return ok("No longer idle")


async def _watch(session: Session, bell: Bell, ended: list[bytes | Failure]) -> None:
    """Flush whenever the bell rings, until the line has come."""
    clock = session.shared.runtime.clock
    selected = session.selected
    watches = []
    session.wake = bell.ring
    if selected:
        watches.append(session.shared.feed.watch(selected.place.key, bell.ring))
        watches += [session.shared.watches.watch(path, bell.ring) for path in selected.mailbox.directories]
    try:
        while not ended:
            await session.flush()
            session.alert()
            await session.stream.drain()
            poll = clock.callLater(POLL, bell.ring) if selected else None
            try:
                await bell.heard()
            finally:
                if poll is not None and poll.active():
                    poll.cancel()
    finally:
        session.wake = None
        for stop in watches:
            stop()
