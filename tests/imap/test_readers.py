r"""What readers of a shared mailbox have read: the \Seen of each, and modification sequences."""

import errno
import re

from mailnode.store.seen import SeenFile
from tests.imap.test_session import MESSAGE
from tests.imap.test_shared import SharedCase
from tests.imap.world import Client, World

ITEMS = "MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ MAILBOXID SIZE DELETED DELETED-STORAGE APPENDLIMIT"


class ReaderTests(SharedCase):
    r"""The \Seen of each reader, and modification sequences."""

    def setUp(self) -> None:
        super().setUp()
        self.share("me lrs", "carl lrs")
        self.anna.append(MESSAGE, "Work")
        self.does(self.anna, "SELECT Work")

    def reader(self, name: str = "me", select: str = "SELECT Shared/anna/Work (CONDSTORE)") -> Client:
        """Somebody who reads the mailbox."""
        client = self.client().login(None, who=name)
        self.does(client, select)
        return client

    def modseq(self, client: Client, number: int = 1) -> int:
        """That of a message."""
        found = re.search(rb"MODSEQ \((\d+)\)", client.say(f"m FETCH {number} MODSEQ"))
        assert found is not None
        return int(found[1])

    def test_each_has_their_own(self) -> None:
        r"""What one reads is unread for the others, and for the owner it is \Recent still."""
        me, carl = self.reader(), self.reader("carl")
        self.does(me, "STORE 1 +FLAGS (\\Seen)")
        self.assertIn(b"FLAGS (\\Seen)", me.say("a FETCH 1 FLAGS"))
        self.assertIn(b"FLAGS ()", carl.say("a FETCH 1 FLAGS"))
        self.assertIn(b"FLAGS (\\Recent)", self.anna.say("a FETCH 1 FLAGS"))
        self.assertIn(b"(UNSEEN 1)", me.say("b STATUS Shared/anna/Work (UNSEEN)"))
        self.assertIn(b"(UNSEEN 2)", carl.say("b STATUS Shared/anna/Work (UNSEEN)"))
        self.assertIn(b"(UNSEEN 2)", self.anna.say("b STATUS Work (UNSEEN)"))
        self.assertIn(b"* SEARCH 1\r\n", me.say("c SEARCH SEEN"))
        self.assertIn(b"* SEARCH\r\n", carl.say("c SEARCH SEEN"))

    def test_own_sessions_are_told(self) -> None:
        """A second session of the reader hears of it, also in IDLE; others have nothing to hear."""
        me, again, carl = self.reader(), self.reader(), self.reader("carl")
        again.say("i IDLE")
        carl.say("i IDLE")
        self.anna.say("i IDLE")
        self.assertIn(b"FLAGS (\\Seen)", me.say("a FETCH 1 BODY[]"))
        self.assertRegex(again.heard(), rb"^\* 1 FETCH \(UID 1 FLAGS \(\\Seen\) MODSEQ \(\d+\)\)\r\n$")
        self.assertEqual(carl.heard() + self.anna.heard(), b"")
        for client in (again, carl, self.anna):
            self.assertEqual(client.say("DONE"), b"i OK No longer idle\r\n")

    def test_owner_wakes_readers(self) -> None:
        """New mail and other flags reach those who wait, from the owner and from other readers."""
        me = self.reader()
        me.say("i IDLE")
        self.anna.append(MESSAGE, "Work")
        self.assertIn(b"* 3 EXISTS\r\n", me.heard())
        self.does(self.anna, "STORE 2 +FLAGS (\\Flagged)")
        self.assertIn(b"* 2 FETCH (UID 2 FLAGS (\\Flagged)", me.heard())
        me.say("DONE")

    def test_lasting(self) -> None:
        """It is there after a restart, with modification sequences that have not fallen."""
        me = self.reader()
        self.does(me, "STORE 1 +FLAGS (\\Seen)")
        modseq = self.modseq(me)
        for client in self.clients:
            client.hang_up()
        self.world.close()
        world = World(self.world.directory)
        world.live.mailboxes = self.world.live.mailboxes
        self.world = world
        me = self.reader()
        self.assertIn(b"FLAGS (\\Seen)", me.say("a FETCH 1 FLAGS"))
        self.assertEqual(self.modseq(me), modseq)
        self.assertGreater(self.modseq(me), self.modseq(me, 2))
        self.does(me, "UNSELECT")
        with open(f"{self.root()}/.Work/mailnode-seen", "a", encoding="utf-8") as file:
            file.write(f"{modseq * 10} me@example.org + 2\n")
        heard = me.say("b STATUS Shared/anna/Work (HIGHESTMODSEQ)")
        self.assertIn(b"(HIGHESTMODSEQ %d)" % (modseq * 10), heard)

    def test_resynchronisation(self) -> None:
        """A client that was away hears what was read meanwhile, and of nothing twice (RFC 7162)."""
        me, other = self.reader(), self.reader()
        heard = other.say("a SELECT Shared/anna/Work (CONDSTORE)")
        validity, modseq = (
            int(re.search(rb"\[%s (\d+)\]" % what, heard)[1])  # type: ignore[index]
            for what in (b"UIDVALIDITY", b"HIGHESTMODSEQ")
        )
        self.does(other, "UNSELECT", "ENABLE QRESYNC")
        self.does(me, "STORE 2 +FLAGS (\\Seen)")
        heard = other.say(f"b SELECT Shared/anna/Work (QRESYNC ({validity} {modseq}))")
        self.assertRegex(heard, rb"\* 2 FETCH \(UID 2 FLAGS \(\\Seen\) MODSEQ \(\d+\)\)\r\n")
        self.assertNotIn(b"* 1 FETCH", heard)
        found = re.search(rb"HIGHESTMODSEQ (\d+)", heard)
        assert found is not None
        self.assertGreaterEqual(int(found[1]), self.modseq(me, 2))
        self.assertIn(b"* 2 FETCH", self.does(other, f"FETCH 1:2 FLAGS (CHANGEDSINCE {modseq})"))
        self.assertNotIn(b"FETCH", self.does(other, f"FETCH 1:2 FLAGS (CHANGEDSINCE {int(found[1])})"))

    def test_conditional_store(self) -> None:
        """UNCHANGEDSINCE compares with what this reader knows."""
        me, other = self.reader(), self.reader()
        known = self.modseq(me)
        self.does(other, "STORE 1 +FLAGS.SILENT (\\Seen)")
        heard = me.say(f"a STORE 1:2 (UNCHANGEDSINCE {known}) -FLAGS (\\Seen)")
        self.assertIn(b"a OK [MODIFIED 1:2]" if self.modseq(me, 2) > known else b"a OK [MODIFIED 1]", heard)
        self.assertIn(b"FLAGS (\\Seen)", me.say("b FETCH 1 FLAGS"))

    def test_examine(self) -> None:
        r"""Nothing is marked as seen in EXAMINE, nor without the right "s"."""
        me = self.reader(select="EXAMINE Shared/anna/Work")
        self.assertNotIn(b"Seen", me.say("a FETCH 1 (BODY[] FLAGS)"))
        self.assertIn(b"NO [READ-ONLY]", me.say("b STORE 1 +FLAGS (\\Seen)"))
        self.does(self.anna, "SETACL Work me lr")
        me = self.reader()
        self.assertNotIn(b"Seen", me.say("a FETCH 1 (BODY[] FLAGS)"))

    def test_a_flag_that_cannot_be_kept(self) -> None:
        """A full disk is said, and nothing is told that is not so."""
        me = self.reader()
        self.does(me, "STORE 2 +FLAGS (\\Seen)")

        def fail(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "no")

        self.patch(SeenFile, "change", fail)
        self.assertIn(b"a NO [OVERQUOTA]", me.say("a STORE 1 +FLAGS (\\Seen)"))
        self.assertIn(b"FLAGS ()", me.say("b FETCH 1 FLAGS"))
        self.assertIn(b"c NO", me.say("c FETCH 1 BODY[]"))
        self.flushLoggedErrors()

    def test_renamed_and_made_again(self) -> None:
        r"""\Seen goes with the mailbox, and not with its name."""
        me = self.reader()
        self.does(me, "STORE 1 +FLAGS (\\Seen)", "UNSELECT")
        self.does(self.anna, "RENAME Work Play")
        self.does(me, "SELECT Shared/anna/Play")
        self.assertIn(b"FLAGS (\\Seen)", me.say("a FETCH 1 FLAGS"))
        self.does(me, "UNSELECT")
        self.does(self.anna, "UNSELECT", "DELETE Play", "CREATE Play", "SETACL Play me lrs")
        self.anna.append(MESSAGE, "Play")
        self.does(me, "SELECT Shared/anna/Play")
        self.assertIn(b"FLAGS ()", me.say("a FETCH 1 FLAGS"))

    def test_rights_taken_away(self) -> None:
        """Who may not read any more is sent away, as if the mailbox had gone."""
        me = self.reader()
        me.say("i IDLE")
        self.does(self.anna, "SETACL Work me l")
        self.assertTrue(me.heard().startswith(b"* BYE The selected mailbox was deleted or renamed\r\n"))
        self.assertTrue(me.ended)

    def test_updates_of_a_search(self) -> None:
        """A search that sends updates goes by what the reader has read."""
        me, again = self.reader(), self.reader()
        self.assertIn(b"ALL 1:2", me.say("u UID SEARCH RETURN (UPDATE ALL) UNSEEN"))
        self.does(again, "STORE 1 +FLAGS.SILENT (\\Seen)")
        self.assertIn(b'* ESEARCH (TAG "u") UID REMOVEFROM (0 1)\r\n', me.say("n NOOP"))

    def test_reads_as_the_owner_does(self) -> None:
        """Whatever is asked of messages, a reader hears what the owner hears, but for flags."""
        self.does(self.anna, "SELECT Work", "STORE 2 +FLAGS ($Word)", "EXAMINE Work")
        me = self.reader(select="EXAMINE Shared/anna/Work")
        for line in (
            "FETCH 1:* (UID INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE)",
            "FETCH 1:* (PREVIEW EMAILID THREADID SAVEDATE)",
            "FETCH 1:* (RFC822 RFC822.HEADER RFC822.TEXT BODY[1] BODY[HEADER.FIELDS (FROM)] BINARY.SIZE[1])",
            "UID FETCH 1:* (PREVIEW (LAZY) BINARY.PEEK[1])",
            "SEARCH RETURN (ALL COUNT) TEXT body",
            "SEARCH OR KEYWORD $Word EMAILID Mx",
            "SEARCH FROM a@b LARGER 3 SINCE 1-Jan-2000 SENTBEFORE 1-Jan-2000",
            "UID SORT RETURN (ALL) (FROM REVERSE ARRIVAL SIZE DISPLAYTO) UTF-8 ALL",
            "THREAD REFERENCES UTF-8 ALL",
            "UID THREAD REFS UTF-8 BODY body",
            "UID FETCH 1:* (UID) (PARTIAL -1:-1)",
        ):
            mine = me.say(f"a {line}")
            self.assertIn(b"a OK", mine, line)
            self.assertEqual(mine, self.anna.say(f"a {line}"), line)
        mine = me.say(f"b STATUS Shared/anna/Work ({ITEMS})")
        self.assertEqual(mine.replace(b"Shared/anna/", b""), self.anna.say(f"b STATUS Work ({ITEMS})"))
