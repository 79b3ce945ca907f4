"""Logins for tests of the protocols: PLAIN and LOGIN, and whoever the test lets in."""

from typing import Any, cast

from mailnode.auth.evidence import Evidence, plaintext_allowed
from mailnode.auth.live import Live
from mailnode.auth.login import NotOffered
from mailnode.auth.mechanisms import MECHANISMS
from mailnode.auth.sasl import Exchange
from mailnode.config import Config
from mailnode.net.listen import Connection


class PasswordLogins:
    """As much of Logins as sessions see; `login` is the test's."""

    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    live: Live | None = None

    async def login(self, username: bytes, password: bytes, connection: Connection) -> Any:
        """The account, LoginFailed or LoginBusy."""
        raise NotImplementedError

    def takes_passwords(self, connection: Connection) -> bool:
        """Under TLS, or from loopback."""
        return plaintext_allowed(self.live.config if self.live else Config(), connection)

    def offered(self, connection: Connection) -> tuple[str, ...]:
        """The same."""
        return self.mechanisms if self.takes_passwords(connection) else ()

    def greeting_stamp(self, connection: Connection) -> bytes:
        """No APOP."""
        return b""

    async def authenticate(self, mechanism: str, exchange: Exchange, connection: Connection) -> Any:
        """By the real mechanism, then `login`."""
        if mechanism not in self.offered(connection):
            raise NotOffered
        claim = cast(Any, await MECHANISMS[mechanism].run(exchange, cast(Evidence, None)))
        return await self.login(claim.username, claim.password, connection)
