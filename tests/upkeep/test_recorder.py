"""mailnode.upkeep.recorder: events get to the disk, many at once, and mail goes on where they do not."""

import errno
import random
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from mailnode.config import Logging
from mailnode.events.life import Ended, Relayed
from mailnode.events.log import Log
from mailnode.runtime import Runtime
from mailnode.upkeep import recorder
from mailnode.upkeep.recorder import GATHERED_SECONDS, Recorder


class Disk:
    """A journal in memory, and an executor that lets a job begin when it is told to."""

    path = "/state/log/events.jsonl"

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.asked: list[tuple[int, int]] = []
        self.jobs: list[Callable[[], None]] = []
        self.error: OSError | None = None

    def append(self, lines: bytes, *, size: int, keep: int) -> None:
        if self.error is not None:
            raise self.error
        self.writes.append(lines)
        self.asked.append((size, keep))

    def run(self, function: Callable[..., Any], *args: Any) -> "Deferred[Any]":
        done: Deferred[Any] = Deferred()

        def work() -> None:
            try:
                result = function(*args)
            except OSError:
                done.errback()
            else:
                done.callback(result)

        self.jobs.append(work)
        return done

    def work(self) -> None:
        """Do the jobs that wait, and those that come of them."""
        while self.jobs:
            self.jobs.pop(0)()


class RecorderTests(SynchronousTestCase):
    """On a clock of its own."""

    def setUp(self) -> None:
        self.disk = Disk()
        self.clock = Clock()
        self.settings = Logging(events_size=1000, events_keep=2)
        runtime = Runtime(self.clock, random.Random(1), self.disk)
        self.recorder = Recorder(runtime, self.disk, lambda: self.settings, Log("test"))  # type: ignore[arg-type]
        self.said: list[str] = []
        observer = lambda event: self.said.append(event.get("line", ""))  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def happen(self, count: int = 1) -> None:
        for _ in range(count):
            self.recorder(0.0, Ended("", "M1"))

    def pass_time(self) -> None:
        self.clock.advance(GATHERED_SECONDS)
        self.disk.work()

    def written(self) -> int:
        return sum(lines.count(b"\n") for lines in self.disk.writes)

    def test_together(self) -> None:
        """What happens within a moment is one job; what comes while it runs is the next."""
        self.happen(3)
        self.assertEqual(self.disk.jobs, [])
        self.clock.advance(GATHERED_SECONDS)
        self.happen(2)
        self.assertEqual(len(self.disk.jobs), 1)
        self.disk.work()
        self.assertEqual([lines.count(b"\n") for lines in self.disk.writes], [3, 2])
        self.assertEqual(self.disk.asked[0], (1000, 2))
        self.assertIn(b'"message":"M1"', self.disk.writes[0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_when(self) -> None:
        """What is told of later has the time at which it happened."""
        self.recorder(1234.5, Ended("", "M1"))
        self.recorder(1234.25, Ended("", "M2"))
        self.clock.advance(GATHERED_SECONDS)
        self.disk.work()
        lines = self.disk.writes[0].splitlines()
        self.assertEqual([line.partition(b",")[0] for line in lines], [b'{"time":1234.5', b'{"time":1234.25'])

    def test_flush(self) -> None:
        """At the end all of it is written, and waited for."""
        self.happen()
        self.clock.advance(GATHERED_SECONDS)
        self.happen()
        flushed = Deferred.fromCoroutine(self.recorder.flush())
        self.assertNoResult(flushed)
        self.disk.work()
        self.successResultOf(flushed)
        self.assertEqual(self.written(), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refused(self) -> None:
        """A disk that refuses is told of once, and once more when it takes events again."""
        self.disk.error = OSError(errno.ENOSPC, "No space left on device")
        for _ in range(3):
            self.happen(2)
            self.pass_time()
        self.assertEqual(len(self.said), 1)
        self.assertIn("event log not written path=/state/log/events.jsonl reason=", self.said[0])
        self.disk.error = None
        for _ in range(2):
            self.happen()
            self.pass_time()
        self.assertEqual(self.said[1:], ["event log is written again lost=6"])
        self.assertEqual(self.written(), 2)

    def test_slow(self) -> None:
        """Where the disk does not keep up, memory is bounded, and what was lost is counted."""
        self.patch(recorder, "WAITING_LIMIT", 1000)
        self.patch(recorder, "PIECE", 300)
        self.happen(100)
        self.pass_time()
        written = self.written()
        self.assertGreater(written, 5)
        self.assertLess(written, 20)
        self.assertGreater(len(self.disk.writes), 2)
        self.assertIn(f"event log is written again lost={100 - written}", self.said)

    def test_one_that_is_too_large(self) -> None:
        """Of events that come together only those are lost for which there is no room."""
        self.patch(recorder, "WAITING_LIMIT", 1000)
        large = Relayed("", "M2", "a@b.example", "mx", "x" * 1000)
        for event in (Ended("", "M1"), large, Ended("", "M3")):
            self.recorder(0.0, event)
        self.pass_time()
        self.assertEqual(self.written(), 2)
        self.assertIn("event log is written again lost=1", self.said)

    def test_off(self) -> None:
        """With a size of 0 nothing is written."""
        self.settings = Logging(events_size=0, events_keep=2)
        self.happen()
        self.pass_time()
        self.assertEqual((self.written(), self.clock.getDelayedCalls()), (0, []))
