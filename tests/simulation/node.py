"""One of our servers, whole but for TLS, passwords and real disks, which can die at any moment and come back.

It is built of the parts that service.py builds, in its order, over this world's clock, network, names and
disk. Each start is a life of its own: of the one before there is only what the disk kept.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from OpenSSL.crypto import X509Store
from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from mailnode.auth.allowance import Senders
from mailnode.auth.live import Live
from mailnode.auth.realm import Realm
from mailnode.checks.spf import Spf
from mailnode.config import Config, Mailboxes
from mailnode.delivery.connections import Connections
from mailnode.delivery.destination import Destinations
from mailnode.delivery.dialing import Dialer
from mailnode.delivery.letters import Letters
from mailnode.delivery.live import LiveCourier
from mailnode.delivery.local import FreeSpace, LocalCourier
from mailnode.delivery.moderation import Answers, Moderation
from mailnode.delivery.queued import QueuedDelivery
from mailnode.delivery.remote import RemoteCourier
from mailnode.delivery.reporting import Reporter, Reports
from mailnode.delivery.waiting import CalledFor
from mailnode.events.feed import ChangeFeed
from mailnode.events.life import Bus, Event
from mailnode.events.log import Log
from mailnode.events.presence import LiveSessions
from mailnode.net.stream import Stream
from mailnode.queue.admission import Admission
from mailnode.queue.changes import Change
from mailnode.queue.entry import Entry
from mailnode.queue.runner import Runner
from mailnode.queue.spool import Beginning, Spool
from mailnode.runtime import Runtime
from mailnode.service_listeners import make_gates, session_factories
from mailnode.service_stopping import PATIENCE
from mailnode.smtp.server import Smtp
from mailnode.smtp.session import ForPeople
from mailnode.wire.srs import Srs
from tests.auth.fakes import PasswordLogins
from tests.simulation.clock import Clock, Timeline
from tests.simulation.disk import Disk
from tests.simulation.files import Files, Killed
from tests.simulation.names import Names, NoPolicies, Zones
from tests.simulation.network import Network
from tests.simulation.wire import Machine

T = TypeVar("T")

SMTP, SUBMISSION = 25, 587
DISK_SECONDS = (0.0, 0.02)
PASSWORD = b"secret"

Heard = Callable[["Node", Event], None]


@dataclass(frozen=True)
class _Account:
    """As much of a MailAccount as a session looks at."""

    address: str


class _Logins(PasswordLogins):
    """One password for everybody: what a real one costs is nothing that happens in a simulation."""

    def __init__(self, live: Live) -> None:
        self.live = live

    async def login(self, username: bytes, password: bytes, connection: Any) -> _Account:
        """The account of a user who has a mailbox."""
        address = username.decode()
        assert password == PASSWORD and address in cast(Live, self.live).mailboxes.mailboxes
        connection.admission.authenticated(address)
        return _Account(address)


class _Threads:
    """Runs blocking work a moment later, whole, unless the machine dies in the middle of it."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng

    def run(self, function: Callable[..., T], *args: Any) -> "Deferred[T]":
        """As of an Executor."""
        done: Deferred[T] = Deferred()
        self._clock.callLater(self._rng.uniform(*DISK_SECONDS), self._work, done, function, args)
        return done

    def _work(self, done: "Deferred[T]", function: Callable[..., T], args: tuple[Any, ...]) -> None:
        try:
            value = function(*args)
        except Killed:
            return
        except Exception:
            done.errback(Failure())
        else:
            done.callback(value)


