"""UIDONLY: what dialogue files cannot say."""

import re

from mailnode.imap.commands.fetch import BATCH
from mailnode.imap.table import COMMANDS
from tests.imap.test_session import MESSAGE, SessionCase

# Search keys that name messages by number, wherever they stand.
KEYS = (
    "1",
    "*",
    "2:*",
    "$",
    "SEEN 1",
    "UID 1 1",
    "NOT 1",
    "OR 1 SEEN",
    "OR SEEN (ANSWERED 1,3)",
    "FUZZY 1",
    "((NOT (1)))",
    "FILTER numbers",
    "NOT FILTER outer",
)
SEARCHES = (
    "UID SEARCH %s",
    "UID SEARCH RETURN (COUNT) %s",
    "UID SEARCH CHARSET UTF-8 %s",
    "UID SORT (SIZE) UTF-8 %s",
    "UID THREAD REFS UTF-8 %s",
    "ESEARCH %s",
    "ESEARCH IN (selected) %s",
)


class UidOnlyTests(SessionCase):
    """One client that has enabled it."""

    def setUp(self) -> None:
        super().setUp()
        self.me = self.client().login()
        for _ in range(3):
            self.me.append(MESSAGE)
        self.say('SETMETADATA "" (/private/filters/values/numbers "SEEN 1:2")')
        self.say('SETMETADATA "" (/private/filters/values/outer "OR DELETED FILTER numbers")')

    def say(self, line: str, reply: bytes = b"x OK") -> bytes:
        """What is heard of a command, with this reply."""
        heard = self.me.say(f"x {line}")
        self.assertIn(reply, heard, line)
        return heard

    def test_commands(self) -> None:
        """Those that have a twin by UID take numbers, but for EXPUNGE, and no others do."""
        twins = {name for name in COMMANDS if f"UID {name}" in COMMANDS}
        self.assertEqual({name for name in COMMANDS if COMMANDS[name].takes_numbers}, twins - {"EXPUNGE"})

    def test_keys(self) -> None:
        """They are as good as any other before, and refused after; what was saved is kept."""
        self.say("UID SEARCH RETURN (SAVE) UID 2")
        lines = [search % key for search in SEARCHES for key in KEYS]
        for line in lines:
            self.say(line)
        self.say("ENABLE UIDONLY")
        for line in lines:
            self.say(line, b"x BAD [UIDREQUIRED]")
            self.say("UID SEARCH UID 1,$")
        self.assertIn(b"* SEARCH 2\r\n", self.say("UID SEARCH UID $"))

    def test_a_refused_search_saves_nothing_else(self) -> None:
        """BAD does not touch the saved result (RFC 5182 section 2.1)."""
        self.say("UID SEARCH RETURN (SAVE) UID 3")
        self.say("ENABLE UIDONLY")
        self.say("UID SEARCH RETURN (SAVE) 1", b"x BAD [UIDREQUIRED]")
        self.assertIn(b"* SEARCH 3\r\n", self.say("UID SEARCH UID $"))

    def test_many_messages(self) -> None:
        """Responses that are made together have UIDs, and the item UID only where it was asked for."""
        self.say("UID STORE 1 FLAGS.SILENT (\\Deleted)")
        self.say("EXPUNGE")
        for _ in range(BATCH + 10):
            self.me.append(MESSAGE)
        uids = list(range(2, BATCH + 14))
        self.say("ENABLE UIDONLY")
        for items, named in (("RFC822.SIZE ENVELOPE", False), ("(RFC822.SIZE UID)", True), ("FAST", False)):
            items = items if items.startswith("(") or " " not in items else f"({items})"
            heard = self.say(f"UID FETCH 1:* {items}")
            self.assertEqual([int(uid) for uid in re.findall(rb"\* (\d+) UIDFETCH \(", heard)], uids)
            self.assertEqual([int(uid) for uid in re.findall(rb"UID (\d+)", heard)], uids if named else [])
            self.assertNotIn(b" FETCH ", heard)

    def test_literals_of_a_refused_command(self) -> None:
        """They are read past, and not asked for."""
        self.say("ENABLE UIDONLY")
        self.assertEqual(self.me.say("x SEARCH SUBJECT {3}").count(b"\r\n"), 1)
        heard = self.me.say("y SEARCH SUBJECT {10+}\r\nz LOGOUT\r\n")
        self.assertIn(b"y BAD [UIDREQUIRED]", heard)
        self.assertNotIn(b"BYE", heard)
        self.say("NOOP")

    def test_pairs_of_qresync(self) -> None:
        """They are refused before the selected mailbox is left, the other parameters are taken."""
        self.say("ENABLE QRESYNC UIDONLY")
        for known in ("(1 1 (1 1))", "(1 1 1:3 (1,2 1,2))"):
            self.assertNotIn(b"CLOSED", self.say(f"SELECT INBOX (QRESYNC {known})", b"x BAD [UIDREQUIRED]"))
        self.say("SELECT INBOX (QRESYNC (1 1 1:3))")

    def test_what_was_missed(self) -> None:
        """QRESYNC tells it by UIDFETCH."""
        validity = self.world.account().store.mailbox(("INBOX",)).uid_validity
        self.say("ENABLE QRESYNC UIDONLY")
        self.say("UID STORE 1 FLAGS.SILENT (\\Deleted)")
        self.say("UID EXPUNGE 1")
        heard = self.say(f"SELECT INBOX (QRESYNC ({validity} 1))")
        self.assertIn(b"* VANISHED (EARLIER) 1\r\n", heard)
        told = re.findall(rb"\* (\d+) UIDFETCH \(FLAGS \(\S*\) MODSEQ \(\d+\)\)", heard)
        self.assertEqual(told, [b"2", b"3"])
        self.assertNotIn(b" FETCH ", heard)

    def test_sorted_search_by_number(self) -> None:
        """It is followed no longer, one by UID is."""
        heard = self.me.say("s SORT RETURN (UPDATE) (SIZE) UTF-8 SEEN")
        heard += self.me.say("u UID SORT RETURN (UPDATE) (SIZE) UTF-8 SEEN")
        self.assertEqual(heard.count(b"ESEARCH"), 2)
        heard = self.say("ENABLE UIDONLY")
        self.assertEqual(heard.count(b"NOUPDATE"), 1)
        self.assertIn(b'* NO [NOUPDATE "s"]', heard)
        heard = self.say("UID STORE 2 +FLAGS.SILENT (\\Seen)")
        self.assertIn(b'* ESEARCH (TAG "u") UID ADDTO (1 2)\r\n', heard)
        self.assertEqual(heard.count(b"ESEARCH"), 1)
