"""MESSAGELIMIT: what dialogue files cannot say."""

import re
from array import array
from dataclasses import replace

from mailnode.imap.commands.append import MESSAGES
from mailnode.store.mailbox import Mailbox
from tests.imap.test_session import MESSAGE, SessionCase

LIMIT = 3


class MessageLimitTests(SessionCase):
    """One client with ten messages, and a limit."""

    def setUp(self) -> None:
        super().setUp()
        self.me = self.client().login()
        for _ in range(10):
            self.me.append(MESSAGE)
        self.limit(imap_message_limit=LIMIT)

    def limit(self, **limits: int) -> None:
        """Reload the configuration with these."""
        config = self.world.live.config
        self.world.live.config = replace(config, limits=replace(config.limits, **limits))

    def test_all_in_the_end(self) -> None:
        """Who goes on below the UID that is said gets every message once."""
        found: list[bytes] = []
        below = b"11"
        for _ in range(4):
            heard = self.me.say(b"x UID SEARCH NOT DELETED UIDBEFORE " + below)
            found += sorted(heard.partition(b"\r\n")[0].split()[2:], key=int, reverse=True)
            stopped = re.search(rb"x OK \[MESSAGELIMIT 3 (\d+)\]", heard)
            below = stopped[1] if stopped else b""
        self.assertEqual(below, b"")
        self.assertEqual(found, [b"%d" % uid for uid in range(10, 0, -1)])

    def test_both_codes(self) -> None:
        """Where the reply has a code of its own, an untagged NO has the other (section 3.1)."""
        other = self.client().login()
        other.say("a STORE 9 +FLAGS.SILENT (\\Deleted)")
        other.say("b EXPUNGE")
        heard = self.me.say("c FETCH 5:10 (UID)")
        self.assertEqual(heard.count(b" FETCH "), 2)
        said = re.search(rb"\* NO \[MESSAGELIMIT 3 8\] .*\r\nc NO \[EXPUNGEISSUED\]", heard)
        self.assertIsNotNone(said, heard)

    def test_refused(self) -> None:
        """Of a command that fails as a whole only that is said, and nothing of it later."""
        self.patch(Mailbox, "move", self.raising(OSError(5, "no")))
        self.me.say("a CREATE Other")
        self.assertEqual(self.me.say("b MOVE 1:* Other").count(b"MESSAGELIMIT"), 0)
        self.assertIn(b"c OK Done", self.me.say("c NOOP"))
        self.flushLoggedErrors(OSError)

    def test_told_before_the_reply(self) -> None:
        """The UID is that of the moment of the search, whatever is expunged meanwhile."""
        other = self.client().login()
        other.say("a STORE 1:2 +FLAGS.SILENT (\\Deleted)")
        self.me.say("b NOOP")
        other.say("c EXPUNGE")
        other.say("d STORE 1:7 +FLAGS.SILENT (\\Deleted)")
        other.say("e UID EXPUNGE 3:9")
        heard = self.me.say("f UID SEARCH ALL")
        self.assertIn(b"* SEARCH 10\r\n", heard)
        self.assertIn(b"f OK [MESSAGELIMIT 3 8]", heard)

    def test_index(self) -> None:
        """What the text index knows is cut too."""
        found = array("I", (2, 3)), array("I", (9,))
        self.patch(Mailbox, "found", lambda mailbox, needle, where: found)
        heard = self.me.say("a UID SEARCH TEXT body")
        self.assertIn(b"* SEARCH 9\r\na OK [MESSAGELIMIT 3 8]", heard)

    def test_followed(self) -> None:
        """A search that sends updates tells of all that changes."""
        heard = self.me.say("a UID SEARCH RETURN (UPDATE ALL) FLAGGED")
        self.assertIn(b"a OK [MESSAGELIMIT 3 8]", heard)
        heard = self.me.say("b STORE 1 +FLAGS.SILENT (\\Flagged)")
        self.assertIn(b'* ESEARCH (TAG "a") UID ADDTO (0 1)\r\n', heard)

    def test_enough(self) -> None:
        """Nothing is said where there is no limit, or as many messages as it allows."""
        self.me.say("a CREATE Other")
        for limit in (0, 10, 11):
            self.limit(imap_message_limit=limit)
            for command in ("SEARCH ALL", "FETCH 1:* FLAGS", "STORE 1:* FLAGS ()", "COPY 1:* Other"):
                self.assertNotIn(b"LIMIT", self.me.say(f"b UID {command}"))
        self.limit(imap_message_limit=0)
        self.assertIsNone(re.search(rb"(MESSAGE|SAVE)LIMIT", self.me.say("c CAPABILITY")))

    def test_append(self) -> None:
        """APPEND takes as many as are announced, also where these are more than otherwise."""
        one = b" {%d+}\r\n" % len(MESSAGE) + MESSAGE
        many = b"a APPEND INBOX" + one * (MESSAGES + 1) + b"\r\n"
        self.limit(imap_message_limit=0)
        self.assertIn(b"a NO [LIMIT]", self.me.send(many))
        self.limit(imap_message_limit=MESSAGES)
        self.assertIn(b"a NO [MESSAGELIMIT 1000]", self.me.send(many))
        self.limit(imap_message_limit=MESSAGES + 1)
        self.assertIn(b"a OK [APPENDUID", self.me.send(many))
