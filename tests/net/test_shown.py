"""mailnode.net.shown: which certificate a client sees, over memory with real OpenSSL."""

import contextlib
import gc
import shutil
import tempfile
import weakref
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.certificates import write_certificates
from mailnode.config import Certificate, Tls
from mailnode.fs import FileSystem
from mailnode.net.channel import channel_binding, verified_addresses
from mailnode.net.shown import covers, names_of, shown, wildcard
from mailnode.net.tls import TlsServer
from mailnode.service_reading import TlsFiles, read_tls, stamp_of

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def shake(server: SSL.Connection, client: SSL.Connection) -> None:
    """Both sides of a handshake, and what the server says behind it."""
    client.set_connect_state()
    server.set_accept_state()
    for _ in range(8):
        for one, other in ((client, server), (server, client)):
            with contextlib.suppress(SSL.WantReadError):
                one.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(65536))
    with contextlib.suppress(SSL.WantReadError):
        client.recv(1)


class ChoiceTests(SynchronousTestCase):
    """Three certificates: two for one host each, one with a wildcard."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        made = [
            write_certificates(str(self.folder / str(number)), name, FileSystem(), NOW)
            for number, name in enumerate(("mail.example.org", "*.example.net", "mx.example.net"))
        ]
        first, *others = (Certificate(one.certificate, one.key) for one in made)
        self.tls = Tls(first.certificate, first.key, further=tuple(others))

    def read(self, **more: Any) -> TlsFiles:
        """What the files hold, with more in [tls]."""
        return read_tls(replace(self.tls, **more), FileSystem())

    def seen(self, context: SSL.Context, name: str, version: int = SSL.TLS1_3_VERSION) -> frozenset[str]:
        """The names in the certificate that a client sees who asks for this one; "" for none."""
        server = TlsServer(context).serverConnectionForTLS(None)  # type: ignore[arg-type]
        client_context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        client_context.set_max_proto_version(version)
        client = SSL.Connection(client_context, None)
        if name:
            client.set_tlsext_host_name(name.encode("latin-1"))
        shake(server, client)
        certificate = client.get_peer_certificate()
        assert certificate is not None
        self.assertEqual(
            channel_binding(server, "tls-server-end-point"),
            bytes.fromhex(certificate.digest("sha256").decode().replace(":", "")),
        )
        return names_of(certificate.to_cryptography()) - {"localhost"}

    def test_names(self) -> None:
        """The certificate of the name, by a wildcard too; the first for others and for none."""
        for context in self.read().contexts:
            for asked, expected in (
                ("mail.example.org", "mail.example.org"),
                ("MX.example.NET", "mx.example.net"),
                ("other.example.net", "*.example.net"),
                ("a.other.example.net", "mail.example.org"),
                ("example.net", "mail.example.org"),
                ("elsewhere.example", "mail.example.org"),
                ("", "mail.example.org"),
                ("\xff\xfe", "mail.example.org"),
                ("*.example.net", "*.example.net"),
                ("x" * 200, "mail.example.org"),
            ):
                for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
                    self.assertEqual(self.seen(context, asked, version), {expected}, asked)

    def test_many_names(self) -> None:
        """T18: names that nobody has cost nothing but their own handshake."""
        (context, _) = self.read().contexts
        self.seen(context, "warm.example")
        gc.collect()
        before = len(gc.get_objects())
        for number in range(50):
            self.seen(context, f"{number}.example")
        gc.collect()
        self.assertLess(len(gc.get_objects()) - before, 50)

    def test_reload_during_handshake(self) -> None:
        """A connection whose contexts were replaced meanwhile goes on with those it began with."""
        server_side = TlsServer(self.read(client_ca=str(self.folder / "0" / "ca.pem")).contexts[1])
        server = server_side.serverConnectionForTLS(None)  # type: ignore[arg-type]
        first = weakref.ref(server_side.context)
        server_side.context = self.read().contexts[1]
        gc.collect()
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.use_certificate_chain_file(self.tls.further[0].certificate)
        context.use_privatekey_file(self.tls.further[0].key)
        client = SSL.Connection(context, None)
        client.set_tlsext_host_name(b"mx.example.net")
        shake(server, client)
        gc.collect()
        self.assertIsNotNone(first())  # OpenSSL calls functions that it holds
        self.assertEqual(server.verified, False)  # asked for, and by another authority
        self.assertEqual(verified_addresses(server), ())

    def resumed(self, context: SSL.Context, again: SSL.Context, version: int) -> bool:
        """Whether a session with one context goes on with another."""
        client_context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        client_context.set_max_proto_version(version)
        session = None
        for one in (context, again):
            server = TlsServer(one).serverConnectionForTLS(None)  # type: ignore[arg-type]
            client = SSL.Connection(client_context, None)
            if session is not None:
                client.set_session(session)
            shake(server, client)
            session = client.get_session()
            client.shutdown()  # or OpenSSL would hold the session for broken
            reused = bool(SSL._lib.SSL_session_reused(client._ssl))
        return reused

    def test_tickets(self) -> None:
        """Other servers may resume sessions where they are given tickets; people never."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            for tickets in (False, True):
                others, people = self.read(tickets=tickets).contexts
                self.assertEqual(self.resumed(others, others, version), tickets)
                self.assertFalse(self.resumed(people, people, version))
                self.assertFalse(self.resumed(others, people, version))

    def test_ends(self) -> None:
        """When each runs out."""
        end = (NOW + timedelta(days=825)).timestamp()
        self.assertEqual(set(self.read().ends.values()), {end})
        self.assertEqual(len(self.read().ends), 3)
        self.assertEqual(read_tls(Tls(), FileSystem()), TlsFiles((), {}, ()))

    def test_stamp(self) -> None:
        """Another file, or another content, is another state."""
        files = FileSystem()
        states = [stamp_of(self.tls, files)]
        for number in range(2):
            key = self.tls.further[number].key
            files.replace(key, files.read(key), mode=0o600)
            states.append(stamp_of(self.tls, files))
        self.assertEqual(len(set(states)), 3)
        self.assertEqual(stamp_of(self.tls, files), states[-1])

    def test_values(self) -> None:
        """Names, and what a name fits."""
        found = shown(Path(self.tls.certificate).read_bytes())
        self.assertEqual(found.names, {"mail.example.org", "localhost"})
        self.assertRaises(ValueError, shown, b"x")
        self.assertEqual((wildcard("a.b.c"), wildcard("localhost"), wildcard("a.")), ("*.b.c", "", ""))
        for names, host, good in (
            ({"a.b"}, "a.b", True),
            ({"*.b.c"}, "a.b.c", True),
            ({"*.c"}, "a.b.c", False),
            (set(), "localhost", False),
        ):
            self.assertEqual(covers(names, host), good, host)
