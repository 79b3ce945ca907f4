"""How a client begins: TLS with good and bad servers, and the login to a smarthost (vectors T8, T9)."""

import base64
import hashlib
import hmac
import os
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import SSL
from OpenSSL.crypto import X509Store

from mailnode.admin.certificates import write_certificates
from mailnode.config import Tls
from mailnode.delivery.client import NotConnected, connect
from mailnode.delivery.opening import Login, Manner
from mailnode.delivery.outcome import Result, Stage
from mailnode.delivery.tls_policy import Level, TlsPolicy
from mailnode.fs import FileSystem
from mailnode.net.identity import EXPIRED, HOST_MISMATCH, NOT_TRUSTED, Identity
from mailnode.net.resolver import Tlsa
from mailnode.net.tls import TlsError, make_client_context, make_context
from tests.delivery.peers import (
    BARE,
    CUT,
    EHLO,
    ClientTestCase,
    FakeServer,
    Pipe,
    World,
    letter,
)

NAME = "mx.there.example"
START = datetime(1970, 1, 1, tzinfo=UTC)  # when the clock of a test begins
WELCOME, NEEDED, VERIFIED = Level.OPPORTUNISTIC, Level.ENCRYPTED, Level.VERIFIED
OFFER = b"250-there.example\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN\r\n"
PLAIN = b"AUTH PLAIN " + base64.b64encode(b"\0anna\0secret")


def certificates(moment: datetime) -> Tls:
    """A certificate of that time, and its key."""
    return write_certificates(tempfile.mkdtemp(), NAME, FileSystem(), moment)


def authority(pem: Tls) -> str:
    """The file of the authority that signed it."""
    return os.path.join(os.path.dirname(pem.certificate), "ca.pem")


def trusting(path: str) -> X509Store:
    """The authorities in a file."""
    roots = X509Store()
    roots.load_locations(path)
    return roots


class TlsEnd:
    """A fake server's end of TLS."""

    def __init__(self, pipe: Pipe, world: World, context: SSL.Context) -> None:
        self.connection = SSL.Connection(context, None)
        self.connection.set_accept_state()
        self._pipe = pipe
        self._world = world
        pipe.server.secure = True

    def move(self, data: bytes) -> bool:
        """Encrypted octets from the client, and the answers; whether anything moved."""
        if data:
            self.connection.bio_write(data)
        try:
            self.connection.do_handshake()
            plain = self.connection.recv(65536)
        except SSL.Error:
            plain = b""
        if plain:
            for answer in self._pipe.server.receive(plain):
                self.say(answer)
        return self._flush() or bool(data)

    def say(self, octets: bytes) -> None:
        """Encrypted octets for the client."""
        self.connection.send(octets)
        self._flush()

    def _flush(self) -> bool:
        try:
            answer = self.connection.bio_read(65536)
        except SSL.WantReadError:
            return False
        self._pipe.transport.protocol.dataReceived(answer)
        return True


class Scram:
    """A server's side of SCRAM-SHA-256(-PLUS) for anna and "secret"; gives its replies one by one."""

    def __init__(self, bound: bytes = b"") -> None:
        self.bound = bound
        self.first = self.server_first = b""

    def reply(self, line: bytes) -> bytes:
        """The answer to the client's next line."""
        message = base64.b64decode(line.split(b" ")[-1])
        if not self.first:
            self.header, _, self.first = message.partition(b",,")
            nonce = self.first.partition(b"r=")[2]
            self.server_first = b"r=" + nonce + b"MORE,s=" + base64.b64encode(b"salt") + b",i=10"
            return b"334 " + base64.b64encode(self.server_first) + b"\r\n"
        if not message:
            return b"235 2.7.0 Welcome\r\n"
        without, _, proof = message.partition(b",p=")
        salted = hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 10)
        auth = b",".join((self.first, self.server_first, without))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), auth, "sha256")
        wanted = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        binding = base64.b64encode(self.header + b",," + self.bound)
        if base64.b64decode(proof) != wanted or without.split(b",")[0] != b"c=" + binding:
            return b"535 5.7.8 No\r\n"
        last = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), auth, "sha256")
        return b"334 " + base64.b64encode(b"v=" + base64.b64encode(last)) + b"\r\n"


