"""Full collections look at each object once."""

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.upkeep.memory import EVERY, FULL, LITTLE, THRESHOLDS, ShortCollections


class FakeCollector:
    """A collector that notes what is asked of it."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[str, dict[str, int]], Any]] = []
        self.done: list[str] = []
        self.aside = 1_000_000  # objects
        self.thresholds = (700, 10, 10)

    def freeze(self) -> None:
        self.done.append("freeze")

    def get_threshold(self) -> tuple[int, int, int]:
        return self.thresholds

    def set_threshold(self, young: int, middle: int, old: int, /) -> None:
        self.thresholds = (young, middle, old)

    def unfreeze(self) -> None:
        self.done.append("unfreeze")

    def get_freeze_count(self) -> int:
        return self.aside

    def collect(self, generation: int = FULL) -> int:
        self.done.append(f"collect {generation}")
        for phase in ("start", "stop"):
            for callback in self.callbacks:
                callback(phase, {"generation": generation, "collected": 0, "uncollectable": 0})
        return 0


class ShortCollectionsTests(SynchronousTestCase):
    """On a clock of its own."""

    def setUp(self) -> None:
        self.clock, self.collector, self.quiet = Clock(), FakeCollector(), True
        self.short = ShortCollections(self.clock, self.collector, lambda: self.quiet)
        self.short.start()

    def tearDown(self) -> None:
        self.short.stop()
        self.short.stop()
        self.assertEqual(self.collector.callbacks, [])
        self.assertEqual(self.collector.done[-1], "unfreeze")
        self.assertEqual(self.collector.thresholds, (700, 10, 10))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_young(self) -> None:
        """They are looked at less often than Python does it."""
        self.assertEqual(self.collector.thresholds, THRESHOLDS)

    def test_survivors_are_set_aside(self) -> None:
        """After a full collection, and after no other."""
        self.collector.collect(0)
        self.collector.collect(1)
        self.collector.collect(FULL)
        self.assertEqual(self.collector.done, ["collect 0", "collect 1", "collect 2", "freeze"])

    def test_all_is_looked_at_in_a_quiet_moment(self) -> None:
        """Now and then, when nobody would mind."""
        self.collector.aside += LITTLE + 1
        self.quiet = False
        self.clock.advance(EVERY)
        self.assertEqual(self.collector.done, [])
        self.quiet = True
        self.clock.advance(EVERY)
        self.assertEqual(self.collector.done, ["unfreeze", "collect 2", "freeze"])

    def test_less(self) -> None:
        """What has gone by itself does not count against what comes later."""
        self.collector.aside -= 900_000
        self.clock.advance(EVERY)
        self.collector.aside += LITTLE + 1
        self.clock.advance(EVERY)
        self.assertEqual(self.collector.done, ["unfreeze", "collect 2", "freeze"])

    def test_little(self) -> None:
        """What was there when it began is not looked at again, nor what has come since, till it is more."""
        self.collector.aside += LITTLE
        self.clock.advance(EVERY)
        self.assertEqual(self.collector.done, [])
        self.collector.aside += 1
        self.clock.advance(EVERY)
        self.collector.aside += LITTLE
        self.clock.advance(EVERY)
        self.assertEqual(self.collector.done, ["unfreeze", "collect 2", "freeze"])
