"""TLS reports on their way to those who ask for them (RFC 8460)."""

import gzip
import json
import os
from dataclasses import replace
from datetime import UTC, date, datetime
from email.message import EmailMessage
from typing import Any

from twisted.internet.defer import Deferred

from mailnode.delivery import tls_reporting
from mailnode.delivery.tls_policy import Published, TlsOutcome
from mailnode.delivery.tls_report import DAYS, TlsReports
from mailnode.delivery.tls_report_mail import MEDIA_TYPE
from mailnode.delivery.tls_reporting import LONGEST_DELAY, SAVE_SECONDS, TlsReporting
from mailnode.envelope import Body, Envelope, Recipient
from mailnode.net.https import FetchFailed
from mailnode.net.resolver import Kind
from mailnode.queue.entry import Entry
from mailnode.wire.address import Address
from tests.delivery.world import QueueTestCase, read
from tests.net.zone import Zone

DAY = 86_400.0
MORNING = datetime(2001, 9, 9, 6, tzinfo=UTC).timestamp()  # later than the world's NOW
TODAY, TOMORROW = date(2001, 9, 9), date(2001, 9, 10)
TXT: Kind = "TXT"


class Web:
    """Takes what is brought, or does not."""

    def __init__(self) -> None:
        self.brought: list[tuple[str, str, bytes, str]] = []
        self.fails = False

    async def post(self, host: str, path: str, content: bytes, *, kind: str) -> None:
        """As Https."""
        self.brought.append((host, path, content, kind))
        if self.fails:
            raise FetchFailed("no")


