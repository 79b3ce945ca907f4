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
from mailnode.admin.queue_control import as_it_is
from mailnode.admin.queue_control import queue_commands as control_commands
from mailnode.envelope import Envelope, Recipient
from mailnode.fs import FileSystem
from mailnode.queue.changes import Change
from mailnode.queue.entry import Approval, Entry, Fate, Progress, new_entry
from mailnode.queue.runner import Busy
from mailnode.queue.spool import Spool, Unreadable
from mailnode.wire.address import Address
from tests.scratch import scratch

ANNA, BOB, CARL = (Address(name, "example.org") for name in ("anna", "bob", "carl"))
ALL = ("release", "drop", "retry", "hold", "bounce")
DONE = Progress(Fate.DELIVERED, "2.0.0")


class Queue:
    """A runner that does what the test wants."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self._error = error

    async def change(self, name: str, change: Change) -> None:
        """Note it, or fail."""
        self.asked.append(f"{change.__name__} {name}")
        if self._error:
            raise self._error

    def retry(self, name: str) -> None:
        """Note it, or fail."""
        self.asked.append(f"retry {name}")
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

    def test_moderated(self) -> None:
        """What waits for a moderator says so; what a list has put on top is shown."""
        self.accept("A1", 86_400, approval=Approval.ASKED, head="List-Id: <x.example.org>\r\n")
        until = "Fri, 2 Jan 1970 00:00:00 +0000"
        self.assertIn(f"A1  waits for a moderator until {until}", self.run_command("list").output)
        self.assertIn("\n  List-Id: <x.example.org>\n  Subject: x\n", self.run_command("show", "A1").output)
        self.assertEqual(json.loads(self.run_command("show", "A1", "--json").stdout)["approval"], "asked")
        self.run_command("release", "A1")
        self.assertIs(self.spool.read("A1").approval, Approval.GIVEN)

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
        self.assertEqual(self.run_command("release", "A1").output, "A1 is due now.\n")
        self.assertLess(self.spool.read("A1").due, 4_000_000_000)
        self.assertIn("A1 is gone.", self.run_command("drop", "A1").output)
        self.assertEqual(os.listdir(self.spool.path), [])
        for what in ALL:
            for name in ("A1", "../A1"):
                self.assertIn("there is no message", self.run_command(what, name, code=1).output)

    def test_by_the_server(self) -> None:
        """With a server it is asked, and the files are left to it."""
        self.accept("A1", 86_400)
        self.server = Queue()
        self.assertEqual(self.run_command("release", "A1").output, "A1 is due now.\n")
        self.assertEqual(self.run_command("drop", "A1").output, "A1 is gone.\n")
        self.assertEqual(self.hurried, [True])
        for word in ("retry", "hold", "bounce"):
            self.run_command(word, "A1")
        self.assertEqual(self.server.asked, [f"{word} A1" for word in ALL])
        self.assertEqual(self.hurried, [True, True])
        self.assertEqual(len(os.listdir(self.spool.path)), 2)

    def test_taken(self) -> None:
        """A message that somebody put there is known to the server as it is."""
        entry = self.accept("A1", 5)
        self.server = Queue()
        self.assertEqual(self.ask("", {"command": "queue take", "ids": ["A1"]}), {"ok": True, "left": {}})  # type: ignore[dict-item]
        self.assertEqual(self.server.asked, ["as_it_is A1"])
        self.assertEqual(as_it_is(entry, 7.0), entry)

    def test_refused(self) -> None:
        """What the server cannot do is said in a line."""
        for error, words in (
            (Busy("A1"), "being delivered"),
            (FileNotFoundError(2, "x"), "there is no message A1"),
            (Unreadable("torn"), "torn"),
            (OSError(5, "broken disk"), "broken disk"),
        ):
            self.server = Queue(error)
            for what in ALL:
                self.assertIn(words, self.run_command(what, "A1", code=1).output)

    def test_some_refused(self) -> None:
        """One that cannot be changed does not stop the others; programs hear of each."""
        self.accept("A1", 1)
        self.accept("C3", 3)
        result = self.run_command("hold", "A1", "B2", "C3", code=1)
        self.assertEqual(result.stdout, "A1 is held.\nC3 is held.\n")
        self.assertIn("there is no message B2", result.stderr)
        told = json.loads(self.run_command("drop", "A1", "B2", "--json", code=1).stdout)
        self.assertEqual([(one["id"], one["ok"]) for one in told], [("A1", True), ("B2", False)])
        self.assertEqual(self.spool.names(), ["C3"])

    def test_held_by_hand(self) -> None:
        """What is held says so, is not tried again, and goes when it is released."""
        self.accept("A1", 86_400)
        self.run_command("hold", "A1")
        self.assertIn("A1  held  <anna@example.org>", self.run_command("list").output)
        held = self.spool.read("A1")
        self.run_command("retry", "A1")
        self.assertEqual(self.spool.read("A1"), held)
        self.run_command("release", "A1")
        released = self.spool.read("A1")
        self.assertEqual(released.due, released.envelope.release)

    def test_bounce_by_hand(self) -> None:
        """Who waits is given up; who has it, has it."""
        self.accept("A1", 86_400, progress=(Progress(), DONE))
        self.run_command("bounce", "A1")
        entry = self.spool.read("A1")
        self.assertEqual([one.fate for one in entry.progress], [Fate.FAILED, Fate.DELIVERED])
        self.assertIn("gave it up", entry.progress[0].reason)

    def test_filters(self) -> None:
        """By sender, by recipient and by domain, as far as there is somebody to get it."""
        self.accept("A1", 1)
        self.accept("B2", 2, None, progress=(DONE, Progress()))
        self.accept("C3", 3, BOB)
        for filters, ids in (
            (("--from", "ANNA@example.org"), ["A1"]),
            (("--from", ""), ["B2"]),
            (("--from", "<>"), ["B2"]),
            (("--to", "bob@Example.ORG"), ["A1", "C3"]),
            (("--to", "bob@example.org", "--from", "bob@example.org"), ["C3"]),
            (("--domain", "EXAMPLE.org"), ["A1", "B2", "C3"]),
            (("--domain", "example.com"), []),
        ):
            found = json.loads(self.run_command("list", "--json", *filters).stdout)
            self.assertEqual([one["id"] for one in found], ids, filters)
        self.run_command("drop", "--to", "bob@example.org")
        self.assertEqual(self.spool.names(), ["B2"])
        self.assertEqual(self.run_command("list", "--to", "bob@example.org").output, "Nothing waits.\n")

    def test_wrong_use(self) -> None:
        """Without ids or a filter nothing is changed, nor with both; an address must be one."""
        self.accept("A1", 1)
        for arguments in (("drop",), ("drop", "A1", "--to", "bob@example.org"), ("list", "--to", "bob")):
            self.run_command(*arguments, code=2)
        self.assertEqual(self.spool.names(), ["A1"])

    def test_show(self) -> None:
        """All that is known of a message, and its header, with nothing that moves a cursor."""
        failed = Progress(Fate.FAILED, "5.1.1", "Unknown\u009b", "smtp; 550 no")
        self.accept("A1", 86_400, progress=(failed, Progress()), tries=3)
        with open(os.path.join(self.spool.path, "A1.body"), "wb") as file:
            file.write(b"Subject: x\x1b[31m\r\nX: y\r\n\tz\r\n\r\nbody\r\n")
        output = self.run_command("show", "A1").output
        known = (
            "tried 3 times",
            "failed: 5.1.1: Unknown",
            "smtp; 550 no",
            "<carl@example.org> delayed",
            "  X: y\n        z\n",
        )
        for words in known:
            self.assertIn(words, output)
        for words in ("\u009b", "\x1b", "body"):
            self.assertNotIn(words, output)
        shown = json.loads(self.run_command("show", "A1", "--json").stdout)
        self.assertEqual((shown["octets"], shown["header"][1]), (35, "X: y"))
        self.assertIn("there is no message", self.run_command("show", "B2", code=1).output)
