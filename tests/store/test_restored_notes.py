"""mailnode.store.restored_notes: annotations that come back with the mail."""

from mailnode.store.account import Account
from mailnode.store.attributes import SPECIAL_USE
from mailnode.store.errors import TooManyAnnotations
from mailnode.store.values import INBOX, Name
from tests.store.test_backup import DEEP, WORK, BackupCase

COMMENT, SHARED = "/private/comment", "/shared/vendor/x"
OTHERS = "0123456789abcdef0123456789abcdef"  # the G of a folder of somebody else


class RestoredNotes(BackupCase):
    """Notes of two folders, of the server, and of somebody's folder."""

    def setUp(self) -> None:
        super().setUp()
        notes = self.mine.annotations
        notes.change(WORK, {COMMENT: b"work", SHARED: b"\0\r\n", SPECIAL_USE: b"\\Archive"})
        notes.change(INBOX, {COMMENT: b"in"})
        notes.change(None, {SHARED: b"server"})
        notes.change_of(OTHERS, {COMMENT: b"theirs"})
        self.root, _ = self.back_up()

    def all_notes(self, account: Account) -> dict[Name | str | None, dict[str, bytes]]:
        notes = account.annotations
        names = (INBOX, WORK, DEEP, None)
        return {**{one: notes.entries(one) for one in names}, OTHERS: notes.entries_of(OTHERS)}

    def test_all_is_lost(self) -> None:
        """In an account that is not there all is as it was."""
        other = self.account("ben")
        self.restore(self.root, other)
        self.assertEqual(self.all_notes(other), self.all_notes(self.mine))

    def test_merged(self) -> None:
        """In one with folders of its own, which have other Gs: what is there stays, what is missing comes."""
        other = self.account("ben")
        other.create(WORK)
        self.append(other, INBOX)
        other.annotations.change(WORK, {COMMENT: b"mine"})
        other.annotations.change(None, {COMMENT: b"too"})
        for _ in range(2):
            self.restore(self.root, other)
            expected = self.all_notes(self.mine)
            expected[WORK] = {**expected[WORK], COMMENT: b"mine"}
            expected[None] = {COMMENT: b"too", SHARED: b"server"}
            self.assertEqual(self.all_notes(other), expected)

    def test_deleted_folder(self) -> None:
        """A folder that was deleted has its notes again, and its use where no other has it meanwhile."""
        before = self.all_notes(self.mine)
        self.mine.delete(WORK)
        self.restore(self.root, self.mine)
        self.assertEqual(self.all_notes(self.mine), before)
        self.mine.delete(WORK)
        self.mine.annotations.change(DEEP, {SPECIAL_USE: b"\\Archive"})
        self.restore(self.root, self.mine)
        self.assertNotIn(SPECIAL_USE, self.mine.annotations.entries(WORK))
        self.assertEqual(self.mine.annotations.entries(DEEP)[SPECIAL_USE], b"\\Archive")

    def test_one_folder(self) -> None:
        """With one folder come its notes only."""
        other = self.account("ben")
        self.append(other, INBOX)
        other.create(WORK)
        self.restore(self.root, other, WORK)
        self.assertEqual(other.annotations.entries(WORK), self.mine.annotations.entries(WORK))
        for place in (INBOX, None):
            self.assertEqual(other.annotations.entries(place), {})
        self.assertEqual(other.annotations.entries_of(OTHERS), {})

    def test_no_room(self) -> None:
        """Where there are too many it is said, after all mail is there."""
        other = self.account("ben")
        other.create(WORK)
        self.append(other, INBOX)
        other.annotations.change(WORK, {f"/private/{number}": b"" for number in range(99)})
        self.assertRaises(TooManyAnnotations, self.restore, self.root, other)
        self.assertEqual(len(other.mailbox(WORK).uids), 1)
