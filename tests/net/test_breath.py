"""Turns of the reactor."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.breath import BREATH, Breather


class BreatherTests(SynchronousTestCase):
    """Breather."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.breather = Breather(self.clock)
        self.done: list[str] = []

    def work(self, name: str, seconds: float) -> None:
        """What a session does when it is woken."""
        self.done.append(name)
        self.clock.rightNow += seconds

    def wait(self, name: str, seconds: float) -> None:
        """A session that breathes, then works so long."""
        self.breather.breathe().addCallback(lambda _: self.work(name, seconds))

    def wake(self, name: str, seconds: float) -> None:
        """A session that is woken by what has come for it."""
        waiting: Deferred[None] = Deferred()
        waiting.addCallback(lambda _: self.work(name, seconds))
        self.breather.wake(waiting)

    def turn(self) -> str:
        """The next turn of the reactor; gives who worked in it."""
        self.done.clear()
        calls, self.clock.calls = self.clock.calls, []
        for call in calls:
            call.func(*call.args, **call.kw)
        return "".join(self.done)

    def test_little(self) -> None:
        """Who does little costs the reactor nothing."""
        self.wake("a", BREATH / 20)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertFalse(self.breather.is_due(self.clock.seconds()))

    def test_used_up(self) -> None:
        """What others have used of this turn counts, till the turn ends."""
        for seconds, due in ((0.4, False), (0.4, False), (0.4, True)):
            self.wake("a", seconds * BREATH)
            self.assertEqual(self.breather.is_due(self.clock.seconds()), due)
        self.turn()
        self.assertFalse(self.breather.is_due(self.clock.seconds()))
        self.assertTrue(self.breather.is_due(self.clock.seconds() - 1.1 * BREATH))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_in_turn(self) -> None:
        """So many go on in a turn as there is time for, in the order in which they began to wait."""
        for name in "abcdefg":
            self.wait(name, 0.4 * BREATH)
        self.assertEqual(self.done, [])
        self.assertEqual(self.turn(), "abc")
        self.wait("x", 2 * BREATH)
        self.wait("y", 0.0)
        self.assertEqual([self.turn() for _ in range(4)], ["def", "gx", "y", ""])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_again(self) -> None:
        """Who has to wait again in the same turn comes after all others."""

        def go_on(_: None) -> None:
            self.work("a", 2 * BREATH)
            self.wait("again", 0.0)

        self.breather.breathe().addCallback(go_on)
        self.wait("b", 2 * BREATH)
        self.assertEqual([self.turn() for _ in range(3)], ["a", "b", "again"])
