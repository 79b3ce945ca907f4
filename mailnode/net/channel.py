"""What TLS knows about the peer: channel bindings (RFC 5929, RFC 9266), and its certificate."""

from collections.abc import Callable, Mapping

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

_EXPORTER_OCTETS = 32
_WEAK = ("md5", "sha1")


def channel_binding(connection: SSL.Connection, kind: str) -> bytes | None:
    """The data of a channel binding type, None where the connection has none of it."""
    make = _BINDINGS.get(kind)
    return make(connection) if make else None


def _exporter(connection: SSL.Connection) -> bytes | None:
    """tls-exporter (RFC 9266 section 2); not before TLS 1.3, where session hashes would be needed."""
    if connection.get_protocol_version() < SSL.TLS1_3_VERSION:
        return None
    return connection.export_keying_material(b"EXPORTER-Channel-Binding", _EXPORTER_OCTETS, b"")


def _unique(connection: SSL.Connection) -> bytes | None:
    """tls-unique (RFC 5929 section 3): the first Finished, the client's, as nothing is resumed."""
    if connection.get_protocol_version() >= SSL.TLS1_3_VERSION:  # RFC 9266 section 3: not defined
        return None
    return connection.get_peer_finished()


def _end_point(connection: SSL.Connection) -> bytes | None:
    """tls-server-end-point (RFC 5929 section 4): our certificate, by its signature's hash function."""
    certificate = connection.get_certificate()
    algorithm = certificate.to_cryptography().signature_hash_algorithm if certificate else None
    if certificate is None or algorithm is None:
        return None
    if algorithm.name in _WEAK:
        algorithm = hashes.SHA256()
    return certificate.to_cryptography().fingerprint(algorithm)


_BINDINGS: Mapping[str, Callable[[SSL.Connection], bytes | None]] = {
    "tls-exporter": _exporter,
    "tls-unique": _unique,
    "tls-server-end-point": _end_point,
}


class ServerConnection(SSL.Connection):
    """OpenSSL's side of a connection, which knows what came of looking at the client's certificate."""

    verified: bool | None = None  # None where the client was not asked, or has none
    begun_with: SSL.Context | None = None  # kept as long as OpenSSL may call back into it, whatever SNI chose


def note(connection: SSL.Connection, _certificate: object, _error: int, _depth: int, good: int) -> bool:
    """OpenSSL's: what it thinks of one certificate of the client's chain. The handshake goes on."""
    assert isinstance(connection, ServerConnection)
    connection.verified = bool(good) and connection.verified is not False
    return True


def verified_addresses(connection: SSL.Connection) -> tuple[str, ...]:
    """The mail addresses (rfc822Name) in the client's certificate, lower case; none if it is not good."""
    certificate = connection.get_peer_certificate()
    if certificate is None or not isinstance(connection, ServerConnection) or not connection.verified:
        return ()
    try:
        names = certificate.to_cryptography().extensions.get_extension_for_class(x509.SubjectAlternativeName)
        found = names.value.get_values_for_type(x509.RFC822Name)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(name.lower() for name in found if name.isascii())
