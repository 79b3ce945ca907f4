"""Names that last, and when a message was saved."""

import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.store.account import Account
from mailnode.store.identity import email_id, guid_of, mailbox_id, saved, saved_now
from mailnode.store.index import FILE_NAME
from mailnode.store.mailbox import Mailbox
from mailnode.store.uidlist import FILE_NAME as UID_LIST
from mailnode.store.uidlist import Record, read_record
from mailnode.store.values import INBOX, SEEN
from tests.store.support import StoreTestCase

OTHER = ("Other",)
THIRD = ("Third",)
OBJECT_ID = r"\A[A-Za-z][A-Za-z0-9_-]{0,254}\Z"
DAY = 86400


def names(mailbox: Mailbox) -> list[str]:
    """The EMAILIDs of all messages."""
    return [email_id(mailbox.record(uid)) for uid in mailbox.uids]


class PureTests(SynchronousTestCase):
    @given(st.text(max_size=80), st.integers(1, 2**32 - 1))
    def test_mailbox_ids(self, guid: str, validity: int) -> None:
        """RFC 8474 section 7, whatever somebody has written into the uid list."""
        self.assertRegex(mailbox_id(guid, validity), OBJECT_ID)
        self.assertNotEqual(mailbox_id(guid, validity), mailbox_id(guid, validity % (2**32 - 1) + 1))

    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80))
    def test_email_ids(self, base: str) -> None:
        """A name of its own for each base, whether the base stands in the name or as G in the line."""
        record = Record(1, base)
        self.assertRegex(email_id(record), OBJECT_ID)
        copy = Record(2, "other", ("G" + guid_of(record),))
        self.assertEqual(email_id(copy), email_id(record))
        self.assertNotEqual(email_id(Record(1, base + "x")), email_id(record))

    def test_a_base_with_a_blank(self) -> None:
        """Its copy's line can be read back."""
        record = Record(1, "my mail")
        line = Record(2, "1.x", ("G" + guid_of(record),)).encode().decode().rstrip("\n")
        copy = read_record(line)
        assert copy is not None
        self.assertEqual(email_id(copy), email_id(record))

    def test_saved(self) -> None:
        """The line before the name; what is no date is none."""
        table: tuple[tuple[tuple[str, ...], str, int | None], ...] = (
            ((), "1700000000.M1P2Q3.host,S=1,W=2", 1700000000),
            (("D1700000001",), "1700000000.M1P2Q3.host", 1700000001),
            (("Gx", "D5", "Px"), "1700000000.x", 5),
            (("D",), "1700000000.x", 1700000000),
            (("D-5",), "1700000000.x", 1700000000),
            (("D9999999999999",), "1700000000.x", 1700000000),
            (("D\u0665",), "1700000000.x", 1700000000),
            ((), "1700000000", None),
            ((), "20231114.eml", None),
            ((), "99999999999.x", None),
            ((), "message.eml", None),
        )
        for fields, base, expected in table:
            self.assertEqual(saved(Record(1, base, fields)), expected, (fields, base))

    def test_only_what_the_name_does_not_say(self) -> None:
        """A message that was just made needs no field."""
        self.assertEqual(saved_now("1700000000.x", 1700000000.9), ())
        self.assertEqual(saved_now("1700000000.x", 1700000001.0), ("D1700000001",))


