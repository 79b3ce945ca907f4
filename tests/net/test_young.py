"""mailnode.net.young: one look at all connections that began in the same seconds."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.young import ROUND, Young


class Someone:
    """A connection that notes when it is looked at."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.looks: list[float] = []

    def look(self) -> None:
        self.looks.append(self.clock.seconds())


class YoungTests(SynchronousTestCase):
    """Some connections."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.young = Young(self.clock)

    def join(self) -> Someone:
        """One more, which is told when it is looked at."""
        someone = Someone(self.clock)
        self.ends_at = self.young.join(someone)
        return someone

    def test_one_round(self) -> None:
        """All are looked at once, by one timer, when the first has been here for a round."""
        first = self.join()
        self.clock.advance(ROUND / 2)
        second = self.join()
        self.assertEqual((self.ends_at, len(self.clock.getDelayedCalls())), (ROUND, 1))
        self.clock.advance(ROUND)
        third = self.join()
        self.clock.pump([ROUND] * 3)
        self.assertEqual(
            [one.looks for one in (first, second, third)], [[1.5 * ROUND], [1.5 * ROUND], [2.5 * ROUND]]
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_has_gone(self) -> None:
        """They are not looked at, may say so twice, and the last one takes the timer along."""
        stays, goes = self.join(), self.join()
        self.young.leave(goes)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.young.leave(stays)
        self.young.leave(goes)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        again = self.join()
        self.clock.advance(ROUND)
        self.young.leave(again)
        self.assertEqual((stays.looks, goes.looks, again.looks), ([], [], [ROUND]))
