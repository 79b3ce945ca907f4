"""Who gets it: from a forward-path to the mailboxes it means, as the configuration of the moment says."""

from collections.abc import Iterator
from dataclasses import dataclass

from mailnode.auth.live import Live
from mailnode.wire.address import Address

POSTMASTER = "postmaster"
ABUSE = "abuse"


@dataclass(frozen=True, slots=True)
class Local:
    """Mailboxes of ours, each once."""

    accounts: tuple[str, ...]


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

        Aliases lead to aliases; each is followed once, so that circles end. One with a target on another
        host is NotHere as a whole: half a delivery would be worse than none.

        Postmaster of every domain of ours, of this host, and without domain, is always somebody (RFC 5321
        section 4.5.1): where neither mailbox nor alias of that name is there, the configured postmaster,
        else the first mailbox of the domain, else the first of all. So is abuse of every domain of ours (RFC
        2142 section 4): the postmaster, where neither mailbox nor alias of that name is there.
        """
        if self._is_role(address):
            return self._somebody(address.local.lower(), address.domain.lower())
        if address.domain.lower() not in self._live.config.domains:
            return NotHere(forwarded=False)
        return self._expand(address.key)

    def _is_role(self, address: Address) -> bool:
        config = self._live.config
        roles = {POSTMASTER: ("", config.hostname, *config.domains), ABUSE: config.domains}
        return address.domain.lower() in roles.get(address.local.lower(), ())

    def _somebody(self, role: str, domain: str) -> Route:
        for candidate in self._candidates(role, domain):
            route = self._expand(candidate)
            if isinstance(route, Local):
                return route
        return Unknown()

    def _candidates(self, role: str, domain: str) -> Iterator[str]:
        config, mailboxes = self._live.config, self._live.mailboxes.mailboxes
        home = domain if domain in config.domains else config.domains[0]
        yield f"{role}@{home}"
        yield f"{POSTMASTER}@{home}"
        yield config.postmaster
        yield from (name for name in mailboxes if name.rpartition("@")[2] == home)
        yield from mailboxes

    def _expand(self, key: str) -> Route:
        """Follow aliases from one of our names; mailboxes come out in the order they are found."""
        lists = self._live.mailboxes
        found: dict[str, None] = {}
        visited: set[str] = set()
        waiting = [key]
        while waiting:
            name = self._known_name(waiting.pop())
            if name in visited:
                continue
            visited.add(name)
            if name in lists.mailboxes:
                found[name] = None
            elif name in lists.aliases:
                waiting.extend(reversed(lists.aliases[name]))
            elif name.rpartition("@")[2] not in self._live.config.domains:
                return NotHere(forwarded=True)
        return Local(tuple(found)) if found else Unknown()

    def _known_name(self, key: str) -> str:
        """The configured name: "anna+lists@..." is "anna@..." unless it has an entry itself (RFC 5233)."""
        lists, separator = self._live.mailboxes, self._live.config.subaddress
        local, _, domain = key.rpartition("@")
        base = local.partition(separator)[0] if separator else local
        if key in lists.mailboxes or key in lists.aliases or not base:
            return key
        return f"{base}@{domain}"
