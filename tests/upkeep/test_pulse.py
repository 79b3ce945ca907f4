"""mailnode.upkeep.pulse: how late the event loop is."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.upkeep.pulse import EVERY, KEPT, Delay, Pulse


class PulseTests(SynchronousTestCase):
    """Against a clock that is set by hand."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.minutes = 0
        self.pulse = Pulse(self.clock, self.minute)

    def minute(self) -> None:
        self.minutes += 1

    def tearDown(self) -> None:
        self.pulse.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_delays(self) -> None:
        """One call in a hundred that is late shows in the worst, two show in the 99 % too."""
        self.assertEqual(self.pulse.delay(), Delay())
        self.pulse.start()
        for late in [0.0] * 98 + [0.25]:
            self.clock.advance(EVERY + late)
        self.assertEqual(self.pulse.delay(), Delay(0.0, 0.25, 0.25))
        self.clock.pump([EVERY] * 30)
        self.assertEqual(self.pulse.delay(), Delay(0.0, 0.0, 0.25))
        self.clock.pump([EVERY] * KEPT)
        self.assertEqual(self.pulse.delay(), Delay())

    def test_minutes(self) -> None:
        """Each minute is told."""
        self.pulse.start()
        self.clock.pump([EVERY] * 359)
        self.assertEqual(self.minutes, 2)
        self.clock.advance(EVERY)
        self.assertEqual(self.minutes, 3)

    def test_clock_set_back(self) -> None:
        """A clock that is set back is not late."""
        self.pulse.start()
        (call,) = self.clock.getDelayedCalls()
        self.clock.rightNow = -100.0
        call.func(*call.args)
        call.cancel()
        self.assertEqual(self.pulse.delay(), Delay())
