"""NOTIFY over time: what is heard once, what is not heard where it may not be, and what that costs."""

import os
import random
import re
import zlib
from unittest import mock

from mailnode.imap import mailbox_news
from mailnode.imap.lookout import POLL
from mailnode.net.blocking import Lane
from mailnode.store.annotations import Annotations
from mailnode.store.delivery import deliver
from mailnode.store.glance import Glance
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import INBOX
from tests.imap.test_session import MESSAGE, SessionCase
from tests.imap.world import Client
from tests.net.test_deflate import deflated

COUNTS = "(MessageNew MessageExpunge)"
FLAGS = "(MessageNew MessageExpunge FlagChange)"
ALL = "(MessageNew (UID FLAGS) MessageExpunge FlagChange)"


class NotifyCase(SessionCase):
    """Clients that listen."""

    def listening(self, groups: str, mailbox: str | None = None) -> Client:
        """One that has used NOTIFY."""
        client = self.client().login(mailbox)
        said = client.say(f"n NOTIFY SET {groups}")
        assert said.endswith(b"n OK You will hear of it\r\n"), said
        return client

    def deliver(self, message: bytes = MESSAGE, *, announced: bool = True) -> None:
        """A message comes into INBOX, as SMTP brings it; or as another program does."""
        account = self.world.account()
        draft = account.store.draft()
        draft.write(message)
        deliver(draft, [account.store], self.world.files)
        if announced:
            self.world.feed.announce(account.key(INBOX))

    def pass_time(self, seconds: float = POLL) -> None:
        """Looks at the disk included."""
        self.world.clock.advance(seconds)
        self.world.clock.advance(0)


class ManyTests(NotifyCase):
    """Several clients."""

    def test_ten_sessions_hear_once(self) -> None:
        """Of 50 mailboxes one gets a message: each of ten hears of it once, and of nothing else."""
        maker = self.client().login(None)
        for number in range(49):
            maker.say(f"c CREATE box{number}")
        listeners = [self.listening(f"STATUS (personal {FLAGS})") for _ in range(10)]
        for announced in (True, False, True):
            self.deliver(announced=announced)
            for _ in range(3):
                self.pass_time()
            for client in listeners:
                said = client.heard()
                self.assertEqual(said.count(b"\r\n"), 1, said)
                self.assertTrue(said.startswith(b"* STATUS INBOX (MESSAGES "), said)
        self.assertIn(b"c OK", maker.append(MESSAGE, "box7") + maker.say("c NOOP"))
        for client in listeners:
            self.assertRegex(client.heard(), rb"^\* STATUS box7 \(MESSAGES 1 UIDNEXT 2 [^\r]*\)\r\n$")

    def test_who_does_not_read(self) -> None:
        """Is paused, and cut off after a while; others hear everything, and nothing piles up for anybody."""
        deaf, other = (self.listening(f"(selected {ALL}) (personal {COUNTS})", "INBOX") for _ in range(2))
        deaf.stream.pauseProducing()
        self.deliver()
        self.assertIn(b"* 1 EXISTS", other.heard())
        deaf.heard()
        for number in range(2, 200):
            self.deliver()
            self.assertIn(b"* %d EXISTS" % number, other.heard())
        self.assertEqual(deaf.heard(), b"")
        self.pass_time(299)
        self.assertFalse(deaf.transport.disconnecting)
        self.pass_time(1)
        self.assertTrue(deaf.transport.aborting)
        deaf.hang_up()
        self.assertTrue(deaf.ended)
        self.deliver()
        self.assertIn(b"* 200 EXISTS", other.heard())

    def test_who_reads_again(self) -> None:
        """What has happened meanwhile is told together, once."""
        client = self.listening(f"(selected {ALL}) (personal {COUNTS})", "INBOX")
        client.stream.pauseProducing()
        self.deliver()
        client.heard()
        for _ in range(9):
            self.deliver()
        client.stream.resumeProducing()
        said = client.heard()
        self.assertEqual(re.findall(rb"\* (\d+) EXISTS", said), [b"10"])
        self.assertEqual(re.findall(rb"\* (\d+) FETCH", said), [b"%d" % n for n in range(2, 11)])

    def test_idle_costs_little(self) -> None:
        """No thread works for who waits, but for a look each ten seconds, which all sessions share."""
        clients = [self.listening(f"(selected {ALL}) (personal {FLAGS})", "INBOX") for _ in range(5)]
        self.pass_time(60)
        jobs: list[object] = []
        run = Lane.run
        self.patch(Lane, "run", lambda lane, *job: jobs.append(job) or run(lane, *job))
        with mock.patch.object(
            Glance, "_of", lambda *_: (1,)
        ):  # as it is where the clock is that of the disk
            self.pass_time(20)
            jobs.clear()
            for second in range(100):
                self.pass_time(1)
                self.assertLessEqual(len(self.world.clock.getDelayedCalls()), len(clients) + 1, second)
        self.assertLessEqual(len(jobs), 11)
        for client in clients:
            self.assertEqual(client.heard(), b"")