class OpeningTestCase(ClientTestCase):
    """Clients with a context that trusts the servers' authority."""

    pem: Any = None

    def setUp(self) -> None:
        super().setUp()
        if OpeningTestCase.pem is None:
            OpeningTestCase.pem = certificates(START)
        self.roots = trusting(authority(self.pem))

    def tls_world(self, *servers: FakeServer, context: SSL.Context | None = None) -> World:
        """A world whose servers can shake hands."""
        server_context = context or make_context(self.pem.certificate, self.pem.key)
        world = self.world(*servers)
        world.certificates = lambda pipe: TlsEnd(pipe, world, server_context)
        return world

    def manner(self, level: Level, name: str = NAME, *, implicit: bool = False, **facts: Any) -> Manner:
        """With that much TLS, and a certificate for that name."""
        identity = Identity((name,)) if level is not NEEDED else None
        policy = TlsPolicy(level, identity, implicit=implicit)
        return Manner("here.example", tls=policy, roots=self.roots, **facts)


class Encrypted(OpeningTestCase):
    """STARTTLS and TLS from the start."""

    def test_upgrade(self) -> None:
        """RFC 3207 section 4.2: EHLO again; only what is announced inside counts; the facts are told."""
        for level in (WELCOME, VERIFIED):
            world = self.tls_world(FakeServer(EHLO=[OFFER, BARE]))
            (outcome,) = self.delivered(world, letter(), self.manner(level))
            self.assertIs(outcome.result, Result.DELIVERED)
            tls = outcome.peer.tls
            assert tls is not None
            self.assertEqual((tls.version, tls.verified, bool(tls.cipher)), ("TLSv1.3", True, True))
            server = world.server
            self.assertEqual(server.clear.split(b"\r\n")[:2], [b"EHLO here.example", b"STARTTLS"])
            self.assertEqual(server.lines[2:4], [b"EHLO here.example", b"MAIL FROM:<sender@here.example>"])

    def test_octets_in_clear(self) -> None:
        """T8: what came in clear behind 220 ends the session; it is not tried in clear instead."""
        evil = b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n"
        for level in (WELCOME, VERIFIED):
            world = self.tls_world(FakeServer(EHLO=OFFER, STARTTLS=evil))
            verdict = self.not_connected(world, self.manner(level)).verdict
            self.assertEqual((verdict.result, verdict.status), (Result.TEMPORARY, "4.7.0"))
            self.assertEqual(len(world.pipes), 1)
            self.assertFalse(world.pipes[0].transport.connected)
            self.assertNotIn(b"MAIL", world.server.clear)

    def refused(self, world: World, status: str, manner: Manner) -> None:
        """T9: temporary, and not one octet of an envelope in clear."""
        verdict = self.not_connected(world, manner).verdict
        self.assertEqual((verdict.result, verdict.status), (Result.TEMPORARY, status))
        self.assertIs(verdict.stage, Stage.STARTTLS)
        for pipe in world.pipes:
            self.assertNotIn(b"sender", pipe.server.clear)
            self.assertNotIn(b"MAIL", b"".join(pipe.server.lines))

    def test_required(self) -> None:
        """T9: no offer, a refusal, a handshake that fails."""
        required = self.manner(VERIFIED)
        for replies, status in (
            ({"EHLO": EHLO}, "4.7.4"),
            ({"EHLO": OFFER, "STARTTLS": b"454 4.7.0 Not now\r\n"}, "4.7.4"),
            ({"EHLO": b"500 What?\r\n"}, "4.7.4"),
            ({"EHLO": OFFER, "STARTTLS": b"250 Ok\r\n"}, "4.5.0"),
            ({"EHLO": OFFER, "STARTTLS": CUT}, "4.4.2"),
        ):
            self.refused(self.tls_world(FakeServer(**replies)), status, required)  # type: ignore[arg-type]
        world = self.tls_world(FakeServer(EHLO=OFFER, STARTTLS=[b"220 2.0.0 Go on\r\n", b""]))
        running = world.run(connect(self.place(world), required, world.runtime))
        world.pass_time(31)
        verdict = self.failureResultOf(running, NotConnected).value.verdict
        self.assertEqual((verdict.result, verdict.status), (Result.TEMPORARY, "4.7.5"))
        self.assertEqual(len(world.pipes), 1)

    def test_certificates(self) -> None:
        """T9: another name, another authority, another time; told in words."""
        other = trusting(authority(certificates(START)))
        old = certificates(datetime(1951, 1, 1, tzinfo=UTC))
        for roots, server, name, problem in (
            (self.roots, self.pem, "other.example", HOST_MISMATCH),
            (self.roots, self.pem, "192.0.2.1", HOST_MISMATCH),
            (other, self.pem, NAME, NOT_TRUSTED),
            (X509Store(), self.pem, NAME, NOT_TRUSTED),
            (trusting(authority(old)), old, NAME, EXPIRED),
        ):
            server_context = make_context(server.certificate, server.key)
            world = self.tls_world(FakeServer(EHLO=OFFER), context=server_context)
            self.refused(world, "4.7.5", replace(self.manner(VERIFIED, name), roots=roots))
            # Where TLS is only welcome, it is used all the same, and the problem is told.
            world = self.tls_world(FakeServer(EHLO=OFFER), context=server_context)
            manner = replace(self.manner(WELCOME, name), roots=roots)
            (outcome,) = self.delivered(world, letter(), manner)
            assert outcome.peer.tls is not None
            self.assertEqual((outcome.peer.tls.problem, outcome.peer.tls_result), (problem, problem))
            self.assertFalse(outcome.peer.tls.verified)

    def test_dane(self) -> None:
        """DANE decides in place of authorities and names."""
        for data, connected in ((self.public_key_digest(), True), (bytes(32), False)):
            identity = Identity(("other.example",), (Tlsa(3, 1, 1, data),))
            manner = Manner("here.example", tls=TlsPolicy(VERIFIED, identity))
            world = self.tls_world(FakeServer(EHLO=OFFER))
            if connected:
                self.assertIs(self.delivered(world, letter(), manner)[0].result, Result.DELIVERED)
            else:
                self.refused(world, "4.7.5", manner)

    def public_key_digest(self) -> bytes:
        """What a TLSA record 3 1 1 of the server holds."""
        with open(self.pem.certificate, "rb") as file:
            certificate = x509.load_pem_x509_certificate(file.read())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(key).digest()

    def test_anybody(self) -> None:
        """TLS that is needed, with anybody: it proves nothing, and without it nothing is said."""
        world = self.tls_world(FakeServer(EHLO=OFFER))
        (outcome,) = self.delivered(world, letter(), self.manner(NEEDED))
        assert outcome.peer.tls is not None
        self.assertEqual((outcome.peer.tls.verified, outcome.peer.tls_result), (False, ""))
        self.refused(self.tls_world(FakeServer(EHLO=EHLO)), "4.7.4", self.manner(NEEDED))

    def test_requiretls(self) -> None:
        """RFC 8689 section 4.2.1: a server without REQUIRETLS is left before anything is said, for good."""
        offer = b"250-there.example\r\n250 REQUIRETLS\r\n"
        manner = replace(self.manner(VERIFIED), require_tls=True)
        world = self.tls_world(FakeServer(EHLO=[OFFER, offer]))
        self.assertTrue(self.connected(world, manner).usable)
        world = self.tls_world(FakeServer(EHLO=[OFFER, BARE]))
        verdict = self.not_connected(world, manner).verdict
        self.assertEqual((verdict.result, verdict.status), (Result.PERMANENT, "5.7.30"))
        self.assertEqual(world.server.lines[-1], b"QUIT")

    def test_fallback(self) -> None:
        """Where TLS is only welcome: a handshake that fails is followed by a new connection in clear."""
        bad = FakeServer(EHLO=OFFER, STARTTLS=[b"220 2.0.0 Go on\r\n", b""])
        good = FakeServer(EHLO=OFFER)
        world = self.tls_world(bad, good)
        running = world.run(connect(self.place(world), self.manner(WELCOME), world.runtime))
        world.pass_time(31)
        client = self.successResultOf(running)
        (outcome,) = self.successResultOf(world.run(client.deliver(letter())))
        self.assertEqual((outcome.result, outcome.peer.tls), (Result.DELIVERED, None))
        self.assertEqual(outcome.peer.tls_result, "validation-failure")
        self.assertEqual(len(world.pipes), 2)
        self.assertNotIn(b"STARTTLS", good.lines)

    def test_refused_politely(self) -> None:
        """Where TLS is only welcome: 454 to STARTTLS, or no offer, and it goes on in clear."""
        for replies in ({"EHLO": EHLO}, {"EHLO": OFFER, "STARTTLS": b"454 4.7.0 Not now\r\n"}):
            world = self.tls_world(FakeServer(**replies))  # type: ignore[arg-type]
            (outcome,) = self.delivered(world, letter(), self.manner(WELCOME))
            self.assertEqual((outcome.result, outcome.peer.tls), (Result.DELIVERED, None))
            self.assertEqual(outcome.peer.tls_result, "starttls-not-supported")

    def test_implicit(self) -> None:
        """RFC 8314: TLS before the greeting; a server that speaks in clear is none."""
        world = self.tls_world(FakeServer(greeting=b"<tls>", EHLO=EHLO))
        manner = self.manner(VERIFIED, implicit=True)
        running = world.run(connect(self.place(world), manner, world.runtime))
        world.pipes[0].tls.say(b"220 there.example\r\n")
        world.settle()
        client = self.successResultOf(running)
        (outcome,) = self.successResultOf(world.run(client.deliver(letter())))
        self.assertIs(outcome.result, Result.DELIVERED)
        self.assertEqual(world.server.clear, b"")
        for level in (VERIFIED, WELCOME):
            manner = self.manner(level, implicit=True)
            world = self.tls_world(FakeServer())
            self.not_connected(world, manner)
            self.assertEqual(len(world.pipes), 1)

    def test_client_certificate(self) -> None:
        """Shown to a server that asks."""
        asking = make_context(self.pem.certificate, self.pem.key)
        asking.load_verify_locations(authority(self.pem))
        asking.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        with_one = make_client_context(self.pem.certificate, self.pem.key)
        world = self.tls_world(FakeServer(EHLO=OFFER), context=asking)
        manner = replace(self.manner(VERIFIED), context=with_one)
        self.assertIs(self.delivered(world, letter(), manner)[0].result, Result.DELIVERED)
        self.assertIsNotNone(world.pipes[0].tls.connection.get_peer_certificate())

    def test_bad_files(self) -> None:
        """What cannot be read is said."""
        self.assertRaises(TlsError, make_client_context, "/nowhere", "/nowhere")


