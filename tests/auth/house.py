"""The real Logins with everything behind them, connections with and without TLS, and scripted clients."""

import os
import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from OpenSSL import SSL
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.protocols import tls
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.certificates import write_certificates
from mailnode.auth.checker import PasswordChecker, ProofChecker
from mailnode.auth.live import Live
from mailnode.auth.login import LoginFailed, Logins
from mailnode.auth.passwords import Hasher
from mailnode.auth.realm import MailAccount, Realm
from mailnode.auth.sasl import Exchange
from mailnode.auth.throttle import LoginThrottle
from mailnode.auth.tokens import ITokenChecker
from mailnode.config import Config, Limits, Listener, MailboxEntry, Mailboxes
from mailnode.config_auth import SAFE, Auth
from mailnode.events.life import Bus, Event
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.net.limits import ConnectionLimits, Gate
from mailnode.net.listen import Connection
from mailnode.net.stream import Stream
from mailnode.net.tls import TlsServer, make_context
from mailnode.runtime import Runtime
from mailnode.wire.scram import HASHES, make_verifier
from tests.net.memory import MemoryTransport, TlsPeer

AUTH = Auth(argon2_memory=8, argon2_time=1, mechanisms=(*SAFE, "CRAM-MD5", "APOP"))
HASHER = Hasher(AUTH)
PASSWORD = "Geheimnis"
ANNA, BEN = "anna@example.org", "ben@example.org"

Answer = bytes | Callable[[bytes], bytes]


def entry(password: str = PASSWORD, *, secret: str = "") -> MailboxEntry:
    """A mailbox with verifiers that cost little."""
    scram = tuple(make_verifier(one, password.encode(), salt=b"salt" * 4, iterations=4096) for one in HASHES)
    return MailboxEntry(HASHER.hash(password), scram=scram, secret=secret)


class House(SynchronousTestCase):
    """Everything behind the door; `asked` are the challenges of the last exchange."""

    tokens: ITokenChecker | None = None
    certificate: Any = None

    def setUp(self) -> None:
        people = {ANNA: entry(secret=PASSWORD), BEN: entry()}
        config = Config("mail.example.org", ("example.org",), auth=AUTH, limits=Limits(login_delay=0))
        self.live = Live(config, Mailboxes(people))
        self.clock = Clock()
        self.clock.advance(1_000_000_000)
        self.runtime = Runtime(self.clock, random.Random(1), InlineExecutor())
        realm = Realm(self.live, self.runtime, FileSystem(), rng=random.Random(1))
        passwords = PasswordChecker(
            self.live, hasher=HASHER, executor=self.runtime.blocking, clock=self.runtime.now
        )
        self.portal = Portal(realm, [passwords, ProofChecker(self.live)])
        self.throttle = LoginThrottle(self.runtime.now, lambda: self.live.config.limits)
        self.events: list[Event] = []
        self.bus = Bus()
        self.bus.subscribe(self.events.append)
        self.gate = Gate(lambda: ConnectionLimits(999, 9999, 999, 999, 999), self.runtime.now)
        self.asked: list[bytes] = []
        self.make_logins()

    def make_logins(self) -> None:
        """Once more, with `tokens`."""
        self.logins = Logins(self.live, self.runtime, self.portal, self.throttle, self.bus, self.tokens)

    def configure(self, **auth: Any) -> None:
        """Change [auth]."""
        self.live.config = replace(self.live.config, auth=replace(self.live.config.auth, **auth))

    # Connections

    def connection(
        self, peer: str = "192.0.2.7", *, secure: bool = True, loopback: bool = False, trusted: bool = False
    ) -> Connection:
        """A new one, under TLS by name only."""
        transport = MemoryTransport()
        stream = Stream(self.clock, opened=lambda _: None)
        transport.protocol = stream
        stream.makeConnection(transport)
        stream.secure = secure
        admission = self.gate.admit(peer, trusted=trusted)
        assert not isinstance(admission, str)
        listener = Listener("imap", "tcp:143")
        return Connection("C", stream, peer, "192.0.2.1", trusted, loopback, listener, admission, Log("test"))

    def server(self, client_ca: str = "") -> TlsServer:
        """TLS with a certificate that is made once."""
        if House.certificate is None:
            moment = datetime(2026, 1, 1, tzinfo=UTC)
            House.certificate = write_certificates(
                tempfile.mkdtemp(), "mail.example.org", FileSystem(), moment
            )
        return TlsServer(make_context(House.certificate.certificate, House.certificate.key, client_ca))

    def authority(self) -> str:
        """The authority of that certificate, a PEM file."""
        self.server()
        return os.path.join(os.path.dirname(House.certificate.key), "ca.pem")

    def encrypted(
        self, context: SSL.Context | None = None, server: TlsServer | None = None, name: bytes = b""
    ) -> tuple[Connection, TlsPeer]:
        """A connection under real TLS, perhaps for a server name, and its other end."""
        self.patch(tls, "_get_default_clock", lambda: self.clock)
        connection = self.connection(secure=False)
        transport: Any = connection.stream.transport
        started = Deferred.fromCoroutine(connection.stream.start_tls(server or self.server(), timeout=15.0))
        peer = TlsPeer(transport, context)
        if name:
            peer.connection.set_tlsext_host_name(name)
        peer.handshake()
        self.successResultOf(started)
        return connection, peer

    # Logging in

    def authenticate(
        self,
        mechanism: str,
        *answers: Answer,
        initial: bytes | None = None,
        connection: Connection | None = None,
    ) -> "Deferred[MailAccount]":
        """Run an exchange; each answer is a response, or makes one of the challenge."""
        self.asked = []
        left = list(answers)

        async def ask(challenge: bytes) -> bytes:
            self.asked.append(challenge)
            answer = left.pop(0)
            return answer if isinstance(answer, bytes) else answer(challenge)

        login = self.logins.authenticate(mechanism, Exchange(initial, ask), connection or self.connection())
        result = Deferred.fromCoroutine(login)
        self.clock.advance(0)
        return result

    def password(
        self, username: str, password: str, connection: Connection | None = None
    ) -> "Deferred[MailAccount]":
        """LOGIN, or USER and PASS."""
        login = self.logins.login(username.encode(), password.encode(), connection or self.connection())
        result = Deferred.fromCoroutine(login)
        self.clock.advance(0)
        return result

    def assert_in(self, login: "Deferred[MailAccount]", address: str = ANNA) -> None:
        """Let in, as that person."""
        self.assertEqual(self.successResultOf(login).address, address)

    def assert_failed(self, login: "Deferred[MailAccount]") -> LoginFailed:
        """Not let in; gives the exception."""
        failed = self.failureResultOf(login, LoginFailed).value
        assert isinstance(failed, LoginFailed)
        return failed