class LastingTests(StoreTestCase):
    """Through copies, renames, restarts and the loss of the cache."""

    def setUp(self) -> None:
        super().setUp()
        self.mine: Account = self.account()
        self.mine.create(OTHER)
        self.mine.create(THIRD)
        self.append(self.mine)
        self.deliver(self.mine)
        self.inbox = self.mine.mailbox(INBOX)

    def _anew(self) -> Account:
        self.mine.close()
        for suffix in ("", "-wal", "-shm"):
            path = f"{self.mine.root}/{FILE_NAME}{suffix}"
            if os.path.exists(path):
                os.unlink(path)
        return self.account()

    def test_copies_have_the_name_of_the_message(self) -> None:
        """RFC 8474 section 5.1, wherever the copy of a copy goes, and into the same mailbox too."""
        first, second = names(self.inbox)
        self.assertNotEqual(first, second)
        other, third = self.mine.mailbox(OTHER), self.mine.mailbox(THIRD)
        self.inbox.copy([1, 1], other)
        other.copy([1, 2, 2], third)
        third.copy([3], self.inbox)
        for mailbox in (other, third):
            self.assertEqual(set(names(mailbox)), {first})
        self.assertEqual(names(self.inbox), [first, second, first])
        after = self._anew()
        self.assertEqual(names(after.mailbox(INBOX)), [first, second, first])
        self.assertEqual(names(after.mailbox(THIRD)), [first] * 3)

    def test_a_base_with_a_blank_is_copied(self) -> None:
        """Also twice, and its line stands."""
        with self.elsewhere(self.mine.root), open(f"{self.mine.root}/cur/my mail:2,S", "wb") as file:
            file.write(b"a: b\n\n")
        self.inbox.sync()
        name = names(self.inbox)[-1]
        other = self.mine.mailbox(OTHER)
        self.inbox.copy([3, 3], other)
        after = self._anew().mailbox(OTHER)
        self.assertEqual((after.uids.tolist(), names(after)), ([1, 2], [name, name]))

    def test_flags_change_nothing(self) -> None:
        """Names, and the date, are of the message in its mailbox."""
        before = names(self.inbox), [saved(self.inbox.record(uid)) for uid in self.inbox.uids]
        self.clock += DAY
        self.inbox.set_flags([1, 2], "add", frozenset((SEEN,)))
        inbox = self._anew().mailbox(INBOX)
        self.assertEqual((names(inbox), [saved(inbox.record(uid)) for uid in inbox.uids]), before)

    def test_mailbox_ids_last(self) -> None:
        """The answer of CREATE is that of STATUS, after a rename too, and no other mailbox has it."""
        made = self.mine.create(("A",))
        self.assertEqual(self.mine.status(("A",)).mailbox_id, made)
        self.mine.rename(("A",), ("B", "C"))
        self.assertEqual(self.mine.status(("B", "C")).mailbox_id, made)
        ids = [self.mine.status(name).mailbox_id for name in self.mine.names()]
        self.assertEqual(len(set(ids)), len(ids))
        after = self._anew()
        self.assertEqual([after.status(name).mailbox_id for name in after.names()], ids)

    def test_a_new_mailbox_of_the_name_has_another(self) -> None:
        """RFC 8474 section 4."""
        made = self.mine.create(("A",))
        self.mine.delete(("A",))
        self.assertNotEqual(self.mine.create(("A",)), made)

    def test_a_lost_list_changes_it(self) -> None:
        """UIDs mean something else then, even where the G came back."""
        before = self.inbox.mailbox_id
        guid, validity = self.inbox.guid, self.inbox.uid_validity
        with open(f"{self.mine.root}/{UID_LIST}", "w") as file:
            file.write(f"3 V{validity + 1} N1 G{guid}\n")
        self.assertNotEqual(self._anew().mailbox(INBOX).mailbox_id, before)

    def test_a_copy_is_saved_when_it_is_made(self) -> None:
        """RFC 8514 section 3; the source keeps its date."""
        before = saved(self.inbox.record(1))
        self.clock += DAY
        other = self.mine.mailbox(OTHER)
        self.inbox.copy([1, 1], other)
        now = int(self.clock)
        self.clock += DAY
        other.copy([1], self.mine.mailbox(THIRD))
        after = self._anew()
        self.assertEqual(saved(after.mailbox(INBOX).record(1)), before)
        dates = [saved(after.mailbox(OTHER).record(uid)) for uid in (1, 2)]
        self.assertEqual([date // DAY for date in dates if date], [now // DAY] * 2)
        self.assertEqual(saved(after.mailbox(THIRD).record(1)), int(self.clock))

    def test_an_upload_that_takes_long(self) -> None:
        """It is saved when it is here, not when it was begun."""
        draft = self.mine.draft()
        self.clock += DAY
        draft.write(b"a: b\r\n\r\n")
        uid = self.mine.append(INBOX, draft)
        self.assertEqual(saved(self._anew().mailbox(INBOX).record(uid)), int(self.clock))
