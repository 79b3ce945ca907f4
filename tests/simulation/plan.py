"""A world before it begins, as values: its servers, hosts and names, its messages and accidents."""

from dataclasses import dataclass, field

from mailnode.config import Config, Limits, Listener, MailboxEntry, Mailboxes, Store
from mailnode.config_lists import MailingList
from mailnode.config_quota import Quota
from mailnode.config_sending import Relay
from tests.simulation.habits import Habit
from tests.simulation.names import Zones
from tests.simulation.places import Places
from tests.simulation.senders import Message

HOPS = 8

_LISTENERS = (Listener("smtp", "tcp:25", "none"), Listener("submission", "tcp:587", "none"))


@dataclass
class HostPlan:
    """A host that is not ours."""

    name: str
    address: str
    domain: str
    habits: tuple[Habit, ...] = ()
    rudeness: float = 0.0
    mended: float = 0.0


@dataclass
class NodePlan:
    """A server of ours."""

    name: str
    address: str
    domains: tuple[str, ...]
    entries: dict[str, MailboxEntry] = field(default_factory=dict)
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lists: dict[str, MailingList] = field(default_factory=dict)
    routes: dict[str, Relay] = field(default_factory=dict)
    refuses_when_full: bool = False
    limits: Limits = field(default_factory=lambda: Limits(received_hops=HOPS))

    @property
    def domain(self) -> str:
        """Its own."""
        return self.domains[0]

    @property
    def smarthost(self) -> str:
        """The address at which one on the same machine may hand it mail."""
        return f"127.0.1.{self.address.rpartition('.')[2]}"

    @property
    def config(self) -> Config:
        """What its administrator wrote."""
        return Config(
            hostname=f"mail.{self.domain}",
            domains=self.domains,
            state="/state",
            store=Store(mail="/state/mail/{domain}/{local}"),
            listeners=_LISTENERS,
            routes=self.routes,
            quota=Quota(over="refuse" if self.refuses_when_full else "defer"),
            limits=self.limits,
        )

    @property
    def mailboxes(self) -> Mailboxes:
        """The same."""
        return Mailboxes(self.entries, self.aliases, self.lists)


@dataclass(frozen=True)
class Death:
    """A node stops at `time`, or dies: at once, or so many events or disk operations later. It comes back."""

    time: float
    node: int
    events: int
    operations: int
    power: bool
    in_order: bool  # not a death, but a stop
    down: float


@dataclass
class Plan:
    """Everything."""

    nodes: list[NodePlan] = field(default_factory=list)
    hosts: list[HostPlan] = field(default_factory=list)
    zones: Zones = field(default_factory=Zones)
    places: Places = field(default_factory=Places)
    messages: list[tuple[float, int, Message]] = field(default_factory=list)  # when, and to which node
    deaths: list[Death] = field(default_factory=list)
    jumps: list[tuple[float, int, float]] = field(default_factory=list)
    full: list[tuple[float, int, float]] = field(default_factory=list)
    emptied: list[tuple[float, str]] = field(default_factory=list)
    bad: float = 0.0
    calm: float = 0.0
    smarthost: bool = False
