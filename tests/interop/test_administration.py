"""The `mailnode` command beside a real server: what it looks at, and what it tells it."""

import json
import subprocess
import sys

from tests.interop.harness import ANNA, BEN, CLIENT_SECONDS, DOMAIN, REPOSITORY, InteropTestCase


class AdministrationTests(InteropTestCase):
    """Commands beside a server that runs."""

    def mailnode(self, *arguments: str) -> str:
        code = "from mailnode.admin.cli import main; main()"
        command = [sys.executable, "-c", code, "--config", self.server.config_path, *arguments]
        done = subprocess.run(
            command, cwd=REPOSITORY, capture_output=True, text=True, timeout=CLIENT_SECONDS, check=False
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_doctor(self) -> None:
        """A server that runs has its ports, and nothing else is wrong with it."""
        found = json.loads(self.mailnode("doctor", "--offline", "--json"))
        states = {one["topic"]: (one["state"], one["text"]) for one in found}
        self.assertEqual(states["server"], ("good", "is running"))
        port = f"port {self.server.ports['submissions']} (submission)"
        self.assertEqual(states[port], ("good", "the server listens"))
        self.assertEqual([one for one in found if one["state"] == "wrong"], [])

    def test_names_at_once(self) -> None:
        """A new alias and a new list take mail at once, and the first refusal stands in the log."""
        line = self.server.connect("smtp")
        line.reply()
        for command in (b"EHLO client.example", b"MAIL FROM:<x@client.example>"):
            self.assertEqual(line.ask(command)[:3], b"250")
        recipients = [f"RCPT TO:<{name}@{DOMAIN}>".encode() for name in ("info", "team")]
        self.assertEqual({line.ask(one)[:3] for one in recipients}, {b"550"})
        for arguments in (
            ("alias", "add", f"info@{DOMAIN}", ANNA),
            ("list", "add", f"team@{DOMAIN}", ANNA, BEN),
        ):
            self.assertIn("The running server has taken it.", self.mailnode(*arguments))
        self.assertEqual({line.ask(one)[:3] for one in recipients}, {b"250"})
        line.finish()
        self.server.stop()
        self.assertEqual(self.mailnode("log", "--event", "Refused").count("RCPT TO:<"), 2)
