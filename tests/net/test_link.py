"""The link between two processes of a server."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from mailnode.events.log import Log
from mailnode.events.soon import MOMENT, MOST_AT_ONCE
from mailnode.net import link as module
from mailnode.net.link import Link, NoAnswer
from mailnode.worker import Facts


class Transport(StringTransport):
    """One that says how it ends."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class LinkTests(SynchronousTestCase):
    """One end, and what it hears."""

    def setUp(self) -> None:
        self.heard: list[Any] = []
        hears = {"a": lambda *words: self.heard.append(words), "b": lambda: self.heard.append("b")}
        self.clock = Clock()
        self.link = Link(hears, lambda: self.heard.append("lost"), self.clock)
        self.transport = Transport()
        self.link.makeConnection(self.transport)

    def test_messages(self) -> None:
        """Each is a line; text is told as it is, in any pieces."""
        self.link.say("a", 1, "Grüße\n", None, ["x"])
        line = self.transport.value()
        self.assertEqual(line.count(b"\n"), 1)
        for octet in line + line:
            self.link.dataReceived(bytes([octet]))
        self.assertEqual(self.heard, [(1, "Grüße\n", None, ["x"])] * 2)

    def test_soon(self) -> None:
        """What can wait goes out together after a moment, with what cannot, or when it is much; in order."""
        self.link.say_soon("a", 1)
        self.link.say_soon("a", 2)
        self.assertEqual(self.transport.value(), b"")
        self.clock.advance(MOMENT)
        self.assertEqual(self.transport.value(), b'[["a",1],["a",2]]\n')
        self.transport.clear()
        self.link.make_soon(lambda number: ("a", -number), 5)
        self.link.say_soon("a", 6)
        self.clock.advance(MOMENT)
        self.assertEqual(self.transport.value(), b'[["a",-5],["a",6]]\n')
        self.transport.clear()
        self.link.say_soon("a", 3)
        self.link.say("a", 4)
        self.assertEqual(self.transport.value(), b'[["a",3],["a",4]]\n')
        self.transport.clear()
        for number in range(MOST_AT_ONCE):
            self.assertEqual(self.transport.value(), b"")
            self.link.say_soon("a", number)
        self.assertEqual(self.transport.value().count(b"a"), MOST_AT_ONCE)
        self.link.say_soon("b")
        self.link.connectionLost()
        self.clock.advance(MOMENT)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_once(self) -> None:
        """What waits is not said again; what has gone out, or found no link, is."""
        for _ in range(2):
            self.link.say_soon_once("a", ("x", 1))
            self.link.say_soon_once("a", ("y",))
            self.link.say_soon_once("a", ("x", 1))
            self.clock.advance(MOMENT)
            self.link.say_soon_once("a", ("x", 1))
            self.link.say("b")
        once = b'[["a",["x",1]],["a",["y"]]]\n[["a",["x",1]],["b"]]\n'
        self.assertEqual(self.transport.value(), 2 * once)
        before = Link({}, lambda: None, self.clock)
        before.say_soon_once("a")
        late = Transport()
        before.makeConnection(late)
        before.say_soon_once("a")
        self.clock.advance(MOMENT)
        self.assertEqual(late.value(), b'[["a"]]\n')

    def test_strange(self) -> None:
        """What cannot be understood is a bug in the log, and costs nothing else."""
        for line in (b"", b"x", b"[{}]", b'[["c"]]', b'[["b", 1]]', b"\xff", b"[[]]", b"[1]"):
            self.link.dataReceived(line + b"\n")
        self.link.dataReceived(b'[["c"],["b"],1,["b"]]\n')
        self.assertEqual(self.heard, ["b", "b"])
        self.assertEqual(len(self.flushLoggedErrors()), 10)

    def test_who_does_not_read(self) -> None:
        """What is held back has an end, and then the link has."""
        self.patch(module, "MOST_HELD_BACK", 1000)
        producer = self.transport.producer
        producer.pauseProducing()
        for _ in range(5):
            self.link.say("a", "x" * 100)
        producer.resumeProducing()
        for _ in range(20):
            self.link.say("a", "x" * 100)
        self.assertFalse(self.transport.aborted)
        producer.pauseProducing()
        for _ in range(20):
            self.link.say("a", "x" * 100)
        self.assertTrue(self.transport.aborted)

    def test_log_by_the_link(self) -> None:
        """The line that tells of a peer that does not read is not another one for it: the link is closed."""
        self.patch(module, "MOST_HELD_BACK", 1000)
        self.patch(Log, "lines", Facts(self.link))
        self.transport.producer.pauseProducing()
        for _ in range(20):
            self.link.say("a", "x" * 100)
        self.assertTrue(self.transport.aborted)

    def test_too_long(self) -> None:
        """What the other end would not take is left out, and the link stays."""
        self.patch(module, "LONGEST", 100)
        self.link.say("a", "x" * 100)
        self.link.say("b")
        self.link.say_soon("a", "x" * 60)
        self.link.say_soon("a", "y" * 60)
        self.link.say_soon("a", "z" * 100)
        self.link.say("b")
        self.assertEqual(
            self.transport.value(), b'[["b"]]\n[["a","%b"]]\n[["a","%b"]]\n[["b"]]\n' % (b"x" * 60, b"y" * 60)
        )

    def test_no_message(self) -> None:
        """What cannot be written down is a bug, of who says it where nothing else goes out with it."""
        self.assertRaises(TypeError, self.link.say, "a", object())
        self.link.say_soon("a", 1)
        self.link.say_soon("a", object())
        self.link.say("b")
        self.assertEqual(self.transport.value(), b'[["a",1]]\n[["b"]]\n')
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
        self.link.make_soon(lambda word: ("a", 1 + word), "x")
        self.link.say_soon("b")
        self.clock.advance(MOMENT)
        self.assertEqual(self.transport.value(), b'[["a",1]]\n[["b"]]\n[["b"]]\n')
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_questions(self) -> None:
        """Answers come back to who asked, in any order, or that there is none; and none when all is lost."""
        waiting: list[Deferred[str]] = []

        async def answer(word: str) -> str:
            waiting.append(Deferred())
            return word + await waiting[-1]

        other = Link({}, lambda: None, self.clock, {"what": answer})
        far = Transport()
        other.makeConnection(far)
        asked = [Deferred.fromCoroutine(self.link.ask("what", word)) for word in ("a", "b", "c")]
        other.dataReceived(self.transport.value())
        waiting[1].callback("!")
        waiting[0].errback(ValueError("x"))
        self.link.dataReceived(far.value())
        self.assertEqual(self.successResultOf(asked[1]), "b!")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.failureResultOf(asked[0], NoAnswer)
        self.assertNoResult(asked[2])
        self.link.connectionLost()
        self.failureResultOf(asked[2], NoAnswer)
        self.failureResultOf(Deferred.fromCoroutine(self.link.ask("what", "d")), NoAnswer)

    def test_too_long_to_ask(self) -> None:
        """A question, or an answer, that is too long for the link is none: nobody waits for it."""
        long = "x" * module.LONGEST

        async def answer(word: str) -> str:
            return long

        far_transport = Transport()
        far = Link({}, lambda: None, self.clock, {"what": answer})
        far.makeConnection(far_transport)
        self.failureResultOf(Deferred.fromCoroutine(self.link.ask("what", long)), NoAnswer)
        self.assertEqual(self.transport.value(), b"")
        asked = Deferred.fromCoroutine(self.link.ask("what", "a"))
        far.dataReceived(self.transport.value())
        self.link.dataReceived(far_transport.value())
        self.failureResultOf(asked, NoAnswer)

    def test_lost(self) -> None:
        """Whoever is told afterwards does not know."""
        self.link.connectionLost()
        self.link.say("a")
        self.assertEqual((self.heard, self.transport.value()), (["lost"], b""))
