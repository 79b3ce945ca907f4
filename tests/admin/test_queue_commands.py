"""`mailnode queue`, with and without a server."""

import json
import os
from typing import Any, cast

from click.testing import CliRunner, Result
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin import cli, queue_commands
from mailnode.admin.control import NotRunning
from mailnode.admin.outside import Outside
from mailnode.admin.queue_control import queue_commands as control_commands
from mailnode.envelope import Envelope, Recipient
from mailnode.fs import FileSystem
from mailnode.queue.entry import Entry, Fate, Progress, new_entry
from mailnode.queue.runner import Busy
from mailnode.queue.spool import Spool, Unreadable
from mailnode.wire.address import Address
from tests.scratch import scratch

ANNA, BOB, CARL = (Address(name, "example.org") for name in ("anna", "bob", "carl"))
DONE = Progress(Fate.DELIVERED, "2.0.0")


class Queue:
    """A runner that does what the test wants."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self._error = error

    async def release(self, name: str) -> None:
        """Note it, or fail."""
        self.asked.append(f"release {name}")
        if self._error:
            raise self._error

    async def drop(self, name: str) -> None:
        """Note it, or fail."""
        self.asked.append(f"drop {name}")
        if self._error:
            raise self._error


class QueueCommands(SynchronousTestCase):
    """In a temporary folder."""

    def setUp(self) -> None:
        room = scratch()
        self.addCleanup(room.cleanup)
        self.path = os.path.join(room.name, "mailnode.toml")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write('hostname = "mx.example.org"\ndomains = ["example.org"]\n')
        self.spool = Spool(FileSystem(), os.path.join(room.name, "state", "queue"))
        self.patch(queue_commands, "ask", self.ask)
        self.server: Queue | None = None
        self.hurried: list[bool] = []

    def ask(self, path: str, request: dict[str, str]) -> Any:
        """What the control socket answers, if there is one."""
        if self.server is None:
            raise NotRunning("nobody")
        commands = control_commands(cast(Any, self.server), lambda: self.hurried.append(True))
        command = commands[request["command"]]
        return self.successResultOf(Deferred.fromCoroutine(command(request)))  # type: ignore[arg-type]

    def accept(self, name: str, due: float, sender: Address | None = ANNA, **facts: Any) -> Entry:
        """A message that waits for bob and has reached carl."""
        entry = new_entry(
            name, Envelope(sender, recipients=(Recipient(BOB), Recipient(CARL))), came=0, due=due
        )
        entry = Entry(**{**{key: getattr(entry, key) for key in entry.__slots__}, **facts})
        arriving = self.spool.arriving(name)
        arriving.write(b"Subject: x\r\n\r\n")
        arriving.accept(entry)
        return entry

    def run_command(self, *arguments: str, code: int = 0) -> Result:
        """Run; must end with this code."""
        result = CliRunner().invoke(cli.main, ["--config", self.path, "queue", *arguments], obj=Outside())
        self.assertEqual(result.exit_code, code, result.output)
        return result

    def test_list(self) -> None:
        """What is due first is first; who has it already is not named."""
        self.assertEqual(self.run_command("list").output, "Nothing waits.\n")
        self.accept("B2", 86_400, None, progress=(Progress(), DONE), tries=2)
        self.accept("A1", 172_800)
        self.assertEqual(
            self.run_command("list").output,
            "B2  due Fri, 2 Jan 1970 00:00:00 +0000, tried 2 times  <> to bob@example.org\n"
            "A1  due Sat, 3 Jan 1970 00:00:00 +0000  "
            "<anna@example.org> to bob@example.org, carl@example.org\n",
        )

    def test_list_json(self) -> None:
        """The same for programs."""
        self.accept("A1", 86_400, progress=(Progress(), DONE))
        (row,) = json.loads(self.run_command("list", "--json").stdout)
        self.assertEqual((row["id"], row["sender"], row["tries"]), ("A1", "anna@example.org", 0))
        self.assertEqual([one["state"] for one in row["recipients"]], ["delayed", "delivered"])

    def test_torn(self) -> None:
        """A torn envelope is told, and hides no other."""
        self.accept("A1", 86_400)
        with open(os.path.join(self.spool.path, "B2.envelope"), "w", encoding="utf-8") as file:
            file.write("{")
        output = self.run_command("list").output
        self.assertIn("A1  due", output)
        self.assertIn("B2  cannot be read", output)
        self.run_command("drop", "B2", code=1)

    def test_hostile_address(self) -> None:
        """C14: nothing in an address moves the cursor of a terminal."""
        self.accept("A1", 86_400, Address("a\u009b31m", "example.org"))
        self.assertNotIn("\u009b", self.run_command("list").output)

    def test_by_hand(self) -> None:
        """Without a server the files are changed."""
        self.accept("A1", 4_000_000_000)
        self.assertIn("mailnode is not running", self.run_command("release", "A1").output)
        self.assertLess(self.spool.read("A1").due, 4_000_000_000)
        self.assertIn("A1 is gone.", self.run_command("drop", "A1").output)
        self.assertEqual(os.listdir(self.spool.path), [])
        for what in ("release", "drop"):
            for name in ("A1", "../A1"):
                self.assertIn("there is no message", self.run_command(what, name, code=1).output)

    def test_by_the_server(self) -> None:
        """With a server it is asked, and the files are left to it."""
        self.accept("A1", 86_400)
        self.server = Queue()
        self.assertEqual(self.run_command("release", "A1").output, "A1 is due now.\n")
        self.assertEqual(self.run_command("drop", "A1").output, "A1 is gone.\n")
        self.assertEqual((self.server.asked, self.hurried), (["release A1", "drop A1"], [True]))
        self.assertEqual(len(os.listdir(self.spool.path)), 2)

    def test_refused(self) -> None:
        """What the server cannot do is said in a line."""
        for error, words in (
            (Busy("A1"), "being delivered"),
            (FileNotFoundError(2, "x"), "there is no message A1"),
            (Unreadable("torn"), "torn"),
            (OSError(5, "broken disk"), "broken disk"),
        ):
            self.server = Queue(error)
            for what in ("release", "drop"):
                self.assertIn(words, self.run_command(what, "A1", code=1).output)
