"""Where the kernel vouches for it that nothing has changed: the same answers, without a thread."""

import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mailnode.fs_watch import FirstChanges
from mailnode.imap.places import Place
from mailnode.imap.selected import Selected
from mailnode.store.mailbox import Mailbox
from mailnode.store.stillness import SECONDS, Stillness
from mailnode.store.values import INBOX
from tests.imap.test_model import Machine, play
from tests.imap.test_processes import Pair, TwoProcesses
from tests.imap.world import NOON, Client, World
from tests.scratch import scratch

MESSAGE = b"From: a@example.org\r\nSubject: hello\r\n\r\nText.\r\n"
AHEAD = 4_000_000_000.0  # of the file system's clock: every look settles at once


def set_ahead(world: World) -> None:
    """Let its clock run ahead, and never stand still: so every change of ours has a time of its own."""
    clock = world.clock

    def seconds() -> float:
        clock.rightNow += 0.00001
        return float(clock.rightNow)

    clock.seconds = seconds  # type: ignore[method-assign]
    clock.advance(AHEAD - NOON)


class Queues:
    """Queues of the kernel's, closed together."""

    def __init__(self) -> None:
        self.open: list[FirstChanges] = []

    def stillness(self) -> Stillness:
        """Of another process."""
        return Stillness(self._begin)

    def _begin(self) -> FirstChanges:
        self.open.append(FirstChanges())
        return self.open[-1]

    def close(self) -> None:
        """Give all descriptors back."""
        while self.open:
            self.open.pop().close()


class StillTestCase(SynchronousTestCase):
    """One client, in a mailbox with two messages."""

    def setUp(self) -> None:
        room, queues = scratch(), Queues()
        self.addCleanup(room.cleanup)
        self.addCleanup(queues.close)
        self.world = World(room.name, stillness=queues.stillness())
        self.addCleanup(self.world.close)
        set_ahead(self.world)
        self.client = self.world.client().login()
        for _ in range(2):
            self.client.append(MESSAGE)
        self.root = self.world.account().store.root

    def stand_still(self, client: Client | None = None) -> None:
        """NOOPs until the last of them has done nothing."""
        self.world.clock.advance(10)
        for _ in range(6):
            (client or self.client).say("n NOOP")
        self.assertEqual(self.jobs("n NOOP", client), 0)

    def jobs(self, line: str, client: Client | None = None) -> int:
        """How many jobs a command brings to the lane of the account."""
        lane, count = self.world.account().lane, [0]
        run = type(lane).run

        def counted(*args: Any) -> Any:
            count[0] += 1
            return run(*args)

        patch = self.patch(type(lane), "run", counted)
        self.said = (client or self.client).say(line)
        patch.restore()
        return count[0]

    def flag_elsewhere(self) -> None:
        """Another program flags the first message."""
        name = next(one for one in sorted(os.listdir(f"{self.root}/cur")) if "S=" in one)
        os.rename(f"{self.root}/cur/{name}", f"{self.root}/cur/{name}F")
        os.utime(f"{self.root}/cur", (5e9, 5e9))


