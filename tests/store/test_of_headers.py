"""What is made of the start of a message's file, before anybody has read all of it."""

import contextlib
import os
from collections.abc import Iterable, Sequence
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.message.ordering import Text, text_key
from mailnode.message.rendered import Rendered, render
from mailnode.message.section import header_fields
from mailnode.store import of_headers
from mailnode.store.errors import Unread
from mailnode.store.mailbox import Mailbox
from mailnode.store.messages import Several
from mailnode.store.prepared_tables import Prepared
from mailnode.store.values import INBOX
from tests.message import strategies
from tests.store.support import StoreTestCase

COUNT = 15  # what a slice has time for
LONG = b"X: " + b"x" * 70 + b"\n"
LISTED, OTHERS = (b"Subject", b"from", b"TO"), (b"subject", b"X", b"Content-Transfer-Encoding")

# Some of which only the whole file tells where the header ends.
messages = st.builds(
    lambda lines, message: LONG * lines + message, st.sampled_from((0, 0, 0, 110, 111)), strategies.messages
)


class OfHeadersTests(StoreTestCase):
    """A Maildir of another program, which nobody has read."""

    def setUp(self) -> None:
        super().setUp()
        self.account().mailbox(INBOX)
        for number in range(COUNT):
            self.put(number, b"Subject: %d\nTo: a@b\n\nbody\n" % number)
        self.mailbox = self.account().mailbox(INBOX)
        self.mailbox.sync()
        self.uids = range(1, COUNT + 1)

    def put(self, number: int, data: bytes) -> None:
        with open(self.path(number), "wb") as file:
            file.write(data)

    def path(self, number: int) -> str:
        return f"{self.base}/anna/cur/{1000 + number}.x:2,"

    def column(self, uids: Iterable[int], what: Prepared) -> Sequence[Any]:
        return self.mailbox.column(Several(self.mailbox.each(uids)), what)

    def fields(self, uids: Iterable[int], names: Sequence[bytes]) -> Sequence[bytes | None]:
        return self.mailbox.fields(Several(self.mailbox.each(uids)), names)

    def rows(self) -> list[int]:
        """The UIDs in the table of what SORT compares."""
        rows = self.mailbox._context.index()._db.execute("SELECT uid FROM ordering ORDER BY uid").fetchall()
        return [uid for (uid,) in rows]

    def test_no_message_is_read_whole(self) -> None:
        """ENVELOPE, header, some fields and what SORT compares, together and alone."""
        with mock.patch.object(Mailbox, "body", side_effect=AssertionError):
            envelopes = self.column(self.uids, "envelope")
            headers = self.column(self.uids, "header")
            fields = self.fields(self.uids, (b"subject",))
            orderings = self.mailbox.orderings(self.uids)
            for number in range(COUNT):
                self.assertIn(b'"%d"' % number, envelopes[number])
                self.assertEqual(headers[number], b"Subject: %d\r\nTo: a@b\r\n\r\n" % number)
                self.assertEqual(fields[number], b"Subject: %d\r\n\r\n" % number)
                self.assertEqual(text_key(orderings[number] or b"", Text.SUBJECT), b"%d" % number)
                self.assertEqual(self.mailbox.prepared(number + 1, "envelope"), envelopes[number])
                self.assertEqual(self.mailbox.prepared(number + 1, "header"), headers[number])
        for uid in self.uids:
            rendered = self.mailbox.rendered(uid)
            made = (rendered.envelope, rendered.header, rendered.ordering)
            self.assertEqual(made, (envelopes[uid - 1], headers[uid - 1], orderings[uid - 1]))

    def test_is_kept(self) -> None:
        """What was made is in the cache after the next look at the folder; of the rest nothing is there."""
        self.column(self.uids, "envelope")
        self.fields(self.uids, LISTED)
        self.mailbox.orderings(self.uids)
        self.mailbox.sync()
        self.assertEqual(self.rows(), [*self.uids])
        again = self.account().mailbox(INBOX)
        again.sync()
        with mock.patch.object(self.files, "read_start", side_effect=AssertionError):
            some = Several(again.each(self.uids))
            self.assertEqual(len(again.column(some, "envelope")), COUNT)
            self.assertNotIn(None, again.orderings(self.uids))
            expected = [b"Subject: %d\r\nTo: a@b\r\n\r\n" % number for number in range(COUNT)]
            self.assertEqual(list(again.column(some, "header")), expected)
            self.assertEqual(list(again.fields(some, LISTED)), expected)
            self.assertEqual([again.prepared(uid, "header") for uid in self.uids], expected)
            expected = [b"Subject: %d\r\n\r\n" % number for number in range(COUNT)]
            self.assertEqual(list(again.fields(some, OTHERS)), expected)
        for what in ("body", "preview", "octets"):
            self.assertIsNone(again.ready(1, what))
            self.assertRaises(Unread, again.column, some, what)
        self.assertEqual(again.rendered(1), render(b"Subject: 0\nTo: a@b\n\nbody\n"))
        self.assertNotIn(None, again.headers(self.uids))

    def test_one_by_one(self) -> None:
        """A message that is asked for alone is read once, too."""
        for uid in self.uids:
            self.mailbox.prepared(uid, "header")
        self.mailbox.sync()
        with mock.patch.object(self.files, "read_start", side_effect=AssertionError):
            self.assertEqual(len(self.fields(self.uids, LISTED)), COUNT)

    def test_goes_with_the_message(self) -> None:
        """What is kept of a message is there while it is, and is of no other, and the cache may be lost."""
        self.column(self.uids, "header")
        self.mailbox.sync()
        os.unlink(self.path(3))
        self.assertEqual(self.fields((4,), LISTED), [b"Subject: 3\r\nTo: a@b\r\n\r\n"])
        with self.elsewhere(f"{self.base}/anna"):
            self.put(3, b"Subject: other\n\n")
            os.rename(self.path(3), self.path(3).replace(".x", ".y"))
        self.mailbox.sync()
        left = [*range(1, 4), *range(5, COUNT + 2)]
        self.assertEqual(list(self.mailbox.uids), left)
        db = self.mailbox._context.index()._db
        self.assertEqual(db.execute("SELECT count(*) FROM rendered").fetchone(), (COUNT - 1,))
        subjects = [b"Subject: %d\r\n\r\n" % (uid - 1) for uid in left[:-1]] + [b"Subject: other\r\n\r\n"]
        self.assertEqual(list(self.fields(left, (b"subject",))), subjects)
        db.execute("UPDATE rendered SET base = 'other'")
        self.assertEqual(list(self.fields(left, (b"subject",))), subjects)
        self.mailbox._context.discard_index()
        self.assertEqual(list(self.fields(left, (b"subject",))), subjects)

    def test_many(self) -> None:
        """What was made of many together is in the cache at once, and of none but them."""
        for number in range(COUNT, 40):
            self.put(number, b"Subject: %d\n\n" % number)
        with self.elsewhere(f"{self.base}/anna"):
            pass
        self.mailbox.sync()
        self.patch(of_headers, "SLICE", 1.0)
        self.column(range(2, 41), "envelope")
        again = self.account().mailbox(INBOX)
        with mock.patch.object(self.files, "read_start", side_effect=AssertionError):
            self.assertEqual(len(again.column(Several(again.each(range(2, 41))), "envelope")), 39)
        self.assertIsNone(again.ready(1, "envelope"))

    def test_is_not_forgotten(self) -> None:
        """What is made of a header leaves what another process has made of the message meanwhile."""
        for what in ("envelope", "header"):
            self.column(self.uids, what)
        other = self.account().mailbox(INBOX)
        other.rendered(1)
        other.save_prepared()
        self.mailbox.sync()
        self.mailbox.save_prepared()
        again = self.account().mailbox(INBOX)
        again.sync()
        for what in ("body", "octets", "header"):
            self.assertIsNotNone(again.ready(1, what))
        for what in ("envelope", "header"):
            self.assertIsNotNone(again.ready(2, what))
        for what in ("body", "octets"):
            self.assertIsNone(again.ready(2, what))

    def test_only_what_is_missing(self) -> None:
        """Messages that are new are read, and none of the others."""
        self.column(self.uids, "envelope")
        self.put(COUNT, b"Subject: new\n\n")
        with self.elsewhere(f"{self.base}/anna"):
            pass
        self.mailbox.sync()
        with mock.patch.object(self.files, "read_start", wraps=self.files.read_start) as read:
            self.assertIn(b'"new"', self.column(range(1, COUNT + 2), "envelope")[-1])
        self.assertEqual([call.args[0] for call in read.call_args_list], [self.path(COUNT)])

    def test_what_cannot_be_made_so(self) -> None:
        """A long header, a header that may go on and a file that is gone are left to who asks for one."""
        bodies = (LONG * 200 + b"\nbody", LONG * 200, b"")
        for number, data in enumerate(bodies):
            self.put(number, b"Subject: odd\n" + data)
        os.rename(self.path(2), self.path(2) + "S")
        for what in ("envelope", "header"):
            self.assertRaises(Unread, self.column, self.uids, what)
        self.assertRaises(Unread, self.fields, self.uids, (b"subject",))
        self.assertEqual(
            [one is None for one in self.mailbox.orderings(self.uids)], [True] * 3 + [False] * 12
        )
        self.assertIn(b'"4"', self.mailbox.prepared(5, "envelope"))
        for uid in (1, 2, 3):
            self.assertIn(b'"odd"', self.mailbox.prepared(uid, "envelope"))

    def test_header_alone(self) -> None:
        """A message that is nothing but a header, with and without an empty line, and an empty one."""
        for number, data in enumerate((b"Subject: 1\n\n", b"Subject: 2\n", b"", b"\n")):
            self.put(number, data)
        headers = self.column(range(1, 5), "header")
        self.assertEqual(headers, [b"Subject: 1\r\n\r\n", b"Subject: 2\r\n", b"", b"\r\n"])

    def test_the_end_of_a_look(self) -> None:
        """A header that ends where the look at the file ends is found all the same, or left."""
        lengths = [length for length in range(8185, 8196) for _ in range(2)]
        for number, length in enumerate(lengths):
            header = b"Subject: " + b"s" * (length - 11) + b"\n\n"
            self.put(number, header + b"\n\nbody" * (number % 2))
        with self.elsewhere(f"{self.base}/anna"):
            pass
        self.mailbox.sync()
        for number, length in enumerate(lengths):
            self.assertEqual(len(self.mailbox.prepared(number + 1, "header")), length + 2)

    def test_a_slow_disk(self) -> None:
        """After a while the others are left, and what was made is there for who asks for each."""

        def slow(path: str, most: int) -> bytes:
            self.clock += 0.01
            return type(self.files).read_start(self.files, path, most)

        with mock.patch.object(self.files, "read_start", slow):
            self.assertRaises(Unread, self.column, self.uids, "envelope")
        with mock.patch.object(self.files, "read_start", side_effect=AssertionError):
            self.assertIn(b'"0"', self.mailbox.prepared(1, "envelope"))
            self.assertIn(b'"1"', self.mailbox.prepared(2, "envelope"))


