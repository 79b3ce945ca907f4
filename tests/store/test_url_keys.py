"""The keys of mailboxes for URLs."""

import os

from mailnode.store.errors import NoSuchMailbox
from mailnode.store.values import INBOX
from tests.store.support import StoreTestCase

BOX = ("Box",)


class UrlKeyTests(StoreTestCase):
    """RFC 4467 section 2.2."""

    @property
    def file(self) -> str:
        """Where the keys are kept."""
        return f"{self.base}/anna/dovecot-attributes"

    def test_made_once(self) -> None:
        """None until one is asked for; then the same, also for another process."""
        keys = self.account().url_keys
        self.assertIsNone(keys.get(INBOX))
        self.assertFalse(os.path.exists(self.file))
        made = keys.made(INBOX)
        self.assertRegex(made, b"^[0-9a-f]{64}$")
        self.assertEqual(keys.made(("inbox",)), made)
        self.assertEqual(self.account().url_keys.get(INBOX), made)
        self.assertEqual(os.stat(self.file).st_mode & 0o077, 0)

    def test_nobody_is_shown_it(self) -> None:
        """No annotation has it, of the mailbox or of the server; nor is it counted as a change."""
        account = self.account()
        account.mailbox(INBOX)
        before = account.glance.census()
        account.url_keys.made(INBOX)
        for name in (INBOX, None):
            self.assertEqual(account.annotations.entries(name), {})
        self.assertEqual(account.glance.census(), before)

    def test_with_its_mailbox(self) -> None:
        """It goes with a mailbox that is renamed, and a new one of that name has none."""
        account = self.account()
        account.create(BOX)
        made = account.url_keys.made(BOX)
        self.assertNotEqual(made, account.url_keys.made(INBOX))
        account.rename(BOX, ("Other",))
        self.assertEqual(account.url_keys.get(("Other",)), made)
        self.assertRaises(NoSuchMailbox, account.url_keys.get, BOX)
        account.delete(("Other",))
        account.create(("Other",))
        self.assertIsNone(account.url_keys.get(("Other",)))
        with open(self.file, "rb") as file:
            self.assertNotIn(made, file.read())

    def test_inbox_renamed(self) -> None:
        """INBOX stays, and keeps its key."""
        account = self.account()
        made = account.url_keys.made(INBOX)
        account.rename(INBOX, BOX)
        self.assertEqual((account.url_keys.get(INBOX), account.url_keys.get(BOX)), (made, None))

    def test_revoked(self) -> None:
        """One, or all; annotations stay."""
        account = self.account()
        account.create(BOX)
        account.annotations.change(BOX, {"/private/comment": b"x"})
        keys = account.url_keys
        inbox, box = keys.made(INBOX), keys.made(BOX)
        keys.reset(BOX)
        self.assertNotIn(keys.get(BOX), (None, box))
        self.assertEqual(keys.get(INBOX), inbox)
        keys.forget_all()
        self.assertEqual((keys.get(INBOX), keys.get(BOX)), (None, None))
        self.assertEqual(account.annotations.entries(BOX), {"/private/comment": b"x"})

    def test_what_is_no_key(self) -> None:
        """Another program's octets in its place authorize nothing, and are replaced."""
        account = self.account()
        keys = account.url_keys
        made = keys.made(INBOX)
        path = self.file
        with open(path, "rb") as file:
            data = file.read()
        with open(path, "wb") as file:
            file.write(data.replace(made, b"short"))
        self.assertIsNone(keys.get(INBOX))
        self.assertRegex(keys.made(INBOX), b"^[0-9a-f]{64}$")
