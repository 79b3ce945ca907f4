"""The commands of the TRANSACTION state: STAT, LIST, UIDL, RETR, TOP, DELE, NOOP, RSET."""

from collections.abc import Callable, Iterator
from itertools import islice

from twisted.python.failure import Failure

from mailnode.net.blocking import send
from mailnode.net.stream import ConnectionClosed, TimedOut
from mailnode.pop3.ahead import Wish
from mailnode.pop3.maildrop import Entry, Maildrop, top
from mailnode.pop3.series import asked, take
from mailnode.pop3.state import Session
from mailnode.wire.pop3 import message_number, number_and_lines, ok

_PIECE = 1000  # lines
_RETR = b"RETR %d"


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
    before, _, after = ok(session.say("{} octets")).partition(b"{}")
    wish = Wish(_RETR, lambda entry: b"%b%d%b" % (before, entry.octets, after), iter)
    return await _message(session, number, wish)


async def top_(session: Session, argument: bytes) -> bytes:
    """TOP msg n (RFC 1939 section 7): the header, the blank line, and n lines of the body."""
    number, count = number_and_lines(argument)
    first = ok(session.say("Top of message follows"))
    wish = Wish(b"TOP %%d %d" % count, lambda _: first, lambda text: top(text, count))
    return await _message(session, number, wish)


def foreseen(session: Session, line: bytes) -> bytes | None:
    """The reply to a RETR or TOP, if this is one that is ready; else None. Raises NoSuchMessage."""
    if session.opened is None:
        return None
    _, maildrop, ahead = session.opened
    ready = ahead.foreseen(line)
    if ready is None:
        return None
    maildrop.present(ready.number)
    _note(session, ahead.command, ready.number)
    return ready.octets


async def _message(session: Session, number: int, wish: Wish) -> bytes:
    account, maildrop, ahead = session.transaction
    maildrop.present(number)
    series = asked(session.stream, maildrop, number, wish)
    if len(series.numbers) == 1:
        reply = await ahead.reply(maildrop, account.lane, number, wish)
        if reply is not None:
            _note(session, wish.command, number)
            return reply
    try:
        await _send(session, series.responses(), series.hand_on)
        series.hand_on()
    finally:
        for done in take(session.stream, series):
            _note(session, wish.command, done)
            ahead.passed(done)
    return b""


def _note(session: Session, command: bytes, number: int) -> None:
    """A message was sent, or is about to be."""
    if command == _RETR:
        session.retrieved.append(session.transaction.maildrop.entries[number - 1].message)


async def _send(
    session: Session, response: Iterator[bytes], writing: Callable[[], None] = lambda: None
) -> None:
    """Send a long response. Where half of it may be out, no reply can call it back: only the end can.

    `writing` is called as net.blocking.send() does it.
    """
    begun = False

    def begin() -> None:
        nonlocal begun
        begun = True
        writing()

    try:
        await send(session.stream, session.transaction.account.lane, response, begin)
    except (ConnectionClosed, TimedOut):
        raise
    except Exception as error:
        if not begun:
            raise
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
