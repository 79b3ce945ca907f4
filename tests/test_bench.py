"""The bench's arithmetic and tables; what it measures needs other servers and is not run here."""

import io
import json
import os
import sys
from collections.abc import Sequence
from itertools import islice
from unittest.mock import patch

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from bench import corpus, phases
from bench.clients.crowd import imap
from bench.limits import DIALOGUES, DIALOGUES_KEPT, limits
from bench.measuring import Measured, Result, measure, ratio
from bench.report import BEGIN, END, as_json, into_document, lines, markdown, text
from bench.row import SHORT, Figure, Group, Row, Setting, Task
from bench.rows import GROUPS
from bench.sides import OURS, Side
from mailnode.values import replace

_LIMITS = {
    "fsyncs": [400.0, 2000.0],
    "loopback": [3000.0],
    "round trips": [40000.0],
    DIALOGUES: [1500.0],
    DIALOGUES_KEPT: [2500.0],
}


def _measured(*values: float) -> Measured:
    return Measured(list(values), peak_kib=2048, cpu_seconds=1.5, seconds=3.0, client_share=0.2)


def _result(*figures: Figure, ours: list[Measured | None], theirs: list[Measured | None]) -> Result:
    row = Row("a row", figures, lambda side, task: [], limit="fsyncs")
    counts = [1, 4, 16][: len(ours)]
    return Result("A group", row, counts, {OURS: ours, "peer": theirs})


class Ratios(SynchronousTestCase):
    """How many times as good we are."""

    def test_more_and_less(self) -> None:
        """Twice the rate and half the time are both twice as good."""
        figures = (Figure("a second"), Figure("ms", more=False))
        result = _result(*figures, ours=[_measured(200.0, 5.0)], theirs=[_measured(100.0, 10.0)])
        self.assertEqual([ratio(result, "peer", number, 0) for number in (0, 1)], [2.0, 2.0])

    def test_failed(self) -> None:
        """Beside a side that failed, or that is not there, there is no ratio."""
        result = _result(Figure("ms"), ours=[_measured(1.0)], theirs=[None])
        self.assertIsNone(ratio(result, "peer", 0, 0))
        self.assertIsNone(ratio(result, "nobody", 0, 0))


class _FakeSide(Side):
    """A server that does nothing, or has ended badly."""

    def __init__(self, name: str, *, ends: bool = True) -> None:
        self.name = name
        self.ports = {}
        self._ends = ends

    def login(self, person: str) -> str:
        return person

    def maildir(self, person: str) -> str:
        return person

    def start(self) -> None:
        """It has."""

    def pids(self) -> list[int]:
        return [os.getpid()]

    def close(self) -> None:
        if not self._ends:
            raise AssertionError("it did not end")


class Measuring(SynchronousTestCase):
    """What goes wrong costs one row of one side, or one group, and nothing that was measured before."""

    def measured(self, *groups: Group) -> dict[str, Result]:
        """The results of groups, by their rows."""
        found: dict[str, Result] = {}
        self.patch(sys, "stderr", io.StringIO())
        measure(groups, SHORT, (), lambda result: found.update({result.row.name: result}))
        return found

    def test_troubles(self) -> None:
        """A side that is missing, a row that fails, a side that does not end, a group that is broken."""

        def missing(setting: Setting) -> Side:
            raise SkipTest("not installed")

        def strange(side: Side, task: Task) -> Sequence[float]:
            return [1 / 0] if side.name == "peer" else [1.0]

        figures = (Figure("ms"),)
        rows = Row("good", figures, lambda side, task: [2.0]), Row("strange", figures, strange)
        sides = {
            OURS: lambda setting: _FakeSide(OURS),
            "peer": lambda setting: _FakeSide("peer", ends=False),
            "nobody": missing,
        }
        broken = Group("Broken", {OURS: sides[OURS]}, (Row("none", figures, strange),), growth=(None,))  # type: ignore[arg-type]
        last = Group("Last", {OURS: sides[OURS]}, (Row("last", figures, strange),))
        found = self.measured(Group("Some", sides, rows), broken, last)
        values = {
            name: {side: one[0] and one[0].values for side, one in result.sides.items()}
            for name, result in found.items()
        }
        self.assertEqual(values["good"], {OURS: [2.0], "peer": [2.0]})
        self.assertEqual(values["strange"], {OURS: [1.0], "peer": None})
        self.assertEqual((values["none"], values["last"]), ({}, {OURS: [1.0]}))
        self.assertEqual(
            found["strange"].notes,
            [
                "nobody: not installed",
                "peer failed at strange: division by zero",
                "peer failed to end: it did not end",
            ],
        )
        self.assertIn("Broken failed", found["none"].notes[0])
        self.assertIn("none", text(found["none"], _LIMITS))


class Watch(SynchronousTestCase):
    """Where the time goes."""

    def test_table(self) -> None:
        """What is inside of something else is not counted twice."""
        now = [0.0]
        self.patch(phases.time, "perf_counter", lambda: now[0])
        watch = phases.Phases()
        with watch.group("IMAP"):
            now[0] += 1
            with watch.doing("starting"):
                now[0] += 10
                with watch.doing("filling"):
                    now[0] += 100
            now[0] += 1000
        _, line, total = watch.lines()
        self.assertEqual(line.split(), ["IMAP", "100.0", "10.0", "0.0", "0.0", "1001.0", "1111.0"])
        self.assertEqual(total.split()[1:], line.split()[1:])


