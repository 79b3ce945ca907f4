"""A certificate authority and server certificate of one's own, and a look at the ones in use.

They are for trying things out and for offices without a public name; a public server gets its certificate
from a public authority. The authority's private key is thrown away as soon as it has signed: whoever trusts
ca.pem trusts exactly one certificate by it.
"""

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mailnode.config import Certificate, Tls
from mailnode.fs import FileSystem
from mailnode.net.shown import covers, names_of
from mailnode.tomlfile import Mistake
from mailnode.upkeep.certificate_files import key_of

_AUTHORITY_DAYS = 3650
_SERVER_DAYS = 825  # what Apple's systems accept at most
_SOON = timedelta(days=21)

NO_CERTIFICATE = "holds no certificate"
NO_KEY = "holds no private key that can be used"
RENEW = "Renew it: a running server takes it within a minute."


def write_certificates(directory: str, hostname: str, files: FileSystem, now: datetime) -> Tls:
    """Make ca.pem, cert.pem and key.pem in a directory; what has these names is replaced."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _authority(authority_key, hostname, now)
    certificate = _server(key, hostname, authority, authority_key, now)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files.make_directories(directory)
    paths = {name: os.path.join(directory, name) for name in ("ca.pem", "cert.pem", "key.pem")}
    files.replace(paths["key.pem"], secret, mode=0o600)
    files.replace(paths["cert.pem"], certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    files.replace(paths["ca.pem"], authority.public_bytes(serialization.Encoding.PEM), mode=0o644)
    return Tls(paths["cert.pem"], paths["key.pem"])


def _authority(key: ec.EllipticCurvePrivateKey, hostname: str, now: datetime) -> x509.Certificate:
    name = _name(f"mailnode authority of {hostname}")
    builder = _dated(name, name, key, now, _AUTHORITY_DAYS)
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey,
    hostname: str,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    names: list[x509.GeneralName] = [x509.DNSName(hostname), x509.DNSName("localhost")]
    names += [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    builder = _dated(_name(hostname), authority.subject, key, now, _SERVER_DAYS)
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _dated(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks of clients differ
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


# Looking at the ones in use


def inspect(
    tls: Tls, hosts: Sequence[str], files: FileSystem, now: datetime
) -> tuple[list[Mistake], list[Mistake]]:
    """Mistakes and warnings about the configured certificates and keys; none where none are configured.

    `hosts` are the names by which clients ask for this server.
    """
    mistakes, warnings = [], []
    covered: set[str] = set()
    for pair in tls.certificates:
        certificate, mistake = _looked_at(pair, files)
        if mistake is not None:
            mistakes.append(mistake)
        if certificate is not None:
            covered |= names_of(certificate)
            doubts = _doubts(certificate, now.astimezone(UTC))
            warnings += [Mistake(pair.certificate, 1, "", text, remedy) for text, remedy in doubts]
    if not tls.certificates or any(one.text in (NO_CERTIFICATE, NO_KEY) for one in mistakes):
        return mistakes, []
    mistakes = [*_authorities(tls.client_ca, files), *mistakes]
    missing = ", ".join(host for host in hosts if not covers(covered, host))
    if missing and len(tls.certificates) == 1:
        remedy = "Get one whose names include it, or name a further one in [tls]."
        warnings.append(Mistake(tls.certificate, 1, "", f"is not for {missing}", remedy))
    elif missing:
        remedy = "Get one whose names include it, and name it under further in [tls]."
        warnings.append(Mistake(tls.certificate, 1, "", f"and further ones are not for {missing}", remedy))
    return mistakes, warnings


def _looked_at(pair: Certificate, files: FileSystem) -> tuple[x509.Certificate | None, Mistake | None]:
    """The certificate, as far as it can be read, and what is wrong with it and its key."""
    try:
        certificate = x509.load_pem_x509_certificate(_read(pair.certificate, files))
    except (OSError, ValueError):
        remedy = "Put a PEM certificate there, the server's own first."
        return None, Mistake(pair.certificate, 1, "", NO_CERTIFICATE, remedy)
    try:
        key = serialization.load_pem_private_key(_read(key_of(pair, files), files), password=None)
    except (OSError, ValueError, TypeError):
        remedy = "Put the PEM private key there, without a passphrase."
        return certificate, Mistake(pair.key, 1, "", NO_KEY, remedy)
    if key.public_key() != certificate.public_key():
        remedy = f"Put the key there that belongs to {pair.certificate}."
        return certificate, Mistake(pair.key, 1, "", "belongs to another certificate", remedy)
    return certificate, None


def _authorities(path: str, files: FileSystem) -> list[Mistake]:
    """What is wrong with the authorities of clients."""
    try:
        if path:
            x509.load_pem_x509_certificates(_read(path, files))
    except (OSError, ValueError):
        remedy = "Put the PEM certificates of the authorities there."
        return [Mistake(path, 1, "", NO_CERTIFICATE, remedy)]
    return []


def _read(path: str, files: FileSystem) -> bytes:
    return files.read(os.path.realpath(path))


def _doubts(certificate: x509.Certificate, now: datetime) -> list[tuple[str, str]]:
    """What mail clients will complain about, whatever their names for it: a text and a remedy each."""
    end = certificate.not_valid_after_utc
    if now < certificate.not_valid_before_utc:
        return [("is not valid yet", "Check the clock of this machine.")]
    if now > end:
        return [(f"ran out on {end:%Y-%m-%d}", RENEW)]
    if end - now < _SOON:
        return [(f"runs out on {end:%Y-%m-%d}", RENEW)]
    return []
