"""Log lines, the event bus and the change feed."""

import re
from unittest.mock import Mock, patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mailnode.events import log
from mailnode.events.feed import ChangeFeed
from mailnode.events.life import AllowanceUsedUp, Bus, Expunged, write_to
from mailnode.events.log import Log, escape, line_of

VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.binary(max_size=9),
    st.text(st.sampled_from('ab ="\n<é'), max_size=9),
    st.sampled_from(["a x=1", "", "x" * 512, "x" * 513]),
    st.tuples(st.text(max_size=3)),
)


class EscapeTests(SynchronousTestCase):
    """What peers send cannot break a line (C14)."""

    def test_hostile_values(self) -> None:
        """Line ends, escape sequences, and letters that turn the line around are written as escapes."""
        for value, written in (
            (b"a\r\nb", "a\\r\\nb"),
            ("\x1b[2J", "\\x1b[2J"),
            ("a\u2028b\u202ec", "a\\u2028b\\u202ec"),
            (b"\xff\xc3(", "\\\\xff\\\\xc3("),
            ("plain", "plain"),
            ("", '""'),
            ('two "words"', "\"two 'words'\""),
            ("a=b", '"a=b"'),
            (7, "7"),
        ):
            self.assertEqual(escape(value), written)

    def test_long_values(self) -> None:
        """A megabyte is cut to a line that says so."""
        for value in ("x" * 1_000_000, b"x" * 1_000_000):
            self.assertEqual(escape(value), "x" * 512 + "...")

    @given(st.one_of(st.text(), st.binary()))
    @settings(deadline=None, max_examples=200)
    def test_anything(self, value: "str | bytes") -> None:
        """The result is one printable ASCII word, or one quoted string."""
        written = escape(value)
        self.assertTrue(written.isascii() and written.isprintable() and written)
        if any(mark in written for mark in ' "='):
            self.assertEqual((written[0], written[-1], written.count('"')), ('"', '"', 2))

    @given(st.text(st.characters(max_codepoint=0x7F)))
    @settings(deadline=None)
    def test_short_way(self, value: str) -> None:
        """What can be seen to need quotes only is written as by the long way."""
        written = escape(value)
        with patch.object(log, "_QUOTED", re.compile("(?!)")):
            self.assertEqual(escape(value), written)


class PairsTests(SynchronousTestCase):
    """The fields of a line."""

    @given(st.dictionaries(st.from_regex("[a-z_]{1,9}", fullmatch=True), VALUES))
    @settings(deadline=None, max_examples=300)
    def test_anything(self, fields: dict[str, object]) -> None:
        """All together are written as each alone: none can be taken for another, or for two."""
        expected = "".join(f" {name}={escape(value)}" for name, value in fields.items())
        self.assertEqual(log._pairs(*log.fields_of(fields)), expected)


