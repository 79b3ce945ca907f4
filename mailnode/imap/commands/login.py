"""LOGIN (RFC 3501 section 6.2.3)."""

from collections.abc import Awaitable
from dataclasses import field

from twisted.python.failure import Failure

from mailnode.auth.realm import MailAccount
from mailnode.imap.extensions import capabilities
from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.session import Session
from mailnode.store.errors import StoreError
from mailnode.store.furnishing import furnish
from mailnode.values import frozen
from mailnode.wire.imap.cursor import Cursor


@frozen
class Login:
    """A name and a password, not yet looked at."""

    username: bytes
    password: bytes = field(repr=False)


def parse(args: Cursor) -> Login:
    """login = "LOGIN" SP userid SP password  ;  both are astring"""
    login = Login(args.sp().astring(), args.sp().astring())
    args.end()
    return login


async def run(session: Session, login: Login) -> Reply:
    """Only where the password cannot be overheard."""
    require_privacy(session)
    if not session.takes_passwords:
        raise Refused(b"PRIVACYREQUIRED", "Passwords are not taken here; use AUTHENTICATE")
    logins = session.shared.logins
    return await admit(session, logins.login(login.username, login.password, session.connection))


def require_privacy(session: Session) -> None:
    """Raise Refused while the connection is in clear and the peer is not on this machine."""
    if not session.plaintext_allowed:
        raise Refused(b"PRIVACYREQUIRED", "Passwords are taken under TLS only; use STARTTLS")


async def admit(session: Session, login: Awaitable[MailAccount]) -> Reply:
    """Let somebody in; what the session can do now is told at once. Raises what the login raises."""
    session.logged_in(await login)
    store = session.account.store
    try:
        if not store.furnished:
            await session.lane(furnish, store)
    except (OSError, StoreError):  # what can be read can be read all the same
        session.connection.log.bug("folders not made", Failure())
    return ok("Logged in", capabilities(session))
