"""Where mail for an address is to end: worked out from a world's plan, not by the server's own code."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Places:
    """All names of a world.

    `leads_to` has aliases and lists, `owners` those of lists, `catch_alls` one mailbox for a domain, `full`
    the mailboxes that may have no room, and `doubtful` the domains of other hosts that may refuse a message.
    """

    domains: set[str] = field(default_factory=set)  # of our servers
    mailboxes: dict[str, None] = field(default_factory=dict)
    leads_to: dict[str, tuple[str, ...]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    catch_alls: dict[str, str] = field(default_factory=dict)
    full: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    outside: list[str] = field(default_factory=list)

    def ways(self, address: str, over: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        """Every way mail for an address may go: the names on it, the last of which is where it ends.

        A circle ends in itself, by whichever of its names is first in the alphabet.
        """
        if address in over:
            circle = over[over.index(address) :]
            yield (*over, min(circle))
            return
        here = (*over, address)
        domain = address.rpartition("@")[2]
        if address in self.leads_to:
            for target in self.leads_to[address]:
                yield from self.ways(target, here)
        elif address not in self.mailboxes and domain in self.catch_alls:
            yield from self.ways(self.catch_alls[domain], here)
        else:
            yield here

    def ends(self, address: str) -> Counter[str]:
        """Where its ways end, and how many end there."""
        return Counter(way[-1] for way in self.ways(address))

    def is_circle(self, end: str) -> bool:
        """Whether mail for it goes round and never arrives."""
        return end in self.leads_to

    def is_certain(self, end: str) -> bool:
        """Whether there is no reason, ever, not to deliver there."""
        domain = end.rpartition("@")[2]
        if domain in self.domains:
            return end in self.mailboxes and end not in self.full
        return end in self.outside and domain not in self.doubtful and not end.startswith("nobody")
