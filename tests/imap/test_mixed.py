"""What extensions do to each other, where a dialogue does not reach."""

import errno
from unittest import mock

from mailnode.events.feed import ChangeFeed
from mailnode.imap.literals import exactly
from mailnode.imap.places import Place
from mailnode.imap.selected import Selected
from mailnode.net import blocking
from mailnode.net.stream import ConnectionClosed, Stream
from mailnode.store.errors import OverQuota
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import INBOX
from tests.imap.test_session import MESSAGE, SessionCase


class MixedTests(SessionCase):
    """Two clients, or a disk that fails, in the midst of something."""

    def test_url_of_a_mailbox_that_was_replaced(self) -> None:
        """A relative URL names a message of the mailbox that is selected, not of another of that name."""
        client, other = self.client().login(), self.client().login()
        other.say("a CREATE Work")
        other.append(MESSAGE, "Work")
        client.say("a SELECT Work")
        other.say("b DELETE Work")
        other.say("c CREATE Work")
        other.append(b"Subject: secret\r\n\r\n", "Work")
        said = client.say('b APPEND INBOX CATENATE (URL ";UID=1")')
        self.assertTrue(said.startswith(b"* BYE "), said)
        self.assertIn(b"(MESSAGES 0)", other.say("d STATUS INBOX (MESSAGES)"))

    def test_uidnext_is_of_the_view(self) -> None:
        """A message that comes while SELECT is answered is announced later, and UIDNEXT is not above it."""
        writer = self.client().login()
        writer.append(MESSAGE)
        view = Selected.opened(Place(self.world.account(), INBOX), read_only=False)
        writer.append(MESSAGE)
        summary = b"".join(view.summary())
        self.assertIn(b"* 1 EXISTS\r\n", summary)
        self.assertIn(b"[UIDNEXT 2]", summary)

    def test_what_is_done_is_done(self) -> None:
        """An EXPUNGE or MOVE is OK, though the mailbox cannot be looked at to tell what has changed."""
        client = self.client().login()
        client.say("e ENABLE CONDSTORE")
        client.say("e CREATE Work")
        for _ in range(2):
            client.append(MESSAGE)
        client.say("s STORE 2 +FLAGS.SILENT (\\Deleted)")
        for command in ("a EXPUNGE", "a MOVE 1 Work"):
            patch = self.patch(Selected, "updates", self.raising(OSError(errno.EIO, "no")))
            said = client.say(command)
            patch.restore()
            self.assertRegex(said, rb"a OK \[HIGHESTMODSEQ \d+\] ")
            self.assertEqual(len(self.flushLoggedErrors(OSError)), 2)
            self.assertIn(b" EXPUNGE", client.say("b NOOP"))

    def test_turns_before_a_far_octet(self) -> None:
        """Octets that are passed over are given as empty chunks, and others have their turn."""
        chunks = list(exactly(b"{3}", iter([b"x" * 9] * 99 + [b"end"]), 891, 3))
        self.assertEqual(chunks, [b"{3}", *[b""] * 99, b"end"])

    def test_one_job(self) -> None:
        """What is found is told together with what has changed; a search that is followed comes first."""
        self.patch(blocking, "SLICE_SECONDS", 3600)  # however slow the machine is
        client = self.client().login()
        client.append(MESSAGE)
        lane = self.world.account().lane
        jobs: list[object] = []
        run = lane.run
        self.patch(lane, "run", lambda *args: (jobs.append(args), run(*args))[1])
        for command, count in (
            ("FETCH 1 FLAGS", 1),
            ("STORE 1 +FLAGS ($x)", 1),
            ("SEARCH ALL", 1),
            ("SEARCH RETURN (ALL) ALL", 1),
            ("SORT (SUBJECT) UTF-8 ALL", 1),
            ("SORT RETURN (UPDATE) (SUBJECT) UTF-8 ALL", 2),
            ("UID THREAD REFERENCES UTF-8 ALL", 1),
            ("STORE 1 +FLAGS (\\Deleted)", 1),
            ("EXPUNGE", 1),
        ):
            with open(f"{self.world.account().store.root}/new/{len(jobs)}.{command[:9]}", "wb") as file:
                file.write(MESSAGE)
            jobs.clear()
            said = client.say("a " + command)
            self.assertEqual(len(jobs), count, command)
            self.assertIn(b" EXISTS\r\n", said, command)

    def test_append_in_one_job(self) -> None:
        """A message that is appended to the selected mailbox too; not where what the client does is noted."""
        client = self.client().login()
        lane = self.world.account().lane
        jobs: list[object] = []
        run = lane.run
        self.patch(lane, "run", lambda *args: (jobs.append(args), run(*args))[1])
        append = f"APPEND INBOX {{{len(MESSAGE)}+}}\r\n{MESSAGE.decode()}"
        counts = []
        for number, before in enumerate(("NOOP", "SEARCH RETURN (UPDATE) ALL"), 1):
            client.say("b " + before)
            jobs.clear()
            self.assertIn(b"* %d EXISTS\r\n" % number, client.say("a " + append))
            counts.append(len(jobs))
        self.assertEqual(counts, [1, 2])
        with mock.patch.object(Mailbox, "append_all", side_effect=OverQuota):
            self.assertIn(b"a NO [OVERQUOTA] ", client.say("a " + append))

    def test_append_and_lost(self) -> None:
        """A client that is gone when its message is there: the others hear of it all the same."""
        self.patch(blocking, "SLICE_SECONDS", -1.0)  # as with a slow disk
        client = self.client().login()
        client.say("b NOOP")
        told: list[object] = []
        self.patch(ChangeFeed, "announce", lambda _, key: told.append(key))
        with mock.patch.object(Stream, "drain", side_effect=ConnectionClosed):
            client.say(f"a APPEND INBOX {{{len(MESSAGE)}+}}\r\n{MESSAGE.decode()}")
        self.assertEqual(told, [self.world.account().key(INBOX)])
        self.assertEqual(len(self.world.account().store.mailbox(INBOX).uids), 1)

    def test_one_look(self) -> None:
        """Who has looked while the command was done need not look to tell what has changed; an error does."""
        client = self.client().login()
        client.append(MESSAGE)
        client.say("n NOOP")
        looks: list[int] = []
        look = Mailbox._look
        self.patch(Mailbox, "_look", lambda mailbox: (looks.append(1), look(mailbox))[1])
        for command, count in (
            ("SEARCH ALL", 1),
            ("FETCH 1 FLAGS", 1),
            ("STORE 1 +FLAGS ($x)", 1),
            ("STORE 1 +FLAGS (\\Deleted)", 1),
        ):
            looks.clear()
            client.say("a " + command)
            self.assertEqual(len(looks), count, command)
        self.patch(Mailbox, "_rename", self.raising(OSError(errno.EIO, "no")))
        looks.clear()
        self.assertIn(b"NO", client.say("b STORE 1 -FLAGS (\\Deleted)"))
        self.assertEqual(len(looks), 2)
        self.flushLoggedErrors(OSError)

    def test_sizes_take_turns(self) -> None:
        """Messages whose sizes nobody knows are read one by one, and others have their turn between two."""
        self.patch(blocking, "SLICE_SECONDS", -1)
        self.client().login()
        root = self.world.account().store.root
        for number in range(5):
            with open(f"{root}/new/{number}.other", "wb") as file:
                file.write(MESSAGE)
        lane = self.world.account().lane
        jobs: list[object] = []
        run = lane.run
        self.patch(lane, "run", lambda *args: (jobs.append(args), run(*args))[1])
        for command, quick in (
            ("STATUS INBOX (%s)", "MESSAGES"),
            ('LIST "" * RETURN (STATUS (%s))', "UNSEEN"),
        ):
            client = self.client()
            client.say("l LOGIN me secret")
            counts = []
            for items in (quick, "SIZE"):
                jobs.clear()
                self.assertIn(b"a OK", client.say("a " + command % items))
                counts.append(len(jobs))
            self.assertGreaterEqual(counts[1], counts[0] + 5)