class MomentTests(NotifyCase):
    """When something may be told."""

    def test_not_in_a_literal(self) -> None:
        """A client that sends a message hears nothing until it has sent all of it."""
        client = self.listening(f"(selected {ALL})", "INBOX")
        self.assertTrue(client.say("a APPEND INBOX {8}").startswith(b"+ "))
        self.deliver()
        self.assertEqual(client.heard(), b"")
        said = client.send(b"a: b\r\n\r\n\r\n")
        self.assertRegex(said, rb"^\* 2 EXISTS\r\n\* 2 RECENT\r\n\* 1 FETCH \(UID 1 [^\r]*\)\r\na OK ")

    def test_in_the_middle_of_a_line(self) -> None:
        """What has come of a command is not lost, nor does the client have more time for the rest."""
        client = self.listening(f"(selected {ALL})", "INBOX")
        client.send(b"a NO")
        self.deliver()
        self.assertIn(b"* 1 EXISTS", client.heard())
        self.pass_time(1700)
        self.deliver()
        self.assertIn(b"* 2 EXISTS", client.send(b"O"))
        self.assertEqual(client.send(b"P\r\n"), b"a OK Done\r\n")
        client.send(b"a NOO")
        self.pass_time(1799)
        self.deliver()
        self.assertIn(b"* 3 EXISTS", client.heard())
        self.pass_time(1)
        self.assertEqual(client.heard(), b"* BYE Autologout; idle for too long\r\n")

    def test_not_in_a_response(self) -> None:
        """A response is whole before the next one begins, be it of a command or not."""
        client = self.listening("(selected (MessageNew (BODY.PEEK[]) MessageExpunge))", "INBOX")
        large = b"a: b\r\n\r\n" + (b"x" * 98 + b"\r\n") * 5_000
        client.stream.pauseProducing()
        self.deliver(large)
        first = client.heard()
        self.deliver()
        client.send(b"a FETCH 1 BODY.PEEK[]\r\n")
        self.world.sessions.tell("me@example.org", "word")
        client.stream.resumeProducing()
        said = first + client.heard()
        literal = b"{%d}\r\n" % len(large) + large
        whole = rb"\* 1 FETCH \(BODY\[\] " + re.escape(literal) + rb"\)\r\n"
        counts = rb"\* %d EXISTS\r\n\* %d RECENT\r\n"
        small = rb"\* 2 FETCH \(BODY\[\] \{%d\}\r\n" % len(MESSAGE) + re.escape(MESSAGE) + rb"\)\r\n"
        rest = rb"\* OK \[ALERT\] word\r\n"
        between = [counts % (1, 1), whole, rest, whole, counts % (2, 2), small, rb"a OK Fetched\r\n"]
        self.assertRegex(said, rb"(?s)^" + b"".join(between) + b"$")

    def test_sent_away(self) -> None:
        """BYE does not come in the middle of a literal, which could end there for the client."""
        for command in (None, "a IDLE"):
            client = self.listening("(selected (MessageNew (BODY.PEEK[]) MessageExpunge))", "INBOX")
            if command:
                client.say(command)
            large = b"a: b\r\n\r\n" + (b"x" * 98 + b"\r\n") * 5_000
            client.stream.pauseProducing()
            self.deliver(large)
            first = client.heard()
            client.stream.dismiss(b"* BYE x\r\n")
            client.stream.resumeProducing()
            said = first + client.heard()
            self.assertTrue(said.endswith(large + b")\r\n* BYE x\r\n"), said[-80:])
            self.assertTrue(client.ended)

    def test_after_a_command_that_takes_numbers(self) -> None:
        """An expunge that FETCH keeps back is told right behind it; with SELECTED-DELAYED it is not."""
        for kind, told in (("selected", True), ("selected-delayed", False)):
            self.deliver()
            client, other = self.listening(f"({kind} {ALL})", "INBOX"), self.client().login()
            other.say(r"o STORE 1 +FLAGS.SILENT (\Deleted)")
            client.heard()
            with mock.patch.object(self.world.feed, "announce", lambda key: None):
                other.say("o EXPUNGE")
                said = client.say("a UID SEARCH ALL") if not told else client.say("a SEARCH ALL")
            self.assertEqual(b"EXPUNGE" in said.partition(b"a OK")[2], told, said)
            client.say("b NOOP")
            client.hang_up()
            other.hang_up()

    def test_compressed(self) -> None:
        """What is told goes out at once, through the compression."""
        client = self.client().login()
        client.say("c COMPRESS DEFLATE")
        inflater = zlib.decompressobj(-15)
        inflater.decompress(client.send(deflated(f"n NOTIFY SET (selected {ALL})\r\n".encode())))
        self.deliver()
        said = inflater.decompress(client.heard())
        self.assertIn(b"* 1 EXISTS", said)

    def test_alerts(self) -> None:
        """Are said at once too."""
        client = self.listening("(personal (MailboxName))")
        self.world.sessions.tell("me@example.org", "word")
        self.assertEqual(client.heard(), b"* OK [ALERT] word\r\n")

    def test_no_progress(self) -> None:
        """Nothing is in progress while the client waits, however long the telling takes."""
        client = self.listening(f"(selected {ALL})", "INBOX")
        client.stream.pauseProducing()
        self.deliver(MESSAGE * 10_000)
        self.pass_time(100)
        client.stream.resumeProducing()
        self.assertNotIn(b"INPROGRESS", client.heard())

    def test_pipelined(self) -> None:
        """Ten thousand commands at once, with NOTIFY among them."""
        client = self.listening(f"(personal {COUNTS})")
        said = client.send(b"a NOOP\r\nb NOTIFY NONE\r\nc NOTIFY SET (personal (MailboxName))\r\n" * 3000)
        answers = b"a OK Done\r\nb OK You will hear of nothing\r\nc OK You will hear of it\r\n"
        self.assertEqual(said, answers * 3000)


