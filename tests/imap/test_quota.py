"""GETQUOTA and GETQUOTAROOT where a dialogue does not reach: the quota of a domain, and trouble."""

import errno
from dataclasses import replace

from mailnode.config import Mailboxes
from mailnode.config_quota import Quota, Room
from mailnode.store.usage import Ledger
from tests.auth.house import entry
from tests.imap.test_session import MESSAGE, SessionCase


class QuotaTests(SessionCase):
    """Two people in a domain with a quota."""

    def setUp(self) -> None:
        super().setUp()
        quota = Quota(storage=None, messages=7, domains={"example.org": Room(storage=10_240)})
        self.world.live.config = replace(self.world.config, quota=quota)
        entries = dict.fromkeys(("me@example.org", "you@example.org"), entry("secret"))
        self.world.live.mailboxes = Mailboxes(mailboxes=entries)

    def test_domain(self) -> None:
        """The domain is a root of everybody's, with what all have; nobody sees another's own root."""
        client = self.client().login()
        client.append(MESSAGE * 100)
        other = self.client()
        other.say("l LOGIN you secret")
        self.assertEqual(
            other.say("a GETQUOTAROOT INBOX"),
            b"* QUOTAROOT INBOX you@example.org @example.org\r\n"
            b"* QUOTA you@example.org (MESSAGE 0 7)\r\n"
            b"* QUOTA @example.org (STORAGE 3 10)\r\n"
            b"a OK These are the quotas\r\n",
        )
        self.assertIn(b"* QUOTA @example.org (STORAGE 3 10)\r\n", other.say("b GETQUOTA @example.org"))
        self.assertIn(b"c NO [NONEXISTENT]", other.say("c GETQUOTA me@example.org"))

    def test_no_path(self) -> None:
        """The path of the mail is no name of a root."""
        client = self.client().login()
        root = self.world.account().store.root
        self.assertIn(b"a NO [NONEXISTENT]", client.say(f'a GETQUOTA "{root}"'))
        self.assertNotIn(root.encode(), client.say("b GETQUOTAROOT INBOX"))

    def test_unreadable(self) -> None:
        """Trouble with the disk is temporary."""
        client = self.client().login()
        self.patch(Ledger, "usage", self.raising(OSError(errno.EIO, "no")))
        self.assertIn(b"a NO [UNAVAILABLE]", client.say("a GETQUOTAROOT INBOX"))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
