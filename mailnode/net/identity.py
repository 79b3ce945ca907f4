"""Whether a server is who it should be, by the certificates it has shown: by authorities, or by DANE.

Looked at after the handshake, so that one look serves those who insist and those who only count. The words
for what is wrong are the result types of reports (RFC 8460 section 4.3).
"""

import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256, sha512
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL.crypto import X509, X509Store, X509StoreContext, X509StoreContextError, X509StoreFlags
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address

from mailnode.net.resolver import Tlsa
from mailnode.values import frozen

HOST_MISMATCH = "certificate-host-mismatch"
EXPIRED = "certificate-expired"
NOT_TRUSTED = "certificate-not-trusted"
VALIDATION_FAILURE = "validation-failure"

_DANE_TA, _DANE_EE = 2, 3  # RFC 7218 section 2.1
_OUT_OF_TIME = {9, 10}  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_WRONG_NAMES = (VerificationError, CertificateError, ValueError)


@frozen
class Identity:
    """What a server must show: a certificate for one of the names, or one that fits an association.

    With `associations`, known authorities count for nothing (RFC 7672 section 3.1); `names` are then for
    usage DANE-TA(2) only.
    """

    names: tuple[str, ...]
    associations: tuple[Tlsa, ...] = ()


def system_roots() -> X509Store:
    """The authorities that this machine trusts."""
    store, paths = X509Store(), ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        store.load_locations(paths.cafile, paths.capath)
    return store


def problem(chain: Sequence[X509], expected: Identity, roots: X509Store, now: float) -> str:
    """What is wrong with who showed these certificates, its own first; "" where nothing is.

    `now` is in seconds since the epoch.
    """
    if not chain:
        return VALIDATION_FAILURE
    try:
        if expected.associations:
            return _by_associations(chain, expected, now)
        return _chained(chain, roots, now) or _named(chain[0], expected.names)
    except (ValueError, UnsupportedAlgorithm):  # what cryptography cannot read proves nothing
        return VALIDATION_FAILURE


def is_usable(association: Tlsa) -> bool:
    """Whether the fields of a TLSA record mean something for SMTP (RFC 7672 section 3.1.3; vector N3)."""
    sizes = {0: len(association.data), 1: 32, 2: 64}
    known = association.usage in (_DANE_TA, _DANE_EE) and association.selector in (0, 1)
    if not known or not association.data or sizes.get(association.matching) != len(association.data):
        return False
    return association.matching != 0 or association.selector != 0 or _certificate(association) is not None


# By associations


def _by_associations(chain: Sequence[X509], expected: Identity, now: float) -> str:
    """RFC 7672 section 3.1: neither names nor dates count for usage DANE-EE(3)."""
    if any(one.usage == _DANE_EE and _matches(one, chain[0]) for one in expected.associations):
        return ""
    found = VALIDATION_FAILURE
    for anchor in _anchors(chain, expected.associations):
        store = X509Store()
        store.add_cert(anchor)
        store.set_flags(X509StoreFlags.PARTIAL_CHAIN)
        found = _chained(chain, store, now) or _named(chain[0], expected.names)
        if not found:
            return ""
    return found


def _anchors(chain: Sequence[X509], associations: Sequence[Tlsa]) -> Iterator[X509]:
    """The authorities that associations of usage DANE-TA(2) name, shown by the server or in the record."""
    for one in associations:
        if one.usage == _DANE_TA:
            yield from (shown for shown in chain[1:] if _matches(one, shown))
            if one.matching == 0 and one.selector == 0 and (own := _certificate(one)) is not None:
                yield X509.from_cryptography(own)


def _certificate(association: Tlsa) -> x509.Certificate | None:
    """The certificate that a record holds as a whole, if it can be read."""
    try:
        return x509.load_der_x509_certificate(association.data)
    except (ValueError, UnsupportedAlgorithm):
        return None


def _matches(association: Tlsa, shown: X509) -> bool:
    """RFC 6698 section 2.1: selector and matching type."""
    certificate = shown.to_cryptography()
    if association.selector == 0:
        selected = certificate.public_bytes(Encoding.DER)
    else:
        selected = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digests = {0: selected, 1: sha256(selected).digest(), 2: sha512(selected).digest()}
    return digests.get(association.matching) == association.data


# By authorities


def _chained(chain: Sequence[X509], roots: X509Store, now: float) -> str:
    """Whether the certificates lead to a root, in time, and the first is a server's."""
    roots.set_time(datetime.fromtimestamp(now, UTC))
    try:
        X509StoreContext(roots, chain[0], list(chain[1:])).verify_certificate()
    except X509StoreContextError as error:
        return EXPIRED if error.errors[0] in _OUT_OF_TIME else NOT_TRUSTED
    return "" if _is_servers(chain[0].to_cryptography()) else NOT_TRUSTED


def _is_servers(certificate: x509.Certificate) -> bool:
    """Whether it is for servers: one that does not say what it is for is for all (RFC 5280, 4.2.1.12)."""
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in uses or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in uses


def _named(shown: X509, names: Sequence[str]) -> str:
    """Whether it is for one of the names or addresses (RFC 9525); a wildcard stands for one label."""
    certificate = shown.to_cryptography()
    for name in names:
        try:
            if _is_address(name):
                verify_certificate_ip_address(certificate, name)
            else:
                verify_certificate_hostname(certificate, name)
        except _WRONG_NAMES:
            continue
        return ""
    return HOST_MISMATCH


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
