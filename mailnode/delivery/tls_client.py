"""The TLS side of a connection to a host, by the policy for it, and what a report is to say of it."""

from collections.abc import Callable

from OpenSSL import SSL
from OpenSSL.crypto import X509Store

from mailnode.delivery.destination import Host
from mailnode.delivery.tls_policy import TlsOutcome, TlsPolicy
from mailnode.net.identity import problem
from mailnode.net.tls import TlsClient


def tls_client(
    host: str,
    policy: TlsPolicy,
    roots: X509Store,
    now: Callable[[], float],
    context: SSL.Context | None = None,
) -> TlsClient:
    """For one connection to the host; with a strict policy it is cut off when the server is another one.

    The name that the server is told is that of its certificate: the TLSA base domain under DANE (RFC 7672
    section 8.1), else the host's.
    """
    identity = policy.identity
    if identity is None:
        return TlsClient(host, context=context)
    name = identity.names[0] if identity.names else host
    return TlsClient(
        name, lambda chain: problem(chain, identity, roots, now()), strict=policy.strict, context=context
    )


def outcome(host: Host, address: str, result: str, *, local_address: str = "") -> TlsOutcome | None:
    """What is to be counted of a session with a host at an address; None where nobody gets a report.

    `result` is "" for good: the `problem` of the TlsClient, or another result type of RFC 8460 section 4.3,
    such as "starttls-not-supported".
    """
    published = host.tls.published
    if published is None:
        return None
    return TlsOutcome(published, host.name, address, result, local_address)
