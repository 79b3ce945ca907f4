"""Counters that several processes keep."""

from twisted.trial.unittest import SynchronousTestCase

from mailnode.events.counts import Counts


class CountsTests(SynchronousTestCase):
    """Two of them, each told of what the other counts."""

    def test_together(self) -> None:
        """Both say the same, and forget what is nothing."""
        one, other = Counts(), Counts()
        one.tell, other.tell = other.hear, one.hear
        for counts, by in ((one, 1), (other, 2), (one, -1)):
            counts.add("anna", by)
            self.assertEqual((one["anna"], other["anna"]), (2, 2) if by == -1 else (one["anna"],) * 2)
        other.add("anna", -2)
        self.assertEqual((one["anna"], one._counts, other._counts), (0, {}, {}))