class NoopTests(StillTestCase):
    """One client, and what others do."""

    def test_no_job(self) -> None:
        """It is answered at once, for a second; then the disk is looked at again."""
        self.stand_still()
        self.assertEqual(self.said, b"n OK Done\r\n")
        self.world.clock.advance(SECONDS)
        self.assertEqual(self.jobs("a NOOP"), 1)
        self.assertEqual(self.jobs("b NOOP"), 0)

    def test_told(self) -> None:
        """What another program had done before is told."""
        self.stand_still()
        self.flag_elsewhere()
        self.assertIn(b"\\Flagged", self.client.say("a NOOP"))

    def test_told_by_another_session(self) -> None:
        """So is what another session of the process has done."""
        other = self.world.client().login()
        self.stand_still()
        other.say("s STORE 1 +FLAGS (\\Flagged)")
        self.assertIn(b"* 1 FETCH (UID 1 FLAGS (\\Flagged", self.client.say("a NOOP"))
        self.stand_still()
        other.append(MESSAGE)
        self.assertIn(b"* 3 EXISTS", self.client.say("b NOOP"))
        self.stand_still()
        other.say("e STORE 1 +FLAGS.SILENT (\\Deleted)")
        other.say("f EXPUNGE")
        self.assertIn(b"* 1 EXPUNGE", self.client.say("c NOOP"))

    def test_one_has_looked(self) -> None:
        """Where one session has seen a change, another one that has not is told, though all is still."""
        other = self.world.client().login()
        self.stand_still()
        self.stand_still(other)
        self.world.client().login().say("s STORE 2 +FLAGS (\\Flagged)")
        self.world.clock.advance(10)
        for _ in range(6):
            other.say("n NOOP")
        self.assertIn(b"* 2 FETCH (UID 2 FLAGS (\\Flagged", self.client.say("a NOOP"))

    def test_waiting_jobs(self) -> None:
        """While anything runs in the lane, or waits, the NOOP comes behind it."""
        self.stand_still()
        lane = self.world.account().lane
        lane._busy = True
        self.assertEqual(self.jobs("a NOOP"), 1)
        self.assertEqual(self.said, b"")
        lane._busy = False
        lane._go_on()
        self.assertEqual(self.client.heard(), b"a OK Done\r\n")

    def test_search_followed(self) -> None:
        """Who follows a search is asked each time, as what matches may change with the time."""
        self.client.say("e ENABLE IMAP4rev2")
        self.client.say("u SEARCH RETURN (UPDATE) ALL")
        self.world.clock.advance(10)
        self.assertEqual([self.jobs("n NOOP") for _ in range(6)], [1] * 6)

    def test_search(self) -> None:
        """A search and what is told after it do not look at the disk either."""
        self.stand_still()
        self.patch(Mailbox, "sync", lambda mailbox: self.fail("a look"))
        self.assertIn(b"* SEARCH 1 2\r\n", self.client.say("s SEARCH ALL"))

    def test_mailbox_gone(self) -> None:
        """The end of the selected mailbox is told."""
        self.client.say("c CREATE Work")
        self.client.say("s SELECT Work")
        self.stand_still()
        other = self.world.client().login()
        other.say("d DELETE Work")
        self.assertIn(b"* BYE", self.client.say("a NOOP"))


