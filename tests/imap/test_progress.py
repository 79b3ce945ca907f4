"""INPROGRESS: what a client hears while a command takes long, and when it hears nothing."""

import weakref

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap import matching
from mailnode.imap.progress import PERIOD, Progress
from mailnode.imap.replies import Reply
from mailnode.net import blocking
from mailnode.net.blocking import Lane
from tests.imap.world import World
from tests.scratch import room_of


class ProgressTests(SynchronousTestCase):
    """The clock alone."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.said: list[bytes] = []
        self.progress = Progress(self.clock, lambda reply: self.said.append(reply.encode(b"*")))
        self.addCleanup(self.progress.close)
        self.progress.begin(b"t1")

    def test_every_period(self) -> None:
        """Each ten seconds, as long as it works (RFC 9585 section 4)."""
        self.progress.start()
        for _ in range(31):
            self.clock.advance(1)
        self.assertEqual(self.said, [b'* OK [INPROGRESS ("t1" NIL NIL)] Still working\r\n'] * 3)

    def test_end(self) -> None:
        """Whoever told is forgotten: nothing is left for the garbage collector to find."""

        class Session:
            progress: Progress

            def tell(self, reply: Reply) -> None:
                pass

        session = Session()
        session.progress = Progress(self.clock, session.tell)
        session.progress.close()
        gone = weakref.ref(session)
        del session
        self.assertIsNone(gone())

    def test_when_nothing_is_done(self) -> None:
        """A command that waits for its client is not in progress; a timer that finds none is the last."""
        self.progress.start()
        self.progress.stop()
        for _ in range(30):
            self.clock.advance(1)
        self.assertEqual((self.said, self.clock.getDelayedCalls()), ([], []))

    def test_many_commands(self) -> None:
        """They share a timer, and each has its own time."""
        for number in range(50):
            self.progress.begin(b"%d" % number)
            self.progress.start()
            self.clock.advance(PERIOD / 4)
            self.assertLessEqual(len(self.clock.getDelayedCalls()), 1)
            self.progress.stop()
        self.assertEqual(self.said, [])

    def test_several_jobs_of_a_command(self) -> None:
        """What counts is when the command began."""
        for _ in range(25):
            self.progress.start()
            self.clock.advance(1)
            self.progress.stop()
            self.progress.start()
            self.progress.stop()
        self.assertLessEqual(len(self.said), 2)
        self.progress.start()
        for _ in range(10):
            self.clock.advance(1)
        self.assertGreaterEqual(len(self.said), 1)

    def test_rest(self) -> None:
        """IDLE works now and then, and is not in progress; the next command is."""
        self.progress.start()
        self.progress.rest()
        self.clock.advance(PERIOD)
        self.progress.stop()
        self.progress.start()
        self.clock.advance(PERIOD)
        self.assertEqual((self.said, self.clock.getDelayedCalls()), ([], []))
        self.progress.begin(b"t2")
        self.progress.stop()
        self.progress.start()
        self.clock.advance(PERIOD)
        self.assertEqual(len(self.said), 1)

    def test_not_inside_a_response(self) -> None:
        """Octets of a response are never torn apart."""
        with self.progress.sending() as writing:
            self.clock.advance(PERIOD)
            self.assertEqual(len(self.said), 1)
            writing()
            self.clock.advance(PERIOD)
            self.progress.start()
            self.progress.stop()
            self.clock.advance(PERIOD)
            self.assertEqual(len(self.said), 1)
        self.progress.start()
        self.clock.advance(PERIOD)
        self.assertEqual(len(self.said), 2)

    def test_numbers(self) -> None:
        """The goal is positive and more than what is done, or neither is told."""
        for measured, state in (
            ((0, 1), b"0 1"),
            ((175, 1000), b"175 1000"),
            ((0, 0), b"NIL NIL"),
            ((5, 5), b"NIL NIL"),
            ((6, 5), b"NIL NIL"),
            ((-1, 5), b"NIL NIL"),
        ):
            self.progress.begin(b"t1")
            self.progress.measure = lambda measured=measured: measured  # type: ignore[misc]
            self.progress.start()
            self.clock.advance(PERIOD)
            self.progress.stop()
            self.assertIn(b'("t1" ' + state + b")", self.said[-1])

    def test_a_tag_that_would_end_the_code(self) -> None:
        """RFC 9585 section 4: NIL instead."""
        self.progress.begin(b"a]b")
        self.progress.start()
        self.clock.advance(PERIOD)
        self.assertEqual(self.said, [b"* OK [INPROGRESS (NIL NIL NIL)] Still working\r\n"])


class SessionTests(SynchronousTestCase):
    """In a session."""

    def setUp(self) -> None:
        self.world = World(room_of(self))
        self.addCleanup(self.world.close)
        self.me = self.world.client().login()

    def pass_time(self, seconds: float) -> bytes:
        """What is heard meanwhile."""
        self.world.clock.advance(seconds)
        return self.me.heard()

    def test_a_job_that_takes_long(self) -> None:
        """COPY, for instance, is one job."""
        self.me.append(b"a: b\r\n\r\n")
        self.me.say("c CREATE x")
        run, copying = Lane.run, Deferred[None]()

        def slow(lane: Lane, function: object, *arguments: object) -> object:
            if getattr(function, "__name__", "") != "_piece":
                return run(lane, function, *arguments)  # type: ignore[arg-type]
            return copying.addCallback(lambda _: function(*arguments))  # type: ignore[operator]

        self.patch(Lane, "run", slow)
        self.assertEqual(self.me.say("c1 COPY 1 x"), b"")
        self.assertEqual(self.pass_time(PERIOD - 1), b"")
        self.assertEqual(self.pass_time(1), b'* OK [INPROGRESS ("c1" NIL NIL)] Still working\r\n')
        copying.callback(None)
        self.assertIn(b"c1 OK [COPYUID ", self.me.heard())
        self.assertEqual(self.pass_time(2 * PERIOD), b"")
        self.me.hang_up()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_a_search_that_takes_long(self) -> None:
        """How far it has come, until the response has begun."""
        for number in range(3):
            self.me.append(b"X-Number: %d\r\n\r\n" % number)
        self.patch(blocking, "SLICE_SECONDS", -1)
        self.patch(matching, "TURNS", 1)
        self.patch(matching, "_TOGETHER", 1)
        self.patch(Lane, "run", later(self.world, Lane.run))
        for key, response in ((b"nothing", b"* SEARCH"), (b"1", b"* SEARCH 2")):
            self.me.send(b"s1 UID SEARCH HEADER X-Number %b\r\n" % key)
            heard = b"".join(self.pass_time(1) for _ in range(60))
            self.assertIn(b'* OK [INPROGRESS ("s1" 0 3)] Still working\r\n', heard)
            self.assertIn(b"\r\n" + response + b"\r\n", heard)
            self.assertTrue(heard.endswith(b"s1 OK Searched\r\n"), heard)

    def test_idle_is_no_work(self) -> None:
        """A client that waits of its own will is told nothing."""
        self.me.say("i IDLE")
        self.assertEqual(b"".join(self.pass_time(1) for _ in range(60)), b"")


def later(world: World, run: object) -> object:
    """A lane that takes half a period for each job."""

    def slow(lane: Lane, *job: object) -> object:
        begun = Deferred[None]()
        world.clock.callLater(PERIOD / 2, begun.callback, None)
        return begun.addCallback(lambda _: run(lane, *job))  # type: ignore[operator]

    return slow
