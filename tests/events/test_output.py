"""The log on the standard output."""

from io import StringIO
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.application.service import Application
from twisted.logger import ILogObserver, Logger, LogPublisher, textFileLogObserver
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mailnode.events.log import Log
from mailnode.events.output import Lines, take_over


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


class TakingOver(SynchronousTestCase):
    """Where twistd would not log on the standard output, nothing is changed."""

    def test_options(self) -> None:
        """All options that say where to."""
        for options, taken in (
            ({}, True),
            ({"logfile": "-"}, True),
            ({"logfile": "/var/log/mail"}, False),
            ({"syslog": True}, False),
            ({"nodaemon": False}, False),
        ):
            application = Application("mailnode")
            twistd = {"nodaemon": True, "syslog": False, "logfile": None, **options}
            take_over(application, twistd, StringIO())
            found = application.getComponent(ILogObserver, None)
            self.assertEqual(isinstance(found, Lines), taken, str(options))
        take_over(None, {"nodaemon": True, "syslog": False, "logfile": None}, StringIO())
