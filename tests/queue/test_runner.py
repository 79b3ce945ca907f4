"""The runner: when messages are tried, and what becomes of them."""

import errno
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.envelope import Deadline, Envelope, Recipient
from mailnode.events.life import Bus, Dropped, Ended, Event, Postponed
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.queue import runner as queue_runner
from mailnode.queue.admission import Admission, FromElsewhere
from mailnode.queue.batches import TOGETHER
from mailnode.queue.changes import CHANGES
from mailnode.queue.entry import Delay, Entry, Fate, Progress, Proof, new_entry
from mailnode.queue.runner import (
    DAY,
    GATHERED,
    HOUR,
    JITTER,
    LIFETIME,
    LONGEST_SLEEP,
    MINUTE,
    WAITS,
    Busy,
    Runner,
)
from mailnode.queue.spool import Beginning, Spool
from mailnode.queue.state import QueueState
from mailnode.runtime import Runtime
from mailnode.wire.address import Address
from mailnode.wire.esmtp import Notify
from tests.scratch import scratch

NOW = 1_000_000_000.0
BOB, CARL = (Recipient(Address(name, "a.example")) for name in ("bob", "carl"))
ENVELOPE = Envelope(Address("anna", "a.example"), recipients=(BOB, CARL))
DONE = Progress(Fate.DELIVERED, "2.0.0")
FAILED = Progress(Fate.FAILED, "5.1.1", "No such mailbox")
LATER = Progress(Fate.WAITING, "4.2.2", "The mailbox is full")


class Sick(FileSystem):
    """A disk that fails from some moment on."""

    fails = False

    def unlink(self, path: str, *, missing_ok: bool = False) -> None:
        """Remove, or fail."""
        self._check()
        super().unlink(path, missing_ok=missing_ok)

    def rename(self, source: str, target: str) -> None:
        """Rename, or fail."""
        self._check()
        super().rename(source, target)

    def _check(self) -> None:
        if self.fails:
            raise OSError(errno.EIO, "broken")