class LogIn(OpeningTestCase):
    """AUTH (RFC 4954)."""

    LOGIN = Login("anna", "secret")

    def test_plain(self) -> None:
        """With the initial response, under TLS."""
        world = self.tls_world(FakeServer(EHLO=OFFER, AUTH=b"235 2.7.0 Welcome\r\n"))
        self.delivered(world, letter(), self.manner(VERIFIED, login=self.LOGIN))
        self.assertEqual(world.server.lines[3], PLAIN)
        self.assertNotIn(b"AUTH", world.server.clear)

    def test_login(self) -> None:
        """In two steps."""
        offer = b"250-there.example\r\n250-STARTTLS\r\n250 AUTH=LOGIN\r\n"
        name, password = base64.b64encode(b"anna"), base64.b64encode(b"secret")
        replies = {name.decode().upper(): b"334 UGFzc3dvcmQ6\r\n", password.decode().upper(): b"235 Ok\r\n"}
        world = self.tls_world(FakeServer(EHLO=offer, AUTH=b"334 VXNlcm5hbWU6\r\n", **replies))
        self.delivered(world, letter(), self.manner(VERIFIED, login=self.LOGIN))
        self.assertEqual(world.server.lines[3:6], [b"AUTH LOGIN", name, password])

    def scram(self, mechanisms: bytes, scram: Scram) -> World:
        """A world whose server knows that."""
        server = FakeServer(EHLO=b"250-there.example\r\n250-STARTTLS\r\n250 AUTH " + mechanisms + b"\r\n")
        usual = server._command

        def command(line: bytes) -> Any:
            if line.startswith(b"AUTH ") or (scram.first and not line[:4].isalpha()):
                if b"-PLUS" in line:
                    connection = world.pipes[0].tls.connection
                    scram.bound = connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
                server.lines.append(line)
                return iter([scram.reply(line)])
            return usual(line)

        world = self.tls_world(server)
        self.patch(server, "_command", command)
        return world

    def test_scram(self) -> None:
        """RFC 7677, bound to the channel where the server offers that (RFC 9266)."""
        for mechanisms, flag in (
            (b"SCRAM-SHA-256 PLAIN", b"y"),
            (b"SCRAM-SHA-256 SCRAM-SHA-256-PLUS", b"p="),
        ):
            scram = Scram()
            world = self.scram(mechanisms, scram)
            (outcome,) = self.delivered(world, letter(), self.manner(VERIFIED, login=self.LOGIN))
            self.assertIs(outcome.result, Result.DELIVERED)
            self.assertTrue(scram.header.startswith(flag))
            self.assertNotIn(b"secret", b"".join(world.server.lines))

    def test_refused(self) -> None:
        """A login that fails is temporary: mail waits for the administrator. The password does not show."""
        for replies, words in (
            ({"AUTH": b"535 5.7.8 Wrong\r\n"}, "535 5.7.8 Wrong"),
            ({"AUTH": b"334 !!\r\n", "*": b"501 Ok\r\n"}, "base64"),
            ({"AUTH": b"334 bW9yZQ==\r\n", "*": b"501 Ok\r\n"}, "PLAIN has no challenge"),
            ({"EHLO": [OFFER, BARE]}, "no way to log in"),
        ):
            world = self.tls_world(FakeServer(**{"EHLO": OFFER, **replies}))  # type: ignore[arg-type]
            failed = self.not_connected(world, self.manner(VERIFIED, login=self.LOGIN))
            self.assertEqual((failed.verdict.result, failed.verdict.stage), (Result.TEMPORARY, Stage.AUTH))
            self.assertIn(words, failed.verdict.text)
            self.assertNotIn("secret", str(failed))
            self.assertNotIn(b"MAIL", b"".join(world.server.lines))

    def test_never_in_clear(self) -> None:
        """No password without TLS, but on loopback."""
        offer = b"250-there.example\r\n250 AUTH PLAIN\r\n"
        world = self.tls_world(FakeServer(EHLO=offer, AUTH=b"235 Ok\r\n"))
        failed = self.not_connected(world, self.manner(WELCOME, login=self.LOGIN))
        self.assertIs(failed.verdict.stage, Stage.AUTH)
        self.assertNotIn(b"AUTH", world.server.clear)
        world = self.tls_world(FakeServer(EHLO=offer, AUTH=b"235 Ok\r\n"))
        world.address = "127.0.0.1"
        self.delivered(world, letter(), self.manner(Level.CLEAR, login=self.LOGIN))
        self.assertIn(PLAIN, world.server.lines)
