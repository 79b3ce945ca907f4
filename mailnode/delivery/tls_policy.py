"""How a connection to a host is to be encrypted, who wants it so, and what came of it.

Pure: the facts come from the DNS, the policy of the domain (MTA-STS) and the configuration.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Literal

from mailnode.config_sending import VERIFYING, Relay
from mailnode.net.identity import Identity, is_usable
from mailnode.net.resolver import Tlsa
from mailnode.values import frozen, replace
from mailnode.wire.mta_sts import StsPolicy

PolicyType = Literal["tlsa", "sts", "no-policy-found"]


class Level(IntEnum):
    """What a connection needs before the envelope may go over it; each one needs what is below it."""

    CLEAR = 0  # no TLS at all
    OPPORTUNISTIC = 1  # TLS where it is offered; clear text where it is not, or the handshake fails
    ENCRYPTED = 2  # TLS, with anybody
    VERIFIED = 3  # TLS, with a server of the right identity


@frozen
class Published:
    """The policy that the domain has published, as reports tell it (RFC 8460 section 4.4)."""

    type: PolicyType
    domain: str
    strings: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


@frozen
class TlsPolicy:
    """How to connect to one host.

    `identity` is what its certificate is held against, None for nothing. Below VERIFIED that is for reports
    only. `published` is None where the configuration decides, and nobody gets a report. `implicit` is TLS
    before the greeting (RFC 8314), and never falls back.
    """

    level: Level
    identity: Identity | None = None
    published: Published | None = None
    implicit: bool = False

    @property
    def needed(self) -> bool:
        """Whether nothing goes in clear."""
        return self.implicit or self.level >= Level.ENCRYPTED

    @property
    def strict(self) -> bool:
        """Whether a server of another identity gets nothing."""
        return self.level is Level.VERIFIED

    def __str__(self) -> str:
        how = _WORDS[self.level]
        if self.identity is not None and self.identity.associations:
            how += " by DANE"
        elif self.identity is not None and self.published is not None and self.published.type == "sts":
            how += " by MTA-STS" if self.strict else " (MTA-STS: testing)"
        return f"{how}, before the greeting" if self.implicit else how


_WORDS = {
    Level.CLEAR: "no TLS",
    Level.OPPORTUNISTIC: "TLS where offered",
    Level.ENCRYPTED: "TLS needed, certificate not verified",
    Level.VERIFIED: "TLS needed, certificate verified",
}


@frozen
class TlsOutcome:
    """How a session with a host went: `result` is "" for good, else a result type (RFC 8460 section 4.3)."""

    published: Published
    host: str
    address: str
    result: str = ""
    local_address: str = ""


def without_policy(domain: str) -> TlsPolicy:
    """TLS where it is offered (RFC 3207, RFC 7435)."""
    return TlsPolicy(Level.OPPORTUNISTIC, published=Published("no-policy-found", domain))


def of_route(relay: Relay) -> TlsPolicy:
    """What the administrator wants."""
    if relay.tls in VERIFYING:
        return TlsPolicy(Level.VERIFIED, Identity((relay.host,)), implicit=relay.tls == "implicit")
    return TlsPolicy(Level.CLEAR if relay.tls == "none" else Level.OPPORTUNISTIC)


def of_route_by_mx(relay: Relay, policy: TlsPolicy, host: str, domain: str, *, proven: bool) -> TlsPolicy:
    """What the administrator wants of a host that the DNS names, where its policy is not as strict already.

    Required is a certificate for the domain, or for the host where that is within the domain or `proven`:
    what the DNS says by itself may be forged.
    """
    if relay.tls == "none":
        return TlsPolicy(Level.CLEAR)
    if relay.tls not in VERIFYING or policy.strict:
        return policy
    names = (host, domain) if proven or host.endswith(f".{domain}") else (domain,)
    return replace(policy, level=Level.VERIFIED, identity=Identity(names))


def of_dane(domain: str, base: str, names: Sequence[str], records: Sequence[Tlsa]) -> TlsPolicy:
    """By the secure TLSA records of a host with the base domain `base` (RFC 7672 section 2.2 and 3).

    Where none of them can be used the server must have TLS all the same. `names` are whose certificate may
    be shown where an authority is named, besides the base domain's.
    """
    usable = tuple(filter(is_usable, records))
    published = Published("tlsa", domain, tuple(map(str, records)), (base,))
    if not usable:
        return TlsPolicy(Level.ENCRYPTED, published=published)
    identity = Identity(tuple(dict.fromkeys((base, *names))), usable)
    return TlsPolicy(Level.VERIFIED, identity, published)


def of_sts(domain: str, host: str, policy: StsPolicy) -> TlsPolicy:
    """By the policy of the domain (RFC 8461 section 4). A host it does not name has no right certificate."""
    published = Published("sts", domain, policy.lines, policy.mx)
    level = Level.VERIFIED if policy.mode == "enforce" else Level.OPPORTUNISTIC
    return TlsPolicy(level, Identity((host,) if policy.names(host) else ()), published)


def requiring_tls(policy: TlsPolicy, host: str, *, proven: bool) -> TlsPolicy | None:
    """The same for a message with REQUIRETLS (RFC 8689 section 4.2.1); None where the host cannot have it.

    `proven` says that DNSSEC proves the host's name, or MTA-STS names it.
    """
    if policy.strict:
        return policy
    if not proven:
        return None
    identity = policy.identity or Identity((host,))
    return replace(policy, level=Level.VERIFIED, identity=identity)
