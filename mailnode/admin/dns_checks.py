"""What the DNS says of this server, held against what it should say.

Nobody is asked but the DNS. What is there already may be otherwise than this server would write it, and good
all the same: a record is held against what it is for. So SPF is not compared but asked whether it lets this
server send.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL.crypto import X509, X509Store

from mailnode.admin.dns_records import DnsRecord, policy_id, services, wanted
from mailnode.admin.findings import Finding, good, warning, wrong
from mailnode.checks.spf import Spf
from mailnode.config import Config
from mailnode.config_sending import EVERYTHING_ELSE
from mailnode.fs import FileSystem
from mailnode.net.identity import Identity, is_usable, problem
from mailnode.net.reach import is_public
from mailnode.net.resolver import Answer, Kind, LookupFailed, NoAnswer, Resolver
from mailnode.runtime import Runtime
from mailnode.values import frozen
from mailnode.wire.address import Address
from mailnode.wire.mta_sts import parse_record
from mailnode.wire.spf import is_record as is_spf

_AGAIN = "Ask again later; if it stays so, look at [dns] in the configuration and at that zone's servers."


@frozen
class DnsLook:
    """What was found: the addresses of the server, and a finding for each thing."""

    addresses: tuple[str, ...]
    findings: tuple[Finding, ...]


def own_chain(config: Config, files: FileSystem) -> list[X509]:
    """The certificates that the server shows; none where they cannot be read."""
    try:
        data = files.read(os.path.realpath(config.tls.certificate)) if config.tls.certificate else b""
        return [X509.from_cryptography(one) for one in x509.load_pem_x509_certificates(data)]
    except (OSError, ValueError):
        return []


async def look(
    config: Config,
    chain: Sequence[X509],
    resolver: Resolver,
    runtime: Runtime,
    *,
    domains: Sequence[str] = (),
) -> DnsLook:
    """Ask the DNS about the server, which shows this chain, and its domains, or only these of them."""
    checks = _Checks(config, chain, resolver, runtime)
    try:
        addresses = await checks.addresses()
    except LookupFailed as failure:
        remedy = (
            "Look at [dns] in the configuration, or at /etc/resolv.conf; without the DNS no mail goes out."
        )
        return DnsLook((), (wrong("DNS", str(failure), remedy),))
    findings = [await checks.host(addresses), *[await checks.reverse(one) for one in addresses]]
    findings += await checks.dane()
    for domain in domains or config.domains:
        for check in (checks.mx, checks.spf, checks.dmarc, checks.sts, checks.tls_reports, checks.services):
            findings.append(await _tried(check, domain))
    return DnsLook(tuple(addresses), tuple(findings))


async def _tried(check: Callable[[str], Awaitable[Finding]], domain: str) -> Finding:
    try:
        return await check(domain)
    except LookupFailed as failure:
        return warning(f"DNS of {domain}", f"nobody could say: {failure}", _AGAIN)


class _Checks:
    def __init__(self, config: Config, chain: Sequence[X509], resolver: Resolver, runtime: Runtime) -> None:
        self._host = config.hostname
        self._chain = chain
        self._now = runtime.now
        self._config = config
        self._resolver = resolver
        self._spf = Spf(runtime, resolver)
        self._addresses: Sequence[str] = ()
        relay = config.routes.get(EVERYTHING_ELSE)
        self._relay = relay.host if relay else ""

    async def _ask(self, name: str, kind: Kind) -> Answer | None:
        """The answer, or None where there is nothing. Raises LookupFailed."""
        try:
            return await self._resolver.query(name, kind)
        except NoAnswer:
            return None

    async def _texts(self, name: str) -> tuple[str, ...]:
        answer = await self._ask(name, "TXT")
        return answer.texts if answer else ()

    def _publish(self, domain: str, purpose: str) -> str:
        return publish(
            [one for one in wanted(self._config, ()) if (one.domain, one.purpose) == (domain, purpose)]
        )

    # The server

    async def addresses(self) -> list[str]:
        """Those of the hostname. Raises LookupFailed where nobody could say whether there are any."""
        found: list[str] = []
        for kind in ("A", "AAAA"):
            answer = await self._ask(self._host, kind)
            found += answer.texts if answer else ()
        self._addresses = found
        return found

    async def host(self, addresses: Sequence[str]) -> Finding:
        """Whether other servers find this one by its name."""
        topic = f"address of {self._host}"
        if not addresses:
            return wrong(
                topic, "there is none", f"Publish: {self._host}. IN A (the public address of this machine)"
            )
        private = [one for one in addresses if not is_public(one)]
        if private:
            text = f"{', '.join(private)} cannot be reached from the Internet"
            return warning(topic, text, "Publish the public address, if mail is to come from elsewhere.")
        return good(topic, ", ".join(addresses))

    async def reverse(self, address: str) -> Finding:
        """Whether the address leads back to the name (PTR); many servers take no mail otherwise."""
        topic = f"PTR of {address}"
        if not is_public(address):
            return good(topic, "none is needed for a private address")
        remedy = f"Have whoever gave you {address} set its reverse name to {self._host}."
        try:
            answer = await self._ask(ip_address(address).reverse_pointer, "PTR")
        except LookupFailed as failure:
            return warning(topic, f"nobody could say: {failure}", _AGAIN)
        names = answer.texts if answer else ()
        if self._host in names:
            return good(topic, self._host)
        text = f"is {', '.join(names)}, not {self._host}" if names else "there is none"
        if self._relay:
            return good(topic, f"{text}; mail goes out through {self._relay}")
        return warning(topic, text, remedy) if names else wrong(topic, text, remedy)

    async def dane(self) -> list[Finding]:
        """Whether what is said of the certificate is true (TLSA); who checks it sends no mail otherwise.

        There need not be any such record: it counts only where DNSSEC protects it.
        """
        name = f"_25._tcp.{self._host}"
        topic = f"TLSA of {name}"
        try:
            answer = await self._ask(name, "TLSA")
        except LookupFailed as failure:
            return [warning(topic, f"nobody could say: {failure}", _AGAIN)]
        usable = tuple(one for one in answer.associations if is_usable(one)) if answer else ()
        if not usable:
            return []
        expected = Identity((self._host, *self._config.domains), usable)
        if not problem(self._chain, expected, X509Store(), self._now()):
            return [good(topic, "fits the certificate")]
        remedy = f"Remove {name}, or publish what fits."
        if self._chain:
            key = self._chain[0].to_cryptography().public_key()
            digest = sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
            remedy = f"Remove it, or publish: {name}. IN TLSA 3 1 1 {digest}"
        return [wrong(topic, "does not fit the certificate, so who checks it sends no mail", remedy)]

    # A domain

    async def mx(self, domain: str) -> Finding:
        """Whether mail of the domain comes here."""
        topic, remedy = f"MX of {domain}", self._publish(domain, "MX")
        answer = await self._ask(domain, "MX")
        if answer is None:
            return wrong(topic, "there is none, so no mail comes for it", remedy)
        hosts = [one.exchange for one in sorted(answer.exchangers, key=lambda one: one.preference)]
        if hosts == [""]:
            return wrong(topic, "says that the domain takes no mail", remedy)
        if self._host not in hosts:
            text = f"mail goes to {', '.join(hosts)}"
            return warning(topic, text, f"{remedy} Unless these hand it over to {self._host}.")
        return good(topic, ", ".join(hosts))

    async def spf(self, domain: str) -> Finding:
        """Whether SPF lets this server send mail of the domain."""
        topic, remedy = f"SPF of {domain}", self._publish(domain, "SPF")
        records = [text for text in await self._texts(domain) if is_spf(text)]
        if len(records) > 1:
            return wrong(
                topic, f"there are {len(records)} records, which counts as an error", f"Keep one. {remedy}"
            )
        if self._relay:
            remedy = f"Publish the record that the people of {self._relay} name, through whom mail goes out."
        if not records:
            return wrong(topic, "there is none, and the mail is not signed: others will refuse it", remedy)
        for address in () if self._relay else self._addresses:
            result = await self._spf.check(address, self._host, Address("postmaster", domain))
            if result.result in ("none", "temperror"):
                return warning(topic, f"{result.result}: {result.reason}", _AGAIN)
            if result.result != "pass":
                text = f"does not let {address} send ({result.result}: {result.reason})"
                return wrong(topic, text, remedy)
        return good(topic, records[0])

    async def dmarc(self, domain: str) -> Finding:
        """Whether the domain says what others shall do with forged mail (DMARC), and its own."""
        topic, remedy = f"DMARC of {domain}", self._publish(domain, "DMARC")
        found = [text for text in await self._texts(f"_dmarc.{domain}") if text.startswith("v=DMARC1")]
        if not found:
            return warning(topic, "there is none, and some big providers ask for one", remedy)
        tags = dict(_pair(part) for part in found[0].split(";"))
        if len(found) > 1 or tags.get("p") not in ("none", "quarantine", "reject"):
            text = "there are several records" if len(found) > 1 else "p= is missing or unknown"
            return wrong(topic, f"{text}, so none counts", f"Keep one. {remedy}")
        if tags["p"] != "none" and not self._relay:
            text = f"p={tags['p']}: as mail is not signed here, others drop it where it is sent on"
            return warning(topic, text, "Write p=none, unless a host on the way out signs mail (DKIM).")
        return good(topic, found[0])

    async def sts(self, domain: str) -> Finding:
        """Whether others must encrypt on the way here (MTA-STS); the policy itself is not fetched."""
        topic, remedy = f"MTA-STS of {domain}", self._publish(domain, "MTA-STS")
        texts = await self._texts(f"_mta-sts.{domain}")
        if not any(text.startswith("v=STSv1") for text in texts):
            return warning(topic, "there is none, so others may be led to send without encryption", remedy)
        if (id := parse_record(texts)) is None:
            return wrong(topic, "the record cannot be used", f"Keep one. {remedy}")
        answers = [await self._ask(f"mta-sts.{domain}", kind) for kind in ("A", "AAAA")]
        if not any(answers):
            return wrong(topic, f"mta-sts.{domain}, which serves the policy, has no address", remedy)
        if self._config.mta_sts.mode != "off" and id != policy_id(self._config):
            text = f"id {id} is not that of the policy here: who knows it keeps the policy it was of"
            return warning(topic, text, remedy)
        return good(topic, f"id {id}; its page must name {self._host}")

    async def tls_reports(self, domain: str) -> Finding:
        """Whether others report how well their connections were encrypted (TLSRPT)."""
        topic, remedy = f"TLSRPT of {domain}", self._publish(domain, "TLSRPT")
        found = [text for text in await self._texts(f"_smtp._tls.{domain}") if text.startswith("v=TLSRPTv1")]
        if not found:
            return warning(topic, "there is none, so nobody reports trouble with encryption", remedy)
        if len(found) > 1:
            return wrong(topic, "there are several records, so none counts", f"Keep one. {remedy}")
        return good(topic, found[0])

    async def services(self, domain: str) -> Finding:
        """Whether mail programs find this server by themselves (SRV)."""
        topic = f"SRV of {domain}"
        missing, elsewhere = False, []
        for name, _, port in services(self._config.listeners):
            if not port:
                continue
            answer = await self._ask(f"{name}.{domain}", "SRV")
            if answer is None:
                missing = True
            elif not any(one.split()[2:] == [str(port), self._host] for one in answer.texts):
                elsewhere.append(f"{name} is {', '.join(answer.texts)}")
        if elsewhere:
            text = f"leads elsewhere: {'; '.join(elsewhere)}"
            return warning(topic, text, f"Run: mailnode dns {domain}")
        if missing:
            text = "mail programs do not find the server by themselves"
            return warning(topic, text, f"Publish what this prints: mailnode dns {domain}")
        return good(topic, "mail programs find the server by themselves")


def publish(records: Sequence[DnsRecord]) -> str:
    """What to do about records that are missing, in one line."""
    return "Publish: " + " and ".join(one.line for one in records)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip().lower()
