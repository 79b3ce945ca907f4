"""Authorities and certificates for tests, made on the spot."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Issued:
    """A certificate, its key, and those above it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: tuple["Issued", ...] = ()

    @property
    def chain(self) -> list[X509]:
        """What a server shows: its own first, without the root."""
        shown = (self, *self.above[:-1]) if self.above else (self,)
        return [X509.from_cryptography(one.certificate) for one in shown]

    def selected(self, selector: int) -> bytes:
        """What a TLSA record of the selector speaks of."""
        if selector == 0:
            return self.certificate.public_bytes(Encoding.DER)
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def digest(self, selector: int) -> bytes:
        """Its SHA-256."""
        return sha256(self.selected(selector)).digest()

    def server_context(self) -> SSL.Context:
        """A TLS server with this certificate."""
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        first, *others = self.chain
        context.use_certificate(first)
        context.use_privatekey(PKey.from_cryptography_key(self.key))
        for one in others:
            context.add_extra_chain_cert(one)
        return context


def issue(
    name: str,
    by: Issued | None = None,
    *,
    hosts: Sequence[str] = (),
    authority: bool = False,
    days: tuple[int, int] = (-1, 30),
    uses: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH,),
) -> Issued:
    """A certificate, signed by itself where nobody else does; days count from NOW."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(map(x509.DNSName, hosts)), critical=False)
    if uses and not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    certificate = builder.sign(by.key if by else key, SHA256())
    return Issued(certificate, key, (by, *by.above) if by else ())
