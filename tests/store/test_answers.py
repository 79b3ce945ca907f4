"""Prepared answers: how much of the cache is read for whom."""

import contextlib
import os
from collections.abc import Iterable
from typing import Any
from unittest import mock

from mailnode.store import blocks
from mailnode.store.blocks import LONGEST, TEXTS
from mailnode.store.body import SMALL
from mailnode.store.errors import NoSuchMessage, Unread
from mailnode.store.index import Index
from mailnode.store.mailbox import Mailbox
from mailnode.store.messages import Several
from mailnode.store.prepared_tables import SHORT, Prepared
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

    def looks(self, what: Prepared, *uids: int) -> list[int]:
        """Ask for the answers of messages; gives how many came with each look at the cache."""
        looked: list[int] = []
        prepared = Index.prepared

        def noting(index: Index, *arguments: object) -> object:
            window = prepared(index, *arguments)  # type: ignore[arg-type]
            looked.append(len(window.answers))
            return window

        with mock.patch.object(Index, "prepared", noting):
            for uid in uids:
                self.assertIn(b"hello", self.mailbox.prepared(uid, what))
        return looked

    def test_in_order(self) -> None:
        """Who asks for all gets a few, and then as many as a window holds; all that are in a block."""
        self.assertEqual(self.looks("header", *range(1, 41)), [8, 32])
        self.assertEqual(self.looks("envelope", *range(1, 41)), [40])

    def test_far_apart(self) -> None:
        """Who asks here and there gets a few each time."""
        self.assertEqual(self.looks("header", 1, 12, 30, 5), [8, 8, 8, 8])
        self.assertEqual(self.looks("envelope", 1, 12, 30, 5), [40])

    def test_again(self) -> None:
        """What came with the last look is there; what is made is seen."""
        self.assertEqual(self.looks("header", 2, 3, 2, 9), [8])
        self.append(self._open[0])
        self.assertEqual(self.looks("header", 41), [0])
        self.mailbox.rendered(41)
        self.mailbox.save_prepared()
        self.assertEqual(self.looks("header", 41), [1])
        self.assertEqual(self.looks("envelope", 41, 2), [41])
        self.append(self._open[0])
        self.assertEqual(self.looks("envelope", 42), [])
        self.mailbox.save_prepared()
        self.assertEqual(self.looks("envelope", 42), [42])

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

    def column(self, uids: Iterable[int], what: Prepared) -> list[Any]:
        return list(self.mailbox.column(Several(self.mailbox.each(uids)), what))

    def fields(self, *names: bytes, uids: Iterable[int] = range(1, 41)) -> list[bytes | None]:
        return list(self.mailbox.fields(Several(self.mailbox.each(uids)), names))

    def test_column(self) -> None:
        """Where the cache does not know all of them, or one is long, nobody gets anything."""
        self.assertEqual(len(self.column(range(1, 41), "envelope")), 40)
        self.assertEqual(set(self.column(range(3, 9), "octets")), {self.mailbox.octets(1)})
        self.append(self._open[0])
        self.assertRaises(Unread, self.column, range(1, 42), "octets")
        self.append(self._open[0], message=b"Subject: " + b"x" * SHORT + b"\r\n\r\n")
        self.mailbox.prepare_some(10_000)
        self.assertEqual(len(self.column(range(1, 42), "header")), 41)
        for what in ("header", "envelope"):
            self.assertRaises(Unread, self.column, range(1, 43), what)
        self.assertEqual(len(self.column(range(1, 43), "bodystructure")), 42)

    def test_apart(self) -> None:
        """What has no place in a block stands apart, and comes with the others."""
        self.append(self._open[0], message=b"Subject: " + b"x" * LONGEST + b"\r\n\r\n")
        self.append(self._open[0])
        self.append(self._open[0], message=b"Subject: \x01 %d\r\n\r\n")
        self.mailbox.prepare_some(10_000)
        for uids in (range(1, 44), range(40, 44), range(41, 42), (1, 41)):
            for what in ("envelope", "bodystructure", "body", "preview"):
                alone = [getattr(self.mailbox.rendered(uid), what) for uid in uids]
                self.assertEqual(self.column(uids, what), alone, (uids, what))
                self.assertEqual([self.mailbox.prepared(uid, what) for uid in uids], alone, (uids, what))

    def test_fields(self) -> None:
        """Of what lists show, no header is looked at; None where one has to be."""
        self.append(self._open[0], message=b"Subject: hi\r\nX: \xc3\xa4\r\n\r\n")
        self.mailbox.prepare_some(10_000)
        hello = b"Subject: hello\r\n\r\n"
        with mock.patch.object(Index, "column", side_effect=AssertionError):
            self.assertEqual(self.fields(b"subject", b"CC"), [hello] * 40)
            self.assertEqual(self.fields(b"cc", uids=(1, 40)), [b"\r\n"] * 2)
            self.assertEqual(self.fields(b"Subject", uids=range(40, 42)), [hello, None])
            self.assertRaises(AssertionError, self.fields, b"X")
        self.assertEqual(self.fields(b"Subject", b"X", uids=range(40, 42)), [hello, None])

    def test_go_with_the_messages(self) -> None:
        """Of what is gone no more stays than there is of others; a block of which nothing is left goes."""
        for _ in range(40):
            self.append(self._open[0])
        self.mailbox.prepare_some(10_000)
        for gone, left in (
            (range(1, 32), [63, 17]),
            ([32], [31, 17]),
            (range(65, 73), [31, 17]),
            ([80], [31, 8]),
            ([64, *range(73, 80)], [31]),
        ):
            self.mailbox.expunge(gone)
            kept = [blocks.unpacked(number, row) for number, row in enumerate(self.blocks())]
            self.assertEqual(list(map(len, kept)), left, gone)
            self.assertEqual(len(self.column(self.mailbox.uids, "envelope")), len(self.mailbox.uids))
        rows = self.mailbox._context.index()._db.execute("SELECT count(*) FROM rendered").fetchone()
        self.assertEqual(rows, (len(self.mailbox.uids),))

    def blocks(self) -> list[Any]:
        db = self.mailbox._context.index()._db
        return db.execute(f"SELECT uids, bases, {', '.join(TEXTS)} FROM block ORDER BY id").fetchall()

    def test_another_message(self) -> None:
        """An answer is that of a message of this UID and this base name."""
        db = self.mailbox._context.index()._db
        ((uids, bases),) = db.execute("SELECT uids, bases FROM block").fetchall()
        for column, untrue in (("uids", uids[4:] + b"\x29\0\0\0"), ("bases", bases[:-1] + b"x")):
            db.execute(f"UPDATE block SET {column} = ?", (untrue,))
            self.mailbox._answers._windows.clear()
            for uids_asked in (range(1, 41), (1, 40), (40,)):
                some = Several(self.mailbox.each(uids_asked))
                self.assertIsNone(self.mailbox._answers.column(some, "envelope"))
                self.assertIsNone(self.mailbox._answers.fields(some, (b"subject",)))
            self.assertIn(b"hello", self.mailbox.prepared(40, "envelope"))
            self.mailbox.save_prepared()
            db.execute("UPDATE block SET uids = ?, bases = ?", (uids, bases))

    def test_nonsense(self) -> None:
        """What makes no sense is made again, with the cache that it stood in."""
        for damage in (
            "block SET envelope = 7",
            "block SET fields = NULL",
            "block SET bases = x'2f'",
            "block SET uids = x'00'",
            "block SET envelope = x'61'",
            "rendered SET header = 'text' WHERE id & 63 = 3",
        ):
            self.mailbox._context.index()._db.execute(f"UPDATE {damage}")
            for some in (range(1, 41), range(3, 6), (3, 9)):
                for what in ("envelope", "header"):
                    with contextlib.suppress(Unread):
                        self.column(some, what)
                with contextlib.suppress(Unread):
                    self.fields(b"subject", uids=some)
            for uid in (3, 9):
                self.assertIn(b"hello", self.mailbox.prepared(uid, "envelope"))
                self.assertIn(b"hello", self.mailbox.prepared(uid, "header"))
            self.mailbox = self._open[0].mailbox(INBOX)
            while self.mailbox.prepare_some(10_000).more:
                pass
            for uid in range(1, 41):
                self.mailbox.rendered(uid)
            self.mailbox.save_prepared()
            self.assertEqual(self.fields(b"subject"), [b"Subject: hello\r\n\r\n"] * 40, damage)
            self.assertEqual(len(self.column(range(1, 41), "envelope")), 40, damage)

    def test_two_processes(self) -> None:
        """Who adds to a block leaves what another process has put there, before it and behind it."""
        other = self.account().mailbox(INBOX)
        other.sync()
        for _ in range(2):
            self.append(self._open[0])
        self.mailbox.sync()
        other.sync()
        self.mailbox.rendered(41)
        other.rendered(42)
        self.mailbox.expunge([3])
        other.save_prepared()
        self.mailbox.save_prepared()
        (row,) = self.blocks()
        self.assertEqual(list(blocks.unpacked(0, row)), list(range(1, 43)))
        self.assertEqual(len(self.column([*range(1, 3), *range(4, 43)], "envelope")), 41)

    def test_a_cache_of_another_form(self) -> None:
        """All tables are made anew, whatever they held."""
        self.mailbox._context.index()._db.execute("PRAGMA user_version = 1")
        self._open[0].close()
        self.mailbox = self.account().mailbox(INBOX)
        self.mailbox.sync()
        self.assertRaises(Unread, self.column, range(1, 41), "preview")
        while self.mailbox.prepare_some(10_000).more:
            pass
        self.assertEqual(self.fields(b"subject"), [b"Subject: hello\r\n\r\n"] * 40)


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
