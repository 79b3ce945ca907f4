"""SMTP sessions over memory: the real session code, with fakes for the courier and the logins."""

import random
import re
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.allowance import Senders
from mailnode.auth.checker import LoginBusy
from mailnode.auth.live import Live
from mailnode.auth.login import LoginFailed
from mailnode.config import Config, Limits, Listener, MailboxEntry, Mailboxes
from mailnode.config_quota import Quota
from mailnode.config_submission import Submission
from mailnode.delivery.live import LiveCourier
from mailnode.delivery.moderation import Answer, Answers
from mailnode.delivery.reporting import arrived
from mailnode.delivery.route import Route
from mailnode.envelope import Envelope
from mailnode.events.life import Bus, Event
from mailnode.events.log import Log
from mailnode.events.presence import LiveSessions
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.net.limits import ConnectionLimits, Gate
from mailnode.net.listen import Connection
from mailnode.net.stream import Stream
from mailnode.queue.entry import Entry, Outcome, owed
from mailnode.runtime import Runtime
from mailnode.smtp.server import Smtp
from mailnode.smtp.session import ForPeople
from mailnode.smtp.transaction import Transaction
from tests.auth.fakes import PasswordLogins
from tests.net.memory import Served

CONFIG = Config(hostname="mx.local.example", domains=("local.example", "second.example"))
MAILBOXES = Mailboxes(
    {
        "anna@local.example": MailboxEntry("x"),
        "bob@local.example": MailboxEntry("x"),
        "carl@second.example": MailboxEntry("x"),
    },
    {
        "team@local.example": ("anna@local.example", "all@local.example"),
        "all@local.example": ("bob@local.example", "team@local.example", "anna@local.example"),
        "info@local.example": ("anna@local.example",),
        "away@local.example": ("anna@local.example", "anna@elsewhere.example"),
    },
)
MAIL = b"MAIL FROM:<a@remote.example>\r\n"
RCPT = b"RCPT TO:<anna@local.example>\r\n"
FROM = b"From: Anna <anna@local.example>\r\n"
EHLO = b"EHLO client.example\r\n"

_LAST_LINE = re.compile(rb"^(\d{3}) (.*)\r\n", re.MULTILINE)


@dataclass
class Delivery:
    """What the courier was given of one message; `outcome` tells what became of it."""

    accounts: tuple[str, ...]
    content: bytes
    outcome: str = "open"
    fails: Exception | None = None
    longest: int = 0
    fails_for: dict[str, Exception] = field(default_factory=dict)
    always: frozenset[str] = frozenset()
    paired: bool = False

    async def write(self, data: bytes) -> None:
        """Add octets."""
        self.longest = max(self.longest, len(data))
        self.content += data

    async def commit(self) -> None:
        """Done, or `fails`."""
        self._end()

    def _end(self) -> None:
        if self.fails:
            raise self.fails
        if self.paired:
            rest = self.content.replace(b"\r\n", b"")
            assert b"\r" not in rest and b"\n" not in rest, "what was promised is not true"
        self.outcome = "delivered"

    def leave_out(self, addresses: Collection[str]) -> None:
        """Not for these."""
        self.accounts = tuple(account for account in self.accounts if account not in addresses)

    async def commit_each(self, groups: Sequence[Sequence[str]]) -> list[Exception | None]:
        """Done for every group without anybody in `fails_for`, or `fails`."""
        self._end()
        return [next(filter(None, map(self.fails_for.get, group)), None) for group in groups]

    async def abort(self) -> None:
        """Gone, unless it was delivered."""
        if self.outcome == "open":
            self.outcome = "aborted"


@dataclass
class Files:
    """As much of a FileSystem as the files of senders need, in memory."""

    contents: dict[str, bytes] = field(default_factory=dict)

    def stat(self, path: str) -> object:
        """Something where there is a file."""
        return self.contents.get(path)

    def read(self, path: str, *, limit: int) -> bytes:
        """Its first octets."""
        return self.contents[path][:limit]

    def make_directories(self, path: str) -> None:
        """There are none."""

    def replace(self, path: str, data: bytes) -> None:
        """Put a file there."""
        self.contents[path] = data


