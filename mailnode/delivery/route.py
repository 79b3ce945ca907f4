"""Who gets it: from a forward-path to the mailboxes and addresses it means, as is configured now."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mailnode.auth.live import Live
from mailnode.config_names import LEVELS
from mailnode.wire.address import Address, parse_address
from mailnode.wire.errors import BadSyntax

POSTMASTER = "postmaster"
ABUSE = "abuse"

Named = tuple[str, str]  # full name, "" for none, and address


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An address on another host; `owner` is who hears of errors where a list leads there, else ""."""

    address: Address
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Mailboxes of ours and addresses on other hosts, each once; where there is neither, nobody has the name.

    With `always` the mailboxes get the message even when they are full. `ours` is False for an address that
    is itself on another host, and `is_list` tells that the address is that of a list.
    """

    accounts: tuple[str, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()
    always: bool = False
    ours: bool = True
    is_list: bool = False

    @property
    def copies(self) -> int:
        """How many get the message."""
        return len(self.accounts) + len(self.elsewhere)


NOBODY = Route()


class Router:
    """Finds routes."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def resolve(self, address: Address) -> Route:
        """Where mail for this address goes.

        Aliases and lists lead to one another, and to other hosts; each is followed once, so that circles end,
        and not deeper than LEVELS. What no other name fits goes to the catch-all of its domain.

        Postmaster of every domain of ours, of this host, and without domain, is always somebody, and never
        full (RFC 5321 section 4.5.1): where nothing has that name, the configured postmaster, else the
        catch-all or first mailbox of the domain, else the first of all. So is abuse of every domain of ours
        somebody (RFC 2142 section 4): the postmaster, where nothing has that name.
        """
        if self._is_role(address):
            return self._somebody(address.local.lower(), address.domain_key)
        if address.domain_key not in self._live.config.domains:
            return Route(elsewhere=(Elsewhere(address),), ours=False)
        return self._sent_on(address) or self._expand(address.key)

    def verify(self, address: Address) -> tuple[Named, ...]:
        """Who VRFY may say an address is (RFC 5321 section 3.5): nobody where it leads to nobody here.

        An alias is what it leads to. A list is itself: its members are told by EXPN only. Of an address on
        another host nothing is known.
        """
        name = self._known_name(address.key)
        if name in self._live.mailboxes.lists:
            return (self._named(name),)
        route = self.resolve(address)
        if not route.ours:
            return ()
        return tuple(map(self._named, (*route.accounts, *(str(one.address) for one in route.elsewhere))))

    def expand(self, address: Address) -> tuple[Named, ...]:
        """Whom EXPN may say an alias or list leads to (RFC 5321 section 3.5): one level, as configured.

        Nobody where the address is neither. Addresses on other hosts are among them.
        """
        return tuple(map(self._named, self._live.mailboxes.targets(self._known_name(address.key))))

    def has_name(self, address: Address) -> bool:
        """Whether a mailbox, alias or list has that name; a catch-all takes mail for it without having it."""
        name = self._known_name(address.key)
        return self._live.mailboxes.knows(name) and not name.startswith("@")

    def _sent_on(self, address: Address) -> Route | None:
        """Where a reverse-path leads that this host has put in the place of another; None for other names."""
        if self._live.srs is None or self._live.mailboxes.knows(address.key):
            return None
        try:
            original = self._live.srs.original(address.local)
        except BadSyntax:
            return NOBODY
        return Route(elsewhere=(Elsewhere(original),)) if original else None

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
            route = self._expand(candidate) if self._live.mailboxes.knows(candidate) else NOBODY
            if route.copies:
                return replace(route, always=role == POSTMASTER)
        return NOBODY

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
        """Follow aliases and lists from one of our names; all come in the order they are found."""
        people, domains = self._live.mailboxes, self._live.config.domains
        accounts: dict[str, None] = {}
        elsewhere: dict[str, Elsewhere] = {}
        visited: set[str] = set()
        waiting = [(key, 0, "")]
        while waiting:
            one, level, owner = waiting.pop()
            name = self._known_name(one)
            if name in visited:
                continue
            visited.add(name)
            if name in people.mailboxes:
                accounts[name] = None
            elif targets := people.targets(name):
                if level == LEVELS:
                    return NOBODY
                owner = self._owner(name) or owner
                waiting.extend((target, level + 1, owner) for target in reversed(targets))
            elif name.rpartition("@")[2] not in domains:
                elsewhere[name] = Elsewhere(parse_address(name, utf8=True), owner)
        is_list = self._known_name(key) in people.lists
        return Route(tuple(accounts), tuple(elsewhere.values()), is_list=is_list)

    def _owner(self, name: str) -> str:
        """Who hears of errors of a list (RFC 5321 section 3.9.2); "" of what is none."""
        entry = self._live.mailboxes.lists.get(name)
        if entry is None:
            return ""
        return entry.owner or f"{POSTMASTER}@{name.rpartition('@')[2]}"

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
