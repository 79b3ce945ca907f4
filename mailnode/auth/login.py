"""The one door for logins over all three protocols: throttle, cred, delay, log."""

from typing import cast

from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.task import deferLater

from mailnode.auth.checker import LoginBusy
from mailnode.auth.live import Live
from mailnode.auth.realm import IMailAccount, MailAccount
from mailnode.auth.throttle import LoginThrottle, delay
from mailnode.config import Config
from mailnode.events.life import Bus, LoggedIn, LoginRefused
from mailnode.net.listen import Connection
from mailnode.runtime import Runtime


class LoginFailed(Exception):
    """Not let in; nothing tells why. `give_up` says that the connection has tried often enough."""

    def __init__(self, *, give_up: bool) -> None:
        super().__init__("Authentication failed")
        self.give_up = give_up


def plaintext_allowed(config: Config, connection: Connection) -> bool:
    """Whether a password may be sent as it is: under TLS, or from loopback where that is enough."""
    return connection.stream.secure or (config.auth.require_tls == "remote" and connection.loopback)


class Logins:
    """Lets people in."""

    def __init__(
        self, live: Live, runtime: Runtime, portal: Portal, throttle: LoginThrottle, bus: Bus
    ) -> None:
        self._live = live
        self._runtime = runtime
        self._portal = portal
        self._throttle = throttle
        self._bus = bus

    async def login(self, username: bytes, password: bytes, connection: Connection) -> MailAccount:
        """The account these credentials open.

        Raises LoginFailed after a delay that grows with each failure of the connection, and LoginBusy when
        too many logins wait or this person has too many sessions.
        """
        if not connection.trusted and self._throttle.blocked(connection.peer):
            self._refused(username, connection, "too many failures from this address")
            raise LoginFailed(give_up=True)
        try:
            _, avatar, _ = await self._portal.login(UsernamePassword(username, password), None, IMailAccount)
        except UnauthorizedLogin:
            await self._wrong(username, password, connection)
            raise LoginFailed(
                give_up=connection.login_failures >= self._live.config.limits.login_failures
            ) from None
        except LoginBusy:
            self._refused(username, connection, "too many logins at once")
            raise
        account = cast(MailAccount, avatar)
        if not connection.admission.authenticated(account.address):
            self._refused(username, connection, "too many sessions of this user")
            raise LoginBusy
        self._throttle.succeeded(connection.peer, username)
        self._bus.publish(
            LoggedIn(connection.id, account.address, connection.listener.protocol, connection.peer)
        )
        return account

    async def _wrong(self, username: bytes, password: bytes, connection: Connection) -> None:
        connection.login_failures += 1
        if not connection.trusted:
            self._throttle.failed(connection.peer, username, password)
        self._refused(username, connection, "wrong name or password")
        pause = delay(connection.login_failures, self._live.config.limits.login_delay)
        await deferLater(self._runtime.clock, pause)

    def _refused(self, username: bytes, connection: Connection, reason: str) -> None:
        name = username.decode("utf-8", "backslashreplace")
        self._bus.publish(
            LoginRefused(connection.id, name, connection.listener.protocol, connection.peer, reason)
        )
