"""Who gets it: from a forward-path to the mailboxes and addresses it means, as is configured now."""

from collections.abc import Iterator

from mailnode.auth.live import Live
from mailnode.config_lists import POSTMASTER
from mailnode.config_names import LEVELS
from mailnode.values import frozen, replace
from mailnode.wire.address import Address, parse_address
from mailnode.wire.errors import BadSyntax

ABUSE = "abuse"

Named = tuple[str, str]  # full name, "" for none, and address


@frozen
class Route:
    """Mailboxes and lists of ours, and addresses on other hosts, each once; none where nobody has the name.

    With `always` the mailboxes get the message even when they are full. `ours` is False for an address that
    is itself on another host.
    """

    accounts: tuple[str, ...] = ()
    elsewhere: tuple[Address, ...] = ()
    lists: tuple[str, ...] = ()
    always: bool = False
    ours: bool = True

    @property
    def copies(self) -> int:
        """How many it leads to; a list is one."""
        return len(self.accounts) + len(self.elsewhere) + len(self.lists)


NOBODY = Route()


class Router:
    """Finds routes."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def resolve(self, address: Address) -> Route:
        """Where mail for this address goes.

        Aliases lead to one another, to lists and to other hosts; each is followed once, so that circles end,
        and not deeper than LEVELS. What no other name fits goes to the catch-all of its domain. A
        reverse-path that this host has rewritten leads back to its sender.

        Postmaster of every domain of ours, of this host, and without domain, is always somebody, and never
        full (RFC 5321 section 4.5.1): where nothing has that name, the configured postmaster, else the
        catch-all or first mailbox of the domain, else the first of all. So is abuse of every domain of ours
        somebody (RFC 2142 section 4): the postmaster, where nothing has that name.
        """
        if self._is_role(address):
            return self._somebody(address.local.lower(), address.domain_key)
        if address.domain_key not in self._live.config.domains:
            return Route(elsewhere=(address,), ours=False)
        key = address.key
        if key in self._live.mailboxes.mailboxes:  # nearly all
            return Route(accounts=(key,))
        return self._sent_on(address) or self._expand(key)

    def everybody(self, address: Address) -> Route:
        """The same with the members of lists in the place of these, and of lists in them."""
        return self._within(self.resolve(address))

    def members(self, name: str) -> Route:
        """Whom a list leads to: mailboxes and addresses elsewhere, those of lists within it too."""
        return self._within(Route(lists=(name,)))

    def _within(self, route: Route) -> Route:
        if not route.lists:
            return route
        inside = self._expand(*route.lists, into_lists=True)
        return replace(
            route,
            accounts=tuple(dict.fromkeys((*route.accounts, *inside.accounts))),
            elsewhere=tuple({one.key: one for one in (*route.elsewhere, *inside.elsewhere)}.values()),
            lists=(),
        )

    def sender(self, reverse_path: Address) -> Address:
        """Who a reverse-path is: the sender for whom it stands, where this host has rewritten it."""
        route = self._sent_on(reverse_path) if reverse_path.domain_key in self._live.config.domains else None
        return route.elsewhere[0] if route and route.elsewhere else reverse_path

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
        return tuple(map(self._named, (*route.accounts, *map(str, route.elsewhere), *route.lists)))

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
        if original is not None and original.domain_key in self._live.config.domains:
            return self.resolve(original)  # the message came here twice, and another host was between
        return Route(elsewhere=(original,)) if original else None

    def _named(self, name: str) -> Named:
        people = self._live.mailboxes
        entry = people.mailboxes.get(name) or people.lists.get(name)
        return entry.name if entry else "", name

    def _is_role(self, address: Address) -> bool:
        config, role = self._live.config, address.local.lower()
        if role == POSTMASTER:
            return address.domain_key in ("", config.hostname, *config.domains)
        return role == ABUSE and address.domain_key in config.domains

    def _somebody(self, role: str, domain: str) -> Route:
        for candidate in self._candidates(role, domain):
            known = self._live.mailboxes.knows(candidate)
            route = self._expand(candidate, into_lists=True) if known else NOBODY
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

    def _expand(self, *keys: str, into_lists: bool = False) -> Route:
        """Follow aliases from names of ours, and lists where asked; all come in the order they are found."""
        people, domains = self._live.mailboxes, self._live.config.domains
        accounts: dict[str, None] = {}
        elsewhere: dict[str, Address] = {}
        lists: dict[str, None] = {}
        visited: set[str] = set()
        waiting = [(key, 0) for key in reversed(keys)]
        while waiting:
            one, level = waiting.pop()
            name = self._known_name(one)
            if name in visited:
                continue
            visited.add(name)
            if name in people.mailboxes:
                accounts[name] = None
            elif name in people.lists and not into_lists:
                lists[name] = None
            elif targets := people.targets(name):
                if level == LEVELS:
                    return NOBODY
                waiting.extend((target, level + 1) for target in reversed(targets))
            elif name.rpartition("@")[2] not in domains:
                elsewhere[name] = parse_address(name, utf8=True)
        return Route(tuple(accounts), tuple(elsewhere.values()), tuple(lists))

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
