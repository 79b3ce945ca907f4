"""A POP3 session, from the greeting to the end of the connection (RFC 1939).

One coroutine: read a line, find its row in the table, write its reply. Three outcomes of a command that is
not done: BadSyntax (the client's grammar; too many of them end the session), Refused and the store's facts
(the client's wish), and everything else, which is temporary and stands in the log. A session that ends by
time-out or by a lost connection says nothing and deletes nothing (RFC 1939 sections 3 and 6).
"""

from twisted.python.failure import Failure

from mailnode.auth.live import Live
from mailnode.auth.login import Logins
from mailnode.events.feed import ChangeFeed
from mailnode.events.life import Bus
from mailnode.net.listen import Connection
from mailnode.net.stream import ConnectionClosed, TimedOut
from mailnode.net.tls import TlsServer
from mailnode.pop3.commands.transaction import foreseen
from mailnode.pop3.state import Collaborators, Refused, Session, State
from mailnode.pop3.trouble import unusable
from mailnode.pop3.verbs import FOREIGN, VERBS, Takes, Verb
from mailnode.runtime import Runtime
from mailnode.store.errors import NoSuchMessage, StoreError
from mailnode.wire.abnf import VCHAR
from mailnode.wire.errors import BadSyntax
from mailnode.wire.pop3 import LINE_LIMIT, Command, error, ok, parse_command

BAD_LINES_BEFORE_LOGIN = 3

_FIRST_OCTETS = VCHAR | frozenset(b"\r\n\t ")


class Pop3:
    """Serves POP3; one object for all connections."""

    def __init__(
        self, live: Live, runtime: Runtime, logins: Logins, feed: ChangeFeed, bus: Bus, tls: TlsServer | None
    ) -> None:
        self._shared = Collaborators(live, runtime, logins, feed, bus, tls)

    async def serve(self, connection: Connection) -> None:
        """The whole conversation. Raises ConnectionClosed and TimedOut."""
        session = Session(self._shared, connection)
        try:
            await self._converse(session)
        finally:
            session.release()

    async def _converse(self, session: Session) -> None:
        shared, stream = self._shared, session.stream
        deadline = shared.runtime.now() + session.limits.login_timeout
        session.stamp = shared.logins.greeting_stamp(session.connection)
        greeting = f"{shared.live.config.hostname} POP3 server ready {session.stamp.decode('ascii')}"
        stream.write(ok(greeting.rstrip()))
        stream.timeout = session.limits.login_timeout
        prefix = await stream.exactly(1)
        if prefix[0] not in _FIRST_OCTETS:  # a TLS handshake on the port without
            stream.write(error("This is POP3, and TLS starts with STLS here"))
            return
        while not session.ended:
            if session.opened is None:
                stream.timeout = max(0.0, deadline - shared.runtime.now())
            else:
                stream.timeout = session.limits.pop3_timeout
            stream.write(await _answer(session, prefix))
            await stream.drain()
            prefix = b""


async def _answer(session: Session, prefix: bytes) -> bytes:
    """Read one command (its first octets may be here already) and give the reply to it."""
    try:
        line = prefix + await session.stream.line(LINE_LIMIT - len(prefix))
        ready = foreseen(session, line)
        if ready is not None:
            return ready
        command = parse_command(line)
        if command.keyword in FOREIGN:
            session.ended = True
            return error(session.say("This is POP3"))
        verb, argument = _chosen(session, command)
        return await verb.run(session, argument)
    except BadSyntax as bad:
        session.bad_lines += 1
        allowed = BAD_LINES_BEFORE_LOGIN if session.opened is None else session.limits.errors_hard
        session.ended = session.bad_lines >= allowed
        return error(session.say(str(bad)))
    except Refused as refused:
        return error(session.say(refused.text, *refused.values), refused.code)
    except NoSuchMessage:
        return error(session.say("No such message"))
    except (StoreError, OSError) as trouble:
        session.connection.log.warn("store failed", reason=getattr(trouble, "strerror", None) or trouble)
        reply = unusable(trouble)
        return error(session.say(reply.text), reply.code)
    except (ConnectionClosed, TimedOut):
        raise
    except Exception:
        session.connection.log.bug("POP3 command failed", Failure())
        return error(session.say("Something went wrong here, try again later"), "SYS/TEMP")


def _chosen(session: Session, command: Command) -> tuple[Verb, bytes]:
    """The row of a command, which it is held against, and its argument. Raises BadSyntax."""
    keyword, argument = command
    if keyword != b"PASS":
        session.username = None
    verb = VERBS.get(keyword)
    if verb is None:
        raise BadSyntax("Unknown command")
    takes = verb.takes
    if takes is not Takes.TEXT:
        argument = argument.rstrip(b" ")
    if argument:
        if takes is Takes.NOTHING:
            raise BadSyntax("This command takes no argument")
    elif takes in (Takes.SOME, Takes.TEXT):
        raise BadSyntax("This command needs an argument")
    if session.state not in verb.states:
        raise BadSyntax(
            "Not possible before login"
            if session.state is State.AUTHORIZATION
            else "Not possible after login"
        )
    return verb, argument