class Tables(SynchronousTestCase):
    """What is printed and written."""

    def setUp(self) -> None:
        ours = [_measured(1.0), _measured(20.0), _measured(3000.0)]
        theirs = [_measured(2.0), None, _measured(6000.0)]
        self.result = _result(Figure("ms", more=False), ours=ours, theirs=theirs)

    def test_sizes(self) -> None:
        """A cell has the figures at each size of the work."""
        (line,) = lines(self.result, _LIMITS)
        self.assertEqual(line.ours, "1.00 / 20.0 / 3,000")
        self.assertEqual(line.theirs, "2.00 / - / 6,000")
        self.assertEqual(line.ratio, "2.00x / - / 2.00x")
        self.assertEqual(line.memory, "2 : 2")
        self.assertEqual(line.limit, "2,000 durable files/s")

    def test_limits(self) -> None:
        """What the machine can do has its unit, and none where it was not measured."""
        wanted = {
            "loopback": "3,000 MB/s of loopback",
            "round trips": "40,000 round trips/s",
            DIALOGUES: "1,500 dialogues/s",
            DIALOGUES_KEPT: "2,500 dialogues/s",
            "another": "",
        }
        for name, words in wanted.items():
            self.result.row = replace(self.result.row, limit=name)
            self.assertEqual({line.limit for line in lines(self.result, _LIMITS)}, {words})

    def test_without_postfix(self) -> None:
        """Its programs say how many dialogues there can be; where it is missing, or fails, nobody does."""
        for error in (SkipTest, AssertionError, None):
            with patch("bench.limits.Sink", side_effect=error), patch("bench.limits.Load"):
                self.assertEqual(DIALOGUES in limits(0.001), error is None)

    def test_without_a_peer(self) -> None:
        """A row that only we can do has a line all the same."""
        del self.result.sides["peer"]
        (line,) = lines(self.result, _LIMITS)
        self.assertEqual((line.peer, line.ratio), ("none", "-"))
        self.assertIn("a row", text(self.result, _LIMITS))

    def test_into_document(self) -> None:
        """The table takes the place of the one before, and nothing else."""
        table = markdown([self.result], _LIMITS, "short")
        document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
        self.assertEqual(into_document(document, table), f"before\n{table}after\n")
        self.assertEqual(into_document(into_document(document, table), table), f"before\n{table}after\n")
        with self.assertRaises(ValueError):
            into_document("no marks", table)

    def test_notes(self) -> None:
        """Why something was not measured stands below the table, once."""
        self.result.notes = ["peer: not installed"] * 2
        self.assertEqual(markdown([self.result], _LIMITS, "full").count("peer: not installed"), 1)

    def test_json(self) -> None:
        """A program reads the same figures."""
        (row,) = json.loads(as_json([self.result], _LIMITS, "full"))["rows"]
        self.assertEqual(row["sides"][OURS][2]["values"], [3000.0])
        self.assertIsNone(row["sides"]["peer"][1])


class Rows(SynchronousTestCase):
    """The rows themselves."""

    def test_names(self) -> None:
        """No two rows have one name; ours is the first side of each; growing work has sizes."""
        names = [f"{group.name}: {row.name}" for group in GROUPS for row in group.rows]
        self.assertEqual(len(names), len(set(names)))
        for group in GROUPS:
            self.assertEqual(next(iter(group.sides)), OURS)
            self.assertTrue(len(group.growth) == 1 or all(group.counts), group.name)
            self.assertLessEqual({row.limit for row in group.rows}, {"", *_LIMITS})

    def test_document(self) -> None:
        """docs/performance.md has the marks for the table."""
        path = os.path.join(os.path.dirname(os.path.dirname(__file__)), "docs", "performance.md")
        with open(path, encoding="utf-8") as file:
            into_document(file.read(), "")


class Corpus(SynchronousTestCase):
    """The mail that is served."""

    def test_seeded(self) -> None:
        """The same octets each time; a smaller corpus is the beginning of a larger one."""
        few, many = list(islice(corpus.messages(), 5)), list(islice(corpus.messages(), 8))
        self.assertEqual(few, many[:5])
        self.assertNotEqual(few, list(islice(corpus.messages(seed=2), 5)))

    def test_rare(self) -> None:
        """The rare word is in the smallest mailbox in which it is searched, and rare."""
        smallest = next(group.counts[0] for group in GROUPS if group.name == "IMAP, a mailbox")
        found = [corpus.RARE_WORD.encode() in one for _, one in islice(corpus.messages(typical=50), 1000)]
        self.assertLess(found.index(True), smallest)
        self.assertEqual(sum(found), 1)

    def test_parts(self) -> None:
        """A Maildir of fewer messages has the first ones of the large one."""
        corpora = corpus.Corpora()
        self.addCleanup(corpora.close)
        places = [corpora.maildir(count, typical=100) for count in (2, 6, 2)]
        names = [sorted(os.listdir(os.path.join(place, "cur"))) for place in places]
        self.assertEqual(list(map(len, names)), [2, 6, 2])
        self.assertEqual(names[0], names[1][:2])
        self.assertEqual(names[0], names[2])

    def test_of_size(self) -> None:
        """A message of a size has about that size."""
        for octets in (2000, 100_000):
            self.assertLess(abs(len(corpus.of_size(octets)) / octets - 1), 0.1)


class Crowd(SynchronousTestCase):
    """Scripts of sessions."""

    def test_idle(self) -> None:
        """IDLE is answered by a continuation, everything else by its tag."""
        ends = [step.last_line for step in imap("anna", b"SELECT INBOX", b"IDLE")]
        self.assertEqual(ends, [b"* OK", b"a OK", b"a OK", b"+"])