class OtherProgramTests(NotifyCase):
    """What nobody announces."""

    def test_hints(self) -> None:
        """In the selected mailbox, a moment later; which mailbox that is may change."""
        client = self.listening(f"(selected {ALL})", "INBOX")
        new = os.path.abspath(self.world.account().store.mailbox(INBOX).directories[0])
        self.deliver(announced=False)
        self.assertEqual(client.heard(), b"")
        self.world.watcher.notice(new)
        self.world.clock.advance(0.1)
        self.assertIn(b"* 1 EXISTS", client.heard())
        client.say("c CREATE box")
        client.say("s SELECT box")
        self.assertFalse([path for path in self.world.watcher.paths() if path == new])
        self.assertEqual(len(self.world.watcher.paths()), 2)
        client.say("u UNSELECT")
        self.assertEqual(self.world.watcher.paths(), [])

    def test_selected(self) -> None:
        """Without hints at the next look, also when the mailbox was selected later."""
        client = self.listening(f"(selected {ALL})")
        client.say("s SELECT INBOX")
        self.deliver(announced=False)
        self.pass_time()
        self.assertIn(b"* 1 EXISTS", client.heard())

    def test_names(self) -> None:
        """Folders that are made, renamed and removed, subscriptions and annotations."""
        client = self.listening(
            "(personal (MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange))"
        )
        store = self.world.account().store
        for change, said in (
            (lambda: store.create(("box",)), b'* LIST (\\HasNoChildren) "/" box\r\n'),
            (
                lambda: os.rename(f"{store.root}/.box", f"{store.root}/.crate"),
                b'* LIST (\\HasNoChildren) "/" crate ("OLDNAME" (box))\r\n',
            ),
            (lambda: store.subscribe(("crate",)), b'* LIST (\\Subscribed \\HasNoChildren) "/" crate\r\n'),
            (
                lambda: store.annotations.change(("crate",), {"/private/comment": b"x"}),
                b"* METADATA crate /private/comment\r\n",
            ),
            (
                lambda: store.annotations.change(None, {"/private/comment": b"x"}),
                b'* METADATA "" /private/comment\r\n',
            ),
            (
                lambda: store.delete(("crate",)),
                b'* LIST (\\Subscribed \\NonExistent \\HasNoChildren) "/" crate\r\n',
            ),
        ):
            change()
            self.pass_time()
            self.assertEqual(client.heard(), said)
        self.pass_time()
        self.assertEqual(client.heard(), b"")

    def test_message_in_a_renamed_folder(self) -> None:
        """What came in just before is told by the new name."""
        maker = self.client().login(None)
        maker.say("c CREATE box")
        client = self.listening(f"(personal {COUNTS})")
        store = self.world.account().store
        with open(f"{store.root}/.box/new/1700000000.1.host", "wb") as file:
            file.write(MESSAGE)
        os.rename(f"{store.root}/.box", f"{store.root}/.crate")
        self.pass_time()
        self.assertIn(b"* STATUS crate (MESSAGES 1 ", client.heard())

    def test_removed_and_made_again(self) -> None:
        """Another mailbox of the same name: its UIDVALIDITY is told, and the name."""
        maker = self.client().login(None)
        maker.say("c CREATE box")
        maker.append(MESSAGE, "box")
        client = self.listening(f"(personal (MailboxName)) (mailboxes box {FLAGS})")
        store = self.world.account().store
        store.delete(("box",))
        store.create(("box",))
        self.pass_time()
        said = client.heard()
        self.assertIn(b'* LIST (\\HasNoChildren) "/" box\r\n', said)
        self.assertRegex(said, rb"\* STATUS box \(MESSAGES 0 UIDNEXT 1 UIDVALIDITY \d+ UNSEEN 0\)\r\n")
        maker.append(MESSAGE, "box")
        self.assertIn(b"* STATUS box (MESSAGES 1 ", client.heard())


