"""The log of a worker on its way to the main process; here without a link."""

import json
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from mailnode.events.log import Fact, Log, line_of
from mailnode.events.output import all_fields_of
from mailnode.service_workers import _write
from mailnode.worker import Facts, _observer


class WorkerLogTests(SynchronousTestCase):
    """A fact, and a warning."""

    def heard(self, *, lines_only: bool) -> tuple[list[str], list[LogEvent]]:
        """By which way they go, and the events that the main process makes of them."""
        ways: list[str] = []
        said: list[tuple[Any, ...]] = []

        def say_soon(*message: object) -> None:
            ways.append("soon")
            said.append(message)

        link: Any = SimpleNamespace(say_soon=say_soon, flush=lambda: ways.append("now"))
        with_link = _observer(link, lines_only=lines_only)
        globalLogPublisher.addObserver(with_link)
        log = Log("mailnode.smtp", connection="C1")
        log.info("connected", peer="::1", reason="a b")
        log.warn("odd", octets=b"\xff")
        globalLogPublisher.removeObserver(with_link)
        events: list[LogEvent] = []
        globalLogPublisher.addObserver(events.append)
        for kind, *rest in json.loads(json.dumps(said)):
            self.assertEqual(kind, "log")
            _write(*rest)
        globalLogPublisher.removeObserver(events.append)
        for event in events:
            self.assertEqual(event["log_namespace"], "mailnode.smtp")
        return ways, events

    def test_lines(self) -> None:
        """Lines are the same either way; what may be followed by a crash goes at once."""
        for lines_only in (False, True):
            ways, events = self.heard(lines_only=lines_only)
            self.assertEqual(ways, ["soon", "soon", "now"])
            self.assertEqual([event["log_level"].name for event in events], ["info", "warn"])
            self.assertEqual(
                [event["line"] for event in events],
                ['connected connection=C1 peer=::1 reason="a b"', r"odd connection=C1 octets=\\xff"],
            )

    def test_past_the_log(self) -> None:
        """Where both write lines only, they go past the log of either, by the same ways."""
        said: list[tuple[object, ...]] = []
        told: list[tuple[str, ...]] = []
        link: Any = SimpleNamespace(
            make_soon=lambda make, *about: said.append(make(*about)), flush=lambda: said.append(())
        )

        def add(fact: Fact) -> None:
            _, source, level, beginning, fields, subject = fact
            told.append((source, level, line_of(beginning, fields, subject)))

        self.patch(Log, "lines", Facts(link))
        log = Log("mailnode.smtp", connection="C1")
        log.info("connected")
        log.warn("odd")
        facts = Mock(add=add)
        self.patch(Log, "lines", facts)
        self.assertEqual(
            [message[:1] for message in said], [("log",), ("log",), ()]
        )  # a warning goes at once
        for _, *line in said[:2]:
            facts.flush.assert_not_called()
            _write(*map(str, line))
        facts.flush.assert_called_once_with()
        expected = [("info", "connected connection=C1"), ("warn", "odd connection=C1")]
        self.assertEqual(told, [("mailnode.smtp", *line) for line in expected])

    def test_fields(self) -> None:
        """Who writes JSON has the fact too; who writes lines is not told."""
        _, events = self.heard(lines_only=False)
        self.assertEqual(
            [(event["event_name"], all_fields_of(event)) for event in events],
            [
                ("connected", {"connection": "C1", "peer": "::1", "reason": "a b"}),
                ("odd", {"connection": "C1", "octets": r"\xff"}),
            ],
        )
        _, events = self.heard(lines_only=True)
        self.assertEqual([all_fields_of(event) for event in events], [{}, {}])
