"""docs/quickstart.md, and README.md in short: what they say is typed, and comes out as they say."""

import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.interop.harness import (
    CLIENT_SECONDS,
    REPOSITORY,
    START_SECONDS,
    free_ports,
    program,
    wait_until,
)

PAGE = Path(REPOSITORY) / "docs" / "quickstart.md"
BLOCK = re.compile(r"^```(sh)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORT = re.compile(r"(?<=127\.0\.0\.1:)2\d{3}\b")
DEMO_PORTS = (2525, 2587, 2465, 2110, 2995, 2143, 2993)


class Quickstart(SynchronousTestCase):
    """The page, from its first command to its last; only the ports are others."""

    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="mailnode-")
        self.addCleanup(self.folder.cleanup)
        self.place = Path(self.folder.name)
        (self.place / ".venv").symlink_to(sys.prefix)
        self.offset = free_offset()
        self.environment = {**os.environ, "PYTHONPATH": REPOSITORY, "PYTHONUNBUFFERED": "1"}
        for name in ("swaks", "curl"):
            program(name)

    def start(self) -> None:
        """What `make run` does when all is installed."""
        code = "from mailnode.admin.cli import main; main()"
        words = [sys.executable, "-c", code, "demo", "--port-offset", str(self.offset)]
        log = self.place / "log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                words,
                cwd=self.place,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        wait_until(lambda: b"mailnode ready" in log.read_bytes(), "the demo to be ready", START_SECONDS)

    def typed(self, commands: str) -> str:
        """What a shell prints that is given these commands; each of them must succeed."""
        moved = PORT.sub(lambda found: str(int(found[0]) + self.offset), commands)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", moved],
            cwd=self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=CLIENT_SECONDS,
            check=False,
        )
        self.assertEqual(done.returncode, 0, f"{commands}{done.stdout}{done.stderr}")
        return done.stdout

    def test_it_works(self) -> None:
        """A message is sent and read, by IMAP and POP3; one comes from outside; a mailbox is added."""
        blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
        self.assertEqual(next(text for kind, text in blocks if "make run" in text), "make run\n")
        sending, by_imap, by_pop3, outside, what_happened, one_more = [
            text for kind, text in blocks if kind == "sh"
        ]
        self.start()
        identity = re.search(r"250 2\.0\.0 Ok: (\w+)", self.typed(sending))
        assert identity
        for text in (by_imap, by_pop3):
            self.assertRegex(self.typed(text), r"(?s)id " + identity[1] + r".*Subject: Lunch\?.*At noon\?")
        self.assertIn("250 2.0.0 Ok", self.typed(outside))
        self.assertIn("550 5.7.1 Relaying denied", self.typed(f"{relayed(outside)} || true"))
        said = self.typed(what_happened)
        for word in ("SESSIONS", f"accepted as {identity[1]}", "delivered to INBOX of ben@example.test"):
            self.assertIn(word, said)
        environment = what_happened.splitlines()[0]
        self.assertEqual(
            self.typed(f"{environment}\n{one_more}").count("The running server has taken it."), 2
        )
        to_all = sending.replace("--to ben@", "--to info@")
        self.assertIn("250 2.0.0 Ok", self.typed(to_all))
        self.assertIn("Lunch?", self.typed(by_imap.replace("ben@", "carl@")))
        readme = BLOCK.findall((Path(REPOSITORY) / "README.md").read_text(encoding="utf-8"))
        in_short = next(text for _, text in readme if text.startswith("swaks"))
        self.assertRegex(self.typed(in_short), r"(?s)250 2\.0\.0 Ok.*Subject: ")


def relayed(command: str) -> str:
    """The command of the page with the recipient elsewhere that it names, without its line end."""
    return command.replace("--to anna@example.test", "--to somebody@partner.example").rstrip()


def free_offset() -> int:
    """What to add to the demo's ports so that all of them are free."""
    while True:
        offset = free_ports(1)[0] - DEMO_PORTS[0]
        if all(map(is_free, (port + offset for port in DEMO_PORTS))):
            return offset


def is_free(port: int) -> bool:
    """Whether nobody listens there now."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0