class Running(SynchronousTestCase):
    """Runner, with a delivery that does as it is told."""

    def setUp(self) -> None:
        room = scratch()
        self.addCleanup(room.cleanup)
        self.path = os.path.join(room.name, "queue")
        self.files = Sick()
        self.clock = Clock()
        self.clock.advance(NOW)
        self.events: list[Event] = []
        self.tried: list[tuple[float, Entry]] = []
        self.reported: list[tuple[Entry, tuple[str, ...]]] = []
        self.answer: Callable[[Entry], Any] = lambda entry: self.everybody(entry, DONE)
        self.report_fails = False
        self.proved = True  # who the senders are
        self.delay = 0.0
        self.runners: list[Runner] = []
        self.runner = self.begin()

    def tearDown(self) -> None:
        for runner in self.runners:
            self.assertEqual(runner.stop(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def begin(self) -> Runner:
        """A new process on the same files."""
        bus = Bus()
        bus.subscribe(self.events.append)
        self.spool = Spool(self.files, self.path)
        runtime = Runtime(self.clock, random.Random(1), InlineExecutor())
        runner = Runner(
            runtime,
            self.spool,
            deliver=self.deliver,
            report=self.report,
            bus=bus,
            log=Log("test"),
            delay=lambda: self.delay,
        )
        self.successResultOf(runner.start())
        self.runners.append(runner)
        return runner

    async def deliver(self, entry: Entry, _beginning: Beginning | None) -> Entry:
        """Note the time, and do what the test wants."""
        self.tried.append((self.clock.seconds(), entry))
        answer = self.answer(entry)
        return await answer if isinstance(answer, Deferred) else answer

    async def report(self, entry: Entry) -> bool:
        """Note what is owed, and what the disk knows at that moment."""
        if self.report_fails:
            raise OSError(errno.EIO, "broken")
        on_disk = self.spool.read(entry.id).progress
        self.assertEqual(on_disk, entry.progress)
        if self.proved or entry.proof is Proof.WAIVED:
            self.reported.append((entry, tuple(str(recipient.address) for recipient, _ in entry.owed)))
        return self.proved or entry.proof is Proof.WAIVED

    @staticmethod
    def everybody(entry: Entry, progress: Progress) -> Entry:
        """The same for all."""
        return replace(entry, progress=(progress,) * len(entry.progress))

    def accept(self, name: str = "A1", due: float = NOW + 60, **facts: Any) -> Entry:
        """A message that comes in."""
        entry = new_entry(name, replace(ENVELOPE, **facts), came=self.clock.seconds(), due=due)
        admission = self.runner.begin(entry, b"Subject: x\r\n")
        for work in (admission.write(b"\r\nbody\r\n"), admission.commit(), admission.abort()):
            self.successResultOf(Deferred.fromCoroutine(work))
        return entry

    def pass_time(self, seconds: float, step: float = MINUTE) -> None:
        """Time goes by in small steps."""
        until = self.clock.seconds() + seconds
        while self.clock.seconds() < until:
            self.clock.advance(min(step, until - self.clock.seconds()))

    def do(self, work: Any) -> Any:
        """Run to its end."""
        return self.successResultOf(Deferred.fromCoroutine(work))

    def times(self) -> list[float]:
        """When there was a try, in seconds from the start."""
        return [time - NOW for time, _ in self.tried]

    def test_due(self) -> None:
        """A message waits until it is due, is delivered once, and is gone."""
        entry = self.accept()
        self.pass_time(59, 1)
        self.assertEqual(self.tried, [])
        self.assertEqual(self.spool.names(), ["A1"])
        self.clock.advance(1)
        self.assertEqual(self.tried, [(NOW + 60, entry)])
        self.assertEqual(os.listdir(self.path), [])
        self.assertEqual(self.events, [Ended("", "A1")])
        self.pass_time(DAY, HOUR)
        self.assertEqual(len(self.tried), 1)

    def test_restart(self) -> None:
        """What waits is known to the next process; what is overdue is tried at once."""
        self.accept("A1", NOW + 60)
        self.accept("B2", NOW + 7200)
        self.runner.stop()
        self.clock.advance(120)
        self.begin()
        self.clock.advance(0)
        self.assertEqual(self.times(), [120])
        self.pass_time(7200)
        self.assertEqual([entry.id for _, entry in self.tried], ["A1", "B2"])

    def accept_elsewhere(self, name: str) -> list[Entry]:
        """A message that another process takes; gives what it tells of, in the end."""
        told: list[Entry] = []
        runtime = Runtime(self.clock, random.Random(2), InlineExecutor())
        entry = new_entry(name, ENVELOPE, came=NOW, due=NOW + 60)
        admission = FromElsewhere(runtime, Spool(self.files, self.path), told.append).begin(
            entry, b"X: y\r\n"
        )
        self.do(admission.write(b"\r\nbody\r\n"))
        self.do(admission.store())
        self.assertEqual(told, [])
        admission.start()
        self.do(admission.abort())
        return told

    def test_from_another_process(self) -> None:
        """What another process took waits here from the moment it tells of it, once."""
        (entry,) = self.accept_elsewhere("1UA")
        self.clock.advance(10)
        for _ in range(2):
            self.runner.hear(entry.id, entry.due, entry.came, 0)
        self.assertEqual(self.runner.state().waiting, 1)
        self.clock.advance(51)
        self.assertEqual(([one.id for _, one in self.tried], os.listdir(self.path)), (["1UA"], []))
        self.assertEqual(self.runner.state().waiting, 0)

    def test_process_that_died(self) -> None:
        """What it took and did not tell of waits here; what it had not taken is gone; no other's is."""
        for name in ("1UA", "1UB", "2UA"):
            (entry,) = self.accept_elsewhere(name)
        for name in ("1UC.body", "2UC.body"):
            self.files.replace(os.path.join(self.path, name), b"half")
        self.runner.hear("1UB", entry.due, entry.came, 0)
        self.do(self.runner.take_over("1U"))
        self.assertEqual(self.runner.state().waiting, 2)
        self.runner.hear("1UA", entry.due, entry.came, 0)  # it had been said, and is heard now
        self.clock.advance(61)
        self.assertEqual([one.id for _, one in self.tried], ["1UA", "1UB"])
        self.assertEqual(sorted(os.listdir(self.path)), ["2UA.body", "2UA.envelope", "2UC.body"])

    def test_listed(self) -> None:
        """It is known when the start has seen what there is, or that nobody can see it."""
        self.assertTrue(self.runner.listed.called)
        with patch.object(self.files, "entries", side_effect=OSError(errno.EIO, "broken")):
            self.assertTrue(self.begin().listed.called)

    def test_waits(self) -> None:
        """5, 15, 30 minutes, 1, 2, 4, then 6 hours, each a little more or less; given up after five days."""
        self.accept(due=NOW)
        self.answer = lambda entry: self.everybody(entry, LATER)
        self.pass_time(LIFETIME + DAY, 5)
        times = self.times()
        waits = [later - time for time, later in pairwise(times)]
        for number, wait in enumerate(waits):
            wanted = WAITS[min(number, len(WAITS) - 1)]
            self.assertTrue(wanted * (1 - JITTER) <= wait <= wanted * (1 + JITTER) + 5, (number, wait))
        self.assertNotEqual(len(set(waits[6:])), 1)
        self.assertTrue(LIFETIME < times[-1] < LIFETIME + 7 * HOUR, times[-1])
        ((entry, told),) = self.reported
        self.assertEqual(told, ("bob@a.example", "carl@a.example"))
        self.assertEqual((entry.progress[0].fate, entry.progress[0].status), (Fate.FAILED, "4.4.7"))
        self.assertIn("The mailbox is full", entry.progress[0].reason)
        self.assertEqual(os.listdir(self.path), [])

    def test_held_time_does_not_count(self) -> None:
        """A message that was held for a month is not given up on its first try."""
        release = NOW + 30 * DAY
        self.accept(due=release, release=release)
        self.answer = lambda entry: self.everybody(entry, LATER)
        self.pass_time(31 * DAY, HOUR)
        self.assertGreater(len(self.tried), 4)
        self.assertEqual(self.reported, [])

    def test_some(self) -> None:
        """Who has it has it; who is refused is reported at once; who waits is tried again, alone."""
        self.accept(due=NOW)
        self.answer = lambda entry: replace(entry, progress=(FAILED, LATER), reached=("x",))
        self.pass_time(1)
        self.assertEqual([told for _, told in self.reported], [("bob@a.example",)])
        kept = self.spool.read("A1")
        self.assertEqual(
            (kept.progress, kept.reached, kept.tries), ((replace(FAILED, told=True), LATER), ("x",), 1)
        )
        self.assertIsInstance(self.events[-1], Postponed)
        self.answer = lambda entry: replace(entry, progress=(entry.progress[0], DONE))
        self.pass_time(6 * MINUTE)
        self.assertEqual((len(self.tried), len(self.reported)), (2, 1))
        self.assertEqual(os.listdir(self.path), [])

    def test_success_is_reported_where_asked(self) -> None:
        """NOTIFY=SUCCESS for one of two."""
        self.accept(due=NOW, recipients=(replace(BOB, notify=Notify.SUCCESS), CARL))
        self.pass_time(1)
        self.assertEqual([told for _, told in self.reported], [("bob@a.example",)])

    def test_bug(self) -> None:
        """A failure of ours costs a try, and no mail."""
        self.accept(due=NOW)

        def fail(entry: Entry) -> Entry:
            raise ZeroDivisionError

        self.answer = fail
        self.pass_time(1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.spool.read("A1").progress, (Progress(), Progress()))
        self.answer = lambda entry: self.everybody(entry, DONE)
        self.pass_time(6 * MINUTE)
        self.assertEqual(os.listdir(self.path), [])

    def test_bug_in_a_report(self) -> None:
        """One in telling the sender costs time, and the recipients who still wait are tried again."""
        entry = self.accept(due=NOW)
        self.answer = lambda entry: replace(entry, progress=(FAILED, LATER))
        with patch.object(self, "report", side_effect=ZeroDivisionError):
            self.runner.stop()
            self.runner = self.begin()
            self.pass_time(1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.answer = lambda entry: replace(entry, progress=(FAILED, DONE))
        self.runner._report = self.report
        self.pass_time(7 * HOUR)
        self.assertEqual([told for _, told in self.reported], [(str(BOB.address),)])
        self.assertEqual((entry.id in self.spool.names(), os.listdir(self.path)), (False, []))

    def test_done_but_not_written(self) -> None:
        """D8: a disk that fails after a delivery does not make this process deliver again."""
        self.accept(due=NOW)
        self.files.fails = True
        self.pass_time(20 * MINUTE)
        self.assertEqual(len(self.tried), 1)
        self.assertEqual(self.spool.names(), ["A1"])
        self.files.fails = False
        self.pass_time(6 * MINUTE)
        self.assertEqual((len(self.tried), os.listdir(self.path)), (1, []))

    def fail_unproved(self) -> None:
        """A message that nobody gets, and of which nobody is told."""
        self.proved = False
        self.answer = lambda entry: self.everybody(entry, FAILED)
        self.accept(due=self.clock.seconds())
        self.clock.advance(1)
        self.assertEqual((self.reported, self.spool.names()), ([], ["A1"]))

    def test_not_proved(self) -> None:
        """B2: where nobody is told the message is kept for five days, also over a restart; then it goes."""
        self.fail_unproved()
        entry = self.spool.read("A1")
        self.assertEqual((entry.proof, entry.due), (Proof.MISSING, entry.envelope.release))
        self.pass_time(4 * DAY, HOUR)
        self.runner.stop()
        self.runner = self.begin()
        self.pass_time(DAY - 2 * HOUR, HOUR)
        self.assertEqual(self.spool.names(), ["A1"])
        self.pass_time(3 * HOUR, HOUR)
        self.assertEqual((self.reported, self.spool.names(), len(self.tried)), ([], [], 1))

    def test_not_proved_and_hurried(self) -> None:
        """Who tries all that waits again does not lose what is kept."""
        self.fail_unproved()
        self.runner.retry("A1")
        self.clock.advance(1)
        self.assertEqual(self.spool.names(), ["A1"])

    def test_not_proved_by_hand(self) -> None:
        """The administrator may tell the sender all the same, or ask again who that is."""
        for word, told in (("bounce", 1), ("release", 0)):
            self.fail_unproved()
            self.do(self.runner.change("A1", CHANGES[word]))
            self.clock.advance(1)
            self.assertEqual((len(self.reported), len(self.spool.names())), (told, 1 - told))
            self.reported.clear()
        self.proved = True
        self.do(self.runner.change("A1", CHANGES["release"]))
        self.clock.advance(1)
        self.assertEqual((len(self.reported), self.spool.names()), (1, []))

    def test_not_proved_and_waiting(self) -> None:
        """Who still waits is tried on; of a delay nobody is told then."""
        self.proved, self.delay = False, 1.0
        self.answer = lambda entry: replace(entry, progress=(FAILED, LATER))
        self.accept(due=NOW)
        self.clock.advance(10)
        entry = self.spool.read("A1")
        self.assertEqual((entry.proof, entry.waiting, entry.tries), (Proof.NEEDED, True, 1))
        self.answer = lambda entry: replace(entry, progress=(FAILED, DONE))
        self.pass_time(400, 10)
        entry = self.spool.read("A1")
        self.assertEqual((entry.proof, entry.delay), (Proof.MISSING, Delay.TOLD))
        self.assertEqual([one for one, _ in entry.owed], [BOB])

    def test_report_fails(self) -> None:
        """A report that cannot be written is tried again, without a new delivery, also after a restart."""
        self.accept(due=NOW)
        self.answer = lambda entry: self.everybody(entry, FAILED)
        self.report_fails = True
        self.pass_time(6 * MINUTE)
        self.runner.stop()
        self.runner = self.begin()
        self.report_fails = False
        self.delay = 0.0
        self.pass_time(6 * MINUTE)
        self.assertEqual((len(self.tried), len(self.reported)), (1, 1))
        self.assertEqual(os.listdir(self.path), [])

    def test_clock_jumps(self) -> None:
        """D11: no timer is longer than an hour, and what is due is held against the wall clock."""
        self.accept(due=NOW + 30 * DAY)
        for _ in range(3):
            (timer,) = self.clock.getDelayedCalls()
            self.assertEqual(timer.getTime() - self.clock.seconds(), LONGEST_SLEEP)
            self.clock.advance(LONGEST_SLEEP)
        self.assertEqual(self.tried, [])
        # Forward: it is due at the next look. Clock runs its timers while it jumps, as if they were late.
        self.clock.advance(30 * DAY)
        self.assertEqual(len(self.tried), 1)

    def test_wrong_clock_before(self) -> None:
        """D11: what a wrong clock wrote of the next try is not waited for; a release is."""
        far = NOW + 400 * DAY
        self.accept("A1", due=far)
        self.accept("B2", due=far, release=far)
        self.runner.stop()
        self.runner = self.begin()
        self.pass_time(8 * HOUR)
        self.assertEqual([entry.id for _, entry in self.tried], ["A1"])

    def test_done_together(self) -> None:
        """Those that are done within moments share a job and an fsync; the last waits for nobody."""
        waiting: list[Deferred[Entry]] = []
        self.answer = lambda _: waiting.append(Deferred()) or waiting[-1]
        entries = [self.accept(f"A{number}", due=NOW) for number in range(TOGETHER + 3)]
        self.clock.advance(0)
        done = [self.everybody(entry, DONE) for entry in entries]
        with patch.object(self.files, "sync_directory") as synced:
            for answer, entry in zip(waiting[1:], done[1:], strict=True):
                answer.callback(entry)
            self.assertEqual((synced.call_count, len(self.spool.names())), (0, len(entries)))
            self.clock.advance(GATHERED)
            self.assertEqual((synced.call_count, self.spool.names()), (2, ["A0"]))
            waiting[0].callback(done[0])
            self.assertEqual((synced.call_count, os.listdir(self.path)), (3, []))
        self.assertEqual(self.events, [Ended("", f"A{number}") for number in [*range(1, len(entries)), 0]])

    def test_read_together(self) -> None:
        """Those that are due in one turn are read together, but for the first, which waits for nobody.

        One that cannot be read delays no other.
        """
        asked: list[int] = []
        waiting: list[tuple[Entry, Deferred[Entry]]] = []

        def wait(entry: Entry) -> "Deferred[Entry]":
            waiting.append((entry, Deferred()))
            return waiting[-1][1]

        self.answer = wait
        open_all = Spool.open_all

        def counted(spool: Spool, names: Sequence[str]) -> Any:
            asked.append(len(names))
            return open_all(spool, names)

        self.patch(Spool, "open_all", counted)
        self.runner.stop()
        self.runner = self.begin()
        for number in range(TOGETHER + 3):
            self.accept(f"A{number}", NOW + HOUR)
        with open(os.path.join(self.path, "A1.envelope"), "wb"):
            pass
        self.pass_time(HOUR, 2)
        self.assertEqual(asked, [1, TOGETHER, 2])
        everybody = {f"A{number}" for number in range(TOGETHER + 3)}
        self.assertEqual({entry.id for entry, _ in waiting}, everybody - {"A1"})
        for entry, answer in waiting:
            answer.callback(self.everybody(entry, DONE))
        self.clock.advance(GATHERED)
        self.assertEqual(self.spool.names(), [])

    def test_together(self) -> None:
        """A slow delivery holds up only so many others; all end."""
        waiting: list[tuple[Entry, Deferred[Entry]]] = []

        def wait(entry: Entry) -> "Deferred[Entry]":
            waiting.append((entry, Deferred()))
            return waiting[-1][1]

        self.answer = wait
        self.patch(queue_runner, "TOGETHER", 20)
        for number in range(23):
            self.accept(f"A{number}", due=NOW)
        self.pass_time(1)
        self.assertEqual(len(waiting), 20)
        for entry, answer in waiting:
            answer.callback(self.everybody(entry, DONE))
            self.clock.advance(GATHERED)
        self.assertEqual((len(waiting), os.listdir(self.path)), (23, []))

    def test_places_that_become_free(self) -> None:
        """Where nearly all places are taken, those that follow gather for a moment, to be read together."""
        waiting: list[Deferred[Entry]] = []
        self.answer = lambda _: waiting.append(Deferred()) or waiting[-1]
        self.patch(queue_runner, "TOGETHER", TOGETHER + 1)
        entries = [self.accept(f"A{number:02}", due=NOW) for number in range(TOGETHER + 3)]
        self.clock.advance(0)
        self.assertEqual(len(waiting), TOGETHER + 1)
        for number in range(2):
            waiting[number].callback(self.everybody(entries[number], DONE))
        self.clock.advance(GATHERED)  # they are removed, and leave their places
        self.clock.advance(0)
        self.assertEqual(len(waiting), TOGETHER + 1)
        self.clock.advance(GATHERED)
        self.assertEqual(len(waiting), TOGETHER + 3)
        for answer, entry in zip(waiting[2:], entries[2:], strict=True):
            answer.callback(self.everybody(entry, DONE))
        self.clock.advance(GATHERED)
        self.assertEqual(os.listdir(self.path), [])

    def test_retry(self) -> None:
        """What waits is tried at once, and what is held waits on; the disk hears nothing of it."""
        self.accept("A1", NOW + HOUR)
        self.accept("B2", NOW + HOUR, release=NOW + HOUR)
        self.files.fails = True
        for name in ("A1", "B2"):
            self.runner.retry(name)
        self.files.fails = False
        self.clock.advance(1)
        self.assertEqual([entry.id for _, entry in self.tried], ["A1"])
        self.assertRaises(FileNotFoundError, self.runner.retry, "A1")
        self.pass_time(HOUR, 10)
        self.assertEqual([entry.id for _, entry in self.tried], ["A1", "B2"])

    def test_state(self) -> None:
        """How much waits, and since when; a restart knows the same, and what has ended counts no more."""
        self.assertEqual(self.runner.state(), QueueState())
        self.accept("A1", NOW + HOUR)
        self.clock.advance(10)
        self.accept("B2", NOW + HOUR)
        self.accept("C3", NOW + HOUR)
        self.do(self.runner.change("C3", CHANGES["hold"]))
        for runner in (self.runner, self.begin()):
            self.assertEqual(runner.state(), QueueState(waiting=2, held=1, oldest=NOW))
            runner.stop()
        self.runner = self.begin()
        trying: Deferred[Entry] = Deferred()
        self.answer = lambda entry: trying if entry.id == "A1" else self.everybody(entry, LATER)
        self.runner.retry("A1")
        self.assertEqual(self.runner.state(), QueueState(due=1, waiting=1, held=1, oldest=NOW))
        self.clock.advance(0)
        self.assertEqual(self.runner.state(), QueueState(waiting=1, held=1, active=1, oldest=NOW))
        trying.callback(self.everybody(self.tried[-1][1], DONE))
        self.assertEqual(self.runner.state(), QueueState(waiting=1, held=1, oldest=NOW + 10))
        self.do(self.runner.drop("B2"))
        self.do(self.runner.drop("C3"))
        self.assertEqual(self.runner.state(), QueueState())

    def test_priority(self) -> None:
        """RFC 6710: of what is due the most important goes first, then the oldest; also after a restart."""
        self.patch(queue_runner, "TOGETHER", 1)
        for restarted in (False, True):
            self.tried.clear()
            now = self.clock.seconds()
            for name, due, priority in (("A", 9, 0), ("B", 8, 4), ("C", 7, 4), ("D", 5, -3), ("E", 6, 0)):
                self.accept(name, due=now + due, priority=priority)
            if restarted:
                self.runner.stop()
            self.clock.advance(60)
            if restarted:
                self.runner = self.begin()
            self.clock.pump([GATHERED] * 10)
            self.assertEqual("".join(entry.id for _, entry in self.tried), "CBEAD")

    def test_stop(self) -> None:
        """Who stops it is told when what is under way has ended; nothing new begins."""
        answer: Deferred[Entry] = Deferred()
        self.answer = lambda entry: answer
        entry = self.accept("A1", due=NOW)
        self.pass_time(1)
        self.accept("B2", due=NOW + 2)
        (under_way,) = self.runner.stop()
        self.pass_time(HOUR)
        self.assertNoResult(under_way)
        answer.callback(self.everybody(entry, DONE))
        self.successResultOf(under_way)
        self.assertEqual(self.spool.names(), ["B2"])

    def test_release_and_drop(self) -> None:
        """What an administrator asks for."""
        self.accept("A1", due=NOW + DAY)
        self.accept("B2", due=NOW + DAY)
        self.do(self.runner.release("A1"))
        self.clock.advance(0)
        self.assertEqual([entry.id for _, entry in self.tried], ["A1"])
        self.do(self.runner.drop("B2"))
        self.assertEqual(self.events[-1], Dropped("", "B2"))
        self.pass_time(2 * DAY, HOUR)
        self.assertEqual((len(self.tried), os.listdir(self.path)), (1, []))
        for work in (self.runner.release, self.runner.drop):
            for name in ("A1", "../A1"):
                self.failureResultOf(Deferred.fromCoroutine(work(name)), FileNotFoundError)

    def test_busy(self) -> None:
        """A message that is being delivered is left alone."""
        answer: Deferred[Entry] = Deferred()
        self.answer = lambda entry: answer
        entry = self.accept("A1", due=NOW)
        self.pass_time(1)
        for work in (self.runner.release, self.runner.drop):
            self.failureResultOf(Deferred.fromCoroutine(work("A1")), Busy)
        answer.callback(self.everybody(entry, DONE))

    def test_held_and_given_up(self) -> None:
        """What is held waits for ever, also over a start; what is given up is reported and gone."""
        self.accept("A1", due=NOW + 60)
        self.accept("B2", due=NOW + 60)
        self.do(self.runner.change("A1", CHANGES["hold"]))
        self.do(self.runner.change("B2", CHANGES["bounce"]))
        self.clock.advance(0)
        self.assertEqual([told for _, told in self.reported], [("bob@a.example", "carl@a.example")])
        self.pass_time(30 * DAY, HOUR)
        self.runner.stop()
        self.runner = self.begin()
        self.pass_time(30 * DAY, HOUR)
        self.do(self.runner.change("A1", CHANGES["retry"]))
        self.pass_time(DAY, HOUR)
        self.assertEqual((self.tried, self.spool.names()), ([], ["A1"]))
        self.answer = lambda entry: self.everybody(entry, LATER)
        self.do(self.runner.change("A1", CHANGES["release"]))
        self.pass_time(LIFETIME - HOUR)
        self.assertEqual((len(self.tried) > 5, self.spool.names()), (True, ["A1"]))

    def late(self, delay: float, **facts: Any) -> list[float]:
        """When there was a report of a message that is never delivered, in seconds."""
        self.delay = delay
        self.answer = lambda entry: self.everybody(entry, LATER)
        self.accept(due=NOW, **facts)
        told = []
        for minute in range(24 * 60):
            self.clock.advance(MINUTE if minute else 0)
            if len(self.reported) > len(told):
                told.append(self.clock.seconds() - NOW)
        return told

    def test_delay(self) -> None:
        """RFC 3461 section 5.2.5: a late message is reported, once, when it is late."""
        self.assertEqual(self.late(4 * HOUR), [4 * HOUR])
        self.assertEqual(self.reported[0][1], ("bob@a.example", "carl@a.example"))

    def test_delay_of_some(self) -> None:
        """Who said NOTIFY without DELAY hears nothing, and whom it has reached is not named."""
        bob = replace(BOB, notify=Notify.FAILURE)
        self.assertEqual(self.late(HOUR, recipients=(bob,)), [])

    def test_no_delay(self) -> None:
        """0 is never; and a message without reverse-path has no report."""
        self.assertEqual(self.late(0), [])

    def test_deliver_by(self) -> None:
        """RFC 2852 section 4: BY with N says when a message is late."""
        deadline = Deadline(NOW + 1800, return_=False, trace=False)
        self.assertEqual(self.late(4 * HOUR, deadline=deadline), [1800])

    def test_delay_of_held(self) -> None:
        """The time for which a message was held does not count."""
        self.assertEqual(self.late(HOUR, release=NOW + HOUR), [2 * HOUR])

    def stored(self) -> Admission:
        """A message that is due, durable, and not started."""
        admission = self.runner.begin(new_entry("A1", ENVELOPE, came=NOW, due=NOW), b"Subject: x\r\n\r\n")
        self.do(admission.store())
        return admission

    def test_stored(self) -> None:
        """Nobody works at what is stored before it is started, also not the start of the runner."""
        admission = self.stored()
        self.successResultOf(self.runner.start())
        self.pass_time(HOUR)
        self.assertEqual((self.spool.names(), self.tried), (["A1"], []))
        for work in (self.runner.release, self.runner.drop):
            self.failureResultOf(Deferred.fromCoroutine(work("A1")), Busy)
        admission.start()
        self.do(admission.abort())
        self.clock.advance(0)
        self.assertEqual((len(self.tried), self.spool.names()), (1, []))

    def test_taken_back(self) -> None:
        """What is stored can be taken back, with all that is on the disk."""
        admission = self.stored()
        self.do(admission.abort())
        self.assertEqual(os.listdir(self.path), [])
        self.do(admission.abort())
        self.pass_time(HOUR)
        self.assertEqual(self.tried, [])
        self.stored().start()

    def test_stored_before_the_end(self) -> None:
        """A process that dies finds what was stored."""
        self.stored()
        self.runner.stop()
        self.begin()
        self.clock.advance(0)
        self.assertEqual(len(self.tried), 1)

    def test_fresh(self) -> None:
        """What has just come in is not read again, unless somebody has changed it since."""
        with patch.object(self.spool, "read", side_effect=AssertionError):
            entry = self.accept("A1", due=NOW)
            self.clock.advance(0)
        self.assertEqual([tried for _, tried in self.tried], [entry])
        self.accept("A2", due=NOW)
        self.do(self.runner.change("A2", CHANGES["bounce"]))
        self.clock.advance(0)
        self.assertEqual((len(self.tried), len(self.reported), self.spool.names()), (1, 1, []))

    def test_failed_drop(self) -> None:
        """A message that could not be dropped is still delivered."""
        self.accept("A1", due=NOW + 60)
        self.files.fails = True
        self.failureResultOf(Deferred.fromCoroutine(self.runner.drop("A1")), OSError)
        self.files.fails = False
        self.pass_time(61)
        self.assertEqual(len(self.tried), 1)

    def test_torn_on_a_sick_disk(self) -> None:
        """What can neither be understood nor moved is tried again, and is no bug."""
        self.accept("A1", due=NOW + 60)
        with open(os.path.join(self.path, "A1.envelope"), "wb") as file:
            file.write(b"{")
        self.files.fails = True
        self.pass_time(61)
        self.files.fails = False
        self.pass_time(301)
        self.assertEqual(os.listdir(self.path), ["aside"])

    def test_gone(self) -> None:
        """A message that somebody removed by hand, or tore, harms nobody."""
        for name in ("A1", "B2", "C3"):
            self.accept(name, due=NOW + 60)
        os.unlink(os.path.join(self.path, "A1.envelope"))
        with open(os.path.join(self.path, "B2.envelope"), "wb") as file:
            file.write(b"{")
        self.pass_time(61)
        self.assertEqual([entry.id for _, entry in self.tried], ["C3"])
        self.assertEqual(sorted(os.listdir(os.path.join(self.path, "aside"))), ["B2.body", "B2.envelope"])
