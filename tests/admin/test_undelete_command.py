"""`mailnode store undelete` as a person meets it."""

import json
from datetime import UTC, datetime

from mailnode.admin.undelete_command import moment
from mailnode.store.account import Account
from mailnode.store.keeping import Terms
from mailnode.store.values import INBOX, SEEN
from tests.admin.test_store_commands import ANNA, BEN, StoreCommands

WORK = ("Work", "2026")


class Undelete(StoreCommands):
    """Anna has deleted her two messages in INBOX, and the folder Work/2026 with one more."""

    def setUp(self) -> None:
        super().setUp()
        account = self.kept()
        account.mailbox(INBOX).expunge([1, 2])
        account.delete(WORK)
        account.close()

    def kept(self) -> Account:
        """The store of a server that keeps what is deleted."""
        account = self.account()
        account.keeper._terms = lambda: Terms(14)
        return account

    def test_listed(self) -> None:
        """What there is, with what tells it; nothing is brought back."""
        told = self.told("undelete", ANNA, "--list")
        self.assertRegex(told, r"(?m)^20..-..-.. ..:..  INBOX +a@example.org +hello$")
        self.assertRegex(told, r"(?m)^20..-..-.. ..:..  Work/2026 +a@example.org +hello$")
        self.assertIn("3 messages can be brought back.\n", told)
        self.assertEqual(self.account().mailbox(INBOX).uids.tolist(), [])

    def test_filters(self) -> None:
        """By folder, time and subject."""
        for arguments, count in (
            (("--folder", "inbox"), 2),
            (("--folder", "Work/2026"), 1),
            (("--folder", "Work"), 0),
            (("--since", "1h"), 3),
            (("--since", "2020-01-01"), 3),
            (("--since", "2099-01-01T10:00"), 0),
            (("--subject", "HELL"), 3),
            (("--subject", "other"), 0),
        ):
            told = json.loads(self.told("undelete", ANNA, "--list", "--json", *arguments))
            self.assertEqual(len(told["messages"]), count, arguments)
            self.assertFalse(told["brought_back"])

    def test_brought_back(self) -> None:
        """Messages are where they were, with their flags; a folder that is gone is made again."""
        self.assertIn("1 message brought back.\n", self.told("undelete", ANNA, "--folder", "Work/2026"))
        self.assertIn("2 messages brought back.\n", self.told("undelete", ANNA))
        account = self.account()
        inbox = account.mailbox(INBOX)
        self.assertEqual(inbox.uids.tolist(), [3, 4])
        self.assertCountEqual([one.flags for one in inbox.each([3, 4])], [{SEEN}, {"Later"}])
        self.assertEqual(len(account.mailbox(WORK).uids), 1)
        account.close()
        self.assertEqual(self.told("undelete", ANNA), "There is nothing to be brought back.\n")

    def test_nothing_twice(self) -> None:
        """What a power cut has left in both places is brought back once."""
        self.told("undelete", ANNA)
        (path,) = (self.root / ".Work.2026/cur").iterdir()
        left = self.root / "mailnode-recovered/.Work.2026/cur"
        left.mkdir(parents=True, exist_ok=True)
        (left / f"1700000000.removed-{path.name}").hardlink_to(path)
        self.assertIn("1 message brought back.\n", self.told("undelete", ANNA))
        self.assertEqual(len(self.account().mailbox(WORK).uids), 1)

    def test_nobody(self) -> None:
        """Who has no mail yet has nothing; a bad time is said."""
        self.assertEqual(self.told("undelete", BEN), "There is nothing to be brought back.\n")
        self.assertIn("--since", self.told("undelete", "--help"))
        self.assertIn("is no time", self.told("undelete", ANNA, "--since", "soon", code=2))

    def test_over_quota(self) -> None:
        """What has no room stays where it is."""
        self.mailnode("mailbox", "quota", ANNA, "60")
        self.assertIn("no room left", self.told("undelete", ANNA, code=1))
        self.assertIn("3 messages", self.told("undelete", ANNA, "--list"))

    def test_moments(self) -> None:
        """How long ago, or when."""
        now = datetime(2026, 11, 26, 12, tzinfo=UTC)
        for text, seconds in (("30m", 1800), ("2h", 7200), ("3d", 259_200), ("1w", 604_800)):
            self.assertEqual(moment(text, now), now.timestamp() - seconds)
        self.assertEqual(moment("2026-11-26T11:00+00:00", now), now.timestamp() - 3600)
