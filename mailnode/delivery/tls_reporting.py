"""Sends the reports on TLS that other domains ask for, once a day (RFC 8460).

What was counted is written down once an hour and when the server stops, and read when it starts. After
midnight UTC and a random delay, so that not all servers of the world report at once (section 4.1), each
domain of the days that are over is asked where it wants reports. One that wants none is forgotten; so is one
whose report was taken by one of its destinations at least. The others have another chance the next day, as
long as their counts are kept.

A report by mail goes into the queue, without reverse-path. It is no reason for the next report: see
`Envelope.tls_optional`. The id of a report is made of the domain and the day, so that whoever gets one twice,
because the server died before it noted that it was sent, can see that.
"""

import gzip
import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from mailnode.auth.live import Live
from mailnode.config import Config
from mailnode.config_rules import split_address
from mailnode.delivery.tls_report import TlsReports, day_of
from mailnode.delivery.tls_report_mail import MEDIA_TYPE, Mail, compose
from mailnode.envelope import Envelope, Recipient
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.blocking import Lane
from mailnode.net.https import FetchFailed
from mailnode.net.resolver import Budgeted, LookupFailed, NoAnswer, Resolver
from mailnode.queue.admission import Admission
from mailnode.queue.entry import Entry, new_entry
from mailnode.runtime import Runtime
from mailnode.wire.address import Address, is_domain
from mailnode.wire.tls_rpt import Destination, Web, parse_record

SAVE_SECONDS = 3600.0
LONGEST_DELAY = 4 * 3600.0  # after midnight
LARGEST_FILE = 16_777_216  # octets


class Poster(Protocol):
    """Brings octets to hosts by HTTPS."""

    async def post(self, host: str, path: str, content: bytes, *, kind: str) -> None:
        """Raises FetchFailed where they are not taken."""


