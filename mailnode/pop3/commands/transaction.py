"""The commands of the TRANSACTION state: STAT, LIST, UIDL, RETR, TOP, DELE, NOOP, RSET."""

from collections.abc import Callable, Iterator
from itertools import islice

from twisted.python.failure import Failure

from mailnode.net.blocking import send
from mailnode.net.stream import ConnectionClosed, TimedOut
from mailnode.pop3.ahead import Cut
from mailnode.pop3.maildrop import Entry, Maildrop, dotted, top
from mailnode.pop3.state import Session
from mailnode.store.download import lines, surrogate_lines
from mailnode.wire.pop3 import message_number, number_and_lines, ok

_PIECE = 1000  # lines


async def stat(session: Session, argument: bytes) -> bytes:
    """STAT: how many messages, how many octets; without those marked as deleted."""
    return ok("{} {}".format(*_counts(session)))


def _counts(session: Session) -> tuple[int, int]:
    maildrop = session.transaction.maildrop
    return len(maildrop), maildrop.octets()


async def list_(session: Session, argument: bytes) -> bytes:
    """LIST [msg]: number and size of one message or of all."""
    return await _listing(session, argument, "LIST", lambda entry: entry.octets)


async def uidl(session: Session, argument: bytes) -> bytes:
    """UIDL [msg] (RFC 1939 section 7): number and unique-id of one message or of all."""
    return await _listing(session, argument, "UIDL", lambda entry: entry.uidl)


async def _listing(session: Session, argument: bytes, command: str, fact: Callable[[Entry], object]) -> bytes:
    maildrop = session.transaction.maildrop
    if argument:
        number = message_number(argument)
        return ok(f"{number} {fact(maildrop.entry(number))}")
    first = ok(session.count(*_counts(session)))
    if len(maildrop.entries) > _PIECE:
        await _send(session, _after(first, _pieces(maildrop, fact)))
        return b""
    if maildrop.deleted:
        return first + b"".join(_pieces(maildrop, fact))
    if command not in maildrop.listings:
        maildrop.listings[command] = b"".join(_pieces(maildrop, fact))
    return first + maildrop.listings[command]


def _after(first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from pieces


def _pieces(maildrop: Maildrop, fact: Callable[[Entry], object]) -> Iterator[bytes]:
    """What follows the first line, some lines at once; none of them begins with a dot."""
    listed = maildrop.listed()
    while lines := [f"{number} {fact(entry)}\r\n" for number, entry in islice(listed, _PIECE)]:
        yield "".join(lines).encode()
    yield b".\r\n"


async def retr(session: Session, argument: bytes) -> bytes:
    """RETR msg: the whole message."""
    number = message_number(argument)
    entry = session.transaction.maildrop.present(number)
    first = ok(session.say("{} octets", entry.octets))
    reply = await _message(session, number, first, "RETR", iter)
    session.retrieved.append(entry.message)
    return reply


async def top_(session: Session, argument: bytes) -> bytes:
    """TOP msg n (RFC 1939 section 7): the header, the blank line, and n lines of the body."""
    number, count = number_and_lines(argument)
    session.transaction.maildrop.present(number)
    first = ok(session.say("Top of message follows"))
    return await _message(session, number, first, ("TOP", count), lambda text: top(text, count))


async def _message(session: Session, number: int, first: bytes, command: object, cut: Cut) -> bytes:
    account, maildrop, ahead = session.transaction
    text = await ahead.text(maildrop, account.lane, number, command, cut)
    if text is not None:
        return first + text
    await _stream(session, number, first, cut)
    return b""


async def _stream(session: Session, number: int, first: bytes, cut: Cut) -> None:
    account, maildrop, _ = session.transaction
    body = await account.lane.run(maildrop.body, number)
    text = surrogate_lines(body) if maildrop.entry(number).surrogate else lines(body)
    try:
        await _send(session, dotted(first, cut(text)))
    finally:
        await account.lane.run(body.close)


async def _send(session: Session, response: Iterator[bytes]) -> None:
    """Send a long response. Half of it may be out, and no reply can call it back: only the end can."""
    try:
        await send(session.stream, session.transaction.account.lane, response)
    except (ConnectionClosed, TimedOut):
        raise
    except Exception as error:
        if isinstance(error, OSError):
            session.connection.log.warn("message cannot be read", reason=error.strerror)
        else:
            session.connection.log.bug("response not ended", Failure())
        session.stream.abort()
        raise ConnectionClosed from None


async def dele(session: Session, argument: bytes) -> bytes:
    """DELE msg: mark a message; QUIT removes it."""
    number = message_number(argument)
    session.transaction.maildrop.mark(number)
    return ok(session.say("Marked as deleted"))


async def noop(session: Session, argument: bytes) -> bytes:
    """NOOP."""
    return ok()


async def rset(session: Session, argument: bytes) -> bytes:
    """RSET: take all marks off."""
    session.transaction.maildrop.take_off_marks()
    return ok(session.count(*_counts(session)))