class WatchedTests(NotifyCase):
    """Which mailboxes, and what counts."""

    def test_sets_are_looked_at_again(self) -> None:
        """A mailbox that comes, is renamed or subscribed is watched; one that goes is not any more."""
        other = self.client().login(None)
        client = self.listening(f"(subscribed {COUNTS}) (subtree A {COUNTS})")
        other.say("c CREATE box")
        other.append(MESSAGE, "box")
        self.assertEqual(client.heard(), b"")
        other.say("c SUBSCRIBE box")
        self.assertEqual(client.heard(), b"")
        other.append(MESSAGE, "box")
        self.assertIn(b"* STATUS box (MESSAGES 2 ", client.heard())
        other.say("c UNSUBSCRIBE box")
        other.append(MESSAGE, "box")
        self.assertEqual(client.heard(), b"")
        other.say("c RENAME box A/box")
        other.append(MESSAGE, "A/box")
        self.assertIn(b"* STATUS A/box (MESSAGES 4 ", client.heard())
        other.say("c RENAME A/box A/c/box")
        self.assertEqual(client.heard(), b"")
        other.append(MESSAGE, "A/c/box")
        self.assertIn(b"* STATUS A/c/box (MESSAGES 5 ", client.heard())

    def test_made_with_messages(self) -> None:
        """What a mailbox brings with it is new."""
        client = self.listening(f"(personal {FLAGS})")
        self.deliver()
        client.heard()
        store = self.world.account().store
        store.rename(INBOX, ("old",))
        self.pass_time()
        said = client.heard()
        self.assertRegex(said, rb"\* STATUS old \(MESSAGES 1 UIDNEXT 2 UIDVALIDITY \d+ UNSEEN 1\)\r\n")
        self.assertRegex(said, rb"\* STATUS INBOX \(MESSAGES 0 UIDNEXT 2 UIDVALIDITY \d+ UNSEEN 0\)\r\n")

    def test_own_and_of_others(self) -> None:
        """The client's own messages are not told, but with those of others."""
        self.client().login(None).say("c CREATE box")
        client = self.listening(f"(selected {ALL}) (mailboxes box {FLAGS})", "INBOX")
        other = self.client().login("box")
        self.deliver()
        self.assertNotIn(b"STATUS", client.append(MESSAGE, "box") + client.say("a NOOP"))
        self.assertNotIn(b"STATUS", client.say("a COPY 1 box") + client.say("a NOOP"))
        with mock.patch.object(self.world.feed, "announce", lambda key: None):
            other.append(MESSAGE, "box")
        self.assertIn(b"* STATUS box (MESSAGES 4 ", client.say("a COPY 1 box"))
        with mock.patch.object(self.world.feed, "announce", lambda key: None):
            other.say(r"o STORE 1 FLAGS (\Seen)")
        self.assertRegex(client.append(MESSAGE, "box"), rb"\* STATUS box \(MESSAGES 5 [^\r]*UNSEEN 4\)\r\n")
        self.assertNotIn(b"STATUS", client.say("a MOVE 1 box"))

    def test_too_many(self) -> None:
        """Refused to begin with; later all of it ends, as with NOTIFY NONE."""
        self.patch(mailbox_news, "MOST", 2)
        client = self.listening(f"(selected {ALL}) (personal {COUNTS})", "INBOX")
        other = self.client().login(None)
        other.say("c CREATE one")
        self.assertEqual(client.heard(), b"")
        other.say("c CREATE two")
        said = b"There are too many mailboxes to be watched\r\n"
        self.assertEqual(client.heard(), b"* OK [NOTIFICATIONOVERFLOW] " + said)
        self.deliver()
        self.assertEqual(client.heard() + client.say("a NOOP"), b"a OK Done\r\n")
        refused = b"b NO [NOTIFICATIONOVERFLOW] " + said
        self.assertEqual(client.say(f"b NOTIFY SET (personal {COUNTS})"), refused)
        self.assertEqual(client.say("b NOTIFY SET" + " (personal (MailboxName))" * 51), refused)
        named = " ".join(f"box{number}" for number in range(1001))
        self.assertEqual(client.say(f"b NOTIFY SET (mailboxes ({named}) (MailboxName))"), refused)
        items = " ".join(f"BODY.PEEK[HEADER.FIELDS ({number:0>100})]" for number in range(50))
        said = client.say(f"b NOTIFY SET (selected (MessageNew ({items}) MessageExpunge))")
        self.assertEqual(said, b"b NO [LIMIT] Those are too many items to be remembered\r\n")

    def test_refused_changes_nothing(self) -> None:
        """What was asked for before is told on."""
        self.patch(mailbox_news, "MOST", 1)
        client = self.listening(f"(selected {ALL})", "INBOX")
        self.client().login(None).say("c CREATE one")
        self.assertIn(b"a NO [NOTIFICATIONOVERFLOW]", client.say(f"a NOTIFY SET (personal {COUNTS})"))
        self.deliver()
        self.assertIn(b"* 1 EXISTS", client.heard())

    def test_selected_and_left(self) -> None:
        """What was heard of a mailbox while it was selected is not told again; what was not, is."""
        self.client().login(None).say("c CREATE box")
        client, other = self.listening(f"(selected {ALL}) (personal {FLAGS})", "INBOX"), self.client().login()
        self.deliver()
        other.say(r"o STORE 1 FLAGS (\Seen)")
        self.assertIn(b"* 1 FETCH", client.heard())
        self.assertNotIn(b"STATUS", client.say("s SELECT box"))
        self.pass_time()
        self.assertEqual(client.heard(), b"")
        self.deliver()
        self.assertIn(b"* STATUS INBOX (MESSAGES 2 ", client.heard())
        client.say("s SELECT INBOX")
        with mock.patch.object(self.world.feed, "announce", lambda key: None):
            other.append(MESSAGE)
        self.assertNotIn(b"STATUS", client.say("c CLOSE"))
        self.pass_time()
        self.assertIn(b"* STATUS INBOX (MESSAGES 3 ", client.heard())

    def test_deleted_while_selected(self) -> None:
        """The name is told before the session ends for want of a mailbox."""
        other = self.client().login(None)
        other.say("c CREATE box")
        client = self.listening(f"(selected {ALL}) (personal (MailboxName))", "box")
        with mock.patch.object(self.world.feed, "announce", lambda key: None):
            other.say("c DELETE box")
        said = client.heard()
        self.assertRegex(said, rb"^\* LIST \(\\NonExistent [^\r]*box\r\n\* BYE The selected mailbox")


