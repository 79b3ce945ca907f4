"""The queue of a running server in a backup, and back into the same server."""

import os

from mailnode.envelope import Envelope, Recipient
from mailnode.fs import FileSystem
from mailnode.queue.changes import HELD
from mailnode.queue.entry import new_entry
from mailnode.queue.spool import Spool
from mailnode.wire.address import parse_address
from tests.interop.harness import InteropTestCase, Server, wait_until


class QueueBackupTests(InteropTestCase):
    """A message that is held."""

    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.clean_up)
        self.queue = Spool(FileSystem(), self.server.config().queue_directory)
        envelope = Envelope(None, recipients=(Recipient(parse_address("anna@example.test")),))
        arriving = self.queue.arriving("A1")
        arriving.write(b"Subject: held\r\n\r\nhello\r\n")
        arriving.accept(new_entry("A1", envelope, came=2e9, due=HELD))
        self.server.start()

    def command(self, *arguments: str) -> str:
        done = self.server.command(*arguments)
        self.assertEqual(done.exit_code, 0, done.output)
        return str(done.output)

    def test_back(self) -> None:
        """What was dropped waits again, and is delivered when it is released; then it comes no more."""
        place = os.path.join(self.server.directory, "backup")
        self.assertIn("1 in the queue", self.command("backup", place))
        self.command("queue", "drop", "A1")
        self.assertIn("1 put back", self.command("restore", place, "--queue"))
        self.assertIn("A1  held", self.command("queue", "list"))
        self.command("queue", "release", "A1")
        wait_until(lambda: len(self.server.files("anna@example.test")) == 1, "the message")
        wait_until(lambda: self.queue.names() == [], "the end of it")
        self.assertIn("1 have left it", self.command("restore", place, "--queue"))
