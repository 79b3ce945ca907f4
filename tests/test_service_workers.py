"""The main process and its workers, who are in memory here; tests/interop/test_workers.py has real ones."""

import json
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mailnode import service_copies
from mailnode.service_workers import FIRST_PAUSE, LINK, Workers

PORT: Any = SimpleNamespace(fileno=lambda: 77, socket=SimpleNamespace(family=2))


class Process:
    """One that has been started, as the main process knows it; `told` is what it was told at its start."""

    def __init__(self, pid: int, protocol: Any, told: Any) -> None:
        self.pid, self.protocol, self.told = pid, protocol, told
        self.signals: list[str] = []
        self.signalProcess = self.signals.append
        protocol.makeConnection(self)

    def heard(self) -> list[str]:
        """The kinds of messages that it has got."""
        lines = self.protocol.link.transport.value().splitlines()
        return [message[0] for line in lines for message in json.loads(line)]

    def end(self) -> None:
        """Die."""
        self.protocol.processEnded(Failure(ProcessTerminated(None, 9, 9)))


class Transport:
    """The main process's end of a link."""

    def __init__(self) -> None:
        self.octets = b""

    def write(self, octets: bytes) -> None:
        """Twisted's."""
        self.octets += octets

    def value(self) -> bytes:
        """All that was written."""
        return self.octets

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Twisted's."""


class Reactor(Clock):
    """Starts processes, and lays links to them."""

    def __init__(self) -> None:
        super().__init__()
        self.copies: list[Process] = []
        self.programs: list[Process] = []

    def spawnProcess(self, protocol: Any, executable: str, arguments: list[str], **more: Any) -> None:
        """Twisted's."""
        self.programs.append(Process(200 + len(self.programs), protocol, (json.loads(arguments[-1]), LINK)))

    def adoptStreamConnection(self, descriptor: int, family: int, factory: Any) -> None:
        """Twisted's."""
        factory.buildProtocol(None).makeConnection(Transport())


class WorkersTests(SynchronousTestCase):
    """Two of them."""

    def setUp(self) -> None:
        self.reactor = Reactor()
        self.lives: list[Any] = []
        self.possible = True
        self.patch(service_copies, "possible", lambda: self.possible)
        self.patch(service_copies, "settle", lambda: None)
        self.patch(service_copies, "make_copy", self.make_copy)
        self.taken_over: list[str] = []
        together: Any = SimpleNamespace(hears={"count": lambda *_: None}, known=list, tell=lambda *_: None)
        queue: Any = SimpleNamespace(hear=None, take_over=self.take_over)
        self.workers = Workers(
            "mailnode.toml",
            2,
            reactor=self.reactor,
            together=together,
            bus=SimpleNamespace(),  # type: ignore[arg-type]
            queue=queue,
            decide=None,  # type: ignore[arg-type]
            key=b"k",
        )

    async def take_over(self, word: str) -> None:
        """The queue's."""
        self.taken_over.append(word)

    def make_copy(
        self, protocol: Any, reactor: Reactor, keep: Iterable[int], life: Callable[[], None]
    ) -> None:
        """As service_copies does it."""
        life()
        reactor.copies.append(Process(100 + len(reactor.copies), protocol, self.lives[-1]))
        self.assertEqual(list(keep), [self.lives[-1][1], 77])

    def copy(self) -> None:
        """Have copies."""
        self.workers.copy({"tcp:1": PORT}, lambda *told: self.lives.append(told))

    def start(self) -> "Deferred[None]":
        """Have them accept."""
        return Deferred.fromCoroutine(self.workers.start({"tcp:1": PORT}))

    def test_copies(self) -> None:
        """They are there early, hear nothing till they may accept, and then it is they who do."""
        self.copy()
        first, second = self.reactor.copies
        told, link = first.told
        self.assertEqual(told, {**second.told[0], "word": told["word"]})
        self.assertNotEqual(told["word"], second.told[0]["word"])
        self.assertEqual(told["ports"], {"tcp:1": [77, 2]})
        self.assertGreater(link, 2)
        self.assertEqual((first.heard(), second.heard()), ([], []))
        started = self.start()
        self.assertEqual((first.heard(), second.heard(), self.reactor.programs), (["hello"], ["hello"], []))
        self.assertNoResult(started)
        for worker in (first, second):
            worker.protocol.link.lineReceived(b'[["ready"]]')
        self.successResultOf(started)
        self.assertEqual(self.workers.pids, [100, 101])

    def test_no_copies(self) -> None:
        """Where that is not possible they are programs of their own."""
        self.possible = False
        self.copy()
        self.start()
        self.assertEqual(self.reactor.copies, [])
        self.assertEqual([worker.heard() for worker in self.reactor.programs], [["hello"], ["hello"]])

    def test_too_few_copies(self) -> None:
        """What cannot be a copy, as there is no room for one, is tried again as a program."""

        def fail(*_: object) -> None:
            raise BlockingIOError(11, "Resource temporarily unavailable")

        made = iter((self.make_copy, fail))
        self.patch(service_copies, "make_copy", lambda *about: next(made)(*about))
        self.copy()
        self.assertEqual(self.workers.pids, [100])
        self.start()
        self.assertEqual(self.workers.pids, [100, 200])

    def test_dies_early(self) -> None:
        """In the place of one that dies before it may accept there is another when it may, and not before.

        The queue is not asked for its messages, which it cannot have, and which are not known yet.
        """
        self.copy()
        self.reactor.copies[0].end()
        self.reactor.advance(10 * FIRST_PAUSE)
        self.assertEqual((self.reactor.programs, self.taken_over), ([], []))
        self.start()
        self.assertEqual(self.workers.pids, [101, 200])
        self.assertEqual(self.reactor.programs[0].heard(), ["hello"])

    def test_dies(self) -> None:
        """In the place of one that dies later is a program after a while, and its messages are taken."""
        self.copy()
        self.start()
        word = self.reactor.copies[0].told[0]["word"]
        self.reactor.copies[0].end()
        self.assertEqual((self.workers.pids, self.taken_over), ([101], [word]))
        self.reactor.advance(FIRST_PAUSE)
        self.assertEqual(self.workers.pids, [101, 200])
        self.assertEqual(self.reactor.programs[0].heard(), ["hello"])

    def test_stop(self) -> None:
        """Who may accept is asked to end; who may not yet has nothing to finish."""
        self.copy()
        ended = self.workers.stop()
        self.assertEqual([worker.signals for worker in self.reactor.copies], [["KILL"], ["KILL"]])
        self.assertEqual([worker.heard() for worker in self.reactor.copies], [[], []])
        for worker in self.reactor.copies:
            worker.end()
        self.assertTrue(all(one.called for one in ended))

    def test_stop_later(self) -> None:
        """The same with those that accept."""
        self.copy()
        self.start()
        self.workers.stop()
        self.assertEqual([worker.heard() for worker in self.reactor.copies], [["hello", "stop"]] * 2)
        self.assertEqual([worker.signals for worker in self.reactor.copies], [[], []])
