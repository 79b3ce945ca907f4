"""Messages on their way between accounts."""

import errno
import os
import re
from dataclasses import replace

from twisted.internet.defer import Deferred

from mailnode.events.deeds import Moved
from mailnode.fs import FileSystem
from mailnode.net.blocking import Lane
from mailnode.store.mailbox import Mailbox
from tests.imap.test_session import MESSAGE
from tests.imap.test_shared import SharedCase
from tests.imap.world import Client


class WayTests(SharedCase):
    """Messages on their way between accounts."""

    def setUp(self) -> None:
        super().setUp()
        self.share("me lrswite")
        self.me = self.client().login()

    def count(self, client: Client, mailbox: str) -> int:
        """Messages in a mailbox."""
        found = re.search(rb"MESSAGES (\d+)", client.say(f"n STATUS {mailbox} (MESSAGES)"))
        assert found is not None
        return int(found[1])

    def files(self, name: str) -> list[int]:
        """The inodes of all messages in INBOX and Work of somebody, and in tmp/."""
        root = self.root(name)
        places = [f"{root}/{sub}" for sub in ("new", "cur", "tmp", ".Work/new", ".Work/cur")]
        return [
            os.stat(f"{one}/{file}").st_ino
            for one in places
            if os.path.isdir(one)
            for file in os.listdir(one)
        ]

    def test_copies_are_links(self) -> None:
        """Of one file; flags and dates go with it, EMAILID stays, and nothing is left in tmp/."""
        self.me.send(b'a APPEND INBOX (\\Seen \\Flagged Word) "01-Jan-2001 00:00:00 +0000" {3+}\r\nabc\r\n')
        self.does(self.me, "COPY 1 Shared/anna/Work", "SELECT Shared/anna/Work")
        self.assertIn(
            b'FLAGS (\\Flagged \\Seen Word) INTERNALDATE "01-Jan-2001 00:00:00 +0000"',
            self.me.say("b FETCH 2 (FLAGS INTERNALDATE)"),
        )
        there = re.findall(rb"EMAILID \((\w+)\)", self.me.say("c FETCH 1:2 EMAILID"))
        self.does(self.me, "COPY 1 INBOX", "SELECT INBOX")
        self.assertEqual(re.findall(rb"EMAILID \((\w+)\)", self.me.say("d FETCH 1:2 EMAILID")), there[::-1])
        self.assertEqual(set(self.files("me")), set(self.files("anna")))
        self.assertEqual(len(self.files("me")), 2)
        self.assertIn(
            b"FLAGS (\\Flagged \\Recent Word)",
            self.does(self.anna, "SELECT Work") + self.anna.say("e FETCH 2 FLAGS"),
        )

    def test_other_file_systems(self) -> None:
        """Where there can be no link there is a copy, with its date."""

        def link(files: FileSystem, source: str, target: str) -> None:
            if "/me/" in source and "/anna/" in target:
                raise OSError(errno.EXDEV, "no")
            os.link(source, target)

        self.patch(FileSystem, "link", link)
        self.me.send(b'a APPEND INBOX "01-Jan-2001 00:00:00 +0000" {3+}\r\nabc\r\n')
        self.does(self.me, "MOVE 1 Shared/anna/Work", "SELECT Shared/anna/Work")
        heard = self.me.say("b FETCH 2 (INTERNALDATE BODY.PEEK[])")
        self.assertIn(b'INTERNALDATE "01-Jan-2001 00:00:00 +0000" BODY[] {3}\r\nabc)', heard)
        self.assertEqual((len(self.files("me")), len(self.files("anna"))), (0, 2))

    def test_quota_is_that_of_the_owner(self) -> None:
        """Of who gets the message, and not of who sends it there."""
        self.me.append(MESSAGE)
        entries = dict(self.world.live.mailboxes.mailboxes)
        entries["anna@example.org"] = replace(entries["anna@example.org"], quota_messages=1)
        self.world.live.mailboxes = replace(self.world.live.mailboxes, mailboxes=entries)
        for line in (
            "COPY 1 Shared/anna/Work",
            "MOVE 1 Shared/anna/Work",
            "REPLACE 1 Shared/anna/Work {3+}\r\nabc",
        ):
            self.assertIn(b"a NO [OVERQUOTA]", self.me.say(f"a {line}"), line)
        self.assertIn(b"b NO [OVERQUOTA]", self.me.say("b APPEND Shared/anna/Work {3+}\r\nabc"))
        heard = self.me.say("c GETQUOTAROOT Shared/anna/Work")
        self.assertIn(b"* QUOTAROOT Shared/anna/Work anna@example.org\r\n", heard)
        self.assertIn(b"* QUOTA anna@example.org (MESSAGE 1 1)\r\n", heard)
        self.assertEqual((self.count(self.me, "INBOX"), self.count(self.anna, "Work")), (1, 1))
        self.does(self.me, "SELECT Shared/anna/Work", "MOVE 1 Shared/anna/Work", "MOVE 1 INBOX")
        self.assertEqual((self.count(self.me, "INBOX"), self.count(self.anna, "Work")), (2, 0))
        self.assertEqual(self.files("anna"), [])

    def test_replace(self) -> None:
        """Across accounts, both ways; the old message goes when the new one is there."""
        self.me.append(MESSAGE)
        heard = self.me.say("a REPLACE 1 Shared/anna/Work (\\Seen) {3+}\r\nabc")
        self.assertRegex(
            heard, rb"^\* OK \[APPENDUID \d+ 2\] .*\r\n\* 1 EXPUNGE\r\n\* 0 RECENT\r\na OK Replaced\r\n$"
        )
        self.does(self.me, "SELECT Shared/anna/Work")
        self.assertIn(b"FLAGS (\\Seen)", self.me.say("b FETCH 2 FLAGS"))
        self.assertIn(b"c OK Replaced", self.me.say("c REPLACE 2 INBOX {3+}\r\ndef"))
        self.assertIn(b"d OK Replaced", self.me.say("d REPLACE 1 Shared/anna/Work {3+}\r\nghi"))
        self.assertEqual((self.count(self.me, "INBOX"), self.count(self.anna, "Work")), (1, 1))

    def test_what_cannot_be_removed_is_not_left_there(self) -> None:
        """MOVE and REPLACE take back what they have put there."""
        self.me.append(MESSAGE)
        self.patch(Mailbox, "take_back", lambda mailbox, uids: expunge(mailbox, uids))
        expunge = Mailbox.expunge
        for line in ("MOVE 1 Shared/anna/Work", "REPLACE 1 Shared/anna/Work {3+}\r\nabc"):
            self.patch(Mailbox, "expunge", self.raising(OSError(errno.EIO, "no")))
            self.assertIn(b"a NO [UNAVAILABLE]", self.me.say(f"a {line}"))
            self.patch(Mailbox, "expunge", expunge)
            self.assertEqual((self.count(self.me, "INBOX"), self.count(self.anna, "Work")), (1, 1), line)
        self.flushLoggedErrors()

    def test_gone_meanwhile(self) -> None:
        """All of the messages, or none."""
        self.me.append(MESSAGE)
        self.me.append(MESSAGE)
        [name] = [name for name in os.listdir(f"{self.root('me')}/cur") if ",U" not in name][:1]
        os.unlink(f"{self.root('me')}/cur/{name}")
        heard = self.me.say("a COPY 1:2 Shared/anna/Work")
        self.assertIn(b"a NO [EXPUNGEISSUED]", heard)
        self.assertEqual(self.count(self.anna, "Work"), 1)
        self.assertEqual(len(self.files("anna")), 1)

    def test_flags_without_the_right(self) -> None:
        """RFC 4314 section 4, COPY: they are lost, and the copy is made."""
        self.me.append(MESSAGE, flags="(\\Seen \\Deleted \\Answered $Forwarded)")
        for rights, flags in (
            ("lrwis", b"\\Answered \\Seen $Forwarded"),
            ("lrsti", b"\\Deleted \\Seen"),
            ("lri", b""),
        ):
            self.does(self.anna, f"SETACL Work me {rights}")
            self.does(self.me, "SELECT INBOX", "COPY 1 Shared/anna/Work", "SELECT Shared/anna/Work")
            self.assertIn(b"FLAGS (%s))" % flags, self.me.say("a FETCH * FLAGS"))

    def test_catenate(self) -> None:
        """Pieces may come from any mailbox that can be read, and go to any."""
        self.does(self.me, 'APPEND Shared/anna/Work CATENATE (URL "/Shared/anna/Work/;UID=1" TEXT {1+}\r\nx)')
        self.does(
            self.me,
            'APPEND INBOX CATENATE (URL "/Shared/anna/Work/;UID=2" URL "/INBOX/;UID=1")'.replace(
                ' URL "/INBOX/;UID=1"', ""
            ),
        )
        self.does(self.me, "SELECT Shared/anna/Work", 'APPEND INBOX CATENATE (URL ";UID=1")')
        self.does(self.me, "SELECT INBOX")
        self.assertIn(b"RFC822.SIZE %d)" % (len(MESSAGE) + 1), self.me.say("a FETCH 1 RFC822.SIZE"))
        self.assertIn(b"RFC822.SIZE %d)" % len(MESSAGE), self.me.say("a FETCH 2 RFC822.SIZE"))

    def test_one_job(self) -> None:
        """Within an account a command is one way to a thread and back, and so is what it has to tell."""
        for _ in range(2):
            self.me.append(MESSAGE)
        self.does(self.me, "CREATE Own", "NOOP")
        jobs: list[object] = []
        run = Lane.run

        def noting(lane: Lane, function: object, *arguments: object) -> object:
            jobs.append(function)
            return run(lane, function, *arguments)  # type: ignore[arg-type]

        self.patch(Lane, "run", noting)
        for command, told in (
            ("COPY 1 INBOX", rb"\* 3 EXISTS\r\n\* 3 RECENT\r\na OK \[COPYUID \d+ 1 3\] Copied\r\n"),
            ("COPY 1:2 Own", rb"a OK \[COPYUID \d+ 1:2 1:2\] Copied\r\n"),
            ("MOVE 1 Own", rb"\* OK \[COPYUID \d+ 1 3\] Moved\r\n\* 1 EXPUNGE\r\n.*a OK Moved\r\n"),
        ):
            said = self.me.say(f"a {command}")
            self.assertRegex(said, re.compile(b"^" + told + b"$", re.DOTALL))
            self.assertEqual(len(jobs), 1, command)
            jobs.clear()

    def test_the_client_is_lost(self) -> None:
        """What was done all the same is told to others, and is an event."""
        self.me.append(MESSAGE)
        self.does(self.me, "CREATE Own")
        other = self.client().login()
        run, begins = Lane.run, Deferred[None]()

        def slow(lane: Lane, *job: object) -> object:
            return begins.addCallback(lambda _: run(lane, *job))  # type: ignore[arg-type]

        patched = self.patch(Lane, "run", slow)
        self.assertEqual(self.me.say("a MOVE 1 Own"), b"")
        patched.restore()
        self.me.hang_up()
        begins.callback(None)
        moved = [event for event in self.world.events if isinstance(event, Moved)]
        self.assertEqual(
            [(event.uids, event.to_mailbox, event.to_uids) for event in moved], [("1", "Own", "1")]
        )
        self.assertIn(b"* 1 EXPUNGE", other.say("n NOOP"))

    def test_events_name_the_owner(self) -> None:
        """What was removed was the owner's."""
        self.does(self.me, "SELECT Shared/anna/Work", "STORE 1 +FLAGS (\\Deleted)", "EXPUNGE")
        self.assertEqual(getattr(self.world.events[-1], "address", ""), "anna@example.org")
