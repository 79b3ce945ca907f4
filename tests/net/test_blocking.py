"""Work in threads."""

from functools import partial
from queue import SimpleQueue
from threading import Barrier, Event, current_thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net import blocking
from mailnode.net.blocking import InlineExecutor, Lane, ThreadedExecutor

SECONDS = 120


class Calls:
    """A reactor that is asked from threads, and works when the test wants."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Any] = SimpleQueue()
        self.later: list[Any] = []

    def callFromThread(self, function: Any, *args: Any) -> None:
        """Twisted's."""
        self._calls.put((function, args))

    def callLater(self, seconds: float, function: Any, *args: Any) -> None:
        """Twisted's; soon is all there is."""
        self.later.append((function, args))

    def turn(self) -> None:
        """The next turn: what was to be called then."""
        later, self.later = self.later, []
        for function, args in later:
            function(*args)

    def work(self) -> None:
        """Make the next call."""
        function, args = self._calls.get(timeout=SECONDS)
        function(*args)


class ThreadedExecutorTests(SynchronousTestCase):
    """ThreadedExecutor."""

    def setUp(self) -> None:
        self.reactor = Calls()
        self.executor = ThreadedExecutor(self.reactor, 2, "test")

    def give_up_at_once(self) -> None:
        """Have the reactor's thread wait for no job."""
        self.patch(blocking, "PATIENCE", 0.0)

    def test_results(self) -> None:
        """What a job gives or raises is there at once where the job is quick."""
        self.executor.start()
        self.when_idle()
        self.patch(blocking, "PATIENCE", SECONDS)
        self.assertEqual(self.successResultOf(self.executor.run(lambda: current_thread().name)), "test")
        for error in (ZeroDivisionError, SystemExit):
            self.failureResultOf(self.executor.run(self._raise, error), error)
        self.executor.stop()

    def when_idle(self) -> None:
        """Wait until both threads sleep: what is given earlier waits for them."""
        self.give_up_at_once()
        both = Barrier(3)
        for _ in range(2):
            self.executor.run(both.wait, SECONDS)
        both.wait(SECONDS)
        for _ in range(2):
            self.reactor.work()
        while len(self.executor._idle) < 2:
            pass

    def test_turns(self) -> None:
        """However quick they are, results that come at once do not keep the reactor for long."""
        self.executor.start()
        self.when_idle()
        self.patch(blocking, "PATIENCE", SECONDS)
        self.successResultOf(self.executor.run(int, "1"))
        self.patch(blocking, "BREATH", -1.0)
        late = self.executor.run(int, "2")
        self.assertNoResult(late)
        self.reactor.turn()
        self.assertEqual(self.successResultOf(late), 2)
        self.patch(blocking, "BREATH", SECONDS)
        self.assertEqual(self.successResultOf(self.executor.run(int, "3")), 3)
        self.reactor.turn()
        self.assertEqual(self.reactor.later, [])
        self.executor.stop()

    def test_sleepers(self) -> None:
        """Jobs that wait for something else than the processor are not waited for again, however short."""
        self.executor.start()
        self.when_idle()
        self.patch(blocking, "PATIENCE", SECONDS)
        self.patch(blocking, "SLEEP", -SECONDS)  # all of them
        go_on = Event()
        go_on.set()
        self.successResultOf(self.executor.run(go_on.wait))
        go_on.clear()
        slow = self.executor.run(go_on.wait)
        self.assertNoResult(slow)
        go_on.set()
        self.reactor.work()
        self.assertEqual(self.successResultOf(slow), True)
        self.executor.stop()

    def test_late_results(self) -> None:
        """They arrive by the reactor where it is not, and where it was given before the start."""
        self.give_up_at_once()
        name = self.executor.run(lambda: current_thread().name)
        self.executor.start()
        self.reactor.work()
        self.assertEqual(self.successResultOf(name), "test")
        for error in (ZeroDivisionError, SystemExit):
            go_on = Event()
            failed = self.executor.run(self._raise, error, go_on)
            self.assertNoResult(failed)
            go_on.set()
            self.reactor.work()
            self.failureResultOf(failed, error)
        self.executor.stop()

    def _raise(self, error: type[BaseException], go_on: Event | None = None) -> None:
        if go_on is not None:
            go_on.wait(SECONDS)
        raise error

    def test_side_by_side(self) -> None:
        """Two jobs at a time; the end waits for both, and for what was given before."""
        self.give_up_at_once()
        self.executor.start()
        first, second = Event(), Event()
        self.executor.run(lambda: (first.set(), second.wait(SECONDS)))
        self.executor.run(lambda: (second.set(), first.wait(SECONDS)))
        last = self.executor.run(lambda: "last")
        self.executor.stop()
        while not last.called:
            self.reactor.work()
        self.assertEqual(self.successResultOf(last), "last")

    def test_never_started(self) -> None:
        """One that was never started ends at once."""
        self.executor.stop()


class PatienceTests(SynchronousTestCase):
    """Patience."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.patience = blocking.Patience(self.clock.seconds)

    def test_rests(self) -> None:
        """Who is late again is left alone for twice as long, up to a limit; one quick call makes it good."""
        kind = self.patience.kind(self.test_rests)
        for rest in (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.0, 2.0):
            self.assertTrue(self.patience.is_left(kind))
            self.patience.was_tried(kind)
            self.clock.advance(rest - 0.01)
            self.assertFalse(self.patience.is_left(kind))
            self.clock.advance(0.011)
        self.patience.was_rewarded(kind)
        self.assertTrue(self.patience.is_left(kind))
        self.patience.was_tried(kind)
        self.clock.advance(0.021)
        self.assertTrue(self.patience.is_left(kind))

    def test_kinds(self) -> None:
        """What runs the same code is of one kind, whoever it belongs to; nothing else is."""
        kind = self.patience.kind
        self.assertEqual(kind(Event().wait), kind(Event().wait))
        self.assertEqual(kind(Event().wait), kind(Event.wait))
        self.assertEqual(kind(partial(Event().wait, 1)), kind(Event().wait))
        self.assertNotEqual(kind(Event().wait), kind(Event().set))
        self.assertEqual(kind(len), kind(max))  # without code to tell them by
        self.patience.was_tried(kind(Event().wait))
        self.assertFalse(self.patience.is_left(kind(Event().wait)))
        self.assertTrue(self.patience.is_left(kind(Event().set)))


class LaneTests(SynchronousTestCase):
    """Lane, with jobs that are over at once."""

    def test_in_order(self) -> None:
        """Who is told of one job may give the next: it runs after all that waited, however many there are."""
        first: Deferred[None] = Deferred()
        happened: list[object] = []

        class Late(InlineExecutor):
            """The first job is late."""

            def run(self, function: Any, *args: Any) -> Any:
                """As of an Executor."""
                happened.append(("run", *args))
                return first if args == (0,) else super().run(function, *args)

        lane = Lane(Late())
        for number in range(3000):
            lane.run(lambda number: number, number).addCallback(happened.append)
        lane.run(lambda last: None, "last").addCallback(lambda _: lane.run(happened.append, "more"))
        self.assertEqual(happened, [("run", 0)])
        first.callback(None)
        self.assertEqual(happened[1], None)
        told = [one for number in range(1, 3000) for one in (("run", number), number)]
        self.assertEqual(happened[2:], [*told, ("run", "last"), ("run", "more"), "more"])
        self.assertFalse(lane.busy or lane.waiting)
