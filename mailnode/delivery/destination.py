"""Where a message for another host goes: from a domain to the hosts to be tried, in order.

A route of the configuration wins. Else the DNS says it, by rules that hold against zones that lie
(RFC 5321 section 5.1, RFC 7505): this host is never its own relay, nobody's zone makes it connect into
a private network, and a few hosts and addresses are enough whatever a zone has. What nobody could say is
temporary; only what the DNS says for certain sends a message back.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import field
from itertools import chain, groupby
from operator import attrgetter
from typing import Protocol

from mailnode.auth.live import Live
from mailnode.config_sending import EVERYTHING_ELSE, VERIFYING, Relay
from mailnode.delivery.tls_policy import (
    Level,
    TlsPolicy,
    of_dane,
    of_route,
    of_route_by_mx,
    of_sts,
    requiring_tls,
    without_policy,
)
from mailnode.net.listen import plain_address
from mailnode.net.reach import interleaved, is_ours, is_public
from mailnode.net.resolver import (
    Answer,
    Budgeted,
    Kind,
    LookupFailed,
    Mx,
    NoAnswer,
    NoRecords,
    NoSuchName,
    Resolver,
    Tlsa,
)
from mailnode.runtime import Runtime
from mailnode.values import frozen, replace
from mailnode.wire.address import Address
from mailnode.wire.mta_sts import StsPolicy

SMTP_PORT = 25
ADDRESSES = 5  # that are tried at most (vector O5)
ADDRESSES_EACH = 2  # of a host, where there are several
HOSTS = 10  # that are looked up at most
ALIASES = 1  # between an MX record and its host: none are allowed (RFC 2181 section 10.3), one is borne


_BY_DNS = Relay()

# What a record may hold besides would go into logs and sessions.
_HOST_NAME = re.compile(r"[a-z0-9_.-]{1,255}")


@frozen
class Login:
    """What a relay wants to know before it takes mail: a password, which is what the file holds, or to see a
    certificate; the rest is "".
    """

    username: str = ""
    password_file: str = ""
    certificate: str = ""
    key: str = ""


@frozen
class Host:
    """A host to try: its addresses in order, and how to encrypt. A name in brackets is an address."""

    name: str
    addresses: tuple[str, ...]
    port: int
    tls: TlsPolicy
    preference: int = 0


@frozen
class Destination:
    """Hosts to try in order; the first that takes a message, or refuses it for good, has it.

    Messages of one `key` and `login` may go over one connection. With `require_tls` a host must have
    REQUIRETLS. `notes` tell a person how it was found.
    """

    key: str
    hosts: tuple[Host, ...]
    login: Login | None = None
    require_tls: bool = False
    notes: tuple[str, ...] = field(default=(), compare=False)


class NoDestination(Exception):
    """There is no host to try; `status` is the enhanced status code of the reason (RFC 3463)."""

    def __init__(self, status: str, text: str, notes: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.notes = tuple(notes)

    @property
    def permanent(self) -> bool:
        """Whether it is no use to try again."""
        return self.status.startswith("5")


class StsPolicies(Protocol):
    """Knows the MTA-STS policies of domains."""

    async def policy(self, domain: str) -> StsPolicy | None:
        """The policy in force, None for none. Raises nothing."""


class Destinations:
    """Finds destinations, as the configuration of the moment and the DNS say."""

    def __init__(
        self,
        live: Live,
        runtime: Runtime,
        resolver: Resolver,
        policies: StsPolicies,
        *,
        ours: Callable[[str], bool] = is_ours,
    ) -> None:
        self._live = live
        self._runtime = runtime
        self._resolver = resolver
        self._policies = policies
        self._ours = ours

    async def find(
        self,
        domain: str,
        *,
        sender: Address | None = None,
        require_tls: bool = False,
        tls_optional: bool = False,
    ) -> Destination:
        """Where mail for a domain or address literal goes, as the `domain_key` of an address.

        With `require_tls` only to hosts that prove who they are (RFC 8689). With `tls_optional` no policy of
        the domain holds, none is looked for, and nobody counts how TLS went: so a report on that gets there,
        and is no reason for the next one (RFC 8460 section 3). Raises NoDestination.
        """
        kept = domain in self._live.config.on_demand
        relay = self._route(domain, sender, kept=kept)
        resolver = Budgeted(self._resolver, self._runtime.clock)
        search = _Search(
            resolver, domain, self._ours, require_tls, relay or _BY_DNS, tls_optional=tls_optional
        )
        if relay is not None and relay.host:
            found = await search.by_route(relay)
        elif domain.startswith("["):
            found = search.by_literal()
        elif kept:
            found = await self._by_mx_or_wait(search)
        else:
            found = await self._by_mx(search)
        words = " requiretls" * require_tls + " tls optional" * tls_optional
        if relay is not None and relay.tls != _BY_DNS.tls:
            words += f" tls {relay.tls}"
        return replace(found, key=found.key + words, require_tls=require_tls, notes=tuple(search.notes))

    def _route(self, domain: str, sender: Address | None, *, kept: bool) -> Relay | None:
        """That of the domain, of the sender, of the sender's domain, of everything else: the first there is.

        What is kept until it is called for goes to no other host than its own.
        """
        config = self._live.config
        if kept:
            return config.routes.get(domain)
        from_whom = (sender.key, f"@{sender.domain_key}") if sender else ()
        found = (config.routes.get(domain), *map(config.sender_routes.get, from_whom))
        return next(filter(None, found), config.routes.get(EVERYTHING_ELSE))

    async def _by_mx(self, search: "_Search") -> Destination:
        random = self._runtime.random.random
        return await search.by_mx(self._live.config.hostname, random, self._policies)

    async def _by_mx_or_wait(self, search: "_Search") -> Destination:
        """Mail that is kept for a host that calls for it never comes back for want of a way there."""
        try:
            return await self._by_mx(search)
        except NoDestination as nothing:
            text = f"It waits until its host calls for it. {nothing}"
            raise NoDestination("4.4.4", text, nothing.notes) from None


@frozen
class _Place:
    """Where a name leads to."""

    addresses: tuple[str, ...]
    secure: bool
    canonical: str
    aliases: int


class _Search:
    """One search: what it may ask, what a person may want to know of it, and why it may end with nothing."""

    def __init__(
        self,
        resolver: Resolver,
        domain: str,
        ours: Callable[[str], bool],
        require_tls: bool,
        relay: Relay,
        *,
        tls_optional: bool,
    ) -> None:
        self.notes: list[str] = []
        self._resolver = resolver
        self._domain = domain
        self._ours = ours
        self._require_tls = require_tls
        self._relay = relay
        self._tls_optional = tls_optional
        self._secure = False  # whether DNSSEC proves the names of the hosts
        self._sts: StsPolicy | None = None
        self._reasons: set[str] = set()  # statuses in _NOTHING_LEFT

    # By the configuration, and by address

    async def by_route(self, relay: Relay) -> Destination:
        """The host of a route. It may be anywhere, but it has to be found."""
        self.notes.append(f"the configuration routes this to {relay.host}, port {relay.port}")
        tls = of_route(relay)
        if self._require_tls and not tls.strict:
            raise self._none("5.7.10", f"The route to {relay.host} does not verify who takes the mail")
        addresses: tuple[str, ...] = (relay.host,)
        if plain_address(relay.host) is None:
            place = await self._place(relay.host)
            addresses = place.addresses if place else ()
        if not addresses:
            raise self._none("4.4.4", f"The address of {relay.host} cannot be found")
        login = Login(relay.username, relay.password_file, relay.certificate, relay.key)
        host = Host(relay.host, addresses[:ADDRESSES], relay.port, tls)
        return Destination(f"{relay.host}:{relay.port}", (host,), None if login == Login() else login)

    def by_literal(self) -> Destination:
        """The host with the address of an address literal (RFC 5321 section 4.1.3)."""
        address = plain_address(self._domain[1:-1].lower().removeprefix("ipv6:"))
        if address is None:
            raise self._none("5.1.3", f"{self._domain} is no IP address")
        if self._ours(str(address)):
            raise self._none("5.4.6", f"{self._domain} is this host")
        if not is_public(str(address)):
            raise self._none("5.1.2", f"{self._domain} is an address in a private network")
        if self._require_tls or self._relay.tls in VERIFYING:
            raise self._none("5.7.10", f"{self._domain} cannot prove who it is")
        tls = of_route_by_mx(
            self._relay, without_policy(self._domain), self._domain, self._domain, proven=False
        )
        host = Host(self._domain, (str(address),), SMTP_PORT, tls)
        return Destination(self._domain, (host,))

    # By the DNS

    async def by_mx(self, own: str, random: Callable[[], float], policies: StsPolicies) -> Destination:
        """The hosts of the MX records, or the domain itself where there are none (RFC 5321 section 5.1)."""
        records = await self._exchangers()
        if [one.exchange for one in records] == [""]:
            raise self._none("5.1.10", f"{self._domain} takes no mail")  # RFC 7505
        self._sts = None if self._tls_optional else await policies.policy(self._domain)
        if self._sts is not None:
            self.notes.append(f"{self._domain} has an MTA-STS policy, mode {self._sts.mode}")
        limit = min((one.preference for one in records if one.exchange == own), default=None)
        if limit is not None:
            self._pass_over("5.4.6", f"{own} is this host, preference {limit}: only better ones count")
        better = [one for one in records if limit is None or one.preference < limit]
        hosts = await self._candidates(sorted(better, key=lambda one: (one.preference, random())))
        if not hosts:
            status = next(one for one in _NOTHING_LEFT if one in {*self._reasons, "5.4.4"})
            raise self._none(status, _NOTHING_LEFT[status].format(self._domain))
        return Destination(self._domain, _few(hosts))

    async def _exchangers(self) -> tuple[Mx, ...]:
        domain = self._domain
        try:
            answer = await self._resolver.query(domain, "MX")
        except NoSuchName:
            raise self._none("5.1.2", f"The domain {domain} does not exist") from None
        except NoRecords as none:
            self._secure = none.secure
            self.notes.append(f"{domain} has no MX record, so it is its own host")
            return (Mx(0, domain),)
        except LookupFailed as failure:
            raise self._none("4.4.3", f"The DNS does not say where {domain} is: {failure}") from None
        self._secure = answer.secure
        return answer.exchangers

    async def _candidates(self, records: Sequence[Mx]) -> list[Host]:
        """Those that can be tried, best first, and not many more than enough.

        Who is this host ends the list, and those that are as good as it do not count either.
        """
        hosts: list[Host] = []
        for preference, group in groupby(records[:HOSTS], attrgetter("preference")):
            found = [(one.exchange, place) for one in group if (place := await self._place_of(one))]
            mine = [name for name, place in found if any(map(self._ours, place.addresses))]
            if mine:
                self._pass_over("5.4.6", f"{mine[0]} is this host, preference {preference}: the list ends")
                break
            prepared = [await self._host(name, place, preference) for name, place in found]
            hosts += [one for one in prepared if one is not None]
            if sum(min(len(one.addresses), ADDRESSES_EACH) for one in hosts) >= ADDRESSES:
                break
        return hosts

    async def _place_of(self, record: Mx) -> _Place | None:
        name = record.exchange
        if not _HOST_NAME.fullmatch(name) or plain_address(name) is not None:
            self.notes.append(f"MX {record.preference} {name or '.'}: no host name, passed over")
            return None
        place = await self._place(name)
        if place is None:
            self.notes.append(f"MX {record.preference} {name}: no address, passed over")
        elif place.aliases > ALIASES and name != self._domain:
            self.notes.append(f"MX {record.preference} {name}: an alias of an alias, passed over")
            return None
        return place

    async def _host(self, name: str, place: _Place, preference: int) -> Host | None:
        public = tuple(filter(is_public, place.addresses))
        if not public:
            self._pass_over("5.1.2", f"MX {preference} {name}: only private addresses, passed over")
            return None
        tls = await self._tls(name, place)
        if tls is None:
            return None
        self.notes.append(f"MX {preference} {name}: {', '.join(public)}; {tls}")
        return Host(name, public, SMTP_PORT, tls, preference)

    # TLS

    async def _tls(self, name: str, place: _Place) -> TlsPolicy | None:
        """How to encrypt to a host; None where it must not be used.

        DANE and MTA-STS both hold: DANE says how a certificate is verified (RFC 8461 section 2), and
        a host that an enforced policy does not name is not used.
        """
        if self._tls_optional:
            policy = TlsPolicy(Level.OPPORTUNISTIC)
            return of_route_by_mx(self._relay, policy, name, self._domain, proven=False)
        named = self._sts is not None and self._sts.names(name)
        if self._sts is not None and self._sts.mode == "enforce" and not named:
            self._pass_over("4.7.5", f"{name}: not in the MTA-STS policy, passed over")
            return None
        try:
            base, records = await self._associations(name, place)
        except LookupFailed:  # it may be that somebody hides them (RFC 7672 section 2.1.2)
            self._pass_over("4.4.3", f"{name}: the DNS does not say whether it has TLSA records, passed over")
            return None
        if records:
            policy = of_dane(self._domain, base, (name, self._domain), records)
        elif self._sts is not None and self._sts.mode != "none":
            policy = of_sts(self._domain, name, self._sts)
        else:
            policy = without_policy(self._domain)
        proven = self._secure or named
        policy = of_route_by_mx(self._relay, policy, name, self._domain, proven=proven)
        if not self._require_tls:
            return policy
        needed = requiring_tls(policy, name, proven=proven)
        if needed is None:
            self._pass_over("5.7.10", f"{name}: cannot prove who it is, passed over")
        return needed

    async def _associations(self, name: str, place: _Place) -> tuple[str, tuple[Tlsa, ...]]:
        """The secure TLSA records of a host, and the name that has them (RFC 7672 section 2.2.2)."""
        if self._secure and place.secure:
            for base in dict.fromkeys((place.canonical, name)):
                try:
                    answer = await self._resolver.query(f"_{SMTP_PORT}._tcp.{base}", "TLSA")
                except NoAnswer:
                    continue
                if answer.secure:
                    return base, answer.associations
        return name, ()

    # Asking, and noting

    async def _place(self, name: str) -> _Place | None:
        """Where a name leads to; None for nowhere. Without an answer for one family the other counts."""
        answers: list[Answer] = []
        kinds: tuple[Kind, Kind] = ("AAAA", "A")
        for kind in kinds:
            try:
                answers.append(await self._resolver.query(name, kind))
            except NoAnswer:
                continue
            except LookupFailed as failure:
                self._pass_over("4.4.3", f"{name}: the DNS does not say its {kind} records: {failure}")
        if not answers:
            return None
        addresses = interleaved(chain.from_iterable(one.texts for one in answers))
        secure = all(one.secure for one in answers)
        return _Place(addresses, secure, answers[0].canonical or name, max(one.aliases for one in answers))

    def _pass_over(self, status: str, note: str) -> None:
        self._reasons.add(status)
        self.notes.append(note)

    def _none(self, status: str, text: str) -> NoDestination:
        return NoDestination(status, text, self.notes)


# Why there is no host to try, in the order in which one reason outweighs another: what may be otherwise
# the next time comes first.
_NOTHING_LEFT = {
    "4.4.3": "The DNS does not say where the hosts of {} are",
    "4.7.5": "No host of {} is one of those that its MTA-STS policy names",
    "5.7.10": "No host of {} can prove who it is, which this message requires",
    "5.4.6": "Mail for {} would come back to this host",
    "5.1.2": "The hosts of {} have addresses in private networks only",
    "5.4.4": "No host of {} has an address",
}


def _few(hosts: Sequence[Host]) -> tuple[Host, ...]:
    """The hosts with as many addresses as are tried: two of each, all of a single one."""
    left, few = ADDRESSES, []
    for host in hosts:
        count = min(left, ADDRESSES if len(hosts) == 1 else ADDRESSES_EACH)
        if count:
            few.append(replace(host, addresses=host.addresses[:count]))
        left -= min(count, len(host.addresses))
    return tuple(few)
