"""Counts for TLS reports (RFC 8460)."""

import json
from datetime import UTC, date, datetime, timedelta

from twisted.trial.unittest import SynchronousTestCase

from mailnode.delivery.tls_policy import Published, TlsOutcome
from mailnode.delivery.tls_report import DAYS, DETAILS, DOMAINS, POLICIES, TlsReports

DAY = date(2026, 11, 25)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()
STS = Published("sts", "a.example", ("version: STSv1", "mode: enforce"), ("mx.a.example",))
NONE = Published("no-policy-found", "a.example")


class ReportTests(SynchronousTestCase):
    """TlsReports"""

    def setUp(self) -> None:
        self.reports = TlsReports()

    def report(self, domain: str = "a.example", day: date = DAY) -> dict[str, object] | None:
        return self.reports.report(day, domain, organization="Office", contact="tls@office.example", id="1")

    def sums(self, domain: str = "a.example") -> list[tuple[int, int]]:
        found = self.report(domain)
        assert found is not None
        policies = found["policies"]
        assert isinstance(policies, list)
        names = ("total-successful-session-count", "total-failure-session-count")
        return [tuple(one["summary"][name] for name in names) for one in policies]  # type: ignore[misc]

    def test_report(self) -> None:
        """A day's report has sums for each policy, and a detail for each kind of failure (section 4.4)."""
        for outcome in (
            *[TlsOutcome(STS, "mx.a.example", "192.0.2.1")] * 3,
            *[TlsOutcome(STS, "mx.a.example", "192.0.2.1", "certificate-expired", "192.0.2.9")] * 2,
            TlsOutcome(NONE, "mx.a.example", "192.0.2.1", "starttls-not-supported"),
        ):
            self.reports.count(outcome, NOON)
        found = json.loads(json.dumps(self.report()))
        self.assertEqual(
            found,
            {
                "organization-name": "Office",
                "date-range": {
                    "start-datetime": "2026-11-25T00:00:00Z",
                    "end-datetime": "2026-11-25T23:59:59Z",
                },
                "contact-info": "tls@office.example",
                "report-id": "1",
                "policies": [
                    {
                        "policy": {
                            "policy-type": "sts",
                            "policy-string": ["version: STSv1", "mode: enforce"],
                            "policy-domain": "a.example",
                            "mx-host": ["mx.a.example"],
                        },
                        "summary": {"total-successful-session-count": 3, "total-failure-session-count": 2},
                        "failure-details": [
                            {
                                "result-type": "certificate-expired",
                                "sending-mta-ip": "192.0.2.9",
                                "receiving-mx-hostname": "mx.a.example",
                                "receiving-ip": "192.0.2.1",
                                "failed-session-count": 2,
                            }
                        ],
                    },
                    {
                        "policy": {"policy-type": "no-policy-found", "policy-domain": "a.example"},
                        "summary": {"total-successful-session-count": 0, "total-failure-session-count": 1},
                        "failure-details": [
                            {
                                "result-type": "starttls-not-supported",
                                "receiving-mx-hostname": "mx.a.example",
                                "receiving-ip": "192.0.2.1",
                                "failed-session-count": 1,
                            }
                        ],
                    },
                ],
            },
        )

    def test_days(self) -> None:
        """Days are those of UTC; the last ones are kept."""
        outcome = TlsOutcome(NONE, "mx.a.example", "192.0.2.1")
        midnight = datetime(2026, 11, 25, tzinfo=UTC).timestamp()
        for moment in (midnight - 0.001, midnight, midnight + 86399):
            self.reports.count(outcome, moment)
        self.assertEqual(self.sums(), [(2, 0)])
        self.assertEqual(self.reports.domains(DAY), ("a.example",))
        self.assertIsNone(self.report("b.example"))
        self.reports.count(outcome, midnight + DAYS * 86400)
        self.assertIsNone(self.report())
        self.assertEqual(self.reports.domains(DAY), ())

    def test_written_and_read(self) -> None:
        """What is written down is what is read, and adds to what was counted since."""
        for outcome in (
            *[TlsOutcome(STS, "mx.a.example", "192.0.2.1")] * 3,
            *[TlsOutcome(STS, "mx.a.example", "192.0.2.1", "certificate-expired", "192.0.2.9")] * 2,
            TlsOutcome(NONE, "mx.a.example", "192.0.2.1", "starttls-not-supported"),
        ):
            self.reports.count(outcome, NOON)
        text, before = self.reports.text(), self.report()
        self.reports = TlsReports()
        self.reports.read(text)
        self.assertEqual(self.report(), before)
        self.assertEqual(self.reports.text(), text)
        self.reports.read(text)
        self.assertEqual(self.sums(), [(6, 4), (0, 2)])

    def test_unreadable(self) -> None:
        """A text that is none is a ValueError, whatever is wrong with it, and nothing of it counts."""
        self.reports.count(TlsOutcome(NONE, "mx.a.example", "192.0.2.1", "validation-failure"), NOON)
        good = self.reports.text()
        self.reports = TlsReports()
        for text in (
            "",
            "[]",
            "{}",
            "[" * 100_000,
            good[:-10],
            good.replace('"version": 1', '"version": 2'),
            good.replace("2026-11-25", "yesterday"),
            good.replace("no-policy-found", "no-policy"),
            good.replace('"bad"', '"worse"'),
            good.replace('"validation-failure"', '""'),
            good.replace('"good": 0', '"good": []'),
            good.replace('"192.0.2.1",', ""),
        ):
            self.assertNotEqual(text, good)
            self.assertRaises(ValueError, self.reports.read, text)
        self.assertEqual(self.reports.domains(DAY), ())

    def test_forgotten(self) -> None:
        """Days that are over are told, but for old ones; a domain whose report was sent is forgotten."""
        for number in range(DAYS):
            for domain in ("a.example", "b.example"):
                outcome = TlsOutcome(Published("no-policy-found", domain), "mx", "192.0.2.1")
                self.reports.count(outcome, NOON + number * 86400)
        days = [DAY + timedelta(days=number) for number in range(DAYS)]
        last = NOON + (DAYS - 1) * 86400
        self.assertEqual(list(self.reports.whole_days(last)), days[:-1])
        self.reports.changed = False
        self.reports.forget(DAY, "c.example")
        self.assertFalse(self.reports.changed)
        self.reports.forget(DAY, "a.example")
        self.assertTrue(self.reports.changed)
        self.assertEqual(self.reports.domains(DAY), ("b.example",))
        self.reports.forget(DAY, "b.example")
        self.assertEqual(list(self.reports.whole_days(last)), days[1:-1])
        self.assertEqual(self.reports.whole_days(last + DAYS * 86400), ())

    def test_bounds(self) -> None:
        """Whatever others publish and do, the counts take bounded room, and the sums stay right."""
        for number in range(2 * DETAILS):
            self.reports.count(TlsOutcome(NONE, "mx", f"192.0.2.{number}", "validation-failure"), NOON)
        self.assertEqual(self.sums(), [(0, 2 * DETAILS)])
        found = self.report()
        assert found is not None and isinstance(found["policies"], list)
        self.assertEqual(len(found["policies"][0]["failure-details"]), DETAILS + 1)
        for number in range(2 * POLICIES):
            self.reports.count(TlsOutcome(Published("tlsa", "b.example", (str(number),)), "mx", "x"), NOON)
        self.assertEqual(len(self.sums("b.example")), POLICIES)
        self.assertEqual(sum(good for good, _ in self.sums("b.example")), 2 * POLICIES)
        for number in range(DOMAINS):
            self.reports.count(TlsOutcome(Published("sts", f"d{number}.example"), "mx", "x"), NOON)
        self.assertEqual(len(self.reports.domains(DAY)), DOMAINS)