class AnyHeaderTests(StoreTestCase):
    """What is kept of headers is what a whole reading gives, before and after that."""

    def check(self, mailbox: Mailbox, whole: Sequence[Rendered]) -> None:
        """Ask for the headers and some of their fields, together and alone, as FETCH does."""
        some = Several(mailbox.each(mailbox.uids))
        headers = [one.header for one in whole]
        with contextlib.suppress(Unread):
            self.assertEqual(list(mailbox.column(some, "header")), headers)
        for names in (LISTED, OTHERS):
            expected = [header_fields(one, names, negate=False) for one in headers]
            with contextlib.suppress(Unread):
                found = mailbox.fields(some, names)
                for fields, right in zip(found, expected, strict=True):
                    self.assertIn(fields, (None, right))  # None where the header has to be asked for
        self.assertEqual([mailbox.prepared(uid, "header") for uid in mailbox.uids], headers)

    @settings(max_examples=60)
    @given(st.lists(st.tuples(messages, st.booleans(), st.booleans()), min_size=1, max_size=9))
    def test_as_a_whole_reading(self, some: list[tuple[bytes, bool, bool]]) -> None:
        """Octets of any kind, verbatim or not; some are asked for the whole before or after the others."""
        name = f"user{len(self._open)}"
        self.account(name).mailbox(INBOX)
        for number, (data, verbatim, _) in enumerate(some):
            sizes = f",S={len(data)},W={len(data) + (not verbatim)}"
            with open(f"{self.base}/{name}/cur/{1000 + number}.x{sizes}:2,", "wb") as file:
                file.write(data)
        whole = [render(data, verbatim) for data, verbatim, _ in some]
        one, other = (self.account(name).mailbox(INBOX) for _ in range(2))
        self.check(one, whole)
        for uid in one.uids:
            self.assertEqual(other.prepared(uid, "envelope"), whole[uid - 1].envelope)
        for mailbox in (one, other, one):
            mailbox.sync()
            self.check(mailbox, whole)
        for uid, (_, _, wholly) in enumerate(some, 1):
            if wholly:
                self.assertEqual(other.rendered(uid), whole[uid - 1])
        other.save_prepared()
        for mailbox in (one, other, self.account(name).mailbox(INBOX)):
            self.check(mailbox, whole)
            self.assertEqual([mailbox.rendered(uid) for uid in mailbox.uids], whole)
            mailbox.save_prepared()
            self.check(mailbox, whole)
