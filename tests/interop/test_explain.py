"""`mailnode explain` of a message in a real server: swaks brings it, an IMAP session reads and deletes it."""

import json
import subprocess
import sys
import time

from tests.interop.harness import (
    ANNA,
    BEN,
    CLIENT_SECONDS,
    PASSWORD,
    REPOSITORY,
    InteropTestCase,
    program,
    run,
    wait_until,
)


class ExplainTests(InteropTestCase):
    """One story for one message."""

    def explain(self, *arguments: str) -> str:
        code = "from mailnode.admin.cli import main; main()"
        command = [sys.executable, "-c", code, "--config", self.server.config_path, "explain", *arguments]
        done = subprocess.run(
            command, cwd=REPOSITORY, capture_output=True, text=True, timeout=CLIENT_SECONDS, check=False
        )
        return done.stdout

    def test_story(self) -> None:
        """From the connection to the deletion, in order, by the Message-ID, with the server up and down."""
        ports = self.server.ports
        run(
            [
                *(program("swaks"), "--server", f"127.0.0.1:{ports['submission']}", "-tls"),
                *("-au", ANNA, "-ap", PASSWORD, "--from", ANNA, "--to", BEN, "--ehlo", "laptop.example"),
                *("--header", "Message-Id: <story@client.example>", "--body", "secret words"),
            ]
        )
        line = self.server.connect("imap")
        line.line()
        for number, command in enumerate(
            (
                b'ID ("name" "Reader" "version" "7")',
                b"LOGIN %s %s" % (BEN.encode(), PASSWORD.encode()),
                b"CREATE Old",
                b"SELECT INBOX",
                b"FETCH 1 BODY[TEXT]<0.5>",
                b"STORE 1 +FLAGS (\\Flagged)",
                b"MOVE 1 Old",
                b"SELECT Old",
                b"STORE 1 +FLAGS.SILENT (\\Deleted)",
                b"EXPUNGE",
                b"LOGOUT",
            )
        ):
            self.assertIn(b" OK", line.tagged(b"t%d " % number + command), command)
        line.close()
        wait_until(lambda: "removed for good" in self.explain("<story@client.example>"), "all of the story")
        story = self.explain("story@client.example")
        self.server.stop()
        self.assertEqual(self.explain("<story@client.example>"), story)
        sentences = (
            f"{ANNA} logged in by submission from 127.0.0.1",
            f"from 127.0.0.1 (laptop.example), logged in as {ANNA}: from <{ANNA}> to {BEN}",
            f"delivered to INBOX of {BEN}",
            f"marked as read in INBOX of {BEN} by {BEN}, IMAP session ",
            f"flagged in INBOX of {BEN} by",
            f"moved from INBOX of {BEN} to Old of {BEN} by",
            f"marked for deletion in Old of {BEN}",
            f"removed for good from Old of {BEN} by",
            f"It is not in the mailbox of {BEN} any more.",
        )
        at = -1
        for sentence in sentences:
            self.assertIn(sentence, story)
            self.assertGreater(story.index(sentence), at, story)
            at = story.index(sentence)
        self.assertIn("(name=Reader; version=7)", story)
        told = json.loads(self.explain("<story@client.example>", "--json"))
        self.assertEqual(told["events"][1]["event"], "Accepted")
        self.assertLess(abs(told["events"][1]["time"] - time.time()), 600)
        with open(f"{self.server.config().log_directory}/events.jsonl", encoding="ascii") as log:
            text = log.read()
        self.assertNotIn("secret", text)
