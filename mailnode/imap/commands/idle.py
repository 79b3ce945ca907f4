"""IDLE (RFC 2177): the client waits, the server tells what happens."""

from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.imap.waiting import next_line
from mailnode.imap.words.languages import resp_text
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.command import announcement

POLL = 10.0  # seconds between looks at the disk, for what other programs do there and no hint tells


async def run(session: Session, _: None) -> Reply:
    """Until DONE; what is told is what NOTIFY has asked for, if it was used (RFC 5465 section 4)."""
    session.stream.write(b"+ " + resp_text(session.language, "idling") + b"\r\n")
    session.progress.rest()
    selected = session.selected
    watches = []
    if selected:
        watches.append(session.shared.feed.watch(selected.place.key, session.awake))
        watches += [
            session.shared.watches.watch(path, session.awake) for path in selected.mailbox.directories
        ]

    async def tell() -> None:
        await session.flush(unasked=True)
        session.alert()
        await session.stream.drain()

    try:
        line = await next_line(session, tell, at_once=True, poll=POLL if selected else None)
    finally:
        for stop in watches:
            stop()
    if line.upper() != b"DONE":
        session.awaited = announcement(line)
        raise BadSyntax("DONE expected")
    return ok("No longer idle")
