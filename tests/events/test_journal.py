"""mailnode.events.journal: lines in, the same events out, whatever has become of the files."""

import json
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.events import journal
from mailnode.events.deeds import Flagged
from mailnode.events.journal import TEXT_LIMIT, Journal, line_of, understood
from mailnode.events.life import Event, Relayed
from mailnode.fs import FileSystem
from mailnode.values import frozen, names_of


@frozen
class Numbered(Event):
    """An event with a number."""

    number: int


class JournalTests(SynchronousTestCase):
    """In a folder of its own."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.journal = Journal(FileSystem(), str(self.folder / "log"))
        self.file = self.folder / "log" / "events.jsonl"

    def write(self, *numbers: int, size: int = 10**6, keep: int = 3) -> None:
        lines = b"".join(line_of(Numbered("C", number), 5.0) for number in numbers)
        self.journal.append(lines, size=size, keep=keep)

    def numbers(self) -> list[int]:
        return [row["number"] for row in understood(self.journal.lines())]

    def test_lines(self) -> None:
        """One line for each event, with all that it says; nothing of a peer's gets out of its line."""
        event = Relayed("", "M1", "\u00fc@b.example\n\x1b[31m", "mx", "x" * 5000)
        line = line_of(event, 1700000000.12345)
        self.assertTrue(line.isascii())
        self.assertTrue(line.endswith(b"\n") and line[:-1].decode().isprintable())
        (row,) = understood([line])
        self.assertEqual(
            (row["time"], row["event"], row["recipient"]), (1700000000.123, "Relayed", event.recipient)
        )
        self.assertEqual(row["reply"], "x" * TEXT_LIMIT + "...")
        flagged = Flagged("C", "a@b", "INBOX", "1,3", ("n1", "n2"), "add", ("\\Seen",))
        (row,) = understood([line_of(flagged, 1)])
        self.assertEqual((row["names"], row["flags"]), (["n1", "n2"], ["\\Seen"]))

    @given(
        st.builds(
            Flagged,
            *[st.text(max_size=5) | st.sampled_from(['"%s', "\n", "\u2028", "\ud800", "x" * 1001])] * 4,
            st.lists(st.text(max_size=3), max_size=2).map(tuple),
            st.just("add"),
            st.just(()),
        )
    )
    @settings(deadline=None, max_examples=200)
    def test_line_of(self, event: Flagged) -> None:
        """A line is what JSON makes of the whole event, with its texts cut where it is long."""
        row = {"time": 5.0, "event": "Flagged"} | {name: getattr(event, name) for name in names_of(Flagged)}
        line = json.dumps(row, separators=(",", ":"))
        if len(line) > TEXT_LIMIT:
            for name, value in row.items():
                if isinstance(value, str) and len(value) > TEXT_LIMIT:
                    row[name] = value[:TEXT_LIMIT] + "..."
            line = json.dumps(row, separators=(",", ":"))
        self.assertEqual(line_of(event, 5.0), line.encode() + b"\n")

    def test_backwards(self) -> None:
        """The newest comes first, also over many blocks."""
        self.patch(journal, "_BLOCK", 1000)
        self.assertEqual(self.numbers(), [])
        for first in range(0, 3000, 1000):
            self.write(*range(first, first + 1000))
        self.assertGreater(self.file.stat().st_size, 100_000)
        self.assertEqual(self.numbers(), list(range(2999, -1, -1)))
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)

    def test_rotation(self) -> None:
        """A full file is put aside, and no more are kept than are wanted; fewer where fewer are wanted."""
        for number in range(8):
            self.write(number, size=1)
        self.assertEqual(
            sorted(os.listdir(self.file.parent)), ["events.jsonl", *(f"events.jsonl.{n}" for n in (1, 2, 3))]
        )
        self.assertEqual(self.numbers(), [7, 6, 5, 4])
        self.write(8, size=1, keep=1)
        self.assertEqual(self.numbers(), [8, 7])
        self.write(9, size=1, keep=0)
        self.assertEqual(self.numbers(), [9])

    def test_gaps_and_strangers(self) -> None:
        """A crash between two renames loses nothing, and other files there are left alone."""
        for number in range(4):
            self.write(number, size=1)
        (self.file.parent / "events.jsonl.2").rename(self.file.parent / "events.jsonl.12")
        (self.file.parent / "events.jsonl.old").write_text("x")
        self.assertEqual(self.numbers(), [3, 2, 0, 1])
        self.write(4, size=1)
        self.assertEqual(self.numbers(), [4, 3, 2])
        self.assertTrue((self.file.parent / "events.jsonl.old").exists())

    def test_torn(self) -> None:
        """A torn last line is passed over, and what comes after it stands on a line of its own."""
        self.write(1, 2)
        for torn in (b'{"time":1,"ev', b"\0\0\0", b'{"time":"x","event":"Numbered"}', b"[1]", b'{"event":1}'):
            with open(self.file, "ab") as file:
                file.write(torn)
            self.journal = Journal(FileSystem(), str(self.folder / "log"))
            self.assertEqual(self.numbers()[-2:], [2, 1])
            self.write(3)
            self.assertEqual(self.numbers()[0], 3)
        self.assertEqual(self.numbers(), [3] * 5 + [2, 1])

    def test_wanted(self) -> None:
        """Lines that are not wanted are passed over, in whole blocks where none is; every block size does."""
        self.write(*range(40))
        size = self.file.stat().st_size
        for block in range(1, size + 2, 7):
            self.patch(journal, "_BLOCK", block)
            lines = self.journal.lines([b'"number":7}', b'er":38}', b'"connection":"c7'], fold=block % 2 == 0)
            self.assertEqual([row["number"] for row in understood(lines)], [38, 7], block)
            self.assertEqual(self.numbers(), list(range(39, -1, -1)))

    def test_no_end_of_line(self) -> None:
        """A file that is one long line costs little memory, and gives nothing."""
        self.write(1)
        self.file.write_bytes(b"x" * 5_000_000)
        self.assertEqual(self.numbers(), [])

    def test_renamed_meanwhile(self) -> None:
        """A file that is put aside while it is read is read once."""
        self.write(1, 2)
        lines = self.journal.lines()
        next(lines)
        self.write(3, size=1)
        self.assertEqual([row["number"] for row in understood(lines)], [1])
