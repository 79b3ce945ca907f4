"""Whether a domain lets a host send mail in its name: SPF (RFC 7208).

The domain decides how much is asked for it, so there are limits. Most are the RFC's (section 4.6.4): ten
terms that ask, two of them in vain, ten hosts for each `mx` and `ptr`. Ours is the number of questions in
all. Beyond these a record counts as wrong. Beyond the time nobody could say.

The domain's own explanation for a refusal (`exp`) is never fetched: it is a stranger's text.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address

from twisted.python.failure import Failure

from mailnode.events.log import Log
from mailnode.net.listen import plain_address
from mailnode.net.resolver import Answer, Kind, LookupFailed, Mx, NoAnswer, Resolver, in_time
from mailnode.runtime import Runtime
from mailnode.values import frozen
from mailnode.wire.address import Address
from mailnode.wire.errors import BadSyntax
from mailnode.wire.international import a_labels
from mailnode.wire.spf import Directive, DomainSpec, Record, Result, is_domain, is_record, parse_record

TERMS = 10  # that ask the DNS (section 4.6.4)
VOID_TERMS = 2  # of these, that are told of nothing
HOSTS = 10  # of an `mx`, and names of a client that are looked up
QUERIES = 60  # in all; the limits of the RFC alone leave room for more than a hundred (vector N2)
SECONDS = 20.0  # in all (section 4.6.4)
REASON_LIMIT = 200  # characters

Ip = IPv4Address | IPv6Address


@frozen
class SpfResult:
    """What was found out (section 2.6) about which domain, and why, in one printable line."""

    result: Result
    domain: str
    reason: str


class _Wrong(Exception):
    """What the domain publishes cannot be followed, or asks for too much: permerror."""


class Spf:
    """Checks hosts against the records of the domains that they name."""

    def __init__(self, runtime: Runtime, resolver: Resolver) -> None:
        self._clock = runtime.clock
        self._resolver = resolver
        self._log = Log("mailnode.checks")

    async def check(self, address: str, hello: str, sender: Address | None) -> SpfResult:
        """What the domain of the reverse-path says of the host at an IP address. Raises nothing.

        For a null reverse-path it is the domain of the HELO name (section 2.4).
        """
        identity = sender.domain if sender and sender.domain else hello
        domain = _domain(identity)
        local = (sender.local if sender else "") or "postmaster"  # section 4.3
        try:
            result, reason = await self._verdict(address, hello, Address(local, domain))
        except LookupFailed as error:
            result, reason = "temperror", str(error)
        except _Wrong as error:
            result, reason = "permerror", str(error)
        except Exception:
            self._log.bug("spf-failed", Failure())
            result, reason = "temperror", "the check failed"
        return SpfResult(result, _line(domain or identity), _line(reason))

    async def _verdict(self, address: str, hello: str, sender: Address) -> tuple[Result, str]:
        ip = plain_address(address)
        if ip is None:
            return "none", "the client has no IP address"
        check = _Check(self._resolver, ip, hello=_domain(hello) or "unknown", sender=sender)
        return await in_time(check.verdict(sender.domain), SECONDS, self._clock)


class _Check:
    """One check: what is known of the client, and how much has been asked."""

    def __init__(self, resolver: Resolver, ip: Ip, *, hello: str, sender: Address) -> None:
        self._resolver = resolver
        self._ip = ip
        self._local = sender.local
        self._values = {
            "s": f"{sender.local}@{sender.domain}",
            "l": sender.local,
            "o": sender.domain,
            "i": str(ip) if ip.version == 4 else ".".join(ip.exploded.replace(":", "")),
            "v": "in-addr" if ip.version == 4 else "ip6",
            "h": hello,
        }
        self._names: Sequence[str] | None = None
        self._queries = 0
        self._terms = 0
        self._void_terms = 0
        self._last_void = 0

    async def verdict(self, domain: str) -> tuple[Result, str]:
        """check_host() of a domain (section 4), and why. Raises LookupFailed and _Wrong."""
        record = await self._record(domain)
        if record is None:
            return "none", f"{domain} has no SPF record"
        for directive in record.directives:
            if await self._matches(directive, domain):
                return directive.result, f"{directive.text} in the record of {domain}"
        target = await self._target(record.redirect, domain) if record.redirect else None
        if target is None:
            return "neutral", f"nothing in the record of {domain} matches"
        result, reason = await self.verdict(target)
        if result == "none":  # section 6.1
            raise _Wrong(f"{domain} redirects to {target}, which has no SPF record")
        return result, reason

    async def _record(self, domain: str) -> Record | None:
        """The one SPF record of a domain (sections 4.4 and 4.5)."""
        answer = await self._ask(domain, "TXT")
        texts = [text for text in answer.texts if is_record(text)] if answer else []
        if len(texts) > 1:
            raise _Wrong(f"{domain} has {len(texts)} SPF records")
        try:
            return parse_record(texts[0]) if texts else None
        except BadSyntax as error:
            raise _Wrong(f"the record of {domain} is wrong: {error}") from None

    # Mechanisms (section 5)

    async def _matches(self, directive: Directive, domain: str) -> bool:
        if directive.mechanism == "all":
            return True
        if directive.network is not None:
            return self._ip in directive.network
        target = await self._target(directive.spec, domain)
        if target is None:
            return False
        match directive.mechanism:
            case "include":
                return await self._includes(target, domain)
            case "exists":  # an A record also for clients with IPv6 (section 5.7)
                return await self._ask(target, "A") is not None
            case "ptr":
                return any(_is_within(name, target.lower()) for name in await self._client_names())
            case "mx":
                return await self._is_one_of(await self._exchanges(target), directive)
            case _:
                return await self._is_one_of([target], directive)

    async def _includes(self, target: str, domain: str) -> bool:
        result, _ = await self.verdict(target)
        if result == "none":  # section 5.2
            raise _Wrong(f"{domain} includes {target}, which has no SPF record")
        return result == "pass"

    async def _exchanges(self, target: str) -> Sequence[str]:
        """The hosts of an `mx`; too many of them are an error, not cut short (section 4.6.4)."""
        answer = await self._ask(target, "MX")
        found = sorted(answer.exchangers, key=_preference) if answer else []
        if len(found) > HOSTS:
            raise _Wrong(f"{target} has {len(found)} mail exchangers")
        return _unescaped(one.exchange for one in found)

    async def _is_one_of(self, hosts: Sequence[str], directive: Directive) -> bool:
        """Whether the client is in a network around an address of one of the hosts."""
        for host in hosts:
            if any(directive.covers(self._ip, one) for one in await self._addresses(host)):
                return True
        return False

    # Names

    async def _target(self, spec: DomainSpec | None, domain: str) -> str | None:
        """The name that a term which asks the DNS is about; None for one that matches nothing."""
        self._terms += 1
        if self._terms > TERMS:
            raise _Wrong(f"more than {TERMS} terms ask the DNS")
        if spec is None:
            return domain
        if not self._local.isascii() and spec.letters & {"l", "s"}:
            return None  # RFC 8616 section 4
        values = {**self._values, "d": domain}
        if "p" in spec.letters:
            values["p"] = await self._client_name(domain)
        return spec.expand(values)

    async def _client_name(self, domain: str) -> str:
        """The macro `p`: a validated name, best the domain, else one within it (section 7.3)."""
        names, domain = await self._client_names(), domain.lower()
        return min(names, key=lambda name: (name != domain, not _is_within(name, domain)), default="unknown")

    async def _client_names(self) -> Sequence[str]:
        """The names that the client's address has and that have the client's address (section 5.5)."""
        if self._names is None:
            self._names = [name async for name in self._validated()]
        return self._names

    async def _validated(self) -> AsyncIterator[str]:
        try:
            answer = await self._ask(self._ip.reverse_pointer, "PTR")
        except LookupFailed:
            return  # whoever owns the address must not make the domain's record fail
        for name in _unescaped(answer.texts[:HOSTS]) if answer else []:
            try:
                if self._ip in await self._addresses(name):
                    yield name
            except LookupFailed:
                continue

    # Questions

    async def _addresses(self, host: str) -> Sequence[Ip]:
        """The addresses of a host, of the client's kind."""
        answer = await self._ask(host, "A" if self._ip.version == 4 else "AAAA")
        return [one for one in map(plain_address, answer.texts) if one] if answer else []

    async def _ask(self, name: str, kind: Kind) -> Answer | None:
        """The answer; None where there is nothing, or can be nothing. Raises LookupFailed and _Wrong."""
        if not is_domain(name):
            return None
        self._queries += 1
        if self._queries > QUERIES:
            raise _Wrong(f"more than {QUERIES} questions")
        try:
            return await self._resolver.query(name.replace("\\", "\\\\"), kind)
        except NoAnswer:
            self._count_void()
            return None

    def _count_void(self) -> None:
        """Count the term that is looked at, once (section 4.6.4).

        An `mx` whose hosts have no IPv6 is one term; its questions would be too many for any such client.
        """
        if self._last_void == self._terms:
            return
        self._last_void = self._terms
        self._void_terms += 1
        if self._void_terms > VOID_TERMS:
            raise _Wrong(f"more than {VOID_TERMS} terms ask for what is not there")


def _preference(exchanger: Mx) -> int:
    return exchanger.preference


def _unescaped(names: Iterable[str]) -> list[str]:
    """Those of the names in an answer that stand as they are, in lower case; no host needs the others."""
    return [name.lower() for name in names if "\\" not in name]


def _is_within(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def _domain(text: str) -> str:
    """With A-labels; "" for what can be none."""
    try:
        return a_labels(text)
    except BadSyntax:
        return ""


def _line(text: str) -> str:
    """The text as one printable line, not too long."""
    return "".join(one if " " <= one <= "~" else "?" for one in text[:REASON_LIMIT])
