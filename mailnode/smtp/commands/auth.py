"""AUTH (RFC 4954), on submission only."""

from mailnode.auth.checker import LoginBusy
from mailnode.auth.login import LoginFailed, NotOffered, plaintext_allowed
from mailnode.auth.sasl import Exchange, decode_base64
from mailnode.smtp.outcome import HELLO_FIRST, IN_TRANSACTION, Farewell, Refused
from mailnode.smtp.session import ENDLESS, Session
from mailnode.wire.base64 import base64
from mailnode.wire.errors import BadSyntax, LineTooLong
from mailnode.wire.smtp import Reply

ALREADY = Reply(503, "5.5.1", "You are already authenticated")
ENCRYPT_FIRST = Reply(538, "5.7.11", "Encryption is required; send STARTTLS first")
UNKNOWN_MECHANISM = Reply(504, "5.5.4", "Unknown authentication mechanism")
CANCELLED = Reply(501, "5.0.0", "Authentication cancelled")
LINE_TOO_LONG = Reply(500, "5.5.6", "The authentication line is too long")
FAILED = Reply(535, "5.7.8", "Authentication failed")
BUSY = Reply(454, "4.7.0", "Temporary authentication failure; try again later")
SUCCEEDED = Reply(235, "2.7.0", "Authentication succeeded")


async def run(session: Session, argument: bytes) -> Reply:
    """AUTH mechanism [initial-response]: log in, once, before any transaction."""
    _check_state(session)
    name, _, initial = argument.partition(b" ")
    mechanism = name.decode("ascii", "replace").upper()
    try:
        exchange = _exchange(session, initial.strip(b" "))
        session.account = await session.shared.logins.authenticate(mechanism, exchange, session.connection)
    except NotOffered:
        raise Refused(UNKNOWN_MECHANISM) from None
    except LineTooLong:
        raise Refused(LINE_TOO_LONG) from None
    except BadSyntax as wrong:
        raise Refused(Reply(501, "5.5.2", str(wrong))) from None
    except LoginBusy:
        raise Refused(BUSY) from None
    except LoginFailed as failed:
        raise (Farewell if failed.give_up else Refused)(FAILED) from None
    return SUCCEEDED


def _check_state(session: Session) -> None:
    if session.hello is None:
        raise Refused(HELLO_FIRST)
    if session.account is not None:
        raise Refused(ALREADY)
    if session.transaction is not None:
        raise Refused(IN_TRANSACTION)
    if not plaintext_allowed(session.config, session.connection):
        raise Refused(ENCRYPT_FIRST)


def _exchange(session: Session, initial: bytes) -> Exchange:
    """Challenges in 334 replies, and a line for each response (RFC 4954 section 4)."""

    async def ask(challenge: bytes) -> bytes:
        await session.say(Reply(334, "", base64(challenge).decode("ascii")))
        response = await session.stream.line(session.limits.auth_line, endless=ENDLESS)
        if response == b"*":
            raise Refused(CANCELLED)
        return decode_base64(response)

    return Exchange(decode_base64(initial) if initial else None, ask)
