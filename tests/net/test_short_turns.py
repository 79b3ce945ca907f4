"""Shorter turns of the reactor."""

import os
from collections.abc import Callable

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.short_turns import shorten


class Reader:
    """A pipe with something to read, and what is done then."""

    def __init__(self, case: "TurnsTests", does: Callable[[], None] = lambda: None) -> None:
        self._case = case
        self._does = does
        self.descriptor, self._other = os.pipe()
        self.lost: object = None
        case.descriptors += self.descriptor, self._other
        case.reactor.addReader(self)
        os.write(self._other, b"x")

    def fileno(self) -> int:
        return self.descriptor

    def logPrefix(self) -> str:
        raise AssertionError("nobody needs it")

    def doRead(self) -> None:
        self._case.heard.append(self)
        os.read(self.descriptor, 1)
        self._does()

    def connectionLost(self, reason: object) -> None:
        self.lost = reason
        raise ValueError("and again")


class TurnsTests(SynchronousTestCase):
    """A reactor of epoll, one turn."""

    def setUp(self) -> None:
        self.reactor = EPollReactor()
        self.descriptors = [self.reactor.waker.i, self.reactor.waker.o]
        self.addCleanup(self.close)
        shorten(self.reactor)
        self.heard: list[Reader] = []

    def close(self) -> None:
        self.reactor.removeAll()
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.reactor._poller.close()

    def test_all_who_are_ready(self) -> None:
        """Each is served once, and nobody who is not ready."""
        readers = [Reader(self) for _ in range(3)]
        self.reactor.doIteration(0)
        self.assertEqual(set(self.heard), set(readers))
        self.reactor.doIteration(0)
        self.assertEqual(len(self.heard), 3)

    def test_who_has_gone(self) -> None:
        """One that another one took out in the same turn is left alone."""
        readers: list[Reader] = []

        def leave() -> None:
            for reader in readers:
                self.reactor.removeReader(reader)

        readers += [Reader(self, leave), Reader(self, leave)]
        self.reactor.doIteration(0)
        self.assertEqual(len(self.heard), 1)

    def test_who_has_come(self) -> None:
        """What was ready is not taken for another one that has got the same descriptor in the same turn."""
        readers: list[Reader] = []

        def replace() -> None:
            for reader in readers:
                if reader not in self.heard:
                    self.reactor.removeReader(reader)
                    late = Reader(self)
                    os.dup2(late.descriptor, reader.descriptor)
                    self.reactor.removeReader(late)
                    late.descriptor = reader.descriptor
                    self.reactor.addReader(late)

        readers += [Reader(self, replace), Reader(self, replace)]
        self.reactor.doIteration(0)
        self.assertEqual(len(self.heard), 1)
        self.reactor.doIteration(0)
        self.assertEqual(len(self.heard), 2)
        self.assertNotIn(self.heard[1], readers)

    def test_mistakes(self) -> None:
        """What goes wrong with one costs the others nothing, and is in the log."""

        def fail() -> None:
            raise ValueError("a bug")

        wrong, right = Reader(self, fail), Reader(self)
        self.reactor.doIteration(0)
        self.assertEqual(set(self.heard), {wrong, right})
        self.assertIsNotNone(wrong.lost)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def test_signal(self) -> None:
        """A wait that a signal ends is a turn like another."""

        class Interrupted:
            def poll(self, timeout: float | None, most: int) -> list[tuple[int, int]]:
                raise InterruptedError

        patch = self.patch(self.reactor, "_poller", Interrupted())
        self.reactor.doIteration(None)
        patch.restore()

    def test_other_reactors(self) -> None:
        """They are left as they are."""
        clock = Clock()
        shorten(clock)
        self.assertFalse(hasattr(clock, "doIteration"))
