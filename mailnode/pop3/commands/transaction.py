"""The commands of the TRANSACTION state: STAT, LIST, UIDL, RETR, TOP, DELE, NOOP, RSET."""

from collections.abc import Callable, Iterator
from itertools import islice

from twisted.python.failure import Failure

from mailnode.net.blocking import send
from mailnode.net.stream import TOGETHER, ConnectionClosed, TimedOut
from mailnode.pop3.ahead import Cut, Wish
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
    before, _, after = ok(session.say("{} octets")).partition(b"{}")
    wish = Wish(b"RETR %d", lambda entry: b"%b%d%b" % (before, entry.octets, after), iter)
    reply = await _message(session, number, wish)
    session.retrieved.append(entry.message)
    return reply


async def top_(session: Session, argument: bytes) -> bytes:
    """TOP msg n (RFC 1939 section 7): the header, the blank line, and n lines of the body."""
    number, count = number_and_lines(argument)
    session.transaction.maildrop.present(number)
    first = ok(session.say("Top of message follows"))
    wish = Wish(b"TOP %%d %d" % count, lambda _: first, lambda text: top(text, count))
    return await _message(session, number, wish)


def foreseen(session: Session, line: bytes) -> bytes | None:
    """The reply to a RETR or TOP, if this is one that is ready; else None. Raises NoSuchMessage.

    With it come the replies to the commands behind it, as far as those have come and are ready too: each of
    them would find its way here by itself, and that takes as long as to read the message.
    """
    if session.opened is None:
        return None
    _, maildrop, ahead = session.opened
    ready = ahead.foreseen(line)
    if ready is None:
        return None
    maildrop.present(ready.number)
    replies: list[bytes] = []
    octets = 0
    while ready is not None and ready.octets is not None:
        if ready.command.startswith(b"RETR"):
            session.retrieved.append(maildrop.entry(ready.number).message)
        replies.append(ready.octets)
        octets += len(ready.octets)
        more = session.stream.pending and octets < TOGETHER
        ready = ahead.following(maildrop.holds, session.stream.accept) if more else None
    return b"".join(replies)


async def _message(session: Session, number: int, wish: Wish) -> bytes:
    account, maildrop, ahead = session.transaction
    reply = await ahead.reply(maildrop, account.lane, number, wish)
    if reply is not None:
        return reply
    first = wish.head(maildrop.entry(number))
    await _send(session, dotted(first, _opened(maildrop, number, wish.cut)))
    return b""


def _opened(maildrop: Maildrop, number: int, cut: Cut) -> Iterator[bytes]:
    """The octets of a message, which is opened by the first step and closed by the last."""
    with maildrop.body(number) as body:
        yield from cut(surrogate_lines(body) if maildrop.entry(number).surrogate else lines(body))


async def _send(session: Session, response: Iterator[bytes]) -> None:
    """Send a long response. Where half of it may be out, no reply can call it back: only the end can."""
    begun = False

    def begin() -> None:
        nonlocal begun
        begun = True

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
