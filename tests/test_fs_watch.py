"""What the kernel tells of changes in directories."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from mailnode import fs_watch
from mailnode.fs_watch import LOST, FirstChanges
from tests.scratch import scratch


class FirstChangesTests(SynchronousTestCase):
    """A directory with a file in it, and the real kernel."""

    def setUp(self) -> None:
        room = scratch()
        self.addCleanup(room.cleanup)
        self.room, self.path = room.name, f"{room.name}/watched"
        os.mkdir(self.path)
        self.write("file", "x")
        self.changes = FirstChanges()
        self.addCleanup(self.changes.close)

    def write(self, name: str, text: str, mode: str = "w") -> None:
        with open(f"{self.path}/{name}", mode, encoding="ascii") as file:
            file.write(text)

    def test_every_change(self) -> None:
        """When the call that made the change has returned, it is told."""
        old, new = f"{self.path}/file", f"{self.path}/other"
        changes: dict[str, Callable[[], object]] = {
            "a name": lambda: os.rename(old, new),
            "a name back": lambda: os.rename(new, old),
            "out": lambda: os.rename(old, f"{self.room}/file"),
            "in": lambda: os.rename(f"{self.room}/file", old),
            "a link": lambda: os.link(old, new),
            "gone": lambda: os.unlink(new),
            "new": lambda: self.write("fresh", ""),
            "over": lambda: os.replace(f"{self.path}/fresh", old),
            "longer": lambda: self.write("file", "more", "a"),
            "a directory": lambda: os.mkdir(new),
            "no directory": lambda: os.rmdir(new),
            "moved": lambda: os.rename(self.path, f"{self.room}/away"),
        }
        for name, change in changes.items():
            watch = self.changes.watch(self.path)
            self.assertEqual(self.changes.ended(), [], name)
            change()
            self.assertIn(watch, self.changes.ended(), name)

    def test_removed(self) -> None:
        """The end of the directory is a change too."""
        os.unlink(f"{self.path}/file")
        watch = self.changes.watch(self.path)
        os.rmdir(self.path)
        self.assertIn(watch, self.changes.ended())

    def test_another_process(self) -> None:
        """It does not matter who does it."""
        watch = self.changes.watch(self.path)
        program = f"import os; os.rename('{self.path}/file', '{self.path}/other')"
        subprocess.run([sys.executable, "-c", program], check=True)
        self.assertIn(watch, self.changes.ended())

    def test_nothing(self) -> None:
        """Who reads changes nothing."""
        self.changes.watch(self.path)
        with open(f"{self.path}/file", encoding="ascii") as file:
            file.read()
        os.listdir(self.path)
        os.stat(f"{self.path}/file")
        self.assertEqual(self.changes.ended(), [])

    def test_only_the_first(self) -> None:
        """However much follows, no more is told than that the watch is over."""
        watch = self.changes.watch(self.path)
        for number in range(100):
            self.write(str(number), "")
        self.assertEqual(set(self.changes.ended()), {watch})
        self.write("file", "y")
        self.assertEqual(self.changes.ended(), [])
        self.assertNotEqual(self.changes.watch(self.path), watch)

    def test_same_number(self) -> None:
        """A directory has one watch."""
        self.assertEqual(self.changes.watch(self.path), self.changes.watch(self.path))

    def test_left(self) -> None:
        """A watch that was left tells of its end, and nothing of what happens then."""
        watch = self.changes.watch(self.path)
        self.changes.leave(watch)
        self.changes.ended()
        self.write("file", "y")
        self.assertEqual(self.changes.ended(), [])
        self.changes.leave(watch)  # once more does no harm

    def test_lost(self) -> None:
        """A queue that was too long is told as what it is."""

        def read(descriptor: int, count: int) -> bytes:
            if events:
                return events.pop()
            raise BlockingIOError

        events = [b"\xff\xff\xff\xff\x00\x40\0\0" + b"\0" * 8]
        self.patch(os, "read", read)
        self.assertEqual(self.changes.ended(), [LOST])

    def test_no_such_directory(self) -> None:
        """As where anything else is asked of it."""
        self.assertRaises(FileNotFoundError, self.changes.watch, f"{self.path}/nothing")
        self.assertRaises(NotADirectoryError, self.changes.watch, f"{self.path}/file")

    def test_shared_file_system(self) -> None:
        """Where others can change files too the kernel does not hear of it."""
        self.patch(fs_watch, "_OF_THIS_KERNEL", frozenset())
        error = self.assertRaises(OSError, self.changes.watch, self.path)
        self.assertEqual(error.errno, errno.ENOTSUP)
