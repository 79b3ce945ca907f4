"""The DNS records that a server wants published, made of its configuration alone.

Mail is not signed here, so there is no record for a key, and the DMARC record asks nobody to refuse mail: a
message that others send on would be lost by it. The policy of MTA-STS and the page for autoconfig are served
by a listener for HTTP, or by another web server; the names that lead there are named all the same.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address

from mailnode.config import Config, Listener
from mailnode.config_rules import endpoint_port, reachable
from mailnode.net.resolver import Kind
from mailnode.values import frozen

PREFERENCE = 10  # of the MX record

# Services of RFC 6186 and RFC 8314 by protocol and tls of a listener. The lower the priority the better, over
# all services of a kind: TLS from the start comes first (RFC 8314 section 5.1), and IMAP before POP3.
_SERVICES = {
    ("submission", "implicit"): ("_submissions._tcp", 0, 465),
    ("submission", "starttls"): ("_submission._tcp", 10, 587),
    ("imap", "implicit"): ("_imaps._tcp", 0, 993),
    ("imap", "starttls"): ("_imap._tcp", 10, 143),
    ("pop3", "implicit"): ("_pop3s._tcp", 20, 995),
    ("pop3", "starttls"): ("_pop3._tcp", 30, 110),
}


@frozen
class DnsRecord:
    """A record as it stands in a zone file; `purpose` is the word for what it is about, such as "SPF"."""

    domain: str  # of the mail, or the hostname for what is said of the server itself
    name: str
    kind: Kind
    value: str
    purpose: str

    @property
    def line(self) -> str:
        """The line of a zone file."""
        return f"{self.name}. IN {self.kind} {self.value}"


def wanted(config: Config, addresses: Sequence[str]) -> Iterator[DnsRecord]:
    """All records, those of the server first; `addresses` are its own, as far as they are known."""
    host = config.hostname
    yield from _of_host(host, addresses, with_spf=host not in config.domains)
    for domain in config.domains:
        yield from _of_domain(domain, host, policy_id(config))
        yield from (service(domain, name, host, *where) for name, *where in services(config.listeners))


def _of_host(host: str, addresses: Sequence[str], *, with_spf: bool) -> Iterator[DnsRecord]:
    for one in addresses:
        kind: Kind = "A" if ip_address(one).version == 4 else "AAAA"
        yield DnsRecord(host, host, kind, one, "address")
    for one in addresses:
        yield DnsRecord(host, ip_address(one).reverse_pointer, "PTR", f"{host}.", "PTR")
    if with_spf:  # reports have no other sender than the name in EHLO (RFC 7208 section 2.4)
        yield DnsRecord(host, host, "TXT", '"v=spf1 a -all"', "SPF")


def _of_domain(domain: str, host: str, id: str) -> Iterator[DnsRecord]:
    contact = f"mailto:postmaster@{domain}"
    yield DnsRecord(domain, domain, "MX", f"{PREFERENCE} {host}.", "MX")
    yield DnsRecord(domain, domain, "TXT", '"v=spf1 mx -all"', "SPF")
    yield DnsRecord(domain, f"_dmarc.{domain}", "TXT", f'"v=DMARC1; p=none; rua={contact}"', "DMARC")
    yield DnsRecord(domain, f"_mta-sts.{domain}", "TXT", f'"v=STSv1; id={id}"', "MTA-STS")
    yield DnsRecord(domain, f"mta-sts.{domain}", "CNAME", f"{host}.", "MTA-STS")
    yield DnsRecord(domain, f"_smtp._tls.{domain}", "TXT", f'"v=TLSRPTv1; rua={contact}"', "TLSRPT")
    yield DnsRecord(domain, f"autoconfig.{domain}", "CNAME", f"{host}.", "autoconfig")


def policy_id(config: Config) -> str:
    """What tells a policy of MTA-STS from another one (RFC 8461 section 3.1)."""
    lines = config.mta_sts.policy(config.hostname).lines
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def services(listeners: Iterable[Listener]) -> list[tuple[str, int, int]]:
    """Each service for mail programs with its priority and port; port 0 where nobody serves it.

    A listener on this machine only serves nobody else. Of several the first counts. Of sockets that systemd
    opens only systemd knows the port: it is taken to be the usual one.
    """
    found: dict[tuple[str, str], int] = {}
    for listener in listeners:
        kind = listener.protocol, listener.tls
        if kind in _SERVICES and listener.endpoint.startswith("systemd:"):
            found.setdefault(kind, _SERVICES[kind][2])
        elif reachable(listener.endpoint):
            found.setdefault(kind, endpoint_port(listener.endpoint))
    return [(name, priority, found.get(kind, 0)) for kind, (name, priority, _) in _SERVICES.items()]


def service(domain: str, name: str, host: str, priority: int, port: int) -> DnsRecord:
    """The SRV record of a service; one that is not there says so (RFC 2782)."""
    value = f"{priority} 1 {port} {host}." if port else "0 0 0 ."
    return DnsRecord(domain, f"{name}.{domain}", "SRV", value, "SRV")
