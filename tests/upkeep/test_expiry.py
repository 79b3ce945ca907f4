"""What was removed long ago goes, account after account."""

import random

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.live import Live
from mailnode.auth.realm import Realm
from mailnode.config import Config, Mailboxes, Store
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor, Lane
from mailnode.runtime import Runtime
from mailnode.store.keeping import Keeper
from mailnode.upkeep.expiry import EVERY, Expiry
from tests.scratch import scratch

PEOPLE = ("anna@example.org", "ben@example.org", "carl@example.org")


class ExpiryTests(SynchronousTestCase):
    """On a clock of its own."""

    def setUp(self) -> None:
        room = scratch()
        self.addCleanup(room.cleanup)
        self.clock = Clock()
        self.asked: list[str] = []
        self.trouble: dict[str, Exception] = {}
        self.patch(Keeper, "expire", self._expire)
        config = Config(domains=("example.org",), state=room.name, store=Store(mail=room.name + "/{local}"))
        runtime = Runtime(self.clock, random.Random(1), InlineExecutor())
        self.realm = Realm(Live(config, Mailboxes()), runtime, FileSystem(), rng=random.Random(1))
        self.expiry = Expiry(self.clock, self.realm, lambda: PEOPLE, Log("tests"))
        self.expiry.start()
        self.addCleanup(self.expiry.stop)

    def _expire(self, *_: object) -> int:
        name = PEOPLE[len(self.asked) % len(PEOPLE)]
        self.asked.append(name)
        if name in self.trouble:
            raise self.trouble[name]
        return 1

    def test_every_hour(self) -> None:
        """Everybody's, not at once after the start; it is no use of an account."""
        self.assertEqual(self.asked, [])
        for times in (1, 2):
            self.clock.advance(EVERY)
            self.assertEqual(self.asked, list(PEOPLE) * times)
        self.assertLess(self.realm.last_use, 0)

    def test_trouble(self) -> None:
        """What fails for one is nobody else's fault, and is tried again."""
        self.trouble = {PEOPLE[0]: OSError("no"), PEOPLE[1]: ValueError("bug")}
        self.clock.advance(EVERY)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.clock.advance(EVERY)
        self.assertEqual(len(self.asked), 6)
        self.flushLoggedErrors(ValueError)

    def test_stopped(self) -> None:
        """The rest of them is left for the next life."""
        jobs: list[Deferred[int]] = []

        def run(*_: object) -> "Deferred[int]":
            jobs.append(Deferred())
            return jobs[-1]

        self.patch(Lane, "run", run)
        self.clock.advance(EVERY)
        self.expiry.stop()
        jobs[0].callback(0)
        self.assertEqual(len(jobs), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
