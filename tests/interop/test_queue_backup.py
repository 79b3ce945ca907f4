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
    """Two messages that are held."""

    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.clean_up)
        self.queue = Spool(FileSystem(), self.server.config().queue_directory)
        envelope = Envelope(None, recipients=(Recipient(parse_address("anna@example.test")),))
        for name in ("A1", "B2"):
            arriving = self.queue.arriving(name)
            arriving.write(b"Subject: held\r\n\r\nhello\r\n")
            arriving.accept(new_entry(name, envelope, came=2e9, due=HELD))
        self.server.start()

    def command(self, *arguments: str) -> str:
        done = self.server.command(*arguments)
        self.assertEqual(done.exit_code, 0, done.output)
        return str(done.output)

    def test_back(self) -> None:
        """What was lost waits again, and is delivered when it is released; what was dropped does not."""
        place = os.path.join(self.server.directory, "backup")
        self.assertIn("2 in the queue", self.command("backup", place))
        self.command("queue", "drop", "A1")
        self.queue.remove("B2")
        self.assertIn("1 put back, 0 were there, 1 has left it", self.command("restore", place, "--queue"))
        self.assertIn("B2  held", self.command("queue", "list"))
        self.command("queue", "release", "B2")
        wait_until(lambda: len(self.server.files("anna@example.test")) == 1, "the message")
        wait_until(lambda: self.queue.names() == [], "the end of it")
        self.assertIn("2 have left it", self.command("restore", place, "--queue"))
