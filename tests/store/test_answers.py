"""Prepared answers: how much of the cache is read for whom."""

import contextlib
import os
from unittest import mock

from mailnode.store.body import SMALL
from mailnode.store.errors import NoSuchMessage, Unread
from mailnode.store.index import Index
from mailnode.store.mailbox import Mailbox
from mailnode.store.prepared_tables import CHOICES, SHORT
from mailnode.store.values import INBOX
from tests.store.support import StoreTestCase


class FortyCase(StoreTestCase):
    """Forty messages in the cache."""

    def setUp(self) -> None:
        super().setUp()
        account = self.account()
        for _ in range(40):
            self.append(account)
        self.mailbox = account.mailbox(INBOX)
        while self.mailbox.prepare_some(10_000).more:
            pass


class WindowTests(FortyCase):
    """Answers of one message after the other."""

    def looks(self, *uids: int) -> list[int]:
        """Ask for the envelopes of messages; gives how many came with each look at the cache."""
        looked: list[int] = []
        prepared = Index.prepared

        def noting(index: Index, *arguments: object) -> object:
            window = prepared(index, *arguments)  # type: ignore[arg-type]
            looked.append(len(window.answers))
            return window

        with mock.patch.object(Index, "prepared", noting):
            for uid in uids:
                self.assertIn(b'"hello"', self.mailbox.prepared(uid, "envelope"))
        return looked

    def test_in_order(self) -> None:
        """Who asks for all gets a few, and then as many as a window holds."""
        self.assertEqual(self.looks(*range(1, 41)), [8, 32])

    def test_far_apart(self) -> None:
        """Who asks here and there gets a few each time."""
        self.assertEqual(self.looks(1, 12, 30, 5), [8, 8, 8, 8])

    def test_again(self) -> None:
        """What came with the last look is there; what is made is seen."""
        self.assertEqual(self.looks(2, 3, 2, 9), [8])
        self.append(self._open[0])
        self.assertEqual(self.looks(41), [0])
        self.mailbox.save_prepared()
        self.assertEqual(self.looks(41), [1])

    def test_what_is_ready(self) -> None:
        """A message that nobody has read yet has nothing ready, and one that was read has, cached or not."""
        self.append(self._open[0])
        self.assertIsNone(self.mailbox.ready(41, "preview"))
        self.assertEqual(self.mailbox.prepared(41, "preview"), b'"Text."')
        for _ in range(2):
            self.assertEqual(self.mailbox.ready(41, "preview"), b'"Text."')
            self.assertEqual(self.mailbox.ready(1, "preview"), b'"Text."')
            self.mailbox.save_prepared()
        self.assertRaises(NoSuchMessage, self.mailbox.ready, 42, "preview")