class AtHandTests(StillTestCase):
    """Commands that name a mailbox which is open."""

    def from_memory(self, line: str) -> bytes:
        """What a command answers without a job, which is what it answers with some."""
        self.stand_still()
        self.assertEqual(self.jobs(line), 0)
        said = self.said
        patch = self.patch(Place, "at_hand", lambda place: None)
        self.assertTrue(self.jobs(line))
        patch.restore()
        self.assertEqual(said, self.said)
        return said

    def test_select(self) -> None:
        """All of the answer comes from memory."""
        self.client.say("a STORE 1 +FLAGS (\\Seen $Work)")
        self.client.say("s SELECT INBOX")
        said = self.from_memory("s SELECT INBOX")
        for line in (
            b"* 2 EXISTS",
            b"* 0 RECENT",
            b"[UNSEEN 2]",
            b"$Work",
            b"[UIDNEXT 3]",
            b"s OK [READ-WRITE]",
        ):
            self.assertIn(line, said)
        self.assertIn(b"s OK [READ-ONLY]", self.from_memory("s EXAMINE inbox"))
        self.client.say("e ENABLE CONDSTORE")
        self.assertIn(b"HIGHESTMODSEQ", self.from_memory("s SELECT INBOX (CONDSTORE)"))
        self.assertEqual(
            self.client.say("f FETCH 1 FLAGS"), b"* 1 FETCH (FLAGS (\\Seen $Work))\r\nf OK Fetched\r\n"
        )

    def test_select_once_more(self) -> None:
        """Where there has to be a look it is one job, with all that is told."""
        self.stand_still()
        self.world.clock.advance(SECONDS)
        self.assertEqual(self.jobs("s SELECT INBOX"), 1)
        self.client.say("e ENABLE IMAP4rev2")
        self.assertEqual(self.jobs("s SELECT INBOX"), 1)
        self.assertIn(b"* LIST", self.said)

    def test_select_from_the_first(self) -> None:
        """Each session sees the messages by itself, with what is new to it."""
        self.client.say("s SELECT INBOX")
        self.stand_still()
        other = self.world.client().login(None)
        self.assertEqual(self.jobs("s SELECT INBOX", other), 0)
        self.client.append(MESSAGE)
        self.assertIn(b"* 3 EXISTS", other.say("n NOOP"))
        self.client.say("x STORE 1 +FLAGS.SILENT (\\Deleted)")
        self.client.say("x EXPUNGE")
        self.assertIn(b"* 1 EXPUNGE", other.say("n NOOP"))

    def test_changes_are_seen(self) -> None:
        """What another program has done before is in the answer."""
        self.stand_still()
        self.flag_elsewhere()
        self.assertEqual(self.jobs("s SELECT INBOX"), 1)
        self.assertIn(b"\\Flagged", self.client.say("f FETCH 1 FLAGS"))

    def test_removal_is_seen(self) -> None:
        """Likewise, whatever was counted before."""
        self.client.say("s STATUS INBOX (MESSAGES)")
        self.stand_still()
        os.unlink(f"{self.root}/cur/{sorted(os.listdir(f'{self.root}/cur'))[0]}")
        os.utime(f"{self.root}/cur", (6e9, 6e9))
        self.assertIn(b"(MESSAGES 1)", self.client.say("s STATUS INBOX (MESSAGES)"))

    def test_unseen(self) -> None:
        """The first message that was not seen is another one with each change."""
        for line, unseen in (
            ("STORE 1 +FLAGS (\\Seen)", b"[UNSEEN 2]"),
            ("STORE 2 +FLAGS (\\Seen)", None),
            ("STORE 1 -FLAGS (\\Seen)", b"[UNSEEN 1]"),
            ("STORE 1 FLAGS (\\Seen \\Deleted)", None),
            ("EXPUNGE", None),
            ("STORE 1 FLAGS ()", b"[UNSEEN 1]"),
        ):
            self.assertIn(b"x OK", self.client.say(f"x {line}"))
            self.client.say("s SELECT INBOX")
            said = self.from_memory("s SELECT INBOX")
            self.assertEqual(b"UNSEEN" in said, unseen is not None, line)
            self.assertIn(unseen or b"", said)

    def test_recent(self) -> None:
        r"""What nobody has claimed is claimed in the lane."""
        self.client.say("c CREATE Work")
        self.client.say("c COPY 1:2 Work")
        self.world.clock.advance(10)
        for _ in range(6):
            self.client.say("n STATUS Work (UNSEEN)")
        self.assertEqual(self.jobs("n STATUS Work (UNSEEN)"), 0)
        self.assertIn(b"* 2 RECENT", self.client.say("e EXAMINE Work"))
        self.assertIn(b"* 2 RECENT", self.client.say("s SELECT Work"))
        self.assertIn(b"* 0 RECENT", self.client.say("s SELECT Work"))

    def test_status(self) -> None:
        """All counts; what takes more than these takes a job."""
        self.stand_still()
        self.client.say("s STATUS INBOX (UNSEEN HIGHESTMODSEQ)")
        said = self.from_memory(
            "s STATUS INBOX (MESSAGES UNSEEN DELETED RECENT UIDNEXT HIGHESTMODSEQ MAILBOXID)"
        )
        self.assertIn(b"(MESSAGES 2 UNSEEN 2 DELETED 0 RECENT 0 UIDNEXT 3 HIGHESTMODSEQ ", said)
        self.assertTrue(self.jobs("s STATUS INBOX (MESSAGES SIZE)"))
        self.assertTrue(self.jobs("s STATUS Work (MESSAGES)"))
        self.assertIn(b"s NO", self.said)

    def test_close(self) -> None:
        r"""Where nothing has \Deleted there is nothing to be done; what has it is removed."""
        self.client.say("s STATUS INBOX (UNSEEN)")
        self.stand_still()
        self.assertEqual(self.jobs("c CLOSE"), 0)
        self.client.say("s SELECT INBOX")
        self.client.say("x STORE 1 +FLAGS (\\Deleted)")
        self.client.say("s STATUS INBOX (UNSEEN)")
        self.stand_still()
        self.assertTrue(self.jobs("c CLOSE"))
        self.assertIn(b"(MESSAGES 1)", self.client.say("s STATUS INBOX (MESSAGES)"))

    def test_waiting_jobs(self) -> None:
        """While anything runs in the lane, or waits, the command comes behind it."""
        self.stand_still()
        lane = self.world.account().lane
        lane._busy = True
        self.assertEqual(self.jobs("a SELECT INBOX"), 1)
        self.assertNotIn(b"a OK", self.said)
        lane._busy = False
        lane._go_on()
        self.assertIn(b"a OK", self.client.heard())

    def test_another_at_its_place(self) -> None:
        """A mailbox that was removed and made anew is another one."""
        self.client.say("c CREATE Work")
        self.client.say("c COPY 1:2 Work")
        self.client.say("s SELECT Work")
        self.stand_still()
        other = self.world.client().login(None)
        other.say("d DELETE Work")
        other.say("c CREATE Work")
        self.assertIn(b"* 0 EXISTS", self.client.say("s SELECT Work"))

    def test_no_file(self) -> None:
        """No file is touched."""
        self.client.say("s STATUS INBOX (UNSEEN)")
        self.stand_still()
        self.client.say("s SELECT INBOX")
        self.patch(self.world.account().store._context, "files", None)
        self.patch(self.world.account().store.mailbox(INBOX)._folder, "_files", None)
        for command in ("SELECT INBOX", "STATUS INBOX (MESSAGES)", "CLOSE"):
            self.assertEqual(self.jobs(f"c {command}"), 0)
            self.assertIn(b"c OK", self.said)


