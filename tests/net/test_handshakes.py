"""What the server's TLS context agrees to, and what it does not (vectors T11, T12, T15, T17, T18)."""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.certificates import write_certificates
from mailnode.fs import FileSystem
from mailnode.net.tls import make_context

TLS_1_0, TLS_1_1, TLS_1_2 = b"\x03\x01", b"\x03\x02", b"\x03\x03"
MODERN = b"\xc0\x2b\xc0\x2f\xc0\x2c\xc0\x30"  # ECDHE with AES-GCM
ALERT = b"\x15"
SSL_2_HELLO = b"\x80\x1c\x01\x00\x02\x00\x03\x00\x00\x00\x10\x01\x00\x80" + bytes(16)
REFUSED = {  # T11: hellos that may not be answered by one of ours
    "TLS 1.0": (TLS_1_0, MODERN),
    "TLS 1.1": (TLS_1_1, MODERN),
    "RC4": (TLS_1_2, b"\x00\x05\xc0\x11\xc0\x07"),
    "3DES": (TLS_1_2, b"\x00\x0a\xc0\x12\xc0\x08"),
    "export": (TLS_1_2, b"\x00\x03\x00\x06\x00\x08"),
    "no encryption": (TLS_1_2, b"\x00\x01\x00\x02\x00\x3b\xc0\x10\xc0\x06"),
    "no authentication": (TLS_1_2, b"\x00\x34\x00\x6c\xc0\x18"),
}


def client_hello(version: bytes, suites: bytes) -> bytes:
    """A ClientHello (RFC 5246 section 7.4.1.2) with these cipher suites, and usual groups and signatures."""
    extensions = b"\0\x0a\0\6\0\4\0\x1d\0\x17" + b"\0\x0d\0\x0a\0\x08\4\3\x08\4\4\1\5\3"
    body = version + bytes(32) + b"\0" + len(suites).to_bytes(2, "big") + suites + b"\1\0"
    body += len(extensions).to_bytes(2, "big") + extensions
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16" + TLS_1_0 + len(message).to_bytes(2, "big") + message


class Handshakes(SynchronousTestCase):
    """Client and server over memory."""

    paths: Any = None

    def setUp(self) -> None:
        if Handshakes.paths is None:
            moment = datetime(2026, 1, 1, tzinfo=UTC)
            directory = tempfile.mkdtemp()
            Handshakes.paths = write_certificates(directory, "mx.local.example", FileSystem(), moment)
        self.context = self.new_context()
        self.client_speaks(SSL.TLS1_3_VERSION)

    def client_speaks(self, version: int) -> None:
        """From now on, at most this version."""
        self.client_context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self.client_context.set_max_proto_version(version)

    def new_context(self) -> SSL.Context:
        """As a listener has it."""
        return make_context(self.paths.certificate, self.paths.key)

    def shake(
        self, prepare: Callable[[SSL.Connection], None] = lambda client: None
    ) -> tuple[SSL.Connection, SSL.Connection]:
        """Client and server after the handshake."""
        client, server = SSL.Connection(self.client_context, None), SSL.Connection(self.context, None)
        prepare(client)
        client.set_connect_state()
        server.set_accept_state()
        for _ in range(4):
            for side, other in ((client, server), (server, client)):
                self.step(side.do_handshake)
                self.pass_on(side, other)
        return client, server

    def step(self, action: Callable[[], Any]) -> bytes:
        """Do it as far as it goes with what has come."""
        try:
            return bytes(action() or b"")
        except SSL.WantReadError:
            return b""

    def pass_on(self, side: SSL.Connection, other: SSL.Connection) -> None:
        """What one has written, to the other."""
        if written := self.step(lambda: side.bio_read(65536)):
            other.bio_write(written)

    def test_old(self) -> None:
        """T11: TLS before 1.2, and ciphers that are none, are answered by an alert and nothing else."""
        hellos = {name: client_hello(*hello) for name, hello in REFUSED.items()}
        for name, hello in {**hellos, "SSL 2": SSL_2_HELLO, "no TLS": b"EHLO a.example\r\n"}.items():
            server = SSL.Connection(self.context, None)
            server.set_accept_state()
            server.bio_write(hello)
            self.assertRaises(SSL.Error, server.do_handshake)
            answer = self.step(lambda server=server: server.bio_read(65536))  # type: ignore[misc]
            self.assertIn(answer[:1], (b"", ALERT), name)
            self.assertLess(len(answer), 16, name)

    def test_hello_can_be_answered(self) -> None:
        """The hellos of T11 are well-formed: with good ciphers the same is answered by more than an alert."""
        server = SSL.Connection(self.context, None)
        server.set_accept_state()
        server.bio_write(client_hello(TLS_1_2, MODERN))
        self.assertRaises(SSL.WantReadError, server.do_handshake)
        self.assertEqual(server.bio_read(1), b"\x16")

    def test_renegotiation(self) -> None:
        """T12: a client of TLS 1.2 cannot make the server do the costly part again."""
        self.client_speaks(SSL.TLS1_2_VERSION)
        client, server = self.shake()
        self.assertEqual(client.get_protocol_version_name(), "TLSv1.2")
        client.renegotiate()
        self.step(client.do_handshake)
        self.pass_on(client, server)
        self.step(lambda: server.recv(100))
        self.assertEqual(server.total_renegotiations(), 0)
        self.assertFalse(server.renegotiate_pending())
        answer = self.step(lambda: server.bio_read(65536))
        self.assertEqual(answer[:1], ALERT)

    def test_other_protocols(self) -> None:
        """T15: no protocol is agreed on by ALPN, a browser's least of all."""
        for offered in ([b"h2"], [b"http/1.1"], [b"imap", b"h2"]):
            client, _ = self.shake(lambda client, offered=offered: client.set_alpn_protos(offered))  # type: ignore[misc]
            self.assertEqual(client.get_alpn_proto_negotiated(), b"")

    def test_no_resumption(self) -> None:
        """T17: every handshake is a full one, on the same listener and on another."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            self.client_speaks(version)
            client, server = self.shake()
            server.send(b"220 ")  # with which TLS 1.3 would send its tickets
            self.pass_on(server, client)
            self.assertEqual(client.recv(100), b"220 ")
            session = client.get_session()
            self.assertIsNotNone(session)
            for context in (self.context, self.new_context()):
                self.context = context
                second, _ = self.shake(lambda client, known=session: client.set_session(known))  # type: ignore[misc]
                self.assertFalse(reused(second), version)

    def test_unknown_names(self) -> None:
        """T18: whatever name is asked for, it is the one certificate, and the one context that has it."""
        wanted = None
        for number in range(200):
            name = b"%d.example" % number if number else b"mx.local.example"
            client, server = self.shake(lambda client, name=name: client.set_tlsext_host_name(name))  # type: ignore[misc]
            certificate = client.get_peer_certificate(as_cryptography=True)
            wanted = wanted or certificate
            self.assertEqual(certificate, wanted)
            self.assertIs(server.get_context(), self.context)


def reused(connection: SSL.Connection) -> bool:
    """Whether the handshake was a short one, which pyOpenSSL has no method for."""
    return bool(SSL._lib.SSL_session_reused(connection._ssl))
