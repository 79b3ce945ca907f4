r"""APPEND (RFC 3501 section 6.3.11) with APPENDUID (RFC 4315 section 3).

The message is a literal of any size: it goes from the connection to the disk piece by piece. Everything that
can be wrong with the rest is looked at before the client is told to send it.
"""

from dataclasses import dataclass

from mailnode.imap import flags
from mailnode.imap.replies import Refused, Reply, no_target, ok
from mailnode.imap.session import Session
from mailnode.store.draft import Draft
from mailnode.store.errors import NoSuchMailbox
from mailnode.store.values import Flags, Name
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.command import Announced, announcement
from mailnode.wire.imap.cursor import Cursor

_PIECE = 65536


@dataclass(frozen=True, slots=True)
class Append:
    """Where to, and with what; the message itself follows on the connection."""

    mailbox: str
    flags: tuple[str, ...]
    internal_date: float | None


def parse(args: Cursor) -> Append:
    """append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal"""
    mailbox = args.sp().mailbox()
    flag_list = args.sp().flag_list() if args.at(b" (") else []
    internal_date = args.sp().date_time() if args.at(b' "') else None
    if not args.sp().at_awaited():
        raise BadSyntax("A literal with the message is expected")
    return Append(mailbox, tuple(flag_list), internal_date)


def reads_literal(args: Cursor) -> bool:
    """Whether the literal announced at the end is the message; the first may be the mailbox name."""
    return not args.sp().at_awaited()


async def run(session: Session, append: Append) -> Reply:
    """A temporary file until all of it is here; the OK comes when it is durable."""
    assert session.awaited is not None
    announced = session.awaited
    name = session.name(append.mailbox)
    wanted = flags.checked(append.flags)
    await _admit(session, name, announced)
    session.go_ahead(announced)
    session.awaited = None
    draft = session.account.store.draft()
    try:
        await _receive(session, draft, announced.size)
        validity, uid = await session.lane(_store, session, name, draft, wanted, append.internal_date)
    finally:
        await session.lane(draft.abort)
    session.announce(name)
    return ok("Appended", b"APPENDUID %d %d" % (validity, uid))


async def _admit(session: Session, name: Name, announced: Announced) -> None:
    """Raise Refused before a single octet is sent for nothing."""
    limits = session.config.limits
    if announced.size > limits.message_size:
        raise Refused(b"TOOBIG", f"A message has at most {limits.message_size} octets")
    if not announced.size:
        raise Refused(b"CANNOT", "A message cannot be empty")
    await session.target(name)
    await session.lane(session.account.store.check_room, announced.size)
    if await session.lane(session.account.store.free_space) - announced.size < limits.min_free_space:
        raise Refused(b"OVERQUOTA", "There is no room for it")


async def _receive(session: Session, draft: Draft, size: int) -> None:
    """Read all octets of the literal and the end of the command, also when they can no longer be stored."""
    left = size
    trouble: Exception | None = None
    while left:
        piece = await session.stream.some(min(left, _PIECE))
        left -= len(piece)
        if b"\0" in piece:
            trouble = trouble or BadSyntax("A message must not hold NUL")
        if trouble is None:
            try:
                await session.lane(draft.write, piece)
            except OSError as error:
                trouble = error
    await _end(session)
    if trouble is not None:
        raise trouble


async def _end(session: Session) -> None:
    line = await session.stream.line(session.line_limit)
    if line:
        session.awaited = announcement(line)
        raise BadSyntax("Unexpected text after the message")


def _store(session: Session, name: Name, draft: Draft, wanted: Flags, date: float | None) -> tuple[int, int]:
    try:
        target = session.account.store.mailbox(name)
    except NoSuchMailbox:
        raise no_target() from None
    uid = target.append(draft, wanted, date)
    return target.uid_validity, uid
