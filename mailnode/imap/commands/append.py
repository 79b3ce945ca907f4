r"""APPEND (RFC 3501 section 6.3.11) with APPENDUID (RFC 4315 section 3).

The message is a literal of any size: it goes from the connection to the disk piece by piece. Everything that
can be wrong with the rest is looked at before the client is told to send it.
"""

from dataclasses import dataclass

from mailnode.imap import flags
from mailnode.imap.replies import Refused, Reply, no_target, ok
from mailnode.imap.session import Session
from mailnode.store.account import Account
from mailnode.store.draft import MEMORY_LIMIT, Draft
from mailnode.store.errors import NoSuchMailbox
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import Flags, Name
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.command import announcement
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
    _check_size(session, announced.size)
    await session.lane(_admit, session, name, announced.size)
    session.go_ahead(announced)
    session.awaited = None
    draft = session.account.store.draft()
    target = _Target(session.account.store, name, wanted, append.internal_date)
    try:
        rest = await _receive(session, draft, announced.size)
        validity, uid = await session.lane(target.store, draft, rest)
    except BaseException:
        await session.lane(draft.abort)
        raise
    session.announce(name)
    return ok("Appended", b"APPENDUID %d %d" % (validity, uid))


def _check_size(session: Session, size: int) -> None:
    limit = session.config.limits.message_size
    if size > limit:
        raise Refused(b"TOOBIG", f"A message has at most {limit} octets")
    if not size:
        raise Refused(b"CANNOT", "A message cannot be empty")


def _admit(session: Session, name: Name, size: int) -> None:
    """Refuse before a single octet is sent for nothing; in the lane."""
    store = session.account.store
    _mailbox(store, name)
    store.check_room(size)
    if store.free_space() - size < session.config.limits.min_free_space:
        raise Refused(b"OVERQUOTA", "There is no room for it")


def _mailbox(store: Account, name: Name) -> Mailbox:
    try:
        return store.mailbox(name)
    except NoSuchMailbox:
        raise no_target() from None


async def _receive(session: Session, draft: Draft, size: int) -> bytes:
    """Read all octets of the literal and the end of the command, also when they can no longer be stored.

    Gives those octets that were not written to the draft so far: of most messages, all.
    """
    left = size
    held: list[bytes] = []
    trouble: Exception | None = None
    while left:
        piece = await session.stream.some(min(left, _PIECE))
        left -= len(piece)
        if b"\0" in piece:
            trouble = trouble or BadSyntax("A message must not hold NUL")
        if trouble is not None:
            continue
        held.append(piece)
        if len(held) * _PIECE > MEMORY_LIMIT:
            try:
                await session.lane(draft.write, b"".join(held))
            except OSError as error:
                trouble = error
            held.clear()
    await _end(session)
    if trouble is not None:
        raise trouble
    return b"".join(held)


async def _end(session: Session) -> None:
    line = await session.stream.line(session.line_limit)
    if line:
        session.awaited = announcement(line)
        raise BadSyntax("Unexpected text after the message")


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a message goes, and how."""

    account: Account
    name: Name
    flags: Flags
    internal_date: float | None

    def store(self, draft: Draft, rest: bytes) -> tuple[int, int]:
        """UIDVALIDITY and UID of the message, which is durable then; in the lane."""
        draft.write(rest)
        mailbox = _mailbox(self.account, self.name)
        uid = mailbox.append(draft, self.flags, self.internal_date)
        return mailbox.uid_validity, uid