class LogTests(SynchronousTestCase):
    """Lines with ids."""

    def setUp(self) -> None:
        self.events = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

    def test_bound_fields(self) -> None:
        """Bound fields stand in every line and in the structured event; braces mean nothing."""
        log = Log("test").bind(connection="K1")
        log.info("hello {connection}", user="anna")
        log.bind(message="M1").warn("moved")
        self.assertEqual(
            [event["line"] for event in self.events],
            ["hello {connection} connection=K1 user=anna", "moved connection=K1 message=M1"],
        )
        self.assertEqual(self.events[0]["field_connection"], "K1")

    def test_lines(self) -> None:
        """Where nobody wants more than lines they go past Twisted's log; not what is a bug."""
        told: list[tuple[str, ...]] = []

        def add(fact: log.Fact) -> None:
            _, source, level, beginning, fields, subject = fact
            told.append((source, level, line_of(beginning, fields, subject)))

        facts = Mock(add=add)
        self.patch(Log, "lines", facts)
        own = Log("test", connection="K1")
        own.info("moved", octets=1)
        facts.flush.assert_not_called()
        own.warn("lost")
        facts.flush.assert_called_once_with()
        self.assertEqual(
            told, [("test", "info", "moved connection=K1 octets=1"), ("test", "warn", "lost connection=K1")]
        )
        self.assertEqual(list(self.events), [])
        own.bug("a bug", Failure(ValueError()))
        self.assertEqual((len(told), len(self.flushLoggedErrors(ValueError))), (2, 1))
        write_to(own)(Expunged("K1", "anna@example.org", "INBOX", 3, "1:3"))
        self.assertEqual(
            told[2:],
            [
                (
                    "test",
                    "info",
                    "Expunged connection=K1 connection=K1 address=anna@example.org mailbox=INBOX count=3",
                )
            ],
        )

    def test_bus(self) -> None:
        """An event reaches every subscriber once; the log writes it as one line."""
        bus, seen = Bus(), []
        bus.subscribe(seen.append)
        bus.subscribe(write_to(Log("test")))
        event = Expunged("K1", "anna@example.org", "INBOX", 3)
        bus.publish(event)
        self.assertEqual(seen, [event])
        self.assertEqual(
            self.events[0]["line"], "Expunged connection=K1 address=anna@example.org mailbox=INBOX count=3"
        )
        bus.publish(AllowanceUsedUp("K1", "anna@example.org", "submission_recipients_day", 1000))
        levels = [event["log_level"].name for event in self.events]
        self.assertEqual(levels, ["info", "warn"], "what needs somebody to look is a warning")


class FeedTests(SynchronousTestCase):
    """Who is woken."""

    def test_watch(self) -> None:
        """Only watchers of that mailbox are woken, until they stop; stopping twice does no harm."""
        feed, woken = ChangeFeed(), []
        inbox, other = ("anna", ("INBOX",)), ("anna", ("Other",))
        stop_first = feed.watch(inbox, lambda: woken.append(1))
        feed.watch(inbox, lambda: woken.append(2))
        feed.watch(other, lambda: woken.append(3))
        feed.announce(inbox)
        stop_first()
        stop_first()
        feed.announce(inbox)
        feed.announce(("ben", ("INBOX",)))
        self.assertEqual(woken, [1, 2, 2])
        self.assertEqual(sorted(feed.watched()), [inbox, other])

    def test_stop_while_being_woken(self) -> None:
        """A watcher may end its watch when it is woken."""
        feed, woken = ChangeFeed(), []
        key = ("anna", ("INBOX",))

        def once() -> None:
            stop()
            woken.append(1)

        stop = feed.watch(key, once)
        feed.announce(key)
        feed.announce(key)
        self.assertEqual(woken, [1])
        self.assertEqual(feed.watched(), [])

    def test_attend(self) -> None:
        """Who attends to an account hears of its mailboxes, and of what belongs to it as a whole."""
        feed, heard, all_heard = ChangeFeed(), [], []
        feed.listen(all_heard.append)
        stop = feed.attend("anna", heard.append)
        feed.announce(("anna", ("INBOX",)))
        feed.announce(("ben", ("INBOX",)))
        feed.announce_account("anna")
        feed.announce_account("ben")
        self.assertEqual(heard, [("INBOX",), ()])
        self.assertEqual(len(all_heard), 2)
        stop()
        stop()
        feed.announce(("anna", ("INBOX",)))
        self.assertEqual(len(heard), 2)

    def test_listen(self) -> None:
        """Who listens hears of all mailboxes, until that ends, and watches none."""
        feed, heard = ChangeFeed(), []
        inbox, other = ("anna", ("INBOX",)), ("ben", ("Other",))
        stop = feed.listen(heard.append)
        feed.announce(inbox)
        feed.announce(other)
        self.assertEqual(feed.watched(), [])
        stop()
        stop()
        feed.announce(inbox)
        self.assertEqual(heard, [inbox, other])
