"""The DNS of the simulated Internet: answers after a while, and at times none."""

import random
from dataclasses import dataclass, field

from twisted.internet.task import deferLater

from mailnode.net.resolver import Answer, Kind, LookupFailed, Mx, NoRecords, NoSuchName, Record
from tests.simulation.clock import Clock

LATENCY = (0.001, 0.08)
NEVER = 30.0  # seconds: more than anybody waits for


@dataclass
class Zones:
    """Every record there is. `bad` is the share of questions that get no answer, until `calm`."""

    bad: float = 0.0
    calm: float = 0.0
    records: dict[tuple[str, Kind], tuple[Record, ...]] = field(default_factory=dict)

    def host(self, name: str, *addresses: str) -> None:
        """A machine's name."""
        self.records[name, "A"] = addresses

    def senders(self, domain: str, network: str) -> None:
        """From where the mail of a domain comes (SPF)."""
        self.records[domain, "TXT"] = (f"v=spf1 ip4:{network} -all",)

    def exchangers(self, domain: str, *hosts: tuple[int, str]) -> None:
        """Where the mail of a domain goes; a host "" alone says that it takes none (RFC 7505)."""
        self.records[domain, "MX"] = tuple(Mx(*one) for one in hosts)


class Names:
    """The resolver of one machine."""

    def __init__(self, zones: Zones, clock: Clock, rng: random.Random) -> None:
        self._zones = zones
        self._clock = clock
        self._rng = rng

    async def query(self, name: str, kind: Kind) -> Answer:
        """As of a Resolver."""
        zones = self._zones
        troubled = self._rng.random() < zones.bad and self._clock.timeline.now < zones.calm
        silent = troubled and self._rng.random() < 0.3
        await deferLater(self._clock, NEVER if silent else self._rng.uniform(*LATENCY))
        if troubled:
            raise LookupFailed("SERVFAIL")
        found = zones.records.get((name, kind))
        if found:
            return Answer(found, canonical=name)
        if any(known == name for known, _ in zones.records):
            raise NoRecords(f"{name} has no {kind}")
        raise NoSuchName(f"there is no {name}")


class NoPolicies:
    """No domain has an MTA-STS policy."""

    async def policy(self, domain: str) -> None:
        """None."""
