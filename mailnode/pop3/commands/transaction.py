"""The commands of the TRANSACTION state: STAT, LIST, UIDL, RETR, TOP, DELE, NOOP, RSET."""

from collections.abc import Callable, Iterable, Iterator

from mailnode.net.blocking import send
from mailnode.net.stream import ConnectionClosed
from mailnode.pop3.maildrop import Entry, dotted, top
from mailnode.pop3.state import Session
from mailnode.store.download import lines, surrogate_lines
from mailnode.wire.pop3 import message_number, number_and_lines, ok


async def stat(session: Session, argument: bytes) -> bytes:
    """STAT: how many messages, how many octets; without those marked as deleted."""
    return ok("{} {}".format(*_counts(session)))


def _counts(session: Session) -> tuple[int, int]:
    maildrop = session.transaction.maildrop
    return len(maildrop.entries) - len(maildrop.deleted), maildrop.octets()


async def list_(session: Session, argument: bytes) -> bytes:
    """LIST [msg]: number and size of one message or of all."""
    return await _listing(session, argument, lambda entry: entry.octets)


async def uidl(session: Session, argument: bytes) -> bytes:
    """UIDL [msg] (RFC 1939 section 7): number and unique-id of one message or of all."""
    return await _listing(session, argument, lambda entry: entry.uidl)


async def _listing(session: Session, argument: bytes, fact: Callable[[Entry], object]) -> bytes:
    maildrop = session.transaction.maildrop
    if argument:
        number = message_number(argument)
        return ok(f"{number} {fact(maildrop.entry(number))}")
    listing = (f"{number} {fact(entry)}\r\n".encode() for number, entry in maildrop.listed())
    await _send(session, dotted(ok(session.say("{} messages ({} octets)", *_counts(session))), listing))
    return b""


async def retr(session: Session, argument: bytes) -> bytes:
    """RETR msg: the whole message."""
    number = message_number(argument)
    octets = session.transaction.maildrop.entry(number).octets
    return await _send_message(session, number, ok(session.say("{} octets", octets)), lambda text: text)


async def top_(session: Session, argument: bytes) -> bytes:
    """TOP msg n (RFC 1939 section 7): the header, the blank line, and n lines of the body."""
    number, count = number_and_lines(argument)
    return await _send_message(
        session, number, ok(session.say("Top of message follows")), lambda text: top(text, count)
    )


async def _send_message(
    session: Session, number: int, first: bytes, cut: Callable[[Iterator[bytes]], Iterable[bytes]]
) -> bytes:
    account, maildrop = session.transaction.account, session.transaction.maildrop
    body = await account.lane.run(maildrop.body, number)
    text = surrogate_lines(body) if maildrop.entry(number).surrogate else lines(body)
    try:
        await _send(session, dotted(first, cut(text)))
    except OSError as error:
        # Half a message is out, and no reply can call it back: only the end of the connection can.
        session.connection.log.warn("message cannot be read", reason=error.strerror)
        session.stream.abort()
        raise ConnectionClosed from None
    finally:
        await account.lane.run(body.close)
    return b""


async def _send(session: Session, response: Iterator[bytes]) -> None:
    await send(session.stream, session.transaction.account.lane, response)


async def dele(session: Session, argument: bytes) -> bytes:
    """DELE msg: mark a message; QUIT removes it."""
    number = message_number(argument)
    maildrop = session.transaction.maildrop
    maildrop.entry(number)
    maildrop.deleted.add(number)
    return ok(session.say("Marked as deleted"))


async def noop(session: Session, argument: bytes) -> bytes:
    """NOOP."""
    return ok()


async def rset(session: Session, argument: bytes) -> bytes:
    """RSET: take all marks off."""
    session.transaction.maildrop.deleted.clear()
    return ok(session.say("{} messages ({} octets)", *_counts(session)))
