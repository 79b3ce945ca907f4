"""What a mechanism may look at to judge a client: the mailboxes of this moment, and its connection."""

import secrets
from collections.abc import Callable
from dataclasses import field
from functools import cached_property
from typing import cast

from twisted.internet.defer import Deferred

from mailnode.auth.live import Live
from mailnode.auth.names import login_address, prepared
from mailnode.auth.tokens import ITokenChecker
from mailnode.auth.verifiers import Verifiers
from mailnode.config import Config, MailboxEntry
from mailnode.net.channel import channel_binding, verified_addresses
from mailnode.net.listen import Connection
from mailnode.values import frozen
from mailnode.wire.scram import Verifier

_NONCE_OCTETS = 24


def plaintext_allowed(config: Config, connection: Connection) -> bool:
    """Whether a password may be sent as it is: under TLS, or from loopback where that is enough."""
    return connection.stream.secure or (config.auth.require_tls == "remote" and connection.loopback)


@frozen
class Person:
    """Who a login name means; `entry` is None where there is no such mailbox."""

    address: str
    entry: MailboxEntry | None = field(repr=False)


class Evidence:
    """Made anew for each question what is offered, and for each login.

    `hear` is called with each address that somebody claims to have, and raises where it is not listened to.
    """

    def __init__(
        self,
        live: Live,
        verifiers: Verifiers,
        tokens: ITokenChecker | None,
        connection: Connection,
        hear: Callable[[str, bytes], None],
    ) -> None:
        self._live = live
        self._verifiers = verifiers
        self._tokens = tokens
        self._connection = connection
        self._hear = hear

    # What there is

    @property
    def private(self) -> bool:
        """Whether the connection is one on which anybody may log in."""
        return plaintext_allowed(self._live.config, self._connection)

    def switched_on(self, mechanism: str) -> bool:
        """Whether the configuration has it."""
        return mechanism in self._live.config.auth.mechanisms

    @property
    def takes_passwords(self) -> bool:
        """Whether a password may be sent as it is, by whatever command."""
        return self.private and (self.switched_on("PLAIN") or self.switched_on("LOGIN"))

    def everybody_has(self, scheme: str) -> bool:
        """Whether each mailbox has a verifier of a scheme of SCRAM."""
        return self._verifiers.complete(scheme)

    def somebody_has_secret(self) -> bool:
        """Whether CRAM-MD5 and APOP can be right for anybody."""
        return any(entry.secret for entry in self._live.mailboxes.mailboxes.values())

    def binds(self, scheme: str) -> bool:
        """Whether the scheme is offered with channel binding on this connection."""
        return self._connection.stream.secure and self.switched_on(f"{scheme}-PLUS")

    @property
    def takes_tokens(self) -> bool:
        """Whether tokens can be checked."""
        return self._tokens is not None and self._tokens.ready

    # Who it may be

    def person(self, username: bytes) -> Person:
        """Who this name means. Raises LoginFailed where nobody of that name is heard from there."""
        address = login_address(self._live, prepared(username))
        self._hear(address, username)
        return Person(address, self._live.mailboxes.mailboxes.get(address))

    def verifier(self, scheme: str, person: Person) -> Verifier:
        """What a proof is checked against; for somebody who is not there, one that nothing proves."""
        return self._verifiers.verifier(scheme, person.address, person.entry)

    def secret(self, person: Person) -> bytes:
        """The shared secret; for somebody without one, a secret that nobody knows."""
        return self._verifiers.secret(person.address, person.entry)

    # The connection

    def binding(self, kind: str) -> bytes | None:
        """The channel binding data of a type; None where this connection has none of it."""
        connection = self._connection.stream.tls_connection()
        return channel_binding(connection, kind) if connection is not None else None

    @cached_property
    def certified(self) -> tuple[str, ...]:
        """The mailboxes that the client's certificate names, if it was verified and these are here."""
        connection = self._connection.stream.tls_connection()
        named = verified_addresses(connection) if connection is not None else ()
        return tuple(one for one in named if one in self._live.mailboxes.mailboxes)

    # What is new each time

    def nonce(self) -> bytes:
        """Printable octets without comma that nobody can foresee."""
        return secrets.token_urlsafe(_NONCE_OCTETS).encode("ascii")

    def timestamp(self) -> bytes:
        """msg-id, as RFC 1939 section 7 and RFC 2195 section 2 ask for: never the same again."""
        return b"<" + self.nonce() + b"@" + self._live.config.hostname.encode("ascii") + b">"

    def token_owner(self, token: str) -> "Deferred[str]":
        """The address that a token was issued for. Errs with InvalidToken."""
        return cast(ITokenChecker, self._tokens).check(token)
