"""mailnode.events.following: each line that is added, once, whatever becomes of the files."""

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.events.following import Follower
from mailnode.events.journal import NOWHERE, Journal
from mailnode.fs import FileSystem


class Following(SynchronousTestCase):
    """Lines are numbers."""

    def setUp(self) -> None:
        self.anew()

    def anew(self) -> None:
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.file = folder / "events.jsonl"
        self.journal = Journal(FileSystem(), str(folder))

    def follower(self) -> Follower:
        found = Follower(FileSystem(), self.journal, self.journal.mark())
        self.addCleanup(found.close)
        return found

    def write(self, *numbers: int, size: int = 10**6, keep: int = 99) -> None:
        self.journal.append(b"".join(b"%d\n" % one for one in numbers), size=size, keep=keep)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.integers(1, 3) | st.sampled_from(["look", "put aside", "close"]), max_size=30))
    def test_each_once(self, steps: list[int | str]) -> None:
        """Whenever it is looked, and however often the file is put aside between two looks."""
        self.anew()
        self.write(0)
        following, written, seen, size = self.follower(), 0, [], 10**6
        for step in steps:
            if step == "look":
                seen += following.more()
            elif step == "close":
                following.close()
            elif step == "put aside":
                size = 1
            else:
                numbers = range(written + 1, written + 1 + int(step))
                self.write(*numbers, size=size)
                written, size = numbers[-1], 10**6
        seen += following.more()
        following.close()
        self.assertEqual([int(line) for line in seen], list(range(1, written + 1)))
        shutil.rmtree(self.file.parent)

    def test_before_the_first(self) -> None:
        """A log that is not there yet."""
        following = self.follower()
        self.assertEqual((self.journal.mark(), following.more()), (NOWHERE, []))
        self.write(1, 2)
        self.assertEqual(following.more(), [b"1", b"2"])
        self.assertEqual(following.more(), [])

    def test_until(self) -> None:
        """What is before the mark and what comes after it are all, and no line is both."""
        self.write(1, 2)
        mark = self.journal.mark()
        following = Follower(FileSystem(), self.journal, mark)
        self.write(3)
        self.write(4, size=1)
        self.assertEqual(list(self.journal.lines(until=mark)), [b"2", b"1"])
        self.assertEqual(following.more(), [b"3", b"4"])
        self.assertEqual(list(self.journal.lines(until=NOWHERE)), [])
        following.close()

    def test_halves(self) -> None:
        """A line is told when it is whole; what is cut off again is forgotten."""
        self.write(1)
        following = self.follower()
        with open(self.file, "ab") as file:
            file.write(b"2")
        self.assertEqual(following.more(), [])
        os.truncate(self.file, 2)
        self.assertEqual(following.more(), [])
        self.write(3)
        self.assertEqual(following.more(), [b"3"])

    def test_gone(self) -> None:
        """Where older files are not kept, what is still there is told."""
        self.write(1)
        following = self.follower()
        following.more()
        self.write(2)
        self.write(3, size=1, keep=0)
        self.assertEqual(following.more(), [b"2", b"3"])
