"""Work in threads."""

from queue import SimpleQueue
from threading import Event, current_thread
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.blocking import ThreadedExecutor

SECONDS = 30


class Calls:
    """A reactor that is asked from threads, and works when the test wants."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Any] = SimpleQueue()

    def callFromThread(self, function: Any, *args: Any) -> None:
        """Twisted's."""
        self._calls.put((function, args))

    def work(self) -> None:
        """Make the next call."""
        function, args = self._calls.get(timeout=SECONDS)
        function(*args)


class ThreadedExecutorTests(SynchronousTestCase):
    """ThreadedExecutor."""

    def setUp(self) -> None:
        self.reactor = Calls()
        self.executor = ThreadedExecutor(self.reactor, 2, "test")

    def test_results(self) -> None:
        """What a job gives or raises arrives by the reactor, also from before the start."""
        name = self.executor.run(lambda: current_thread().name)
        self.executor.start()
        self.reactor.work()
        self.assertEqual(self.successResultOf(name), "test")
        for error in (ZeroDivisionError, SystemExit):
            failed = self.executor.run(self._raise, error)
            self.assertNoResult(failed)
            self.reactor.work()
            self.failureResultOf(failed, error)
        self.executor.stop()

    def _raise(self, error: type[BaseException]) -> None:
        raise error

    def test_side_by_side(self) -> None:
        """Two jobs at a time; the end waits for both, and for what was given before."""
        self.executor.start()
        first, second = Event(), Event()
        self.executor.run(lambda: (first.set(), second.wait(SECONDS)))
        self.executor.run(lambda: (second.set(), first.wait(SECONDS)))
        last = self.executor.run(lambda: "last")
        self.executor.stop()
        for _ in range(3):
            self.reactor.work()
        self.assertEqual(self.successResultOf(last), "last")

    def test_never_started(self) -> None:
        """One that was never started ends at once."""
        self.executor.stop()
