"""The one door for logins over all three protocols: mechanism, throttle, cred, delay, log."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

from twisted.cred.credentials import ICredentials, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.task import deferLater

from mailnode.auth.challenged import apop
from mailnode.auth.checker import LoginBusy
from mailnode.auth.claims import Claim, Password, Wrong
from mailnode.auth.evidence import Evidence, plaintext_allowed
from mailnode.auth.live import Live
from mailnode.auth.mechanisms import MECHANISMS, apop_offered, offered
from mailnode.auth.names import login_address, prepared
from mailnode.auth.realm import IMailAccount, MailAccount
from mailnode.auth.sasl import Exchange
from mailnode.auth.throttle import LoginThrottle, delay
from mailnode.auth.tokens import ITokenChecker
from mailnode.auth.verifiers import Verifiers
from mailnode.events.life import Bus, GuessedAt, LoggedIn, LoginRefused
from mailnode.net.listen import Connection
from mailnode.runtime import Runtime

__all__ = ["LoginFailed", "Logins", "NotOffered", "plaintext_allowed"]


class LoginFailed(Exception):
    """Not let in; nothing tells why. `give_up` says that the connection has tried often enough."""

    def __init__(self, *, give_up: bool) -> None:
        super().__init__("Authentication failed")
        self.give_up = give_up


class NotOffered(Exception):
    """There is no such mechanism on this connection."""


class Logins:
    """Lets people in."""

    def __init__(
        self,
        live: Live,
        runtime: Runtime,
        portal: Portal,
        throttle: LoginThrottle,
        bus: Bus,
        tokens: ITokenChecker | None = None,
    ) -> None:
        self._live = live
        self._runtime = runtime
        self._portal = portal
        self._throttle = throttle
        self._bus = bus
        self._tokens = tokens
        self.verifiers = Verifiers(live)

    # What there is

    def offered(self, connection: Connection) -> tuple[str, ...]:
        """The names of the SASL mechanisms that can be used on this connection now."""
        return offered(self._evidence(connection))

    def takes_passwords(self, connection: Connection) -> bool:
        """Whether PASS, LOGIN and the like are possible: private, and PLAIN or LOGIN is switched on."""
        return self._evidence(connection).takes_passwords

    def greeting_stamp(self, connection: Connection) -> bytes:
        """A timestamp that makes a POP3 greeting offer APOP (RFC 1939 section 7); b"" where it does not."""
        evidence = self._evidence(connection)
        return evidence.timestamp() if apop_offered(evidence) else b""

    # The ways in. All of them raise LoginFailed, after a delay that grows with each failure, and LoginBusy
    # when too many logins wait or this person has too many sessions; some raise BadSyntax.

    async def authenticate(self, mechanism: str, exchange: Exchange, connection: Connection) -> MailAccount:
        """The account that a SASL exchange opens. Raises NotOffered too, and what the exchange raises."""
        if mechanism not in self.offered(connection):
            raise NotOffered
        return await self._let_in(partial(MECHANISMS[mechanism].run, exchange), exchange, connection)

    async def login(self, username: bytes, password: bytes, connection: Connection) -> MailAccount:
        """The account that a name and a password open. Raises NotOffered too."""
        if not self.takes_passwords(connection):
            raise NotOffered

        async def claim(_evidence: Evidence) -> Claim:
            return Password(username, password)

        return await self._let_in(claim, None, connection)

    async def apop(self, argument: bytes, stamp: bytes, connection: Connection) -> MailAccount:
        """The account that POP3's APOP opens, after a greeting with this timestamp."""
        return await self._let_in(partial(apop, argument, stamp), None, connection)

    async def _let_in(
        self,
        claiming: Callable[[Evidence], Awaitable[Claim]],
        exchange: Exchange | None,
        connection: Connection,
    ) -> MailAccount:
        limit = self._live.config.limits.login_failures
        if connection.login_failures >= limit:  # it broke off the last exchange, not to hear that
            raise LoginFailed(give_up=True)
        try:
            claim = await claiming(self._evidence(connection))
            account = await self._account(claim, connection)
        except Wrong as wrong:
            await self._wrong(wrong, exchange, connection)
            raise LoginFailed(give_up=connection.login_failures >= limit) from None
        if not connection.admission.authenticated(account.address):
            self._refused(claim.username, connection, "too many sessions of this user")
            raise LoginBusy
        self._throttle.succeeded(connection.peer, account.address)
        protocol = connection.listener.protocol
        self._bus.publish(LoggedIn(connection.id, account.address, protocol, connection.peer))
        return account

    async def _account(self, claim: Claim, connection: Connection) -> MailAccount:
        """What cred gives for a claim. Raises Wrong, LoginBusy, and LoginFailed for who is not heard."""
        if isinstance(claim, Password):
            self._hear(self._address(claim.username), claim.username, connection)
            credentials: ICredentials = UsernamePassword(claim.username, claim.password)
            attempt = claim.password
        else:
            credentials, attempt = cast(ICredentials, claim), b""
        try:
            _, avatar, _ = await self._portal.login(credentials, None, IMailAccount)
        except UnauthorizedLogin:
            raise Wrong(claim.username, attempt) from None
        except LoginBusy:
            self._refused(claim.username, connection, "too many logins at once")
            raise
        return cast(MailAccount, avatar)

    async def _wrong(self, wrong: Wrong, exchange: Exchange | None, connection: Connection) -> None:
        """Count it, before the client can go away; then let the mechanism have its last word, and wait."""
        connection.login_failures += 1
        address = self._address(wrong.username)
        ours = address in self._live.mailboxes.mailboxes
        failures = self._throttle.failed(connection.peer, address, wrong.attempt, ours=ours)
        self._refused(wrong.username, connection, wrong.reason)
        if ours and self._throttle.alarming(address):
            self._bus.publish(GuessedAt(connection.id, address, connection.peer))
        if wrong.told is not None and exchange is not None:
            await exchange.ask(wrong.told)
        longer = 0 if connection.trusted else failures
        pause = delay(max(connection.login_failures, longer), self._live.config.limits.login_delay)
        await deferLater(self._runtime.clock, pause)

    # What they look at

    def _evidence(self, connection: Connection) -> Evidence:
        hear = partial(self._hear, connection=connection)
        return Evidence(self._live, self.verifiers, self._tokens, connection, hear)

    def _hear(self, address: str, username: bytes, connection: Connection) -> None:
        """Raise LoginFailed where too much went wrong to hear this name from there."""
        if not connection.trusted and self._throttle.blocked(connection.peer, address):
            self._refused(username, connection, "too many failures from this address")
            raise LoginFailed(give_up=True)

    def _address(self, username: bytes) -> str:
        """The name under which failures count; also for what nobody can be called, each by itself."""
        return login_address(self._live, prepared(username)) or username.decode("utf-8", "replace").lower()

    def _refused(self, username: bytes, connection: Connection, reason: str) -> None:
        name = username.decode("utf-8", "backslashreplace")
        self._bus.publish(
            LoginRefused(connection.id, name, connection.listener.protocol, connection.peer, reason)
        )
