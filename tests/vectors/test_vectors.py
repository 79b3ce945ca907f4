"""Every vector of the data, in every way it can be played; and that none is missing."""

import ast
import re
import tempfile
from datetime import UTC, datetime
from typing import Any

from twisted.internet.task import Clock
from twisted.protocols import tls
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.certificates import write_certificates
from mailnode.fs import FileSystem
from mailnode.net.tls import TlsServer, make_context
from tests.smtp.world import SmtpTestCase
from tests.vectors.mailbox import imap_player
from tests.vectors.maildrop import MaildropWorld, pop_player
from tests.vectors.player import WAYS, Player, Way, facts
from tests.vectors.vector import EVERY_ID, HERE, Vector, in_all_files, parse, vectors

ROOT = HERE.parent.parent
PLACE = re.compile(r"(tests/[a-z0-9_/]+\.py) (\w+)\.(\w+)")
WHOLE = WAYS[0]
READERS: dict[str, Any] = {"pop3": pop_player, "imap": imap_player}
ONE = 'id = "S1"\ntitle = "x"\nsource = "x"\n'
MISTAKES = {  # what somebody may write, and what is said of it
    'id = "S99"\ntitle = "x"\nsource = "x"\nsteps = [{send = "x"}]': "'S99' is none of",
    ONE: "'steps'",
    ONE + "steps = []": "steps, title and source are needed",
    ONE + 'steps = [{sent = "x"}]': "unknown key sent",
    ONE + 'listner = "smtp"\nsteps = [{send = "x"}]': "unknown key listner",
    ONE + 'state = "asleep"\nsteps = [{send = "x"}]': "'asleep' is none of",
    ONE + 'config = "limits = 1"\nsteps = [{send = "x"}]': "limits",
    ONE + 'pipelined = false\nsteps = [{send = "x"}]': "needs a reason",
    ONE + 'steps = [{send = [{repeat = "x"}]}]': "a piece is a string",
    ONE + 'steps = [{send = "\\u20ac"}]': "latin-1",
}


class Played(SmtpTestCase):
    """Vectors on whole sessions."""

    certificate: Any = None

    def setUp(self) -> None:
        super().setUp()
        if Played.certificate is None:
            directory = tempfile.mkdtemp()
            moment = datetime(2026, 1, 1, tzinfo=UTC)
            Played.certificate = write_certificates(directory, "mx.local.example", FileSystem(), moment)
        self.tls = TlsServer(make_context(self.certificate.certificate, self.certificate.key))
        self.clock = Clock()
        self.maildrops: list[MaildropWorld] = []
        # Twisted gathers small encrypted writes with a clock of its own.
        self.patch(tls, "_get_default_clock", lambda: self.clock)

    def tearDown(self) -> None:
        super().tearDown()
        for world in self.maildrops:
            world.clean_up()
            self.assertNotEqual(world.outcome, "", "the session has not ended")
            self.assertEqual(world.clock.getDelayedCalls(), [])

    def player(self, vector: Vector, way: Way) -> Player:
        """A connection in the state of the vector."""
        self.clock = Clock()
        if vector.listener in READERS:
            player = READERS[vector.listener](vector, way, clock=self.clock, tls=self.tls)
            self.maildrops.append(player.world)
            return player
        world = self.world(vector.listener, clock=self.clock, **facts(vector, way, self.tls))
        return Player(world, vector, way)

    def play_all(self, way: Way) -> None:
        """Every vector one way; says of all that fail what came instead."""
        wrong = []
        played = [vector for vector in vectors() if way.suits(vector)]
        for vector in played:
            try:
                self.player(vector, way).play()
            except AssertionError as error:
                wrong.append(f"{vector}: {error}")
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))
        self.assertTrue(played)

    def test_whole(self) -> None:
        """Each step in one piece."""
        self.play_all(WAYS[0])

    def test_octet_by_octet(self) -> None:
        """Each octet for itself."""
        self.play_all(WAYS[1])

    def test_at_random_splits(self) -> None:
        """In pieces of random length."""
        self.play_all(WAYS[2])

    def test_behind_another_command(self) -> None:
        """All that may be pipelined in one segment, behind a NOOP (RFC 2920)."""
        self.play_all(WAYS[3])

    def test_over_tls(self) -> None:
        """Through real TLS, whose octets come in random pieces too."""
        self.play_all(WAYS[4])

    def test_cut_off(self) -> None:
        """M16, A13: a client that goes away before the last octet has done nothing, and leaves nothing."""
        chosen = [vector for vector in vectors() if vector.cut_off]
        self.assertGreater(len(chosen), 2)
        for vector in chosen:
            for left in range(1, len(vector.steps[-1].send) + 1):
                try:
                    self.player(vector, WHOLE).play_cut_off(left)
                except AssertionError as error:
                    raise AssertionError(f"{vector}, {left} octets before the end: {error}") from None

    def test_a_false_vector_fails(self) -> None:
        """The player sees a wrong reply, one too many, an open connection, and a wrong message."""
        pop3 = 'listener = "pop3"\nstate = "login"\n'
        for steps, rest in (
            ('{send = "NOOP\\r\\n", expect = ["-ERR"]}', pop3),
            ('{send = "NOOP\\r\\n", expect = []}', pop3),
            ('{send = "NOOP\\r\\n", expect = ["+OK", "closed"]}', pop3),
            ('{send = "QUIT\\r\\n", expect = ["+OK"]}', pop3),
            ('{send = "NOOP\\r\\n", expect = ["+OK"]}', pop3 + "messages = [{}]"),
            ('{send = "NOOP\\r\\n", expect = ["500"]}', ""),
            ('{send = "NOOP\\r\\n", expect = []}', ""),
            ('{send = "NOOP\\r\\n", expect = ["250", "closed"]}', ""),
            ('{send = "QUIT\\r\\n", expect = ["221"]}', ""),
            ('{send = "NOOP\\r\\n", expect = ["250"]}', "messages = [{}]"),
        ):
            (vector,) = parse(f"[[vector]]\n{ONE}steps = [{steps}]\n{rest}")
            for way in WAYS:
                self.assertRaises(AssertionError, self.player(vector, way).play)


