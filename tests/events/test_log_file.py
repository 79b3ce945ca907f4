"""The log in a file that others put aside."""

import os

from twisted.trial.unittest import SynchronousTestCase

from mailnode.events.log_file import LogFile
from mailnode.fs import FileSystem
from tests.scratch import room_of


class LogFileTests(SynchronousTestCase):
    """One file, and what becomes of it."""

    def setUp(self) -> None:
        room = room_of(self)
        os.mkdir(room)
        self.path, self.aside = os.path.join(room, "log"), os.path.join(room, "log.1")
        self.log = LogFile(FileSystem(), self.path)

    def content(self, path: str) -> str:
        """What is in a file."""
        with open(path, encoding="utf-8") as file:
            return file.read()

    def test_appends(self) -> None:
        """What is there stays, each write is there at once, and others than the group cannot read it."""
        self.log.write("one\n")
        again = LogFile(FileSystem(), self.path)
        again.write("two \udcff\n")
        self.assertEqual(self.content(self.path), "one\ntwo \\udcff\n")
        self.assertEqual(os.stat(self.path).st_mode & 0o137, 0)

    def test_renamed(self) -> None:
        """Until it is asked it goes on in the renamed file, then in a new one, or in one that was made."""
        for make in (lambda: None, lambda: open(self.path, "x").close()):
            self.log.write("before\n")
            os.rename(self.path, self.aside)
            make()
            self.log.write("between\n")
            self.log.reopen()
            self.log.write("after\n")
            self.assertEqual(self.content(self.aside), "before\nbetween\n")
            self.assertEqual(self.content(self.path), "after\n")
            os.unlink(self.path)
            self.log.reopen()

    def test_emptied(self) -> None:
        """A file that is emptied in place (copytruncate) goes on from its beginning."""
        self.log.write("before\n")
        os.truncate(self.path, 0)
        self.log.write("after\n")
        self.assertEqual(self.content(self.path), "after\n")

    def test_cannot_be_opened(self) -> None:
        """Then the error is told, and the old file is used."""
        os.rename(self.path, self.aside)
        os.mkdir(self.path)
        self.assertRaises(OSError, self.log.reopen)
        self.log.write("still\n")
        self.assertEqual(self.content(self.aside), "still\n")
        self.assertRaises(OSError, LogFile, FileSystem(), self.path)