@dataclass
class Courier:
    """Keeps every delivery."""

    deliveries: list[Delivery] = field(default_factory=list)
    fails: Exception | None = None
    full: Exception | None = None
    fails_for: dict[str, Exception] = field(default_factory=dict)
    asked: list[tuple[tuple[str, ...], tuple[str, ...], int]] = field(default_factory=list)

    async def check_room(self, addresses: Sequence[str], beside: Collection[str], octets: int) -> None:
        """Room for everybody, unless `full`."""
        self.asked.append((tuple(addresses), tuple(beside), octets))
        if self.full:
            raise self.full

    def begin(
        self,
        accounts: Sequence[str],
        head: bytes,
        *,
        message: str,
        connection: str,
        always: Collection[str] = (),
        paired: bool = False,
    ) -> Delivery:
        """A new one."""
        self.deliveries.append(
            Delivery(
                tuple(accounts),
                head,
                fails=self.fails,
                fails_for=self.fails_for,
                always=frozenset(always),
                paired=paired,
            )
        )
        return self.deliveries[-1]

    @property
    def delivered(self) -> list[Delivery]:
        """Those that arrived."""
        return [delivery for delivery in self.deliveries if delivery.outcome == "delivered"]


@dataclass
class Admission(Delivery):
    """A delivery into the queue."""

    async def store(self) -> None:
        """Durable, or `fails`."""
        if self.fails:
            raise self.fails
        self.outcome = "stored"

    def start(self) -> None:
        """Done."""
        assert self.outcome == "stored"
        self.outcome = "delivered"

    async def commit(self) -> None:
        """Both."""
        await self.store()
        self.start()

    async def abort(self) -> None:
        """Gone, unless it was started."""
        if self.outcome != "delivered":
            self.outcome = "aborted"


@dataclass
class Queue:
    """Keeps every message that is to wait."""

    admissions: list[Admission] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    fails: Exception | None = None

    def begin(self, entry: Entry, head: bytes) -> Admission:
        """A new one."""
        self.entries.append(entry)
        self.admissions.append(Admission((), head, fails=self.fails))
        return self.admissions[-1]


@dataclass
class Reporter:
    """Keeps what is to be reported, if anything is owed."""

    reports: list[tuple[str, tuple[Outcome, ...], bytes]] = field(default_factory=list)
    fails: Exception | None = None

    async def of_arrival(
        self, message: str, envelope: Envelope, leads_to: Sequence[Route], header: bytes
    ) -> None:
        """Keep it, or `fails`."""
        outcomes = owed(envelope, tuple(map(arrived, leads_to)))
        if self.fails:
            raise self.fails
        if outcomes:
            self.reports.append((message, outcomes, header))


@dataclass
class Waiting:
    """Mail that waits, by domain; what was started; what a reversed connection was for."""

    counts: dict[str, int] = field(default_factory=dict)
    fails: OSError | None = None
    started: list[str] = field(default_factory=list)
    sent: list[tuple[str, ...]] = field(default_factory=list)

    async def waiting(self, domain: str) -> int:
        """As many as were put there."""
        if self.fails:
            raise self.fails
        return self.counts.get(domain, 0)

    async def start(self, domain: str) -> None:
        """Remember it."""
        self.started.append(domain)

    async def send_over(self, stream: Stream, domains: Sequence[str]) -> None:
        """As little of SMTP as there can be, as a client."""
        assert (await stream.line(512)).startswith(b"220 ")
        stream.write(b"EHLO mx.local.example\r\n")
        assert (await stream.line(512)).startswith(b"250 ")
        self.sent.append(tuple(domains))
        stream.write(b"QUIT\r\n")
        assert (await stream.line(512)).startswith(b"221 ")


