"""Mail that goes out: the queue, its ways, and what our own people send; in the main process only."""

from typing import Any

from twisted.internet.defer import Deferred

from mailnode.auth.allowance import Senders
from mailnode.checks.spf import Spf
from mailnode.delivery.moderation import Answer, Moderation
from mailnode.delivery.queued import QueuedDelivery
from mailnode.delivery.reporting import Reporter
from mailnode.delivery.tls_reporting import TlsReporting
from mailnode.delivery.waiting import CalledFor
from mailnode.delivery.way_out import make_way_out
from mailnode.events.log import Log
from mailnode.queue.admission import Admission
from mailnode.queue.changes import Change
from mailnode.queue.entry import Entry
from mailnode.queue.runner import Runner
from mailnode.queue.spool import Spool
from mailnode.service_arrivals import Arrivals
from mailnode.service_entrance import Entrance
from mailnode.smtp.server import Smtp
from mailnode.smtp.session import ForPeople


class Sending:
    """Built once.

    Attributes:
        queue: What waits, and works at it.
        arrivals: What takes mail that comes in to this process, and writes the server's own.
        way_out: The connections to other hosts.
    """

    def __init__(self, entrance: Entrance, reactor: Any) -> None:
        live, runtime, files, bus = entrance.live, entrance.runtime, entrance.files, entrance.bus
        self.arrivals = arrivals = Arrivals(entrance, self._begin, self.decide)
        self.way_out = way_out = make_way_out(reactor, live, runtime, files, bus)
        self._entrance = entrance
        self._log = Log("mailnode.queue")
        self._spool = spool = Spool(files, live.config.queue_directory)
        reporter = Reporter(live, runtime, arrivals.reports, spool, bus, Spf(runtime, way_out.resolver))
        self._moderation = Moderation(live, runtime, spool, arrivals.letters, change=self._change)
        self._queued = QueuedDelivery(
            live, runtime, arrivals.courier, spool, bus, way_out.courier, self._moderation
        )
        self.queue = Runner(
            runtime,
            spool,
            deliver=self._queued.deliver,
            report=reporter.of_entry,
            bus=bus,
            log=self._log,
            delay=lambda: float(live.config.limits.delay_report),
        )
        self._senders = Senders(live, runtime, files)
        self._tls_reporting = TlsReporting(
            live, runtime, files, way_out.tls_reports, way_out.resolver, way_out.https, begin=self.queue.begin
        )

    def submission(self) -> Smtp:
        """What serves those who log in to send, or to take what waits for them."""
        entrance = self._entrance
        waiting = CalledFor(
            entrance.live,
            entrance.runtime,
            self._spool,
            self.queue,
            self._queued,
            entrance.bus,
            self.way_out.connections,
        )
        return self.arrivals.smtp(entrance.asking, ForPeople(self._senders, waiting))

    def _begin(self, entry: Entry, head: bytes) -> Admission:
        """The way into the queue, which itself sends letters."""
        return self.queue.begin(entry, head)

    async def decide(self, answer: Answer) -> None:
        """Do what a moderator answers."""
        await self._moderation.decide(answer)

    async def _change(self, name: str, change: Change) -> None:
        """The way back into the queue, which has the moderators asked."""
        await self.queue.change(name, change)

    def start(self) -> None:
        """Begin to work."""
        self.queue.start().addErrback(lambda failure: self._log.bug("queue not started", failure))
        self._tls_reporting.start().addErrback(lambda why: self._log.bug("TLS reports not started", why))

    def stop(self) -> "list[Deferred[None]]":
        """Begin nothing any more; they fire when nobody works at a message and all connections are closed."""
        return [*self.queue.stop(), Deferred.fromCoroutine(self.way_out.connections.close())]

    def put_away(self) -> "list[Deferred[None]]":
        """Write down what was counted, when the last session has ended."""
        return [Deferred.fromCoroutine(one.stop()) for one in (self._senders, self._tls_reporting)]