class NeighbourTests(FortyCase):
    """Answers of many messages that follow each other."""

    def fields(self, *names: bytes, last: int = 40) -> list[bytes | None]:
        """What was asked for twice is kept."""
        self.mailbox.fields(range(1, last + 1), names)
        return list(self.mailbox.fields(range(1, last + 1), names))

    def looked_up(self, *names: bytes) -> bool:
        """Ask for fields; gives whether headers had to be looked at."""
        with mock.patch.object(Index, "column", side_effect=AssertionError):
            try:
                self.fields(*names)
            except AssertionError:
                return True
        return False

    def test_column(self) -> None:
        """One look at the cache; where it does not know all of them, or one is long, nobody gets anything."""
        self.assertEqual(len(self.mailbox.column(range(1, 41), "envelope")), 40)
        self.assertEqual(set(self.mailbox.column(range(3, 9), "octets")), {self.mailbox.octets(1)})
        self.append(self._open[0])
        self.assertRaises(Unread, self.mailbox.column, range(1, 42), "octets")
        self.append(self._open[0], message=b"Subject: " + b"x" * SHORT + b"\r\n\r\n")
        self.mailbox.prepare_some(10_000)
        self.assertEqual(len(self.mailbox.column(range(1, 42), "header")), 41)
        self.assertRaises(Unread, self.mailbox.column, range(1, 43), "header")
        self.assertRaises(NoSuchMessage, self.mailbox.column, range(1, 44), "octets")

    def test_fields_are_kept(self) -> None:
        """Who asks again, for the same names in whatever order, has no header looked at."""
        self.assertEqual(self.fields(b"Subject", b"none"), [b"Subject: hello\r\n\r\n"] * 40)
        self.assertFalse(self.looked_up(b"NONE", b"subject", b"none"))
        self.assertTrue(self.looked_up(b"subject"))
        self.assertEqual(self.fields(b"none", b"Subject"), [b"Subject: hello\r\n\r\n"] * 40)

    def test_once_is_not_kept(self) -> None:
        """Fields that were asked for once are not kept, nor are those of messages that came since."""
        index = self.mailbox._context.index()
        self.mailbox.fields(range(1, 21), (b"subject",))
        self.mailbox.fields(range(21, 41), (b"subject",))
        self.assertEqual(index.fields(1, "subject", 1, 100).uids, ())
        self.mailbox.fields(range(21, 41), (b"subject",))
        self.assertEqual(len(index.fields(1, "subject", 1, 100).uids), 20)
        for number in range(100):
            self.mailbox.fields((1,), (b"x%d" % number,))
        self.assertLess(len(self.mailbox._answers._chosen), 100)

    def test_few_choices_are_kept(self) -> None:
        """The one that came first goes for one too many."""
        for number in range(CHOICES + 1):
            self.fields(b"subject", b"x%d" % number)
        looked = [self.looked_up(b"subject", b"x%d" % number) for number in range(CHOICES + 1)]
        self.assertEqual(looked, [True] + [False] * CHOICES)

    def test_not_ascii(self) -> None:
        """Of a header that is not ASCII nothing is kept: it depends on the client what is read."""
        self.append(self._open[0], message=b"Subject: hi\r\nX: \xc3\xa4\r\n\r\n")
        self.mailbox.prepare_some(10_000)
        for _ in range(2):
            self.assertEqual(self.fields(b"subject", last=41)[39:], [b"Subject: hello\r\n\r\n", None])

    def test_go_with_the_message(self) -> None:
        """No row stays of a message that is gone, and another message is not taken for it."""
        self.fields(b"subject")
        index = self.mailbox._context.index()
        self.mailbox.set_flags([40], "add", frozenset(("\\Deleted",)))
        self.mailbox.expunge([40])
        self.assertEqual(len(index.fields(1, "subject", 1, 100).uids), 39)
        index._db.execute("UPDATE fields SET base = 'other' WHERE uid = 3")
        with mock.patch.object(Index, "column", side_effect=AssertionError):
            self.assertRaises(AssertionError, self.mailbox.fields, range(1, 40), (b"subject",))
            self.assertEqual(len(self.mailbox.fields(range(4, 40), (b"subject",))), 36)

    def test_nonsense(self) -> None:
        """A row that makes no sense is made again, with the cache that it stood in."""
        for damage in ("envelope SET envelope = 7", "fields SET lines = 7", "rendered SET header = 'text'"):
            self.fields(b"subject")
            self.mailbox._context.index()._db.execute(f"UPDATE {damage} WHERE uid = 3")
            for what in ("envelope", "header"):
                with contextlib.suppress(Unread):
                    self.mailbox.column(range(1, 41), what)
            with contextlib.suppress(Unread):
                self.fields(b"subject")
            self.mailbox = self._open[0].mailbox(INBOX)
            while self.mailbox.prepare_some(10_000).more:
                pass
            for uid in range(1, 41):
                self.mailbox.rendered(uid)
            self.mailbox.save_prepared()
            self.assertEqual(self.fields(b"subject"), [b"Subject: hello\r\n\r\n"] * 40, damage)

    def test_a_cache_of_another_form(self) -> None:
        """All tables are made anew, whatever they held."""
        self.fields(b"subject")
        self.mailbox._context.index()._db.execute("PRAGMA user_version = 1")
        self._open[0].close()
        mailbox = self.account().mailbox(INBOX)
        self.assertRaises(Unread, mailbox.column, range(1, 41), "preview")
        while mailbox.prepare_some(10_000).more:
            pass
        self.assertEqual(list(mailbox.fields(range(1, 41), (b"subject",))), [b"Subject: hello\r\n\r\n"] * 40)


class SearchedTests(FortyCase):
    """What SEARCH compares."""

    def holding(self, *uids: int, needle: bytes = b"ELL") -> list[int | None]:
        return self.mailbox.holding(uids, b"subject", needle)

    def test_no_message_is_opened(self) -> None:
        """Neighbours and others; a field that is not there holds nothing, not even an empty needle."""
        with mock.patch.object(type(self.mailbox), "body", side_effect=AssertionError):
            self.assertEqual(self.holding(*range(1, 41)), [1] * 40)
            self.assertEqual(self.holding(1, 20, 40, needle=b"hello"), [0, 0, 0])
            self.assertEqual(self.holding(1, 40, needle=b""), [1, 1])
            self.assertEqual(self.mailbox.holding([3], b"bcc", b""), [0])
            self.assertEqual(self.mailbox.days([2, 3]), [0, 0])
            self.assertEqual((self.holding(), self.mailbox.days([])), ([], []))
        self.assertRaises(NoSuchMessage, self.holding, 41)

    def test_unknown(self) -> None:
        """Of what is not prepared, is another message, or has gone, nothing is known."""
        self.append(self._open[0])
        self.assertEqual(self.holding(39, 40, 41), [1, 1, None])
        index = self.mailbox._context.index()
        index._db.execute("UPDATE searched SET base = 'other' WHERE uid = 39")
        self.assertEqual(self.holding(3, 39, 40), [1, None, 1])
        self.assertEqual(self.mailbox.days([38, 39, 41]), [0, None, None])
        self.mailbox.set_flags([40], "add", frozenset(("\\Deleted",)))
        self.mailbox.expunge([40])
        self.assertEqual(index.days(1, range(38, 42)).uids, (38, 39))

    def test_nonsense(self) -> None:
        """A row that makes no sense is made again, with the cache that it stood in."""
        self.mailbox._context.index()._db.execute("UPDATE searched SET day = 'x' WHERE uid = 3")
        self.assertEqual(self.mailbox.days([2, 3]), [None, None])


