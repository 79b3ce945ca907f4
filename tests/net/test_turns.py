"""Turns for many."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.turns import Turns


class TurnsTests(SynchronousTestCase):
    """Turns"""

    def setUp(self) -> None:
        self.clock = Clock()
        self.order: list[int] = []
        self.inside = self.most = 0

    async def work(self, turns: Turns, number: int, until: "Deferred[None] | None" = None) -> None:
        """Be inside until something happens; with nothing, for no time at all."""
        async with turns:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.order.append(number)
            try:
                if until is not None:
                    await until
            finally:
                self.inside -= 1

    def test_order(self) -> None:
        """Only so many are in, and who came first is next."""
        turns = Turns(self.clock, 2)
        ends: list[Deferred[None]] = [Deferred() for _ in range(5)]
        works = [Deferred.fromCoroutine(self.work(turns, number, end)) for number, end in enumerate(ends)]
        self.assertEqual(self.order, [0, 1])
        for end in ends:
            end.callback(None)
            self.clock.advance(0)
        for work in works:
            self.successResultOf(work)
        self.assertEqual((self.order, self.most), ([0, 1, 2, 3, 4], 2))

    def test_crowd(self) -> None:
        """Thousands who wait, and need nothing when it is their turn, do not call one another."""
        turns, first = Turns(self.clock), Deferred[None]()
        works = [Deferred.fromCoroutine(self.work(turns, 0, first))]
        works += [Deferred.fromCoroutine(self.work(turns, number)) for number in range(1, 5000)]
        first.callback(None)
        self.clock.pump([0] * 5000)
        for work in works:
            self.successResultOf(work)
        self.assertEqual((self.order, self.most), (list(range(5000)), 1))

    def test_failure(self) -> None:
        """Who fails inside leaves the place all the same."""
        turns = Turns(self.clock)
        end: Deferred[None] = Deferred()
        failing = Deferred.fromCoroutine(self.work(turns, 0, end))
        waiting = Deferred.fromCoroutine(self.work(turns, 1))
        end.errback(ZeroDivisionError())
        self.failureResultOf(failing, ZeroDivisionError)
        self.clock.advance(0)
        self.successResultOf(waiting)