@dataclass(frozen=True)
class Account:
    """As much of a MailAccount as a session looks at."""

    address: str


class Logins(PasswordLogins):
    """The password of these people is always "secret"; "busy" is a user for whom there is no time."""

    people: Collection[str] = MAILBOXES.mailboxes

    async def login(self, username: bytes, password: bytes, connection: Connection) -> Account:
        """The account, LoginFailed or LoginBusy."""
        if username == b"busy":
            raise LoginBusy
        if password != b"secret" or username.decode() not in self.people:
            connection.login_failures += 1
            raise LoginFailed(give_up=connection.login_failures >= 3)
        connection.admission.authenticated(username.decode())
        return Account(username.decode())


def _logins(live: Live, _runtime: Runtime, _bus: Bus) -> Logins:
    logins = Logins()
    logins.people = live.mailboxes.mailboxes
    return logins


async def _nobody_asked(_answer: Answer) -> None:
    """Nobody is ever asked."""


class World(Served):
    """One connection. `cut` decides in which pieces the client's octets arrive.

    `early` has come before the session begins, `soon` in its first moment. It is to a server of its own, or
    to that of the world `beside`; a courier, queue or reporter may be a real one.
    """

    def __init__(
        self,
        protocol: str = "smtp",
        *,
        cut: Callable[[bytes], Iterator[bytes]] = lambda data: iter([data]),
        early: bytes = b"",
        soon: bytes = b"",
        tls: Any = None,
        implicit: bool = False,
        clock: Clock | None = None,
        beside: "World | None" = None,
        **facts: Any,
    ) -> None:
        clock = beside.clock if beside else clock or Clock()
        clock.advance(0 if beside else 1_000_000_000)
        super().__init__(clock, cut)
        self.courier: Courier = facts.pop("courier", None) or Courier()
        self.queue: Queue = facts.pop("queue", None) or Queue()
        self.reporter: Reporter = facts.pop("reporter", None) or Reporter()
        self.free = 10**12
        self.events: list[Event] = []
        limits = replace(Limits(), **facts.pop("limits", {}))
        quota = Quota(over=facts.pop("over", "defer"))
        networks = tuple(map(ip_network, facts.pop("xclient_networks", ())))
        submission = Submission(**facts.pop("submission", {}))
        config = replace(
            CONFIG,
            **{
                "limits": limits,
                "quota": quota,
                "xclient_networks": networks,
                "submission": submission,
                **facts.pop("config", {}),
            },
        )
        self.live = Live(config, facts.pop("mailboxes", MAILBOXES), facts.pop("srs", None))
        self.sessions = LiveSessions()
        bus = Bus()
        bus.subscribe(self.events.append)
        runtime = Runtime(self.clock, random.Random(1), InlineExecutor())
        self.files = beside.files if beside else Files()
        self.senders = beside.senders if beside else Senders(self.live, runtime, cast(Any, self.files))
        self.logins: Any = beside.logins if beside else facts.pop("logins", _logins)(self.live, runtime, bus)
        courier = cast(Any, self.courier)
        utmp = facts.pop("utmp", "/nowhere")
        smtp = Smtp(
            live=self.live,
            runtime=runtime,
            logins=cast(Any, self.logins),
            courier=courier,
            bus=bus,
            tls=tls,
            free_space=lambda: succeed(self.free),
            live_courier=LiveCourier(self.live, runtime, self.sessions, FileSystem(), courier, bus, utmp),
            queue=cast(Any, self.queue).begin,
            reports=cast(Any, self.reporter),
            moderators=Answers(self.live, facts.pop("decide", None) or _nobody_asked),
            people=ForPeople(self.senders, facts.pop("waiting", Waiting())),
        )
        if early:
            self.stream.dataReceived(early)
        listener = Listener(cast(Any, protocol), "tcp:25", "implicit" if implicit else "starttls")
        known = {"peer": "192.0.2.7", "local": "192.0.2.1", "trusted": False, "loopback": False, **facts}
        self.gate = Gate(lambda: ConnectionLimits(9, 99, 99, 99, 9), self.clock.seconds)
        admission = self.gate.admit(known["peer"], trusted=known["trusted"])
        self.connection = connection = Connection(
            "CONN", self.stream, listener=listener, admission=cast(Any, admission), log=Log("test"), **known
        )
        self._serving: Any = smtp.serve(connection)
        self.serve(self._serving, tls if implicit else None)
        if soon:
            self.stream.dataReceived(soon)
        self.settle()

    @property
    def envelope(self) -> Envelope:
        """What the open transaction says so far."""
        return self.transaction.whole_envelope

    @property
    def transaction(self) -> Transaction:
        """The open one."""
        return cast(Transaction, self._serving.cr_frame.f_locals["session"].transaction)

    def send(self, data: bytes) -> list[bytes]:
        """Send octets; gives the last line of every reply."""
        self.feed(data)
        return self.replies()

    def replies(self) -> list[bytes]:
        """The last line of every reply that came since the last call."""
        return [code + b" " + text for code, text in _LAST_LINE.findall(self.transport.take())]

    def lose(self) -> None:
        """The client is gone."""
        super().lose()
        Deferred.fromCoroutine(self.senders.stop())


