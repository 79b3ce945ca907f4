"""What is done a moment later."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.events.soon import MOMENT, MOST_AT_ONCE, Soon


class SoonTests(SynchronousTestCase):
    """Things that wait."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.done: list[list[int]] = []
        self.soon: Soon[int] = Soon(self.clock, self.done.append)

    def test_together(self) -> None:
        """All that came in a moment is done together, in its order; what comes then has its own."""
        self.soon.add(1)
        self.clock.advance(MOMENT / 2)
        self.soon.add(2)
        self.assertEqual(self.done, [])
        self.clock.advance(MOMENT / 2)
        self.soon.add(3)
        self.clock.advance(MOMENT)
        self.assertEqual(self.done, [[1, 2], [3]])

    def test_much(self) -> None:
        """It does not wait for its moment where it is much, or is wanted now; and nothing is done twice."""
        for number in range(MOST_AT_ONCE):
            self.assertEqual(self.done, [])
            self.soon.add(number)
        self.assertEqual(self.done, [list(range(MOST_AT_ONCE))])
        self.soon.add(1)
        self.soon.flush()
        self.soon.flush()
        self.clock.advance(MOMENT)
        self.assertEqual(self.done[1:], [[1]])

    def test_end(self) -> None:
        """When it is to wait no longer, what waits is done, and all that comes later at once."""
        self.soon.add(1)
        self.soon.wait_no_longer()
        self.soon.add(2)
        self.assertEqual(self.done, [[1], [2]])

    def test_one_moment(self) -> None:
        """However often it was not waited for, one call is planned."""
        for number in range(5):
            self.soon.add(number)
            self.soon.flush()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.soon.add(5)
        self.clock.advance(MOMENT)
        self.assertEqual((self.done[-1], self.clock.getDelayedCalls()), ([5], []))

    def test_while_done(self) -> None:
        """What comes of it is done by itself, later."""
        again: Soon[int] = Soon(self.clock, lambda numbers: [again.add(one - 1) for one in numbers if one])
        again.add(2)
        for _ in range(3):
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)
            self.clock.advance(MOMENT)
        self.assertEqual(self.clock.getDelayedCalls(), [])
