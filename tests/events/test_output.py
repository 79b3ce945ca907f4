"""The log on the standard output."""

import json
import os
import time
from datetime import datetime
from io import BytesIO, StringIO, TextIOWrapper
from typing import Any
from unittest import mock

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.application.service import Application
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, Logger, LogLevel, LogPublisher, textFileLogObserver
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mailnode.events.log import Log, no_fields
from mailnode.events.output import JsonLines, Lines, log_path, take_over
from mailnode.events.soon import MOMENT


class LinesTests(SynchronousTestCase):
    """Lines, beside what twistd has."""

    def setUp(self) -> None:
        self.ours, self.twistds = StringIO(), StringIO()
        self.events: list[dict[str, Any]] = []
        publisher = LogPublisher(Lines(self.ours), textFileLogObserver(self.twistds), self.events.append)
        self.log = Log("mailnode.test")
        self.other = Logger(namespace="elsewhere", observer=publisher)
        self.log._logger = Logger(namespace="mailnode.test", observer=publisher)

    def test_same(self) -> None:
        """Lines of ours, of others and of bugs are twistd's, octet for octet."""
        self.log.bind(connection="K1").info("moved {here}", to=b"\xff\n", count=3)
        self.log.warn("odd")
        self.other.info("somebody says {what}", what="this")
        self.other.emit(self.events[0]["log_level"])  # nothing to say
        try:
            raise ValueError("bad")
        except ValueError:
            self.log.bug("failed", Failure())
        self.assertEqual(len(self.events), 5)
        self.assertEqual(self.ours.getvalue(), self.twistds.getvalue())
        self.assertIn("[mailnode.test#warn] odd\n", self.ours.getvalue())
        self.assertIn("ValueError: bad", self.ours.getvalue())

    @given(st.lists(st.floats(0, 2**32)))
    @example([1.9999999, 2.0, 2.9999994, 0.5])
    @settings(deadline=None, max_examples=50)
    def test_times(self, times: list[float]) -> None:
        """So they are at any time, also when the clock goes back."""
        ours, twistds = StringIO(), StringIO()
        mine, theirs = Lines(ours), textFileLogObserver(twistds)
        self.log.info("moved")
        for moment in times:
            for observer in (mine, theirs):
                observer({**self.events[0], "log_time": moment})
        self.assertEqual(ours.getvalue(), twistds.getvalue())

    def test_told(self) -> None:
        """A line that is no event is the same line, with the time at which it was said, a moment later."""
        self.log.info("moved", octets=1)
        event, told, clock = self.events[0], StringIO(), Clock()
        self.patch(Log, "lines", None)
        lines = Lines(told)
        lines.begin(clock)
        with mock.patch.object(time, "time", return_value=event["log_time"]):
            self.log.info("moved", octets=1)
        self.assertEqual(told.getvalue(), "")
        clock.advance(MOMENT)
        self.assertEqual(told.getvalue(), self.ours.getvalue())

    def begun(self, output: Any) -> Lines:
        """Lines that facts go to."""
        self.patch(Log, "lines", None)
        lines = Lines(output)
        lines.begin(Clock())
        return lines

    def test_in_order(self) -> None:
        """Nothing overtakes what was said before: no warning, no event, and no end of the log."""
        told = StringIO()
        lines = self.begun(told)
        self.log.info("first")
        self.log.warn("second")
        self.assertEqual(told.getvalue().count("\n"), 2)
        self.log.info("third")
        self.other.info("fourth")
        lines(self.events[-1])
        self.log.info("fifth")
        lines.end()
        self.log.info("an event")
        words = [line.split()[2] for line in told.getvalue().splitlines()]
        self.assertEqual(words, ["first", "second", "third", "fourth", "fifth"])
        self.assertEqual(self.events[-1]["line"], "an event")

    def test_no_line(self) -> None:
        """What has no text costs its own line only."""

        class Silent:
            """Has no text."""

            def __str__(self) -> str:
                raise ValueError("no words")

        told = StringIO()
        lines = self.begun(told)
        self.log.info("first")
        self.log.info("second", what=Silent())
        self.log.info("third")
        lines.end()
        written = [line.split(" ", 2)[2] for line in told.getvalue().splitlines()]
        self.assertEqual(written, ["first", "log line not made error=ValueError", "third"])

    def test_no_octets(self) -> None:
        """What the output has no octets for costs its own line only."""
        told = TextIOWrapper(BytesIO(), "ascii")
        lines = self.begun(told)
        for text in ("first", "a \xe4", "third"):
            facts = Log.lines
            assert facts is not None
            facts.add((0.0, "test", "info", text, no_fields, None))
        lines.end()
        told.seek(0)
        self.assertEqual([line.split()[-1] for line in told], ["first", "third"])

    def test_full_disk(self) -> None:
        """A line that cannot be written is lost, and nothing else: whoever said it goes on."""
        for output in (mock.Mock(write=mock.Mock(side_effect=OSError(28, "No space left"))), StringIO()):
            if isinstance(output, StringIO):
                output.close()
            lines = self.begun(output)
            self.log.warn("moved")
            lines.end()