def whole(data: bytes) -> Iterator[bytes]:
    """In one piece."""
    yield data


def bytewise(data: bytes) -> Iterator[bytes]:
    """One octet at a time."""
    for index in range(len(data)):
        yield data[index : index + 1]


def by_chance(data: bytes) -> Iterator[bytes]:
    """In pieces of random length, the same in every run."""
    chance = random.Random(len(data))
    while data:
        length = chance.randint(1, 12)
        yield data[:length]
        data = data[length:]


CUTS = (whole, bytewise, by_chance)


class SmtpTestCase(SynchronousTestCase):
    """Ends every session and looks that nothing is left of it."""

    def setUp(self) -> None:
        self.worlds: list[World] = []

    def tearDown(self) -> None:
        for world in self.worlds:
            world.lose()
        for world in self.worlds:
            self.assertNotEqual(world.outcome, "", "the session has not ended")
            self.assertEqual(world.clock.getDelayedCalls(), [])
            deliveries = [*world.courier.deliveries, *world.queue.admissions]
            self.assertNotIn("open", [delivery.outcome for delivery in deliveries])

    def world(self, protocol: str = "smtp", **facts: Any) -> World:
        """A connection that has been greeted."""
        world = World(protocol, **facts)
        self.worlds.append(world)
        return world

    def greeted(self, protocol: str = "smtp", **facts: Any) -> World:
        """A connection after 220 and EHLO."""
        world = self.world(protocol, **facts)
        self.check(world, [(b"", [b"220"]), (EHLO, [b"250"])])
        return world

    def submitting(self, user: bytes = b"anna@local.example", **facts: Any) -> World:
        """A connection to submission from loopback, logged in."""
        world = self.greeted("submission", loopback=True, **facts)
        self.check(world, [(auth_plain(user), [b"235"])])
        return world

    def check(self, world: World, steps: Sequence[tuple[bytes, list[bytes]]]) -> None:
        """Send each group; each reply must begin as said, and there must be no other."""
        for sent, wanted in steps:
            replies = world.send(sent)
            begins = [reply[: len(want)] for reply, want in zip(replies, wanted, strict=False)]
            self.assertEqual((begins, len(replies)), (wanted, len(wanted)), (sent, replies))


def auth_plain(user: bytes, password: bytes = b"secret") -> bytes:
    """AUTH PLAIN with its initial response."""
    return b"AUTH PLAIN " + b64encode(b"\0" + user + b"\0" + password) + b"\r\n"
