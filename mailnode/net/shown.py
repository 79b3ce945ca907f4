"""What the server's certificates say: whose names they are for, and until when; and which one a client sees.

A client names the server it wants (SNI, RFC 6066 section 3). It sees the first certificate for that name, by
a wildcard too where none has the name itself, and the first of all where there is none, or where it names
nothing: names are public, so that no answer tells more than a certificate does. Nothing is kept of the names
that were asked for.
"""

from collections.abc import Callable, Iterable, Sequence

from cryptography import x509
from OpenSSL import SSL

from mailnode.values import frozen


@frozen
class Shown:
    """The DNS names of a certificate, in lower case, and when it runs out, in seconds since the epoch.

    None where that is not known.
    """

    names: frozenset[str]
    ends: float | None


def shown(pem: bytes) -> Shown:
    """What the first certificate of a chain says. Raises ValueError."""
    certificate = x509.load_pem_x509_certificate(pem)
    return Shown(names_of(certificate), certificate.not_valid_after_utc.timestamp())


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    """The DNS names among the alternative names; what stands in the subject counts for nothing (RFC 9525)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(name.lower() for name in names.get_values_for_type(x509.DNSName))


def covers(names: Iterable[str], host: str) -> bool:
    """Whether one of the names is the host's; a wildcard stands for one label (RFC 9525 section 6.3)."""
    return bool({host, wildcard(host)} & set(names))


def wildcard(host: str) -> str:
    """The wildcard that a host fits; "" for a name of one label."""
    _, dot, rest = host.partition(".")
    return f"*.{rest}" if dot and rest else ""


def choosing(contexts: Sequence[tuple[SSL.Context, frozenset[str]]]) -> SSL.Context:
    """The first context; a client that names another's host goes on with that one."""
    by_name: dict[str, SSL.Context] = {}
    for context, names in contexts:
        for name in names:
            by_name.setdefault(name, context)
    first = contexts[0][0]
    if len(contexts) > 1:
        first.set_tlsext_servername_callback(_chosen(by_name))
    return first


def _chosen(by_name: dict[str, SSL.Context]) -> Callable[[SSL.Connection], None]:
    def choose(connection: SSL.Connection) -> None:
        asked = (connection.get_servername() or b"").decode("ascii", "replace").lower()
        context = by_name.get(asked) or by_name.get(wildcard(asked))
        if context is not None:
            connection.set_context(context)

    return choose
