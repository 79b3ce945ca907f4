"""What is made of the start of a message's file, before anybody has read all of it."""

import os
from collections.abc import Iterable, Sequence
from typing import Any
from unittest import mock

from mailnode.message.ordering import Text, text_key
from mailnode.store import of_headers
from mailnode.store.errors import Unread
from mailnode.store.mailbox import Mailbox
from mailnode.store.messages import Several
from mailnode.store.prepared_tables import Prepared
from mailnode.store.values import INBOX
from tests.store.support import StoreTestCase

COUNT = 15  # what a slice has time for
LONG = b"X: " + b"x" * 70 + b"\n"


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
        self.mailbox.orderings(self.uids)
        self.mailbox.sync()
        self.assertEqual(self.rows(), [*self.uids])
        again = self.account().mailbox(INBOX)
        again.sync()
        with mock.patch.object(self.files, "read_start", side_effect=AssertionError):
            self.assertEqual(len(again.column(Several(again.each(self.uids)), "envelope")), COUNT)
            self.assertNotIn(None, again.orderings(self.uids))
        for what in ("body", "preview", "octets"):
            self.assertIsNone(again.ready(1, what))

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
        self.column(self.uids, "envelope")
        other = self.account().mailbox(INBOX)
        other.rendered(1)
        other.save_prepared()
        self.mailbox.sync()
        self.mailbox.save_prepared()
        again = self.account().mailbox(INBOX)
        again.sync()
        self.assertIsNotNone(again.ready(1, "body"))
        self.assertIsNotNone(again.ready(2, "envelope"))
        self.assertIsNone(again.ready(2, "body"))

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
