"""The commands of the AUTHORIZATION state: USER, PASS, AUTH, STLS."""

from base64 import b64encode

from mailnode.auth.checker import LoginBusy
from mailnode.auth.login import LoginFailed, plaintext_allowed
from mailnode.auth.sasl import (
    MECHANISMS,
    NOBODY,
    AuthzidRefused,
    Challenge,
    Credentials,
    Mechanism,
    decode_base64,
)
from mailnode.net.tls import TlsServer
from mailnode.pop3.maildrop import open_maildrop
from mailnode.pop3.state import OpenMaildrop, Refused, Session
from mailnode.store.errors import InUse
from mailnode.wire.errors import BadSyntax
from mailnode.wire.pop3 import ok


def passwords_allowed(session: Session) -> bool:
    """Whether USER and AUTH are possible on this connection now."""
    return plaintext_allowed(session.shared.live.config, session.connection)


def tls_offered(session: Session) -> TlsServer | None:
    """What STLS would start; None where it is not possible (RFC 2595 section 4)."""
    offered = session.opened is None and session.connection.listener.tls == "starttls"
    return session.shared.tls if offered and not session.stream.secure else None


def _check_passwords_allowed(session: Session) -> None:
    if not passwords_allowed(session):
        raise Refused("Passwords are not taken in clear here; start TLS first (STLS, or port 995)")


async def user(session: Session, argument: bytes) -> bytes:
    """USER name (RFC 1939 section 7): accepted for every name, so that nobody learns which exist."""
    _check_passwords_allowed(session)
    session.username = argument
    return ok("Now the password")


async def pass_(session: Session, argument: bytes) -> bytes:
    """PASS string (RFC 1939 section 7), right after USER; blanks belong to the password."""
    _check_passwords_allowed(session)
    username, session.username = session.username, None
    if username is None:
        raise Refused("USER comes first")
    return await _log_in(session, username, argument)


async def auth(session: Session, argument: bytes) -> bytes:
    """AUTH mechanism [initial-response] (RFC 5034 section 4, RFC 1734)."""
    _check_passwords_allowed(session)
    name, _, initial = argument.partition(b" ")
    make = MECHANISMS.get(name.decode("ascii", "replace").upper())
    if make is None:
        raise Refused("Unknown mechanism; known: " + " ".join(MECHANISMS))
    try:
        credentials = await _exchange(session, make(), decode_base64(initial) if initial else None)
    except AuthzidRefused:
        credentials = NOBODY
    return await _log_in(session, credentials.username, credentials.password)


async def _exchange(session: Session, mechanism: Mechanism, response: bytes | None) -> Credentials:
    while isinstance(step := mechanism.step(response), Challenge):
        session.stream.write(b"+ " + b64encode(step.data) + b"\r\n")
        line = await session.stream.line(session.limits.auth_line)
        if line == b"*":
            raise BadSyntax("Authentication cancelled")
        response = decode_base64(line)
    return step


async def _log_in(session: Session, username: bytes, password: bytes) -> bytes:
    """Enter the TRANSACTION state; or stay, when the name, the password or the maildrop says no."""
    shared = session.shared
    try:
        account = await shared.logins.login(username, password, session.connection)
    except LoginFailed as failed:
        session.ended = failed.give_up
        raise Refused("Authentication failed", "AUTH") from None
    except LoginBusy:
        raise Refused("Too many logins at once, try again later", "SYS/TEMP") from None
    try:
        maildrop = await account.lane.run(open_maildrop, account.store, shared.sizes)
    except InUse:
        raise Refused("The maildrop is locked by another session", "IN-USE") from None
    session.opened = OpenMaildrop(account, maildrop)
    session.bad_lines = 0
    return ok(f"{len(maildrop.entries)} messages ({maildrop.octets()} octets)")


async def stls(session: Session, argument: bytes) -> bytes:
    """STLS (RFC 2595 section 4). What came in clear behind it closes the connection, unread."""
    tls = tls_offered(session)
    if tls is None:
        raise Refused("TLS is active already" if session.stream.secure else "TLS is not possible here")
    session.stream.write(ok("Begin TLS now"))
    await session.stream.start_tls(tls, timeout=float(session.limits.tls_handshake_timeout))
    return b""
