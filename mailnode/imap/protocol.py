"""The loop of an IMAP connection: greeting, one command after the other, goodbye (RFC 3501 sections 2.2, 3).

Invariants:
- Every command has exactly one tagged reply, and the next one is read after it was written.
- No literal is let in (`+`) before its size was compared with the limits and the command with the state.
- Octets of a refused literal are never taken for a command: they are read past, or the connection is closed.
- The client is told of other sessions' EXPUNGEs only where its sequence numbers cannot be in use.
"""

from twisted.python.failure import Failure

from mailnode.auth.login import LoginFailed
from mailnode.imap import message_limit, uidonly
from mailnode.imap.extensions import capabilities
from mailnode.imap.replies import SERVER_BUG, BadWithCode, Goodbye, Refused, Reply, Torn, bad, for_error, ok
from mailnode.imap.session import Session, State, Surroundings
from mailnode.imap.table import COMMANDS, Command, Rule
from mailnode.imap.waiting import next_line
from mailnode.net.listen import Connection
from mailnode.net.stream import BrokenCompression, ConnectionClosed, EndlessLine, TimedOut
from mailnode.values import frozen
from mailnode.wire.errors import BadLine, BadSyntax, LineTooLong
from mailnode.wire.imap.command import Announced, Assembler, announcement, tag_of
from mailnode.wire.imap.sequence import LARGEST

# Commands of other protocols: a browser was led here to have its request answered (ALPACA).
_FOREIGN = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"CONNECT ")
_TLS_HANDSHAKE = b"\x16"  # the content type of its first record
_BAD_BEFORE_LOGIN = 10
_BAD_AFTER_LOGIN = 20


@frozen
class Imap:
    """Serves IMAP connections; one object for all of them."""

    shared: Surroundings

    async def serve(self, connection: Connection) -> None:
        """The whole session. Raises ConnectionClosed when the client went away without LOGOUT."""
        session = Session(self.shared, connection)
        greeting = ok("IMAP4rev1 server ready", capabilities(session))
        connection.stream.write(greeting.encode(b"*"))
        try:
            await _check_first_octet(session)
            while session.state is not State.LOGOUT:
                await _one_command(session)
        except Goodbye as goodbye:
            session.status(goodbye.reply)
        except TimedOut:
            session.status(Reply(b"BYE", "Autologout; idle for too long"))
        except BrokenCompression:
            session.status(Reply(b"BYE", "This is not compressed as was agreed"))
            raise
        except Torn as torn:
            connection.log.warn("response cut off", reason=str(torn))
            connection.stream.abort()
        finally:
            session.close()


async def _check_first_octet(session: Session) -> None:
    """Raise Goodbye to a TLS handshake, which has no line that would end."""
    session.stream.timeout = session.patience()
    if await session.stream.peek() == _TLS_HANDSHAKE:
        raise Goodbye("This is IMAP, and TLS begins with STARTTLS here")


async def _one_command(session: Session) -> None:
    """Read a command, do it, answer it."""
    session.tag = b"*"
    session.stream.timeout = session.patience()
    command: Command | None = None
    give_up = False
    try:
        command, parsed = await _read(session)
        session.progress.begin(session.tag)
        session.may_expunge = command.rule is not Rule.USES_SEQUENCE_NUMBERS
        session.limited = b""
        reply = message_limit.told(session, await command.run(session, parsed))
        session.bad_in_a_row = 0
    except BadSyntax as error:
        reply = _bad(session, error)
        if isinstance(error, BadLine):
            session.awaited = await _announced_by_bad_line(session)
    except Refused as refused:
        reply = refused.reply
    except (ConnectionClosed, TimedOut, Goodbye, Torn):
        raise
    except Exception as error:
        reply = for_error(error)
        give_up = isinstance(error, LoginFailed) and error.give_up
        if reply is None or isinstance(error, OSError):
            session.connection.log.bug("command failed", Failure())
        reply = reply or SERVER_BUG
    if reply is not None:
        await session.skip_awaited(reply)
    if command is not None and command.rule is not Rule.ENDS_ALONE:
        await _flush(session, expunge=session.may_expunge)
    if reply is not None:
        await session.reply(reply)
    _part(session, give_up)


