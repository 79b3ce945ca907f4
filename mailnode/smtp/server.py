"""SMTP and LMTP sessions from greeting to goodbye: one command, one reply, and the limits on both.

A command ends in one of these ways: its reply; Refused, with the reply and without effect; BadSyntax, which
is 501; Farewell, the last reply; or any other exception, which is a bug of ours and so a temporary failure.
A connection lost or timed out ends the session from anywhere.
"""

import re
from collections.abc import Sequence

from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from mailnode.events import life
from mailnode.net.listen import Connection
from mailnode.net.stream import ConnectionClosed, EndlessLine, TimedOut
from mailnode.smtp.outcome import NOT_FOR_STRANGERS, OUT_OF_STEP, TEMPORARY, UNKNOWN_VERB, Farewell, Refused
from mailnode.smtp.session import ENDLESS, Collaborators, Session
from mailnode.smtp.transaction import Transaction
from mailnode.smtp.verbs import VERBS, Answer, Verb
from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import Reply, parse_command

ERROR_DELAY = 1.0  # seconds, for each error after limits.errors_soft

# Seconds before a stranger is greeted: what has come by then was sent by somebody who does not listen.
GREETING_PAUSE = 0.1

LINE_DOES_NOT_END = Reply(421, "4.7.0", "The line does not end; closing connection")
LINE_TOO_LONG = Reply(500, "5.5.2", "Line too long")
NOT_SMTP = Reply(500, "5.5.2", "This is an SMTP server")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Too many errors; closing connection")
TOO_SLOW = Reply(421, "4.4.2", "Timeout; closing connection")

_BESIDE = 5  # recipients of the transaction that are told of beside one that is refused

_NO_COMMAND = re.compile(rb"[^A-Za-z\r\n\t ]")  # begins neither a command nor what is merely wrong
_FOREIGN = re.compile(rb"(?:GET|POST|CONNECT) |[^A-Za-z]", re.DOTALL)


class Smtp(Collaborators):
    """What a listener for SMTP or submission serves."""

    async def serve(self, connection: Connection) -> None:
        """The whole session. Raises ConnectionClosed and TimedOut, after saying what can be said."""
        session = Session(self, connection)
        try:
            await _greet(session)
            await _converse(session)
        except Farewell as farewell:
            _part(session, farewell.reply)
        except EndlessLine:
            _part(session, LINE_DOES_NOT_END)
        except TimedOut:
            connection.stream.write(TOO_SLOW.encode())
            raise
        finally:
            await session.drop_transaction()


def _part(session: Session, reply: Reply) -> None:
    """Say the last words."""
    if not reply.positive:
        session.connection.log.info("goodbye", reply=reply)
    if session.transaction is None:
        session.stream.write_with_next(reply.encode())
    else:  # the end may have to wait for the disk
        session.stream.write(reply.encode())


async def _greet(session: Session) -> None:
    """220; a stranger who does not wait for it is no mail server (RFC 5321 section 4.3.1).

    Nor is who begins a TLS handshake here; its first octet tells, and it has no line that would end. LMTP is
    for servers of our own: what the world has to pass on the way in, it has not (RFC 2033 section 1).
    """
    if session.lmtp and not session.connection.trusted:
        raise Farewell(NOT_FOR_STRANGERS)
    if session.strict and not session.connection.trusted:
        await deferLater(session.shared.runtime.clock, GREETING_PAUSE)
        if session.stream.pending:
            raise Farewell(OUT_OF_STEP)
    await session.say(session.greeting)
    session.stream.timeout = session.limits.smtp_timeout
    if _NO_COMMAND.match(await session.stream.peek()):
        raise Farewell(NOT_SMTP)


async def _converse(session: Session) -> None:
    """Read commands, run them, reply; content on LMTP has as many replies as recipients."""
    stream = session.stream
    while not session.reversed:
        session.limits = limits = session.limits_now()
        stream.timeout = limits.smtp_timeout
        name, argument = "", b""
        verb: Verb | None = None
        answer: Answer
        counts = True
        transaction = session.transaction  # which a command may end
        try:
            longest = limits.auth_line if session.submission else limits.command_line
            # The line itself has no name here, which it would keep till the next one: it may hold a password.
            name, argument = _command(session, await stream.line(longest, endless=ENDLESS))
            verb = _allowed(session, name)
            answer = await verb.run(session, argument)
        except (Farewell, ConnectionClosed, TimedOut):
            raise
        except Refused as refused:
            answer, counts = refused.reply, refused.counts
        except BadSyntax as wrong:
            answer = Reply(*((500, "5.5.2") if verb is None else (501, "5.5.4")), str(wrong))
        except Exception:
            session.connection.log.bug("command failed", Failure())
            answer = TEMPORARY
        if isinstance(answer, Reply) and answer.code < 400:  # nearly all
            session.write(answer)
            if not stream.flows:
                await stream.drain()
        else:
            replies = (answer,) if isinstance(answer, Reply) else answer or ()
            refusals = [reply for reply in replies if not reply.positive]
            for reply in refusals:
                _tell(session, reply, name, argument, transaction)
            await _say(session, replies, error=counts and any(reply.code >= 500 for reply in refusals))


async def _say(session: Session, replies: Sequence[Reply], *, error: bool) -> None:
    """Give the replies to a command, which may be an error of the client's."""
    if error:
        await _count_error(session)
    for reply in replies:
        await session.say(reply)
    if error and session.errors >= session.limits.errors_hard:
        raise Farewell(TOO_MANY_ERRORS)


def _command(session: Session, line: bytes) -> tuple[str, bytes]:
    """The verb of a line and its argument. Raises BadSyntax, or Refused, for what is none."""
    if session.hello is None and _FOREIGN.match(line):
        # Another protocol, perhaps a browser's that was told to talk to us: nothing of it is run.
        raise Farewell(NOT_SMTP)
    name, argument = parse_command(line)
    if len(line) > session.limits.command_line and not (name in VERBS and VERBS[name].long_line):
        raise Refused(LINE_TOO_LONG)
    return name, argument


def _allowed(session: Session, name: str) -> Verb:
    """The verb, which its rules let this session use now. Raises Refused."""
    verb = VERBS.get(name)
    if verb is None:
        raise Refused(UNKNOWN_VERB)
    if verb.counts_as_junk:
        session.count_junk()
    if not verb.offered(session):
        raise Refused(verb.otherwise)
    session.ends_group = verb.last_in_group
    return verb


def _tell(
    session: Session, reply: Reply, name: str, argument: bytes, transaction: Transaction | None
) -> None:
    """Tell whom it concerns of a refusal."""
    if name not in VERBS or not VERBS[name].in_transaction:
        return
    sender = ""
    recipients: tuple[str, ...] = ()
    if transaction is not None:
        sender = str(transaction.envelope.reverse_path or "")
        # RCPT is about its own, and each of a stranger's could make a large event of all others.
        recipients = transaction.addresses[: _BESIDE if name == "RCPT" else None]
    subject = argument.decode("ascii", "backslashreplace")
    connection = session.connection
    session.shared.bus.publish(
        life.Refused(connection.id, name, str(reply), subject, connection.peer, sender, recipients)
    )


async def _count_error(session: Session) -> None:
    """Make a client that goes on doing wrong wait; after all its replies it has to go.

    A command is one error, however many replies it has: were LMTP's cut off in between, its client would send
    the message again to those who have it. Temporary refusals count for nothing: they are ours, or ask the
    client to send the rest later.
    """
    session.errors += 1
    if session.limits.errors_soft < session.errors < session.limits.errors_hard:
        await deferLater(session.shared.runtime.clock, ERROR_DELAY)