class TlsReporting:
    """One for the process; used on the reactor thread. `begin` is the way into the queue."""

    def __init__(
        self,
        live: Live,
        runtime: Runtime,
        files: FileSystem,
        reports: TlsReports,
        resolver: Resolver,
        https: Poster,
        *,
        begin: Callable[[Entry, bytes], Admission],
    ) -> None:
        self._live = live
        self._runtime = runtime
        self._files = files
        self._reports = reports
        self._resolver = resolver
        self._https = https
        self._begin = begin
        self._path = live.config.tls_reports_file  # that of the start, as all of `state`
        self._lane = Lane(runtime.blocking)
        self._timer: IDelayedCall | None = None
        self._due = 0.0
        self._running = False
        self._loaded = False
        self._log = Log("mailnode.tls_reports")

    # Starting and stopping

    def start(self) -> "Deferred[None]":
        """Begin to work; fires when what was counted before is known."""
        self._running = True
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        await self._load()
        now = self._runtime.now()
        pending = self._reports.whole_days(now)  # the server was not there to send them
        self._due = now + self._delay() if pending else self._next_round()
        self._plan()

    async def stop(self) -> None:
        """Begin nothing more, and write down what was counted."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._save()
        await self._lane.run(lambda: None)  # behind what was being written already

    def _plan(self) -> None:
        if self._running:
            seconds = min(SAVE_SECONDS, max(0.0, self._due - self._runtime.now()))
            self._timer = self._runtime.clock.callLater(seconds, self._wake)

    def _wake(self) -> None:
        self._timer = None
        Deferred.fromCoroutine(self._work()).addErrback(self._failed).addBoth(lambda _: self._plan())

    def _failed(self, failure: Failure) -> None:
        self._log.bug("TLS reports were not sent", failure)

    async def _work(self) -> None:
        if self._runtime.now() >= self._due:
            self._due = self._next_round()
            await self._report()
        await self._save()

    def _next_round(self) -> float:
        """After the next midnight."""
        tomorrow = day_of(self._runtime.now()) + timedelta(days=1)
        return datetime.combine(tomorrow, time(), UTC).timestamp() + self._delay()

    def _delay(self) -> float:
        return self._runtime.random.random() * LONGEST_DELAY

    # The file

    async def _load(self) -> None:
        """What cannot be read is counted anew, and stays where it is until something else is written."""
        try:
            if text := await self._lane.run(self._read):
                self._reports.read(text)
        except (OSError, ValueError) as error:
            self._log.warn("earlier counts of TLS are not known", path=self._path, reason=error)
        self._reports.changed = False
        self._loaded = True

    def _read(self) -> str:
        if self._files.stat(self._path) is None:
            return ""
        return self._files.read(self._path, limit=LARGEST_FILE).decode("utf-8")

    def _write(self, data: bytes) -> None:
        self._files.make_directories(os.path.dirname(self._path))
        self._files.replace(self._path, data)

    async def _save(self) -> None:
        if not self._reports.changed or not self._loaded:
            return
        self._reports.changed = False
        data = self._reports.text().encode()
        try:
            if len(data) > LARGEST_FILE:
                raise ValueError("it is too much")
            await self._lane.run(self._write, data)
        except (OSError, ValueError) as error:
            self._reports.changed = True  # written the next time
            self._log.warn("counts of TLS are not written down", path=self._path, reason=error)

    # Reporting

    async def _report(self) -> None:
        for day in self._reports.whole_days(self._runtime.now()):
            for domain in self._reports.domains(day):
                if not self._running:
                    return
                if not self._live.config.tls_reports or await self._report_to(day, domain):
                    self._reports.forget(day, domain)

    async def _report_to(self, day: date, domain: str) -> bool:
        """Whether a domain has its report, or wants none."""
        try:
            destinations = await self._wanted(domain)
        except LookupFailed as failure:
            self._log.warn("no TLS report", domain=domain, reason=failure)
            return False
        if not destinations:
            return True
        mail = self._mail(day, domain)
        taken = [await self._send(mail, one) for one in destinations]
        return any(taken)

    async def _wanted(self, domain: str) -> tuple[Destination, ...]:
        if not is_domain(domain):  # an address literal has no records
            return ()
        resolver = Budgeted(self._resolver, self._runtime.clock)
        try:
            return parse_record((await resolver.query(f"_smtp._tls.{domain}", "TXT")).texts)
        except NoAnswer:
            return ()

    def _mail(self, day: date, domain: str) -> Mail:
        config = self._live.config
        contact = contact_of(config)
        submitter = split_address(contact)[1]
        id = f"{day:%Y%m%d}.{domain}@{config.hostname}"
        report: dict[str, Any] | None = self._reports.report(
            day, domain, organization=config.hostname, contact=contact, id=id
        )
        content = gzip.compress(json.dumps(report).encode(), mtime=0)
        return Mail(domain, submitter, contact, id, day, self._runtime.now(), content)

    async def _send(self, mail: Mail, to: Destination) -> bool:
        """Whether it is taken, or is in the queue."""
        try:
            if isinstance(to, Web):
                await self._https.post(to.host, to.path, mail.content, kind=MEDIA_TYPE)
            else:
                await self._queue(mail, to)
        except (FetchFailed, OSError) as error:
            self._log.warn("no TLS report", domain=mail.domain, to=to, reason=error)
            return False
        self._log.info("TLS report", domain=mail.domain, to=to)
        return True

    async def _queue(self, mail: Mail, to: Address) -> None:
        name, now = self._runtime.new_id(), self._runtime.now()
        envelope = Envelope(None, recipients=(Recipient(to),), tls_optional=True)
        admission = self._begin(new_entry(name, envelope, came=now, due=now), b"")
        try:
            await admission.write(compose(mail, to, name))
            await admission.commit()
        finally:
            await admission.abort()


def contact_of(config: Config) -> str:
    """Whom to ask about a report: the postmaster, by an address that everybody can write to."""
    named = config.postmaster
    return named if named and named.isascii() else f"postmaster@{config.domains[0]}"