async def _flush(session: Session, *, expunge: bool, unasked: bool = False) -> None:
    """Tell what has changed; that the mailbox cannot be looked at now does not undo the command."""
    try:
        await session.flush(expunge=expunge, unasked=unasked)
    except OSError:
        session.connection.log.bug("mailbox cannot be read", Failure())


def _bad(session: Session, error: BadSyntax) -> Reply:
    if isinstance(error, LineTooLong) and session.state is State.NOT_AUTHENTICATED:
        raise Goodbye("Line too long")
    session.bad_in_a_row += 1
    return bad(str(error), error.code if isinstance(error, BadWithCode) else b"")


async def _announced_by_bad_line(session: Session) -> Announced | None:
    """The literal that follows a line which could not be taken."""
    try:
        return announcement(await session.stream.line_end())
    except EndlessLine:
        raise Goodbye("Line too long") from None


def _part(session: Session, give_up: bool) -> None:
    """Raise Goodbye to a client with too many failed logins, or that does not speak IMAP."""
    if give_up:
        raise Goodbye("Too many failed logins")
    authenticated = session.state is not State.NOT_AUTHENTICATED
    if session.bad_in_a_row >= (_BAD_AFTER_LOGIN if authenticated else _BAD_BEFORE_LOGIN):
        raise Goodbye("Too many bad commands", b"CLIENTBUG")


# Reading


async def _read(session: Session) -> tuple[Command, object]:
    """The next command with its arguments read; its last literal may still be awaited."""
    assembler = Assembler(utf8=session.utf8)
    try:
        line = await _first_line(session)
    except BadLine as error:
        session.tag = tag_of(error.start)
        raise
    if session.state is State.NOT_AUTHENTICATED and line.upper().startswith(_FOREIGN):
        raise Goodbye("This is an IMAP server")
    session.awaited = assembler.line(line)
    try:
        assembler.begin()
    finally:
        session.tag = assembler.tag
    command = _row(session, assembler.name)
    while (announced := session.awaited) is not None:
        if command.reads(assembler.arguments(awaited=True)):
            return command, command.parse(assembler.arguments(awaited=True))
        await _literal(session, assembler, announced)
    return command, command.parse(assembler.arguments())


async def _first_line(session: Session) -> bytes:
    """The line that begins a command; until it comes, who uses NOTIFY hears what happens (RFC 5465 3.1)."""
    if not session.listens:
        return await session.stream.line(session.line_limit)
    session.progress.rest()

    async def tell() -> None:
        await _flush(session, expunge=not session.interest.delayed, unasked=True)
        session.alert()
        await session.stream.drain()

    return await next_line(session, tell, at_once=session.has_news)


def _row(session: Session, name: str) -> Command:
    """The command's row; what cannot be given now is refused before its literals are let in."""
    command = COMMANDS.get(name)
    if command is None:
        raise BadSyntax("Unknown command")
    if session.state not in command.states:
        raise BadSyntax(_WRONG_STATE[session.state])
    if command.takes_numbers:
        uidonly.refuse_numbers(session.enabled)
    return command


_WRONG_STATE = {
    State.NOT_AUTHENTICATED: "Log in first",
    State.AUTHENTICATED: "Not now: logged in, and no mailbox is selected",
    State.SELECTED: "Not now: already logged in",
}


async def _literal(session: Session, assembler: Assembler, announced: Announced) -> None:
    """Take a literal and the line after it into the command."""
    if announced.size > LARGEST:
        raise BadSyntax("The literal's size is out of range")
    if assembler.literal_octets + announced.size > session.literal_limit:
        raise Refused(b"TOOBIG", "The literal is too large")
    session.go_ahead(announced)
    session.awaited = None
    session.stream.timeout = session.patience()
    assembler.literal(await session.stream.exactly(announced.size))
    room = max(0, session.line_limit - assembler.text_octets)
    session.awaited = assembler.line(await session.stream.line(room))