class SizeTests(StoreTestCase):
    """RFC822.SIZE where nothing says it."""

    def setUp(self) -> None:
        super().setUp()
        account = self.account()
        self.mailbox = account.mailbox(INBOX)
        for number in range(100):
            header = b"Subject: \xc3\xa4\n" if number == 3 else b""
            with open(f"{self.base}/anna/cur/{1000 + number}.x:2,", "wb") as file:
                file.write(header + b"\nx")
        self.mailbox = account.mailbox(INBOX)
        self.mailbox.sync()

    def again(self) -> None:
        """The mailbox as another process would see it, where no message may be opened."""
        self.mailbox = self.account().mailbox(INBOX)
        self.mailbox.sync()
        self.patch(type(self.mailbox), "body", None)
        self.patch(self.files, "read_small", None)

    def facts(self) -> tuple[list[int], list[bool]]:  # type: ignore[override]
        uids = self.mailbox.uids
        return self.mailbox.sizes(uids), self.mailbox.ascii_headers(uids)

    EXPECTED = ([3] * 3 + [3 + 13] + [3] * 96, [True] * 3 + [False] + [True] * 96)

    def test_are_counted_once(self) -> None:
        """A message is opened once for its size and its header, and what was found is remembered together."""
        read = mock.Mock(wraps=self.files.read_small)
        remembered = mock.Mock(wraps=self.mailbox._remember_sizes)
        with (
            mock.patch.object(self.files, "read_small", read),
            mock.patch.object(Mailbox, "body", side_effect=AssertionError),
            mock.patch.object(self.mailbox, "_remember_sizes", remembered),
        ):
            self.mailbox.ascii_headers(self.mailbox.uids)
            self.assertEqual(self.facts(), self.EXPECTED)
        self.assertEqual((read.call_count, remembered.call_count), (100, 1))
        self.again()
        self.assertEqual(self.facts(), self.EXPECTED)

    def test_come_with_what_is_prepared(self) -> None:
        """Who prepares messages learns their sizes by the way, and tells the cache of many at once."""
        remembered = mock.Mock(wraps=self.mailbox._remember_sizes)
        with mock.patch.object(self.mailbox, "_remember_sizes", remembered):
            while self.mailbox.prepare_some(10_000).more:
                pass
        self.assertLess(remembered.call_count, 5)
        self.again()
        self.assertEqual(self.facts(), self.EXPECTED)
        self.patch(Mailbox, "internal_date", None)
        self.assertEqual(len(self.mailbox.internal_dates(self.mailbox.uids)), 100)

    def test_long_ones_are_read_alone(self) -> None:
        """Where one of several is long nobody waits until all are read."""
        os.truncate(f"{self.base}/anna/cur/1007.x:2,", SMALL + 1)
        for ask in (self.mailbox.sizes, self.mailbox.ascii_headers):
            self.assertRaises(Unread, ask, self.mailbox.uids)
            self.assertEqual(len(ask([7])), 1)
        self.assertEqual(self.mailbox.sizes([8]), [SMALL + 2])
        self.assertEqual(self.mailbox.ascii_headers([8]), [True])
        self.assertEqual(len(self.mailbox.sizes(self.mailbox.uids)), 100)
        self.assertEqual(self.facts()[1], self.EXPECTED[1])

    def test_flags_of_another_process(self) -> None:
        """Who has not looked since tells the cache of sizes, and nothing of what another has changed."""
        other = self.account().mailbox(INBOX)
        other.sync()
        other.set_flags([1], "add", frozenset(("\\Seen",)))
        other.set_flags([1], "remove", frozenset(("\\Seen",)))
        self.mailbox.ascii_headers(self.mailbox.uids)
        self.again()
        self.assertEqual(self.facts(), self.EXPECTED)
        (first,) = self.mailbox.each([1])
        self.assertEqual(first.modseq, other.highest_modseq)

    def test_wrong_sizes(self) -> None:
        """What a name says wrongly is put right when the message is read."""
        os.rename(f"{self.base}/anna/cur/1000.x:2,", f"{self.base}/anna/cur/2000.x,S=2,W=9:2,")
        self._later += 1
        os.utime(f"{self.base}/anna/cur", (self._later, self._later))
        self.mailbox.sync()
        self.assertEqual(self.mailbox.sizes([101]), [9])
        self.mailbox.rendered(101)
        self.assertEqual(self.mailbox.sizes([101]), [3])
