"""mailnode.net.channel and what is never resumed, over real OpenSSL (vectors T17, T18)."""

import contextlib
import hashlib
import random
import ssl
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from mailnode.net.channel import channel_binding
from mailnode.net.tls import TlsServer
from tests.auth.house import House


def client_context(version: int | None = None) -> SSL.Context:
    """A client's."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if version is not None:
        context.set_max_proto_version(version)
    return context


class Bindings(House):
    """Both ends of a connection know the same, and nobody else does."""

    def test_exporter(self) -> None:
        """RFC 9266: 32 octets that only these two can derive; not before TLS 1.3."""
        connection, peer = self.encrypted()
        ours = connection.stream.tls_connection()
        assert ours is not None
        data = channel_binding(ours, "tls-exporter")
        theirs = peer.connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        self.assertEqual(data, theirs)
        self.assertEqual(len(theirs), 32)
        old = self.encrypted(client_context(SSL.TLS1_2_VERSION))[0].stream.tls_connection()
        assert old is not None
        self.assertIsNone(channel_binding(old, "tls-exporter"))

    def test_unique(self) -> None:
        """RFC 5929 section 3: the client's Finished message; not with TLS 1.3."""
        connection, peer = self.encrypted(client_context(SSL.TLS1_2_VERSION))
        ours = connection.stream.tls_connection()
        assert ours is not None
        data = channel_binding(ours, "tls-unique")
        self.assertEqual(data, peer.connection.get_finished())
        self.assertEqual(len(data or b""), 12)
        new = self.encrypted()[0].stream.tls_connection()
        assert new is not None
        self.assertIsNone(channel_binding(new, "tls-unique"))

    def test_end_point(self) -> None:
        """RFC 5929 section 4: the hash of the certificate that this connection has shown."""
        connection, peer = self.encrypted()
        ours = connection.stream.tls_connection()
        assert ours is not None
        certificate: Any = peer.connection.get_peer_certificate(as_cryptography=True)
        assert isinstance(certificate, x509.Certificate)
        name = getattr(certificate.signature_hash_algorithm, "name", "sha256")
        der = hashlib.new(name, peer_der(certificate)).digest()
        self.assertEqual(channel_binding(ours, "tls-server-end-point"), der)

    def test_others(self) -> None:
        """A type that is not known has no data, nor has a connection in clear."""
        ours = self.encrypted()[0].stream.tls_connection()
        assert ours is not None
        self.assertIsNone(channel_binding(ours, "tls-nonsense"))
        self.assertIsNone(self.connection(secure=False).stream.tls_connection())


def peer_der(certificate: x509.Certificate) -> bytes:
    """The certificate as it went over the wire."""
    return certificate.public_bytes(Encoding.DER)


class NothingIsResumed(House):
    """T17: each connection shakes hands in full."""

    def shaken(self, server: TlsServer, client: ssl.SSLContext, session: Any) -> ssl.SSLObject:
        """A client after its handshake, which has read something, so that it has all tickets there are."""
        ours = server.serverConnectionForTLS(cast(Any, None))
        ours.set_accept_state()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        theirs = client.wrap_bio(incoming, outgoing, session=session)
        for step in (theirs.do_handshake, ours.do_handshake) * 4 + (lambda: ours.send(b"hello"), theirs.read):
            with contextlib.suppress(SSL.WantReadError, ssl.SSLWantReadError):
                step()
            if octets := outgoing.read():
                ours.bio_write(octets)
            with contextlib.suppress(SSL.WantReadError):
                incoming.write(ours.bio_read(65536))
        return theirs

    def test_full_handshakes(self) -> None:
        """Neither TLS 1.2 nor 1.3: a session that a client brings along, of this listener or another."""
        listeners = (self.server(), self.server(self.authority()))
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
            client.maximum_version = version
            for first in listeners:
                session = self.shaken(first, client, None).session
                for second in listeners:
                    again = self.shaken(second, client, session)
                    self.assertEqual(again.version(), version.name.replace("_", "."))
                    self.assertFalse(again.session_reused)


class ServerNames(House):
    """T18: names that a client asks for make nothing grow."""

    def test_one_context(self) -> None:
        """Whatever the name, the certificate is the same, and so is the context."""
        server, chance = self.server(), random.Random(1)
        shown = set()
        for _ in range(20):
            name = chance.randbytes(8).hex().encode() + b".example"
            connection, peer = self.encrypted(client_context(), server, name=name)
            certificate: Any = peer.connection.get_peer_certificate(as_cryptography=True)
            shown.add(certificate.serial_number)
            ours = connection.stream.tls_connection()
            assert ours is not None
            self.assertIs(ours.get_context(), server.context)
        self.assertEqual(len(shown), 1)
