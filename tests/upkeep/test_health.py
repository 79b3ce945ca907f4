"""mailnode.upkeep.health: whether the server can do its work."""

import os
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.live import Live
from mailnode.config import Config, Limits, Mailboxes
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.runtime import Runtime
from mailnode.upkeep.health import PATIENCE, REMEMBERED, Health


class SlowExecutor:
    """One whose jobs are done when somebody says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def run(self, function: Callable[..., Any], *args: Any) -> "Deferred[Any]":
        """Wait."""
        done: Deferred[Any] = Deferred()
        self.jobs.append((done, function, args))
        return done

    def work(self) -> None:
        """Do all."""
        jobs, self.jobs = self.jobs, []
        for done, function, args in jobs:
            done.callback(function(*args))


class HealthTests(SynchronousTestCase):
    """With a real folder."""

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.clock = Clock()
        self.files = FileSystem()
        self.silent: list[str] = []
        self.live = Live(Config(state=self.folder), Mailboxes())
        self.slow = SlowExecutor()

    def health(self, executor: Any = None) -> Health:
        """With jobs that are done at once, or with another executor."""
        runtime = Runtime(self.clock, random.Random(1), executor or InlineExecutor())
        return Health(self.live, runtime, self.files, lambda: self.silent)

    def problems(self, health: Health) -> list[str]:
        """Those that it has at once."""
        found: list[str] = self.successResultOf(Deferred.fromCoroutine(health.problems()))
        return found

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_good(self) -> None:
        """Nothing is wrong: the file is on the disk."""
        self.assertEqual(self.problems(self.health()), [])
        self.assertEqual(os.listdir(self.folder), ["health"])

    def test_silent(self) -> None:
        """A listener that does not listen is named."""
        self.silent = ["tcp:25"]
        self.assertEqual(self.problems(self.health()), ["nothing listens on tcp:25"])

    def test_lost(self) -> None:
        """A disk that has lost what was written is not tried again."""
        self.files.health.lost = True
        (problem,) = self.problems(self.health())
        self.assertIn("does not keep", problem)
        self.assertEqual(os.listdir(self.folder), [])

    def test_remembered(self) -> None:
        """The disk is tried every ten seconds; what was wrong may be right again."""
        health = self.health()
        shutil.rmtree(self.folder)
        (problem,) = self.problems(health)
        self.assertIn("No such file or directory", problem)
        os.mkdir(self.folder)
        self.clock.advance(REMEMBERED - 0.1)
        self.assertEqual(self.problems(health), [problem])
        self.clock.advance(0.1)
        self.assertEqual(self.problems(health), [])

    def test_full(self) -> None:
        """Below the least free space no mail is taken."""
        self.live.config = replace(self.live.config, limits=Limits(min_free_space=2**60))
        (problem,) = self.problems(self.health())
        self.assertIn("the disk is full", problem)

    def test_no_answer(self) -> None:
        """A disk that hangs is said to, after five seconds; it is tried once, however many ask."""
        health = self.health(self.slow)
        first, second = (Deferred.fromCoroutine(health.problems()) for _ in range(2))
        self.clock.advance(PATIENCE - 0.1)
        self.assertNoResult(first)
        self.clock.advance(0.1)
        self.assertEqual(self.successResultOf(first), ["the disk does not answer"])
        self.assertEqual(self.successResultOf(second), ["the disk does not answer"])
        third = Deferred.fromCoroutine(health.problems())
        self.assertEqual(len(self.slow.jobs), 1)
        self.slow.work()
        self.assertEqual(self.successResultOf(third), [])
        self.assertEqual(self.problems(health), [])