class Life:
    """All that is in memory between a start and a death."""

    kind_of_files = Files
    kind_of_connections = Connections

    def __init__(
        self,
        node: "Node",
        network: Network,
        zones: Zones,
        rng: random.Random,
        timeline: Timeline,
        ahead: float,
    ) -> None:
        self.clock = clock = Clock(timeline)
        clock.jump(ahead)
        self.machine = machine = Machine(node.name, node.address, clock)
        self.inner = machine  # by another address, for others on the same machine
        die = partial(node.die, power=rng.random() < 0.5)
        self.files = files = self.kind_of_files(node.disk, clock.seconds, die)
        files.full = lambda: timeline.now < node.full_until and rng.random() < 0.5
        self.stopping = False
        self.runtime = runtime = Runtime(clock, rng, _Threads(clock, rng))
        self.bus = bus = Bus()
        bus.subscribe(partial(node.hear, self))
        self.live = live = Live(node.config, node.mailboxes, Srs(node.name.encode(), clock.seconds))
        feed, sessions = ChangeFeed(), LiveSessions()
        realm = Realm(live, runtime, files, rng=rng)
        courier = LocalCourier(runtime, realm, feed, bus, files)

        def count(_: object) -> None:
            """Nobody reads reports on TLS here."""

        endpoint = partial(network.endpoint, machine)
        names = Names(zones, clock, rng)
        destinations = Destinations(live, runtime, names, NoPolicies(), ours=lambda one: one == node.address)
        dialer = Dialer(live, runtime, files, partial(self._endpoint, endpoint), X509Store(), count)
        most = live.config.limits.destination_connections
        self.connections = self.kind_of_connections(runtime, dialer.connect, lambda: most)
        remote = RemoteCourier(runtime.clock, destinations, self.connections, bus)
        self.trying: dict[str, None] = {}  # messages of the queue of which nobody has heard the end
        self.put_off: set[tuple[str, str]] = set()  # who is not reached by this try, by id and recipient
        self.relayed: dict[tuple[str, str], float] = {}  # when another host said yes, by id and recipient
        spool = Spool(files, node.config.queue_directory)
        letters = Letters(live, runtime, courier, begin=self._begin)
        moderation = Moderation(live, runtime, spool, letters, change=self._change)
        self.queued = QueuedDelivery(live, runtime, courier, spool, bus, remote, moderation)
        reports = Reports(live, runtime, letters, bus)
        self.reporter = Reporter(live, runtime, reports, spool, bus, Spf(runtime, names))
        self.queue = Runner(
            runtime,
            spool,
            deliver=self.deliver,
            report=self.report,
            bus=bus,
            log=Log("mailnode.queue"),
            delay=lambda: float(live.config.limits.delay_report),
        )
        waiting = CalledFor(live, runtime, spool, self.queue, self.queued, bus, self.connections)
        smtp = Smtp(
            live=live,
            runtime=runtime,
            logins=cast(Any, _Logins(live)),
            courier=courier,
            bus=bus,
            tls=None,
            free_space=FreeSpace(runtime, files, lambda: realm.mail_root),
            live_courier=LiveCourier(live, runtime, sessions, files, courier, bus),
            queue=self.queue.begin,
            reports=reports,
            moderators=Answers(live, moderation.decide),
            people=ForPeople(Senders(live, runtime, files), waiting),
        )
        serve = {"smtp": smtp.serve, "submission": smtp.serve}
        gates = make_gates(live, runtime, serve)
        self.factories = session_factories(live, runtime, serve, {}, None, gates)
        for port, factory in zip((SMTP, SUBMISSION), self.factories.values(), strict=True):
            network.listen(machine, port, factory)

    @staticmethod
    def _endpoint(endpoint: Callable[..., Any], address: str, port: int) -> Any:
        """A smarthost on the same machine sees a connection of that machine."""
        return endpoint(address, port, "127.0.0.1" if address.startswith("127.") else "")

    def _begin(self, entry: Entry, head: bytes) -> Admission:
        return self.queue.begin(entry, head)

    async def _change(self, name: str, change: Change) -> None:
        await self.queue.change(name, change)

    async def deliver(self, entry: Entry, beginning: Beginning | None) -> Entry:
        """What the queue's runner calls for each try."""
        self.trying[entry.id] = None
        return await self.queued.deliver(entry, beginning)

    async def report(self, entry: Entry) -> bool:
        """What the queue's runner calls to tell a sender."""
        self.trying[entry.id] = None
        return await self.reporter.of_entry(entry)

    def streams(self) -> list[Stream]:
        """The connections that others have made to it."""
        return [stream for factory in self.factories.values() for stream in factory.open]


class Node:
    """The machine and what its administrator wrote; `life` is None while it is dead."""

    def __init__(
        self,
        name: str,
        address: str,
        config: Config,
        mailboxes: Mailboxes,
        build: Callable[["Node", float], Life],
        heard: Heard,
        died: Callable[["Node", Life, bool], None],
    ) -> None:
        self.name = name
        self.address = address
        self.config = config
        self.mailboxes = mailboxes
        self.disk = Disk()
        self.life: Life | None = None
        self.graves: list[Life] = []
        self.countdown: int | None = None  # so many events of a message, then it dies
        self.down = 1.0  # seconds until it comes back
        self.lost_power = False
        self.full_until = 0.0  # while its disk is full
        self._build = build
        self._heard = heard
        self._died = died

    def start(self) -> None:
        """Live, with what is on the disk; the clock is as wrong as it was."""
        ahead = self.graves[-1].clock.ahead if self.graves else 0.0
        life = self.life = self._build(self, ahead)
        life.queue.start().addErrback(lambda failure: Log("mailnode").bug("queue not started", failure))

    def hear(self, life: Life, event: Event) -> None:
        """Something happened to a message; perhaps it was the last thing here."""
        if life is not self.life:
            return
        self._heard(self, event)
        if self.countdown is not None:
            self.countdown -= 1
            if self.countdown <= 0:
                self.die(power=False)

    def stop(self) -> None:
        """End in order, as the service does: first what is under way, for as long as it waits."""
        life = self.life
        if life is None or life.stopping:
            return
        life.stopping = True
        for factory in life.factories.values():
            factory.dismiss(b"Stopping")
        sessions = [session for factory in life.factories.values() for session in factory.sessions()]
        sending = [*life.queue.stop(), Deferred.fromCoroutine(life.connections.close())]

        def end(_: object = None) -> None:
            if self.life is life:
                self.die(power=False)

        DeferredList([*sessions, *sending]).addCallback(end)
        life.clock.callLater(PATIENCE, end)

    def die(self, *, power: bool) -> None:
        """Stop at once; with `power` the disk loses what is not safe, and nobody is told that we are gone."""
        life, self.life = self.life, None
        if life is None:
            return
        self.countdown = None
        self.lost_power = self.lost_power or power
        life.clock.stop()
        life.files.dead = True
        life.machine.dead, life.machine.silent = True, power
        self.graves.append(life)
        self._died(self, life, power)
