"""Who gets it: from a forward-path to the mailboxes it means, as the configuration of the moment says."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mailnode.auth.live import Live
from mailnode.config_names import LEVELS
from mailnode.wire.address import Address

POSTMASTER = "postmaster"
ABUSE = "abuse"

Named = tuple[str, str]  # full name, "" for none, and address


@dataclass(frozen=True, slots=True)
class Local:
    """Mailboxes of ours, each once; with `always` they get the message even when they are full."""

    accounts: tuple[str, ...]
    always: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """The domain is ours, but nobody of that name is here."""


@dataclass(frozen=True, slots=True)
class NotHere:
    """Another host is responsible; `forwarded` when it is an alias of ours that leads there."""

    forwarded: bool


Route = Local | Unknown | NotHere


class Router:
    """Finds routes."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def resolve(self, address: Address) -> Route:
        """Where mail for this address goes.

        Aliases and lists lead to one another; each is followed once, so that circles end, and not deeper
        than LEVELS. One with a target on another host is NotHere as a whole: half a delivery would be worse
        than none. What no other name fits goes to the catch-all of its domain.

        Postmaster of every domain of ours, of this host, and without domain, is always somebody, and never
        full (RFC 5321 section 4.5.1): where nothing has that name, the configured postmaster, else the
        catch-all or first mailbox of the domain, else the first of all. So is abuse of every domain of ours
        somebody (RFC 2142 section 4): the postmaster, where nothing has that name.
        """
        if self._is_role(address):
            return self._somebody(address.local.lower(), address.domain_key)
        if address.domain_key not in self._live.config.domains:
            return NotHere(forwarded=False)
        return self._expand(address.key)

    def verify(self, address: Address) -> tuple[Named, ...]:
        """Who VRFY may say an address is (RFC 5321 section 3.5): nobody where it leads to nobody here.

        An alias is the mailboxes it leads to. A list is itself: its members are told by EXPN only.
        """
        name = self._known_name(address.key)
        if name in self._live.mailboxes.lists:
            return (self._named(name),)
        route = self.resolve(address)
        return tuple(map(self._named, route.accounts)) if isinstance(route, Local) else ()

    def expand(self, address: Address) -> tuple[Named, ...]:
        """Whom EXPN may say an alias or list leads to (RFC 5321 section 3.5): one level, as configured.

        Nobody where the address is neither. Addresses on other hosts are among them.
        """
        return tuple(map(self._named, self._live.mailboxes.targets(self._known_name(address.key))))

    def has_name(self, address: Address) -> bool:
        """Whether a mailbox, alias or list has that name; a catch-all takes mail for it without having it."""
        name = self._known_name(address.key)
        return self._live.mailboxes.knows(name) and not name.startswith("@")

    def _named(self, name: str) -> Named:
        people = self._live.mailboxes
        entry = people.mailboxes.get(name) or people.lists.get(name)
        return entry.name if entry else "", name

    def _is_role(self, address: Address) -> bool:
        config = self._live.config
        roles = {POSTMASTER: ("", config.hostname, *config.domains), ABUSE: config.domains}
        return address.domain_key in roles.get(address.local.lower(), ())

    def _somebody(self, role: str, domain: str) -> Route:
        for candidate in self._candidates(role, domain):
            route = self._expand(candidate) if self._live.mailboxes.knows(candidate) else Unknown()
            if isinstance(route, Local):
                return replace(route, always=role == POSTMASTER)
        return Unknown()

    def _candidates(self, role: str, domain: str) -> Iterator[str]:
        config, mailboxes = self._live.config, self._live.mailboxes.mailboxes
        home = domain if domain in config.domains else config.domains[0]
        yield f"{role}@{home}"
        yield f"{POSTMASTER}@{home}"
        yield config.postmaster
        yield f"@{home}"
        yield from (name for name in mailboxes if name.rpartition("@")[2] == home)
        yield from mailboxes

    def _expand(self, key: str) -> Route:
        """Follow aliases and lists from one of our names; mailboxes come in the order they are found."""
        people = self._live.mailboxes
        found: dict[str, None] = {}
        visited: set[str] = set()
        waiting = [(key, 0)]
        while waiting:
            one, level = waiting.pop()
            name = self._known_name(one)
            if name in visited:
                continue
            visited.add(name)
            if name in people.mailboxes:
                found[name] = None
            elif targets := people.targets(name):
                if level == LEVELS:
                    return Unknown()
                waiting.extend((target, level + 1) for target in reversed(targets))
            elif name.rpartition("@")[2] not in self._live.config.domains:
                return NotHere(forwarded=True)
        return Local(tuple(found)) if found else Unknown()

    def _known_name(self, key: str) -> str:
        """The configured name that mail for a name of ours goes by.

        That is its own, else the one without subaddress (RFC 5233): "anna+lists@..." is "anna@...". Else it
        is the catch-all of the domain. Where there is none of them it is no name that anything has.
        """
        people, separator = self._live.mailboxes, self._live.config.subaddress
        local, _, domain = key.rpartition("@")
        base = local.partition(separator)[0] if separator else local
        names = (key, f"{base}@{domain}", f"@{domain}")
        return next(filter(people.knows, names), key)
