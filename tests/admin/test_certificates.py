"""mailnode.admin.certificates: a certificate of one's own, and a look at the ones in use."""

import os
import shutil
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.certificates import inspect, write_certificates
from mailnode.config import Certificate, Tls
from mailnode.fs import FileSystem

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAME = "mail.example.org"


class Certificates(SynchronousTestCase):
    """Made once for each test in a folder of its own."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.tls = write_certificates(str(self.folder / "tls"), NAME, FileSystem(), NOW)

    def read(self, name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.folder / "tls" / name).read_bytes())

    def inspected(self, *hosts: str, days: int = 1) -> tuple[list[str], list[str]]:
        mistakes, warnings = inspect(self.tls, [*hosts], FileSystem(), NOW + timedelta(days=days))
        return [one.text for one in mistakes], [one.text for one in warnings]

    def test_files(self) -> None:
        """Three files, the key for its owner only; the authority's key is nowhere."""
        self.assertEqual(sorted(os.listdir(self.folder / "tls")), ["ca.pem", "cert.pem", "key.pem"])
        self.assertEqual((self.folder / "tls/key.pem").stat().st_mode & 0o777, 0o600)
        key = load_pem_private_key((self.folder / "tls/key.pem").read_bytes(), None)
        self.assertEqual(key.public_key(), self.read("cert.pem").public_key())
        self.assertNotEqual(key.public_key(), self.read("ca.pem").public_key())

    def test_verifies(self) -> None:
        """A client that trusts ca.pem accepts the certificate for all its names (RFC 5280, RFC 9525)."""
        import ipaddress

        policy = PolicyBuilder().store(Store([self.read("ca.pem")])).time(NOW + timedelta(days=824))
        for name in (NAME, "localhost"):
            policy.build_server_verifier(x509.DNSName(name)).verify(self.read("cert.pem"), [])
        for text in ("127.0.0.1", "::1"):
            subject = x509.IPAddress(ipaddress.ip_address(text))
            policy.build_server_verifier(subject).verify(self.read("cert.pem"), [])
        other = policy.build_server_verifier(x509.DNSName("other.example.org"))
        self.assertRaises(x509.verification.VerificationError, other.verify, self.read("cert.pem"), [])

    def test_lifetimes(self) -> None:
        """Ten years for the authority, 825 days for the certificate, and use as a server only."""
        self.assertEqual(self.read("ca.pem").not_valid_after_utc, NOW + timedelta(days=3650))
        certificate = self.read("cert.pem")
        self.assertEqual(certificate.not_valid_after_utc, NOW + timedelta(days=825))
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        self.assertEqual(list(usage), [ExtendedKeyUsageOID.SERVER_AUTH])

    def test_inspect(self) -> None:
        """A good one gives nothing to say; one that ends, or is for another name, a warning."""
        self.assertEqual(self.inspected(), ([], []))
        self.assertEqual(self.inspected(days=810), ([], ["runs out on 2028-04-06"]))
        self.assertEqual(self.inspected(days=830), ([], ["ran out on 2028-04-06"]))
        self.assertEqual(self.inspected(days=-2), ([], ["is not valid yet"]))
        self.assertEqual(self.inspected(NAME, "mx.example.net"), ([], ["is not for mx.example.net"]))

    def test_further(self) -> None:
        """All certificates together are for the names; what is wrong with a further one is told."""
        other = write_certificates(str(self.folder / "other"), "mx.example.net", FileSystem(), NOW)
        self.tls = replace(self.tls, further=(Certificate(other.certificate, other.key),))
        self.assertEqual(self.inspected(NAME, "mx.example.net"), ([], []))
        self.assertEqual(self.inspected(NAME, "x.y")[1], ["and further ones are not for x.y"])
        self.assertEqual(self.inspected(NAME, days=830)[1], ["ran out on 2028-04-06"] * 2)
        self.tls = replace(self.tls, further=(Certificate(other.certificate, self.tls.key),))
        mistakes, _ = inspect(self.tls, [], FileSystem(), NOW)
        self.assertEqual(
            [(one.file, one.text) for one in mistakes], [(self.tls.key, "belongs to another certificate")]
        )

    def test_wildcard(self) -> None:
        """A wildcard is for one label."""
        self.tls = write_certificates(str(self.folder / "tls"), "*.example.net", FileSystem(), NOW)
        for host, good in (("mx.example.net", True), ("a.mx.example.net", False), ("example.net", False)):
            self.assertEqual(self.inspected(host)[1] == [], good, host)

    def test_mismatch(self) -> None:
        """A key of another certificate is a mistake."""
        other = write_certificates(str(self.folder / "other"), NAME, FileSystem(), NOW)
        self.tls = Tls(self.tls.certificate, other.key)
        self.assertEqual(self.inspected(), (["belongs to another certificate"], []))

    def test_garbage(self) -> None:
        """So is a file that holds something else, or nothing."""
        for content in (b"", b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
            Path(self.tls.key).write_bytes(content)
            self.assertEqual(self.inspected(), (["holds no private key that can be used"], []))
        Path(self.tls.certificate).write_bytes(b"x")
        self.assertEqual(self.inspected(), (["holds no certificate"], []))
        self.tls = Tls()
        self.assertEqual(self.inspected(), ([], []))
