"""mailnode.upkeep.renewal: renewed certificates are taken."""

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from mailnode.upkeep.renewal import EVERY, Renewal


class Bad(Exception):
    """What does not fit together."""


class RenewalTests(SynchronousTestCase):
    """With files that are numbers."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.there, self.known, self.looks = 1, 1, 0
        self.error: Exception | None = None
        self.renewal = Renewal(self.clock, self.look, lambda: (self.known,), self.take, (Bad, OSError))
        self.renewal.start()
        self.observer = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

    def look(self) -> "Deferred[tuple[object, ...]]":
        self.looks += 1
        return succeed((self.there,))

    def take(self) -> "Deferred[None]":
        if self.error is not None:
            return fail(self.error)
        self.known = self.there
        return succeed(None)

    def tearDown(self) -> None:
        self.renewal.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_taken(self) -> None:
        """Within a minute, once."""
        self.clock.pump([EVERY] * 3)
        self.assertEqual((self.looks, self.known), (3, 1))
        self.there = 2
        self.clock.advance(EVERY - 1)
        self.assertEqual(self.known, 1)
        self.clock.pump([1, EVERY])
        self.assertEqual(self.known, 2)

    def test_half(self) -> None:
        """What does not fit together is said once, and taken when it has changed once more."""
        self.there, self.error = 2, Bad("the key is of another")
        self.clock.pump([EVERY] * 3)
        self.assertEqual(self.known, 1)
        said = [event["line"] for event in self.observer]
        self.assertEqual(said, ['certificates not taken reason="the key is of another"'])
        self.there, self.error = 3, None
        self.clock.advance(EVERY)
        self.assertEqual(self.known, 3)

    def test_goes_on(self) -> None:
        """A failure of ours ends nothing."""
        self.there, self.error = 2, ValueError("bug")
        self.clock.advance(EVERY)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.there, self.error = 3, None
        self.clock.advance(EVERY)
        self.assertEqual(self.known, 3)
