"""A queue with its delivery and its reports, on a real disk and a clock of the test's own."""

import email
import os
import random
from collections.abc import Sequence
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.live import Live
from mailnode.auth.realm import Realm
from mailnode.checks.spf import Spf
from mailnode.config import Config, MailboxEntry, Mailboxes, Store
from mailnode.delivery.fitting import Content
from mailnode.delivery.letters import Letters
from mailnode.delivery.local import LocalCourier
from mailnode.delivery.moderation import Moderation
from mailnode.delivery.queued import QueuedDelivery
from mailnode.delivery.remote import Settled
from mailnode.delivery.reporting import Reporter, Reports
from mailnode.envelope import Envelope, Recipient
from mailnode.events.feed import ChangeFeed
from mailnode.events.life import Bus, Event
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.queue.admission import Admission
from mailnode.queue.entry import Entry, Fate, Progress, new_entry
from mailnode.queue.runner import DAY, Runner
from mailnode.queue.spool import Spool
from mailnode.runtime import Runtime
from mailnode.wire.address import Address
from tests.net.zone import Zone
from tests.scratch import scratch

NOW = 1_000_000_000.0
ANNA, BOB, CARL = (Address(name, "a.example") for name in ("anna", "bob", "carl"))
HEAD = b"Received: from x\r\n\tby mx.example; x\r\nFrom: anna@a.example\r\nSubject: hello\r\n\r\n"
BODY = b"Text.\r\n"


class Elsewhere:
    """Other hosts, of which none takes anything for good, unless a test says otherwise of a domain."""

    def __init__(self) -> None:
        self.says: dict[str, Progress] = {}
        self.carried: list[tuple[tuple[int, ...], int, bytes]] = []
        self.before: list[Entry] = []  # what carry() was given

    async def carry(
        self, entry: Entry, numbers: Sequence[int], content: Content, octets: int, *, settled: Settled
    ) -> dict[int, Progress]:
        """Each recipient is settled alone."""
        self.before.append(entry)
        self.carried.append((tuple(numbers), octets, b"".join([piece async for piece in content()])))
        found = {}
        for number in numbers:
            domain = entry.envelope.recipients[number].address.domain
            found[number] = self.says.get(domain, Progress(Fate.FAILED, "5.1.2", "No such host"))
            await settled({number: found[number]})
        return found


class QueueTestCase(SynchronousTestCase):
    """Everything but sessions."""

    def setUp(self) -> None:
        room = scratch()
        self.addCleanup(room.cleanup)
        self.base = room.name
        config = Config(
            hostname="mx.example",
            domains=("a.example",),
            state=self.base,
            store=Store(mail=f"{self.base}/mail/{{domain}}/{{local}}"),
        )
        self.files = FileSystem()
        self.clock = Clock()
        self.clock.advance(NOW)
        aliases = {
            "team@a.example": ("anna@a.example", "bob@a.example"),
            "info@a.example": ("bob@a.example",),
            "away@a.example": ("anna@a.example", "x@elsewhere.example"),
        }
        self.live = Live(config, Mailboxes({str(one): MailboxEntry("x") for one in (ANNA, BOB)}, aliases))
        self.bus = Bus()
        self.events: list[Event] = []
        self.bus.subscribe(self.events.append)
        self.runtime = Runtime(self.clock, random.Random(1), InlineExecutor())
        self.realm = Realm(self.live, self.runtime, self.files, rng=random.Random(1))
        self.courier = LocalCourier(self.runtime, self.realm, ChangeFeed(), self.bus, self.files)
        self.spool = Spool(self.files, config.queue_directory)
        self.letters = Letters(self.live, self.runtime, self.courier, begin=self.begin)
        self.zone = Zone({("elsewhere.example", "TXT"): ["v=spf1 ip4:192.0.2.7 -all"]})
        spf = Spf(self.runtime, self.zone)
        self.reporting = Reports(self.live, self.runtime, self.letters, self.bus)
        self.reporter = Reporter(self.live, self.runtime, self.reporting, self.spool, self.bus, spf)
        self.moderation = Moderation(
            self.live, self.runtime, self.spool, self.letters, change=lambda *what: self.runner.change(*what)
        )
        self.gone_on: list[Entry] = []  # the reports for other hosts
        self.remote = Elsewhere()
        self.queued = QueuedDelivery(
            self.live, self.runtime, self.courier, self.spool, self.bus, self.remote, self.moderation
        )
        self.runner = self.another_runner()

    def another_runner(self) -> Runner:
        """One that has begun with what is on the disk."""
        runner = Runner(
            self.runtime,
            self.spool,
            deliver=self.queued.deliver,
            report=self.reporter.of_entry,
            bus=self.bus,
            log=Log("test"),
        )
        self.successResultOf(runner.start())
        self.addCleanup(runner.stop)
        return runner

    def begin(self, entry: Entry, head: bytes) -> Admission:
        """A report goes into the queue, where it is left for a day."""
        self.gone_on.append(entry)
        return self.runner.begin(replace(entry, due=entry.due + DAY), head)

    def do(self, work: Any) -> Any:
        """Run to its end."""
        done = Deferred.fromCoroutine(work)
        if not done.called:
            self.clock.advance(0)  # the turn of the reactor ends
        return self.successResultOf(done)

    def accept(
        self, *to: Address | Recipient, due: float = NOW, content: bytes = HEAD + BODY, **facts: Any
    ) -> Entry:
        """A message of anna's in the queue."""
        recipients = tuple(one if isinstance(one, Recipient) else Recipient(one) for one in to)
        facts.setdefault("reverse_path", ANNA)
        name = self.runtime.new_id()
        entry = new_entry(name, Envelope(recipients=recipients, **facts), came=NOW, due=due)
        admission = self.runner.begin(entry, content)
        self.do(admission.commit())
        return entry

    def inbox(self, who: Address) -> list[bytes]:
        """The messages of somebody, as they lie on the disk."""
        directory = f"{self.live.config.mail_directory(str(who))}/new"
        names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
        return [self.files.read(f"{directory}/{name}") for name in names]

    def report(self, who: Address = ANNA) -> EmailMessage:
        """The one report in somebody's mailbox, as a mail program reads it."""
        (octets,) = [one for one in self.inbox(who) if b"MAILER-DAEMON" in one]
        return read(octets)


def read(octets: bytes) -> EmailMessage:
    """A message as Python's parser reads it; it has no defects."""
    message = email.message_from_bytes(octets, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not [defect for part in message.walk() for defect in part.defects]
    return message