class TroubleTests(NotifyCase):
    """Disks."""

    def test_unreadable(self) -> None:
        """One mailbox that cannot be read keeps nobody from hearing of others; it is told when it can be."""
        self.client().login(None).say("c CREATE box")
        with mock.patch.object(Mailbox, "sync", self.raising(OSError(5, "no"))):
            client = self.listening(f"STATUS (personal {COUNTS})")
        other = self.client().login(None)
        other.append(MESSAGE, "box")
        self.assertIn(b"* STATUS box (MESSAGES 1 ", client.heard())
        sync = Mailbox.sync

        def broken(mailbox: Mailbox) -> None:
            if mailbox.name == INBOX:
                raise OSError(5, "no")
            sync(mailbox)

        with mock.patch.object(Mailbox, "sync", broken):
            self.world.feed.announce(self.world.account().key(INBOX))
            other.append(MESSAGE, "box")
        self.assertTrue(self.flushLoggedErrors(OSError))
        self.assertIn(b"* STATUS box (MESSAGES 2 ", client.heard())
        self.deliver()
        self.assertIn(b"* STATUS INBOX (MESSAGES 1 ", client.heard())

    def test_account_unreadable(self) -> None:
        """Names are told when they can be read again."""
        client = self.listening("(personal (MailboxName))")
        with mock.patch.object(Glance, "census", self.raising(OSError(5, "no"))):
            self.client().login(None).say("c CREATE box")
            self.assertEqual(client.heard(), b"")
        with mock.patch.object(Annotations, "special_uses", self.raising(OSError(5, "no"))):
            self.pass_time()
            self.assertEqual(client.heard(), b"")
        self.assertTrue(self.flushLoggedErrors(OSError))
        with mock.patch.object(Glance, "marks", self.raising(OSError(5, "no"))):
            self.pass_time()
        self.pass_time()
        self.assertEqual(client.heard(), b'* LIST (\\HasNoChildren) "/" box\r\n')

    def test_unreadable_to_begin_with(self) -> None:
        """NOTIFY is refused, and nothing of it is left."""
        client = self.client().login(None)
        with mock.patch.object(Glance, "census", self.raising(OSError(5, "no"))):
            self.assertIn(b"n NO [", client.say(f"n NOTIFY SET (personal {COUNTS})"))
        self.flushLoggedErrors(OSError)
        self.deliver()
        self.assertEqual(client.heard(), b"")

    def test_goes_away(self) -> None:
        """Wherever a client hangs up, nothing is left of it."""
        rng = random.Random(1)
        for _ in range(30):
            client = self.listening(f"(selected {ALL}) (personal (MailboxName))", "INBOX")
            if rng.random() < 0.5:
                client.stream.pauseProducing()
            self.deliver()
            client.send(b"a NOOP"[: rng.randint(0, 6)])
            client.hang_up()
            self.assertTrue(client.ended)
            self.assertEqual(self.world.clock.getDelayedCalls(), [])