class Complete(SynchronousTestCase):
    """The data itself."""

    def test_none_is_missing(self) -> None:
        """Every number of every family is played, is tested elsewhere, or waits for what it attacks."""
        played = {vector.id for vector in vectors()}
        self.assertGreater(len(vectors()), 200)
        elsewhere, waiting = in_all_files("elsewhere").keys(), in_all_files("waiting").keys()
        self.assertEqual(EVERY_ID - played - elsewhere - waiting, set())
        self.assertEqual((elsewhere | waiting) - EVERY_ID, set())
        self.assertEqual(waiting & (played | elsewhere), set())

    def test_elsewhere_is_there(self) -> None:
        """A test that is named for a vector exists."""
        for name, places in in_all_files("elsewhere").items():
            for place in places:
                found = PLACE.fullmatch(place)
                self.assertTrue(found, f"{name}: write the path, a blank, and Class.test, not {place}")
                assert found
                tree = ast.parse((ROOT / found[1]).read_text(encoding="utf-8"))
                tests = [
                    f"{node.name}.{inner.name}"
                    for node in tree.body
                    if isinstance(node, ast.ClassDef)
                    for inner in node.body
                    if isinstance(inner, ast.FunctionDef)
                ]
                self.assertIn(f"{found[2]}.{found[3]}", tests, name)

    def test_mistakes(self) -> None:
        """What is wrong with a vector is said; a misspelt key makes none weaker."""
        for text, said in MISTAKES.items():
            wrong = self.assertRaises(ValueError, parse, "[[vector]]\n" + text)
            self.assertIn(said, str(wrong))

    def test_octets(self) -> None:
        """Every octet can be written, and pieces can be made."""
        send = (
            r'["\u0000\u00ff\r\n", {repeat = "ab", times = 2}, {base64 = ["a", {repeat = "b", times = 2}]}]'
        )
        (vector,) = parse(f"[[vector]]\n{ONE}steps = [{{send = {send}, expect = []}}]")
        self.assertEqual(vector.steps[0].send, b"\0\xff\r\nababYWJi")

    def test_cases(self) -> None:
        """A vector with cases is one for each of them."""
        text = (
            'steps = [{send = "a{x}", expect = "{y}"}]\ncases = [{id = "S2", x = "1", y = ["2"]}, {x = "3"}]'
        )
        first, second = parse(f"[[vector]]\n{ONE}{text}".replace('{x = "3"}', '{x = "3", y = []}'))
        both = parse(
            f'[[vector]]\n{ONE}steps = [{{send = "x"}}]\nlistener = ["smtp", "lmtp"]\npeer = ["trusted"]'
        )
        self.assertEqual(
            [(one.listener, one.peer) for one in both], [("smtp", "trusted"), ("lmtp", "trusted")]
        )
        self.assertEqual([first.id, second.id], ["S2", "S1"])
        self.assertEqual([first.steps[0].send, second.steps[0].send], [b"a1", b"a3"])
        self.assertEqual([first.steps[0].expect, second.steps[0].expect], [(b"2",), ()])