class StillPair(Pair):
    """Two processes that ask the kernel; what others do gives directories times of their own."""

    queues: Queues

    def start(self) -> None:
        """Each has a queue."""
        for world in (self, self._other):
            if world is not None:
                world._stillness = self.queues.stillness()
        super().start()


class Still(TwoProcesses):
    """The machine, where there is often no look at all."""

    def __init__(self) -> None:
        self.queues = Queues()
        self._later = 3_000_000_000
        super().__init__()

    def make_world(self, directory: str) -> World:
        kind = type("StillPair", (StillPair,), {"queues": self.queues})
        world: StillPair = kind(directory)
        set_ahead(world)
        return world

    def teardown(self) -> None:
        super().teardown()
        self.queues.close()

    def _elsewhere(self, mailbox: str) -> None:
        self._later += 1
        root = self.world.account().store.root
        for name in ("new", "cur"):
            os.utime(f"{root}{'' if mailbox == 'INBOX' else '/.Work'}/{name}", (self._later,) * 2)

    def _remove_a_file(self, mailbox: str, place: int) -> None:
        super()._remove_a_file(mailbox, place)
        self._elsewhere(mailbox)

    def _deliver(self) -> None:
        super()._deliver()
        self._elsewhere("INBOX")

    def noop(self, who: int) -> None:
        """Again and again, a while after the last change: the last of them may find all still."""
        self.world.clock.advance(1)
        for _ in range(5):
            super().noop(who)

    def select_again(self, who: int) -> None:
        """Where all may be still."""
        for _ in range(2):
            self.noop(who)
            super().select_again(who)

    def status(self, who: int, where: str) -> None:
        """Likewise."""
        self.noop(who)
        for _ in range(3):
            super().status(who, self._mirror(who)[0].mailbox)
        super().status(who, where)


class StillOne(Still):
    """The same with one process."""

    def make_world(self, directory: str) -> World:
        world = World(directory, stillness=self.queues.stillness())
        set_ahead(world)
        return world


class ModelTests(SynchronousTestCase):
    """The machines of the model: to clients it is the same server."""

    def count(self) -> list[int]:
        """How many commands were answered at once, and how many were not: NOOPs, and others."""
        counts, is_told, at_hand = [0, 0, 0, 0], Selected.is_told.fget, Place.at_hand
        assert is_told is not None

        def counted(view: Selected) -> bool:
            told: bool = is_told(view)
            counts[not told] += 1
            return told

        def counted_mailbox(place: Place) -> Mailbox | None:
            mailbox = at_hand(place)
            counts[2 + (mailbox is None)] += 1
            return mailbox

        self.patch(Selected, "is_told", property(counted))
        self.patch(Place, "at_hand", counted_mailbox)
        return counts

    def check(self, machine: type[Machine]) -> None:
        counts = self.count()
        for _ in range(5):  # till there were enough of each
            play(machine)
            if min(counts[:2]) > 10 and min(counts[2:]) > 2:
                return
        self.fail(str(counts))

    def test_one_process(self) -> None:
        """Whatever clients and others do, each client believes what is true."""
        self.check(StillOne)

    def test_two_processes(self) -> None:
        """Also where each of two processes has to see what the other does."""
        self.check(Still)
