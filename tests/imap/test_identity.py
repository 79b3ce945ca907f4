"""EMAILID, THREADID and SAVEDATE in sessions."""

import os
import re

from twisted.trial.unittest import SynchronousTestCase

from tests.imap.world import Client, World
from tests.scratch import room_of


def ids(client: Client, item: str) -> list[bytes]:
    """The values of an item of all messages of the selected mailbox."""
    return re.findall(rb"\(%s \((\S+)\)\)\r\n" % item.encode(), client.say(f"f FETCH 1:* {item}"))


class IdentityTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = room_of(self)
        self.world = World(self.directory)
        self.addCleanup(self.world.close)
        self.me = self.world.client().login()

    def test_copies(self) -> None:
        """A copy has the EMAILID and THREADID of its source; it is found by them (RFC 8474 section 5)."""
        self.me.append(b"Message-ID: <a@x>\r\n\r\n")
        self.me.append(b"Message-ID: <a@x>\r\n\r\n")
        self.me.append(b"Subject: no id\r\n\r\n")
        emails, threads = ids(self.me, "EMAILID"), ids(self.me, "THREADID")
        self.assertEqual((len(set(emails)), len(set(threads))), (3, 2))
        self.assertEqual(threads[0], threads[1])
        self.assertFalse(set(emails) & set(threads))
        self.me.say("c CREATE x")
        self.me.say("c COPY 3,1 x")
        self.me.say("c SELECT x")
        self.assertEqual(ids(self.me, "EMAILID"), [emails[0], emails[2]])
        self.assertEqual(ids(self.me, "THREADID"), [threads[0], threads[2]])
        self.assertIn(b"* SEARCH 2\r\n", self.me.say(b"s SEARCH THREADID " + threads[2]))
        self.assertIn(b"* SEARCH 1\r\n", self.me.say(b"s UID SEARCH EMAILID " + emails[0]))
        self.assertIn(b"* SEARCH 1 2\r\n", self.me.say(b"s SEARCH NOT EMAILID " + emails[1]))

    def test_a_message_without_a_date_of_its_own(self) -> None:
        """What is known of nothing has the INTERNALDATE, which does not change either."""
        path = os.path.join(self.directory, "example.org", "me", "cur", "mail.eml:2,")
        with open(path, "wb") as file:
            file.write(b"a: b\n\n")
        os.utime(path, (1_000_000_000, 1_000_000_000))
        self.me.say("n NOOP")
        self.assertIn(b'(SAVEDATE "09-Sep-2001 01:46:40 +0000")', self.me.say("f FETCH 1 SAVEDATE"))
        self.assertIn(b"* SEARCH 1\r\n", self.me.say("s SEARCH SAVEDON 9-Sep-2001"))