class JsonTests(SynchronousTestCase):
    """Each event as an object."""

    def setUp(self) -> None:
        self.output = StringIO()
        observer = JsonLines(self.output)
        self.log = Log("mailnode.test")
        self.other = Logger(namespace="elsewhere", observer=observer)
        self.log._logger = Logger(namespace="mailnode.test", observer=observer)

    def lines(self) -> list[dict[str, Any]]:
        """What was written, without the times."""
        text = self.output.getvalue()
        self.assertTrue(text.isascii())
        found = [json.loads(line) for line in text.splitlines()]
        for one in found:
            self.assertIsNotNone(datetime.fromisoformat(one.pop("time")).tzinfo)
        return found

    def test_fields(self) -> None:
        """The fields of a fact are those of the object, with the ids; numbers stay numbers."""
        self.log.bind(connection="K1").warn("moved here", to=b"\xff\n", count=3, people=("a", "b"))
        start = {"level": "warn", "source": "mailnode.test", "event": "moved here", "connection": "K1"}
        self.assertEqual(self.lines(), [{**start, "to": "\\xff\n", "count": 3, "people": ["a", "b"]}])

    def test_own_names(self) -> None:
        """A field does not take the place of what every line has."""
        self.log.info("moved", level="high", time="never")
        self.assertEqual(self.lines(), [{"level": "info", "source": "mailnode.test", "event": "moved"}])

    def test_others(self) -> None:
        """What is not ours, and a bug with its traceback, is one line each too."""
        self.other.info("somebody says {what}", what="this\nand that")
        self.other.emit(LogLevel.info)  # nothing to say
        try:
            raise ValueError("bad\x1b[2J")
        except ValueError:
            self.log.bind(connection="K1").bug("failed", Failure())
        said, bug = self.lines()
        self.assertEqual((said["source"], said["event"]), ("elsewhere", "somebody says this\nand that"))
        self.assertEqual((bug["level"], bug["connection"]), ("critical", "K1"))
        self.assertIn("ValueError: bad", bug["traceback"])

    @given(st.text() | st.binary())
    @example("\r\n\u2028\u202e\x1b[2J")
    @example("x" * 1_000_000)
    @settings(deadline=None, max_examples=50)
    def test_anything(self, value: str | bytes) -> None:
        """Whatever a peer has sent is one line of ASCII, and cut."""
        self.output.truncate(0)
        self.output.seek(0)
        self.log.info("said", text=value)
        (line,) = self.lines()
        self.assertLessEqual(len(line["text"]), 515)


class TakingOver(SynchronousTestCase):
    """Where twistd would log neither on the standard output nor in a file, nothing is changed."""

    def test_options(self) -> None:
        """All options that say where to."""
        for options, taken in (
            ({}, True),
            ({"logfile": "-"}, True),
            ({"logfile": "/var/log/mail"}, True),
            ({"logfile": "/var/log/mail", "nodaemon": False}, True),
            ({"syslog": True}, False),
            ({"syslog": True, "logfile": "/var/log/mail"}, False),
            ({"logger": "some.factory"}, False),
            ({"nodaemon": False}, False),
            ({"nodaemon": False, "logfile": "-"}, False),
        ):
            application = Application("mailnode")
            twistd = {"nodaemon": True, "syslog": False, "logfile": None, **options}
            self.assertEqual(bool(take_over(application, twistd, StringIO(), "json")), taken)
            found = application.getComponent(ILogObserver, None)
            self.assertEqual(isinstance(found, JsonLines), taken, str(options))
            self.assertEqual(bool(take_over(application, twistd, StringIO())), taken)
            found = application.getComponent(ILogObserver, None)
            self.assertEqual(isinstance(found, Lines), taken, str(options))
        take_over(None, {"nodaemon": True, "syslog": False, "logfile": None}, StringIO())

    def test_path(self) -> None:
        """The file of the log is where the options say, whatever folder twistd goes to."""
        for logfile, syslog, expected in (
            (None, False, ""),
            ("-", False, ""),
            ("x.log", False, os.path.abspath("x.log")),
            ("/var/log/x.log", False, "/var/log/x.log"),
            ("/var/log/x.log", True, ""),
        ):
            self.assertEqual(log_path({"logfile": logfile, "syslog": syslog}), expected)
        self.assertEqual(log_path({"logfile": "x.log", "syslog": False, "logger": "some.factory"}), "")
