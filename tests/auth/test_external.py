"""EXTERNAL (RFC 4422 appendix A): who comes with a certificate, over real OpenSSL."""

import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL, crypto

from mailnode.auth.login import NotOffered
from mailnode.config import Mailboxes
from mailnode.net.listen import Connection
from mailnode.net.tls import TlsError
from tests.auth.house import ANNA, BEN, House

DAY = timedelta(days=1)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """Issues certificates to people."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._build("Office", self.key, x509.BasicConstraints(ca=True, path_length=0))

    def _build(self, subject: str, key: Any, *extensions: Any, ends_in: timedelta = DAY) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("Office"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * DAY)
            .not_valid_after(now + ends_in)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(
        self,
        *addresses: str,
        usage: Any = ExtendedKeyUsageOID.CLIENT_AUTH,
        ends_in: timedelta = DAY,
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """A certificate that names these addresses, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        found = [x509.RFC822Name(one) for one in addresses]
        names = [x509.SubjectAlternativeName(found)] if found else []
        return self._build(
            "anna@example.org", key, x509.ExtendedKeyUsage([usage]), *names, ends_in=ends_in
        ), key

    def files(self, *addresses: str) -> tuple[bytes, bytes]:
        """The same as PEM."""
        certificate, key = self.issue(*addresses)
        encoding = serialization.Encoding.PEM
        plain = serialization.NoEncryption()
        return (
            certificate.public_bytes(encoding),
            key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain),
        )

    def client(self, *addresses: str, version: int = SSL.TLS1_3_VERSION, **facts: Any) -> SSL.Context:
        """The context of a client with such a certificate."""
        certificate, key = self.issue(*addresses, **facts)
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(version)
        context.use_certificate(crypto.X509.from_cryptography(certificate))
        context.use_privatekey(crypto.PKey.from_cryptography_key(key))
        return context


class External(House):
    """Certificates of people."""

    def setUp(self) -> None:
        super().setUp()
        self.office = Authority()
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.path = os.path.join(folder, "ca.pem")
        with open(self.path, "wb") as file:
            file.write(self.office.certificate.public_bytes(serialization.Encoding.PEM))

    def connect(self, context: SSL.Context | None = None) -> Connection:
        """The handshake never fails for want of a good certificate."""
        return self.encrypted(context, self.server(self.path))[0]

    def offers(self, connection: Connection) -> bool:
        return "EXTERNAL" in self.logins.offered(connection)

    def test_right(self) -> None:
        """The mailbox in the certificate; the authzid is empty or its address; TLS 1.2 and 1.3."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            for authzid in (b"", ANNA.encode(), b"Anna@example.org"):
                connection = self.connect(self.office.client("Anna@Example.org", version=version))
                self.assertTrue(self.offers(connection))
                self.assert_in(self.authenticate("EXTERNAL", initial=authzid, connection=connection))
        connection = self.connect(self.office.client(ANNA))
        self.assert_in(self.authenticate("EXTERNAL", b"", connection=connection))
        self.assertEqual(self.asked, [b""])

    def test_several(self) -> None:
        """A certificate may name several; the first that is a mailbox, unless another is asked for."""
        names = ("anna@elsewhere.example", BEN, ANNA)
        for authzid, address in ((b"", BEN), (ANNA.encode(), ANNA)):
            connection = self.connect(self.office.client(*names))
            self.assert_in(self.authenticate("EXTERNAL", initial=authzid, connection=connection), address)

    def test_wrong_authzid(self) -> None:
        """Nobody acts for another; it counts as a wrong login."""
        connection = self.connect(self.office.client(ANNA))
        for authzid in (BEN.encode(), b"anna@elsewhere.example", b"\xff"):
            self.assert_failed(self.authenticate("EXTERNAL", initial=authzid, connection=connection))
        self.assertEqual(connection.login_failures, 3)

    def test_not_offered(self) -> None:
        """No certificate, one of nobody's here, expired, for servers, of others, without a name."""
        contexts = {
            "none": None,
            "nobody": self.office.client("nobody@example.org"),
            "expired": self.office.client(ANNA, ends_in=-DAY),
            "for servers": self.office.client(ANNA, usage=ExtendedKeyUsageOID.SERVER_AUTH),
            "another authority": Authority().client(ANNA),
            "only a common name": self.office.client(),
        }
        for what, context in contexts.items():
            connection = self.connect(context)
            self.assertFalse(self.offers(connection), what)
            login = self.authenticate("EXTERNAL", initial=b"", connection=connection)
            self.failureResultOf(login, NotOffered)
            self.assert_in(self.password("anna", "Geheimnis", connection))

    def test_not_asked(self) -> None:
        """A listener for other mail servers does not ask, so nothing is known."""
        connection, _ = self.encrypted(self.office.client(ANNA), self.server())
        self.assertFalse(self.offers(connection))

    def test_removed(self) -> None:
        """A mailbox that is gone is not opened by its certificate."""
        connection = self.connect(self.office.client(ANNA))
        self.live.mailboxes = Mailboxes({BEN: self.live.mailboxes.mailboxes[BEN]})
        self.assertFalse(self.offers(connection))

    def test_unreadable_authorities(self) -> None:
        """A file that is no PEM is told with its name."""
        with open(self.path, "wb") as file:
            file.write(b"nothing")
        self.assertRaisesRegex(TlsError, "authorities of clients in .*ca.pem", self.server, self.path)