class ReportingTestCase(QueueTestCase):
    """With a DNS and hosts that take reports; it is six in the morning."""

    def setUp(self) -> None:
        super().setUp()
        self.clock.advance(MORNING - self.clock.seconds())
        self.zone = Zone({})
        self.web = Web()
        self.reports = TlsReports()
        self.start()

    def start(self) -> None:
        """A server that has just been started, with the files that are there."""
        self.reporting = TlsReporting(
            self.live, self.runtime, self.files, self.reports, self.zone, self.web, begin=self.begin
        )
        self.successResultOf(self.reporting.start())
        self.addCleanup(lambda: self.do(self.reporting.stop()))

    def restart(self) -> None:
        """Another one, that knows only what was written down."""
        self.do(self.reporting.stop())
        self.reports = TlsReports()
        self.start()

    def wants(self, domain: str, uris: str) -> None:
        """The domain asks for reports."""
        self.zone.records[f"_smtp._tls.{domain}", TXT] = [f"v=TLSRPTv1; rua={uris}"]

    def count(self, domain: str, result: str = "") -> None:
        """A session."""
        outcome = TlsOutcome(Published("no-policy-found", domain), "mx." + domain, "192.0.2.1", result)
        self.reports.count(outcome, self.clock.seconds())

    def sleep(self, seconds: float) -> None:
        """Time goes by, with all that happens in it."""
        until = self.clock.seconds() + seconds
        while self.clock.seconds() < until:
            self.clock.advance(min(600.0, until - self.clock.seconds()))

    def night(self) -> None:
        """Until the next noon, when whatever was to be sent was sent."""
        noon = (self.clock.seconds() // DAY + 1.5) * DAY
        self.sleep(noon - self.clock.seconds())

    def mail(self, entry: Entry) -> EmailMessage:
        """What lies in the queue."""
        with self.spool.body(entry.id) as body:
            octets = body.read_at(0, 100_000)
        self.assertTrue(octets.isascii())
        self.assertEqual(octets.count(b"\n"), octets.count(b"\r\n"))
        self.assertEqual([line for line in octets.split(b"\r\n") if len(line) > 200], [])
        return read(octets)


class ByMail(ReportingTestCase):
    """rua=mailto:"""

    def test_message(self) -> None:
        """RFC 8460 section 5.3: fields, parts and file name; nobody hears what becomes of it."""
        self.wants("a-b.example", "mailto:tls@reports.example")
        self.count("a-b.example")
        self.count("a-b.example", "certificate-expired")
        self.night()
        (entry,) = self.gone_on
        to = Address("tls", "reports.example")
        self.assertEqual(entry.envelope, Envelope(None, recipients=(Recipient(to),), tls_optional=True))
        self.assertIs(entry.envelope.body, Body.SEVEN_BIT)
        found = self.mail(entry)
        for name, value in (
            ("From", "TLS reports <postmaster@a.example>"),
            ("To", "tls@reports.example"),
            (
                "Subject",
                "Report Domain: a-b.example Submitter: a.example "
                "Report-ID: <20010909.a-b.example@mx.example>",
            ),
            ("Auto-Submitted", "auto-generated"),
            ("TLS-Report-Domain", "a-b.example"),
            ("TLS-Report-Submitter", "a.example"),
            ("TLS-Required", "No"),
        ):
            self.assertEqual(str(found[name]).replace("\t", " "), value, name)
        self.assertEqual(found.get_content_type(), "multipart/report")
        self.assertEqual(found.get_param("report-type"), "tlsrpt")
        text, attached = found.iter_parts()
        self.assertEqual(text.get_content_type(), "text/plain")
        self.assertIn("2001-09-09", text.get_content())
        self.assertEqual(attached.get_content_type(), MEDIA_TYPE)
        self.assertEqual(attached.get_filename(), "a.example!a-b.example!999993600!1000079999.json.gz")
        report = json.loads(gzip.decompress(attached.get_content()))
        self.assertEqual(report["report-id"], "20010909.a-b.example@mx.example")
        self.assertEqual(report["organization-name"], "mx.example")
        self.assertEqual(report["contact-info"], "postmaster@a.example")
        self.assertEqual(report["date-range"]["start-datetime"], "2001-09-09T00:00:00Z")
        (policy,) = report["policies"]
        self.assertEqual(list(policy["summary"].values()), [1, 1])

    def test_contact(self) -> None:
        """It is the configured postmaster, if everybody can write to it."""
        for name, contact in (
            ("anna@a.example", "anna@a.example"),
            ("j\u00fcrgen@a.example", "postmaster@a.example"),
            ("", "postmaster@a.example"),
        ):
            config = replace(self.live.config, postmaster=name)
            self.assertEqual(tls_reporting.contact_of(config), contact)

    def test_own_mailbox(self) -> None:
        """A destination that is a mailbox here gets it like any other message."""
        self.wants("b.example", "mailto:anna@a.example")
        self.count("b.example")
        self.night()
        self.sleep(DAY)  # what the test's queue waits
        (octets,) = self.inbox(Address("anna", "a.example"))
        self.assertIn(b"Return-Path: <>\n", octets)

    def test_disk(self) -> None:
        """What cannot be queued has another chance the next day."""
        self.wants("b.example", "mailto:tls@b.example")
        self.count("b.example")
        with_disk, self.reporting._begin = self.reporting._begin, self.full
        self.night()
        self.assertEqual(self.gone_on, [])
        self.reporting._begin = with_disk
        self.night()
        self.assertEqual(len(self.gone_on), 1)

    def full(self, entry: Entry, head: bytes) -> Any:
        """No room for another message."""
        raise OSError("full")


class ByWeb(ReportingTestCase):
    """rua=https:"""

    def test_brought(self) -> None:
        """RFC 8460 section 5.4: the compressed report, with its media type."""
        self.wants("b.example", "https://reports.b.example/v1?x")
        self.count("b.example")
        self.night()
        ((host, path, content, kind),) = self.web.brought
        self.assertEqual((host, path, kind), ("reports.b.example", "/v1?x", "application/tlsrpt+gzip"))
        self.assertEqual(
            json.loads(gzip.decompress(content))["policies"][0]["policy"]["policy-domain"], "b.example"
        )

    def test_failed(self) -> None:
        """What nobody took is brought again the next day, as the same report, and not for ever."""
        self.wants("b.example", "https://b.example")
        self.count("b.example")
        self.web.fails = True
        for _ in range(DAYS + 2):
            self.night()
        self.assertEqual(len(self.web.brought), DAYS - 1)
        self.assertEqual(len(set(self.web.brought)), 1)
        self.assertEqual(self.reports.domains(TODAY), ())

    def test_several(self) -> None:
        """Each destination gets it; that one takes it is enough."""
        self.wants("b.example", "https://b.example,mailto:tls@b.example")
        self.count("b.example")
        self.web.fails = True
        self.night()
        self.night()
        self.assertEqual((len(self.web.brought), len(self.gone_on)), (1, 1))


class Daily(ReportingTestCase):
    """When, and of whom."""

    def test_time(self) -> None:
        """RFC 8460 section 4.1: after midnight UTC, at a moment that differs from day to day."""
        moments = set()
        self.wants("b.example", "https://b.example")
        for number in range(5):
            self.count("b.example")
            midnight = (self.clock.seconds() // DAY + 1) * DAY
            self.sleep(midnight - self.clock.seconds() - 1)
            self.assertEqual(len(self.web.brought), number)
            while len(self.web.brought) == number:
                self.clock.advance(60)
            moments.add(int(self.clock.seconds() - midnight) // 60)
            self.assertLess(self.clock.seconds() - midnight, LONGEST_DELAY + 60)
            self.sleep(LONGEST_DELAY + 3600)
            self.assertEqual(len(self.web.brought), number + 1)
        self.assertEqual(len(moments), 5)

    def test_whole_days(self) -> None:
        """What is counted after midnight is for the next report."""
        self.wants("b.example", "https://b.example")
        self.count("b.example")
        self.sleep(DAY * 0.75 + 1)
        self.count("b.example")
        self.night()
        days = [json.loads(gzip.decompress(one[2]))["date-range"]["end-datetime"] for one in self.web.brought]
        self.assertEqual(days, ["2001-09-09T23:59:59Z", "2001-09-10T23:59:59Z"])

    def test_who_does_not_ask(self) -> None:
        """Who has no record, or one that is none, gets nothing and is forgotten; nobody else is asked."""
        self.zone.records["_smtp._tls.b.example", TXT] = ["v=spf1 -all"]
        self.zone.records["_smtp._tls.c.example", TXT] = ["v=TLSRPTv1; rua=mailto:c"]
        for domain in ("b.example", "c.example", "d.example", "[192.0.2.1]"):
            self.count(domain)
        self.night()
        self.assertEqual((self.gone_on, self.web.brought), ([], []))
        self.assertEqual(self.reports.domains(TODAY), ())
        asked = [(f"_smtp._tls.{one}.example", TXT) for one in "bcd"]
        self.assertEqual(self.zone.asked, asked)

    def test_dns_fails(self) -> None:
        """Where nobody can say, the domain is asked again the next day; others are not held up."""
        self.zone.records["_smtp._tls.b.example", TXT] = Zone.FAILS
        self.wants("c.example", "https://c.example")
        self.count("b.example")
        self.count("c.example")
        self.night()
        self.assertEqual([one[0] for one in self.web.brought], ["c.example"])
        self.wants("b.example", "https://b.example")
        self.night()
        self.assertEqual([one[0] for one in self.web.brought], ["c.example", "b.example"])

    def test_switched_off(self) -> None:
        """tls_reports = false: nobody is asked, and nothing is kept."""
        self.live.config = replace(self.live.config, tls_reports=False)
        self.wants("b.example", "https://b.example")
        self.count("b.example")
        self.night()
        self.assertEqual((self.zone.asked, self.web.brought, self.reports.domains(TODAY)), ([], [], ()))

    def test_stopped(self) -> None:
        """A server that stops sends nothing more, and nothing waits."""
        self.wants("b.example", "https://b.example")
        self.count("b.example")
        self.do(self.reporting.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.night()
        self.assertEqual(self.web.brought, [])


class OnDisk(ReportingTestCase):
    """Counts that survive the server."""

    def file(self) -> str:
        return self.live.config.tls_reports_file

    def test_restart(self) -> None:
        """What was counted before is in the report, and the report is sent once."""
        self.wants("b.example", "https://b.example")
        self.count("b.example")
        self.restart()
        self.count("b.example")
        self.night()
        ((_, _, content, _),) = self.web.brought
        summary = json.loads(gzip.decompress(content))["policies"][0]["summary"]
        self.assertEqual(summary["total-successful-session-count"], 2)
        self.restart()
        self.night()
        self.assertEqual(len(self.web.brought), 1)

    def test_killed(self) -> None:
        """Once an hour is enough; a server that is killed forgets less than that."""
        self.count("b.example")
        self.assertFalse(os.path.exists(self.file()))
        self.sleep(SAVE_SECONDS)
        self.count("c.example")
        self.reports = TlsReports()
        self.start()
        self.assertEqual(self.reports.domains(TODAY), ("b.example",))

    def test_away_at_night(self) -> None:
        """A server that was off at midnight sends what is due, a while after its start."""
        self.wants("b.example", "https://b.example")
        self.count("b.example")
        self.do(self.reporting.stop())
        self.clock.advance(DAY)
        self.reports = TlsReports()
        self.start()
        self.assertEqual(self.web.brought, [])
        self.sleep(LONGEST_DELAY + 600)
        self.assertEqual(len(self.web.brought), 1)

    def test_unchanged(self) -> None:
        """Nothing is written while nothing is counted."""
        self.sleep(2 * DAY)
        self.do(self.reporting.stop())
        self.assertFalse(os.path.exists(self.file()))

    def test_broken_file(self) -> None:
        """What cannot be read is counted anew."""
        for data in (b"\xff", b"{", b"[]", b'{"version": 9}'):
            self.do(self.reporting.stop())
            self.files.replace(self.file(), data)
            self.reports = TlsReports()
            self.start()
            self.assertEqual(self.reports.domains(TODAY), ())
        self.count("b.example")
        self.restart()
        self.assertEqual(self.reports.domains(TODAY), ("b.example",))

    def test_too_much(self) -> None:
        """A file is not written without limit."""
        self.patch(tls_reporting, "LARGEST_FILE", 100)
        self.count("b.example")
        self.sleep(SAVE_SECONDS)
        self.assertFalse(os.path.exists(self.file()))
        self.assertTrue(self.reports.changed)


class Bugs(ReportingTestCase):
    """Our own mistakes."""

    def test_goes_on(self) -> None:
        """A mistake is in the log, and the next day is another one."""
        self.wants("b.example", "https://b.example")
        self.count("b.example")
        taken, self.web.post = self.web.post, self.wrong  # type: ignore[method-assign]
        self.night()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.web.post = taken  # type: ignore[method-assign]
        self.night()
        self.assertEqual(len(self.web.brought), 1)

    async def wrong(self, *_: object, **__: object) -> None:
        raise RuntimeError("x")

    def test_slow(self) -> None:
        """While a host takes its time nothing else begins."""
        self.wants("b.example", "https://b.example")
        self.count("b.example")
        held: Deferred[None] = Deferred()

        async def slow(*_: object, **__: object) -> None:
            await held

        self.web.post = slow  # type: ignore[method-assign]
        self.night()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        held.callback(None)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertEqual(self.reports.domains(TODAY), ())
