"""AUTH (RFC 4954), on submission only."""

import binascii

from mailnode.auth.checker import LoginBusy
from mailnode.auth.login import LoginFailed
from mailnode.auth.sasl import MECHANISMS, NOBODY, AuthzidRefused, Credentials, Mechanism, decode_base64
from mailnode.smtp.outcome import HELLO_FIRST, IN_TRANSACTION, NOT_IMPLEMENTED, Farewell, Refused
from mailnode.smtp.session import Session
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
    mechanism = MECHANISMS.get(name.decode("ascii", "replace").upper())
    if mechanism is None:
        raise Refused(UNKNOWN_MECHANISM)
    try:
        try:
            credentials = await _exchange(session, mechanism(), initial.strip(b" "))
        except AuthzidRefused:
            credentials = NOBODY
        session.account = await session.shared.logins.login(
            credentials.username, credentials.password, session.connection
        )
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
    if not session.submission:
        raise Refused(NOT_IMPLEMENTED)
    if session.hello is None:
        raise Refused(HELLO_FIRST)
    if session.account is not None:
        raise Refused(ALREADY)
    if session.transaction is not None:
        raise Refused(IN_TRANSACTION)
    if not session.offers_auth:
        raise Refused(ENCRYPT_FIRST)


async def _exchange(session: Session, mechanism: Mechanism, initial: bytes) -> Credentials:
    """Challenges and responses, until the mechanism has what it wants."""
    outcome = mechanism.step(decode_base64(initial) if initial else None)
    while not isinstance(outcome, Credentials):
        challenge = binascii.b2a_base64(outcome.data, newline=False).decode("ascii")
        await session.say(Reply(334, "", challenge))
        response = await session.line(session.limits.auth_line)
        if response == b"*":
            raise Refused(CANCELLED)
        outcome = mechanism.step(decode_base64(response))
    return outcome
