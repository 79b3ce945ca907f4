"""docs/tutorial.md: its commands of mailnode, in their order, beside a running server."""

from pathlib import Path

from click.testing import CliRunner, Result

from mailnode.admin import cli
from tests.interop.harness import REPOSITORY, InteropTestCase, Server, program, run, wait_until
from tests.test_reference import in_code

PAGE = Path(REPOSITORY) / "docs" / "tutorial.md"

# These make what is there already, or ask the Internet.
ELSEWHERE = ("--version", "init", "dns", "doctor")


class Tutorial(InteropTestCase):
    """The office of the page."""

    def make_server(self) -> Server:
        """Before anybody has a mailbox."""
        return Server((), domain="example.org", hostname="mail.example.org")

    def typed(self, words: list[str]) -> Result:
        """One of the commands; whoever asks for a password gets one, twice."""
        place = f"{self.server.directory}/backup"
        moved = [word.replace("/srv/backup", place) for word in words]
        return CliRunner().invoke(cli.main, ["--config", self.server.config_path, *moved], "secret\nsecret\n")

    def test_commands(self) -> None:
        """Each of them succeeds, and in the end the backup has brought Anna's message to Ben."""
        commands = list(in_code(PAGE.read_text(encoding="utf-8")))
        self.assertGreater(len(commands), 20)
        done: set[str] = set()
        for words in commands:
            if words[0] in ELSEWHERE:
                continue
            if words[0] == "status" and "status" not in done:
                self.receive()
            result = self.typed(words)
            self.assertEqual(result.exit_code, 0, f"{words}: {result.output}")
            done.add(words[0])
        self.assertEqual(
            done,
            {
                *("mailbox", "alias", "list", "check", "status", "queue", "log", "explain"),
                *("backup", "restore", "reload"),
            },
        )
        self.assertEqual(len(self.server.files("ben@example.org")), 1)

    def receive(self) -> None:
        """The message of the page: a stranger's, to Anna."""
        text = PAGE.read_text(encoding="utf-8")
        (line,) = (one for one in text.splitlines() if one.startswith("swaks --server localhost "))
        words = line.replace("localhost", f"127.0.0.1:{self.server.ports['smtp']}").split()
        run([program("swaks"), *words[1:]])
        events = Path(self.server.config().log_directory) / "events.jsonl"
        wait_until(lambda: events.exists() and "Accepted" in events.read_text("utf-8"), "the events")
