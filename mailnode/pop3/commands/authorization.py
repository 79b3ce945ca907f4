"""The commands of the AUTHORIZATION state: USER, PASS, APOP, AUTH, STLS."""

from collections.abc import Awaitable
from functools import partial

from mailnode.auth.checker import LoginBusy
from mailnode.auth.login import LoginFailed, NotOffered, plaintext_allowed
from mailnode.auth.realm import MailAccount
from mailnode.auth.sasl import Exchange, decode_base64
from mailnode.net.tls import TlsServer
from mailnode.pop3.ahead import Ahead
from mailnode.pop3.maildrop import open_maildrop
from mailnode.pop3.state import OpenMaildrop, Refused, Session
from mailnode.store.errors import InUse
from mailnode.wire.base64 import base64
from mailnode.wire.errors import BadSyntax
from mailnode.wire.pop3 import ok


def passwords_allowed(session: Session) -> bool:
    """Whether USER is possible on this connection now."""
    return session.shared.logins.takes_passwords(session.connection)


def tls_offered(session: Session) -> TlsServer | None:
    """What STLS would start; None where it is not possible (RFC 2595 section 4)."""
    offered = session.opened is None and session.connection.listener.tls == "starttls"
    return session.shared.tls if offered and not session.stream.secure else None


def _check_privacy(session: Session) -> None:
    if not plaintext_allowed(session.shared.live.config, session.connection):
        raise Refused("Passwords are not taken in clear here; start TLS first (STLS, or port 995)")


def _check_passwords_allowed(session: Session) -> None:
    _check_privacy(session)
    if not passwords_allowed(session):
        raise Refused("Passwords are not taken here; use AUTH")


async def user(session: Session, argument: bytes) -> bytes:
    """USER name (RFC 1939 section 7): accepted for every name, so that nobody learns which exist."""
    _check_passwords_allowed(session)
    session.username = argument
    return ok(session.say("Now the password"))


async def pass_(session: Session, argument: bytes) -> bytes:
    """PASS string (RFC 1939 section 7), right after USER; blanks belong to the password."""
    _check_passwords_allowed(session)
    username, session.username = session.username, None
    if username is None:
        raise Refused("USER comes first")
    logins = session.shared.logins
    return await _log_in(session, logins.login(username, argument, session.connection))


async def apop(session: Session, argument: bytes) -> bytes:
    """APOP name digest (RFC 1939 section 7), where the greeting offered it."""
    if not session.stamp:
        raise BadSyntax("Unknown command")
    logins = session.shared.logins
    return await _log_in(session, logins.apop(argument, session.stamp, session.connection))


async def auth(session: Session, argument: bytes) -> bytes:
    """AUTH mechanism [initial-response] (RFC 5034 section 4, RFC 1734)."""
    _check_privacy(session)
    name, _, initial = argument.partition(b" ")
    exchange = _exchange(session, decode_base64(initial) if initial else None)
    mechanism = name.decode("ascii", "replace").upper()
    logins = session.shared.logins
    try:
        return await _log_in(session, logins.authenticate(mechanism, exchange, session.connection))
    except NotOffered:
        raise Refused("Unknown mechanism; known: {}", "", " ".join(session.mechanisms)) from None


def _exchange(session: Session, initial: bytes | None) -> Exchange:
    """Challenges behind "+ ", and a line for each response (RFC 5034 section 4)."""

    async def ask(challenge: bytes) -> bytes:
        session.stream.write(b"+ " + base64(challenge) + b"\r\n")
        line = await session.stream.line(session.limits.auth_line)
        if line == b"*":
            raise BadSyntax("Authentication cancelled")
        return decode_base64(line)

    return Exchange(initial, ask)


async def _log_in(session: Session, login: Awaitable[MailAccount]) -> bytes:
    """Enter the TRANSACTION state; or stay, when the name, the password or the maildrop says no."""
    shared = session.shared
    try:
        account = await login
    except LoginFailed as failed:
        session.ended = failed.give_up
        raise Refused("Authentication failed", "AUTH") from None
    except LoginBusy:
        raise Refused("Too many logins at once, try again later", "SYS/TEMP") from None
    _check_pace(session, account.address)
    try:
        opening = partial(open_maildrop, account.store, shared.views, utf8=session.utf8)
        maildrop = await account.lane.run(partial(opening, shared=shared.live.config.pop3.lock == "shared"))
    except InUse:
        raise Refused("The maildrop is locked by another session", "IN-USE") from None
    shared.last_login[account.address] = shared.runtime.now()
    session.opened = OpenMaildrop(account, maildrop, Ahead())
    session.bad_lines = 0
    return ok(session.count(len(maildrop.entries), maildrop.octets()))


def _check_pace(session: Session, address: str) -> None:
    """Refuse a login that comes too soon after the last one to the mailbox (RFC 2449 section 6.5).

    A clock that was set back refuses nobody for longer than the delay.
    """
    last = session.shared.last_login.get(address)
    delay = session.limits.pop3_login_delay
    if last is not None and 0 <= session.shared.runtime.now() - last < delay:
        raise Refused("Too soon after the last login; {} seconds must pass", "LOGIN-DELAY", delay)


async def stls(session: Session, argument: bytes) -> bytes:
    """STLS (RFC 2595 section 4). What came in clear behind it closes the connection, unread."""
    tls = tls_offered(session)
    if tls is None:
        raise Refused("TLS is active already" if session.stream.secure else "TLS is not possible here")
    if session.utf8:
        raise Refused("STLS comes before UTF8")
    session.stream.write(ok(session.say("Begin TLS now")))
    await session.stream.start_tls(tls, timeout=float(session.limits.tls_handshake_timeout))
    return b""
