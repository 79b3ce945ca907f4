"""Turns of the reactor."""

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

    def goes_on(self, seconds: float) -> bool:
        """Whether a session may go on that has found more to do when it has worked so long."""
        since = self.clock.seconds()
        self.clock.rightNow += seconds
        return not self.breather.is_due(since)

    def turn(self) -> str:
        """The next turn of the reactor; gives who worked in it."""
        self.done.clear()
        calls, self.clock.calls = self.clock.calls, []
        for call in calls:
            call.func(*call.args, **call.kw)
        return "".join(self.done)

    def test_little(self) -> None:
        """Who does little costs the reactor nothing."""
        self.assertTrue(self.goes_on(BREATH / 20))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_used_up(self) -> None:
        """What others have used of this turn counts, till the turn ends."""
        self.assertTrue(self.goes_on(0.4 * BREATH))  # from here on it is counted
        self.assertEqual([self.goes_on(0.4 * BREATH) for _ in range(3)], [True, True, False])
        self.assertFalse(self.goes_on(0.0))
        self.turn()
        self.assertTrue(self.goes_on(0.0))
        self.assertFalse(self.goes_on(1.1 * BREATH))
        self.turn()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_those_who_waited(self) -> None:
        """What those have used counts who had to wait till this turn."""
        self.wait("a", 0.9 * BREATH)
        self.assertEqual(self.turn(), "a")
        self.assertTrue(self.goes_on(0.05 * BREATH))
        self.assertFalse(self.goes_on(0.1 * BREATH))

    def test_long_ago(self) -> None:
        """Who is awake since long has to wait, and nobody else for it."""
        self.clock.rightNow += 100
        self.assertTrue(self.breather.is_due(0.0))
        self.assertTrue(self.goes_on(0.5 * BREATH))

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
