"""Which messages become durable in one job, and who waits for whom."""

import os
import random
from functools import partial
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailnode.fs import FileSystem
from mailnode.net import commits
from mailnode.net.commits import PATIENCE, RUNNING, SLOW, TOGETHER, TOGETHER_SLOW, Commits
from mailnode.runtime import Runtime
from mailnode.store.account import Account
from mailnode.store.delivery import Arrival, deliver_together
from tests.store.support import MESSAGE, StoreTestCase


class Held:
    """An executor whose jobs run when they are told to."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Deferred[Any], Any, tuple[Any, ...]]] = []

    def run(self, function: Any, *args: Any) -> "Deferred[Any]":
        """Run later."""
        done: Deferred[Any] = Deferred()
        self.jobs.append((done, function, args))
        return done

    @property
    def sizes(self) -> list[int]:
        """How many messages each job has."""
        return [len(args[0]) for _, _, args in self.jobs]

    def finish(self, number: int = 0) -> None:
        """Run one of them."""
        done, function, args = self.jobs.pop(number)
        done.callback(function(*args))

    def fail(self) -> None:
        """End one with a bug."""
        self.jobs.pop(0)[0].errback(ZeroDivisionError())


class CommitsTests(StoreTestCase):
    """Commits."""

    def setUp(self) -> None:
        super().setUp()
        self.held = Held()
        self.reactor = Clock()
        self.runtime = Runtime(self.reactor, random.Random(1), self.held)
        self.work = partial(deliver_together, files=FileSystem())
        self.commits = Commits(self.runtime, self.work)
        self.anna = self.account("anna")

    def commit(self, account: Account | None = None, message: bytes = MESSAGE) -> "Deferred[None]":
        """A message that is ready, alone in its turn of the reactor."""
        done = self.ready(account, message)
        self.reactor.advance(0)
        return done

    def ready(self, account: Account | None = None, message: bytes = MESSAGE) -> "Deferred[None]":
        """A message that is ready."""
        account = account or self.anna
        place = os.path.dirname(account.root)
        return self.commits.run(place, Arrival(account.draft(), message, [account]))

    def test_of_one_turn(self) -> None:
        """What is ready in the same turn of the reactor is one job, up to a limit."""
        many = [self.ready() for _ in range(TOGETHER + 2)]
        elsewhere = self.ready(self.account("other/ben"))
        self.assertEqual(self.held.sizes, [])
        self.reactor.advance(0)
        self.assertEqual(self.held.sizes, [TOGETHER] * RUNNING + [1])
        while self.held.jobs:
            self.held.finish()
        for one in (*many, elsewhere):
            self.successResultOf(one)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.commits._places, {})

    def test_nobody_waits_alone(self) -> None:
        """While little is to do each message has a job at once."""
        many = [self.commit() for _ in range(RUNNING)]
        self.assertEqual(self.held.sizes, [1] * RUNNING)
        self.held.finish()
        self.assertEqual([one.called for one in many], [True] + [False] * (RUNNING - 1))
        while self.held.jobs:
            self.held.finish()
        self.assertEqual([self.successResultOf(one) for one in many], [None] * RUNNING)

    def test_at_once(self) -> None:
        """Where that is wanted nothing waits for the end of the turn, only for the job before."""
        self.commits = Commits(self.runtime, self.work, at_once=True)
        many = [self.ready() for _ in range(RUNNING + 3)]
        self.assertEqual(self.held.sizes, [1] * RUNNING)
        while self.held.jobs:
            self.held.finish()
        self.assertEqual([self.successResultOf(one) for one in many], [None] * (RUNNING + 3))
        self.assertEqual((self.reactor.getDelayedCalls(), self.commits._places), ([], {}))

    def test_together(self) -> None:
        """What comes meanwhile is one job, up to a limit, when one has ended."""
        many = [self.commit() for _ in range(RUNNING + TOGETHER + 1)]
        self.assertEqual(self.held.sizes, [1] * RUNNING)
        self.held.finish()
        self.assertEqual(self.held.sizes, [1] * (RUNNING - 1) + [TOGETHER])
        while self.held.jobs:
            self.held.finish()
        for one in many:
            self.successResultOf(one)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_slow_disk_takes_more_at_once(self) -> None:
        """While jobs wait for a disk each takes more messages; as before when they do not any more."""
        owed = mock.Mock(return_value=5)
        self.patch(commits, "owed_to_disks", owed)
        for to_disk, then in ((True, TOGETHER_SLOW), (False, TOGETHER)):
            many = [self.commit() for _ in range(RUNNING + TOGETHER_SLOW + 2 * TOGETHER)]
            self.reactor.advance(SLOW * 2)
            owed.return_value += to_disk
            self.held.finish()
            self.assertEqual(self.held.sizes, [1] * (RUNNING - 1) + [then])
            while self.held.jobs:
                self.held.finish(-1)
                self.assertLessEqual(max(self.held.sizes, default=0), TOGETHER)
            for one in many:
                self.successResultOf(one)

    def test_slow_disk(self) -> None:
        """Who has waited for long enough waits no longer, and neither do those after it."""
        for _ in range(RUNNING):
            self.commit()
        late = [self.commit(), self.commit()]
        self.reactor.advance(PATIENCE)
        self.assertEqual(self.held.sizes, [1] * RUNNING + [2])
        self.held.finish(RUNNING)
        for one in late:
            self.successResultOf(one)
        later = self.commit()
        self.reactor.advance(PATIENCE)
        self.held.finish(RUNNING)
        self.successResultOf(later)

    def test_other_places(self) -> None:
        """Mailboxes that do not lie side by side do not wait for each other."""
        elsewhere = self.account("other/ben")
        for _ in range(RUNNING + 1):
            self.commit()
        there = self.commit(elsewhere)
        self.assertEqual(self.held.sizes, [1] * (RUNNING + 1))
        self.held.finish(RUNNING)
        self.successResultOf(there)

    def test_one_fails(self) -> None:
        """An error is told to whom it concerns; a bug to all who were in the job."""
        for _ in range(RUNNING):
            self.commit()
        good, bad = self.commit(), self.commit(self.account("carl"))
        with open(f"{self.base}/carl", "wb"):
            pass
        for _ in range(RUNNING + 1):
            self.held.finish()
        self.successResultOf(good)
        self.failureResultOf(bad, OSError)
        both = [self.commit()]
        self.held.fail()
        self.failureResultOf(both[0], ZeroDivisionError)

    def test_forgets(self) -> None:
        """Nothing is kept of places where nothing is to do."""
        for number in range(3):
            self.commit(self.account(f"place{number}/anna"))
            self.held.finish()
        self.assertEqual(self.commits._places, {})
