"""How the server is, as curl, Prometheus and administrators learn of it."""

import json
import os
import re
import smtplib
import subprocess
import sys
from imaplib import IMAP4

from tests.interop.harness import (
    ANNA,
    BEN,
    PASSWORD,
    REPOSITORY,
    InteropTestCase,
    Server,
    free_ports,
    program,
    run,
    sample,
    wait_until,
)

_LISTENER = '\n[[listener]]\nprotocol = "{}"\nendpoint = "tcp:{}:interface=127.0.0.1"\ntls = "none"\n'


def mailnode(server: Server, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The `mailnode` command."""
    code = "import sys; from mailnode.admin.cli import main; sys.argv[0] = 'mailnode'; main()"
    command = [sys.executable, "-c", code, "--config", server.config_path, *arguments]
    environment = {**os.environ, "PYTHONPATH": REPOSITORY}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)


class WatchingTests(InteropTestCase):
    """A server with a listener for metrics, whose log is JSON."""

    head = "workers = 1\n"

    def setUp(self) -> None:
        self.server = Server(head=self.head)
        self.addCleanup(self.server.clean_up)
        (self.port,) = free_ports(1)
        more = _LISTENER.format("metrics", self.port) + '[log]\nformat = "json"\n'
        self.server.write_config(self.server.extra + more)
        self.server.start()

    def curl(self, path: str, *options: str) -> str:
        """What is there."""
        return run([program("curl"), "-sS", *options, f"http://127.0.0.1:{self.port}{path}"]).decode()

    def metrics(self) -> dict[str, float]:
        """All samples, by name and labels."""
        lines = self.curl("/metrics").splitlines()
        return {
            name: float(value)
            for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
        }

    def test_all(self) -> None:
        """A message, a session and a wrong login are in metrics, status and log; then the server stops."""
        with smtplib.SMTP("127.0.0.1", self.server.ports["smtp"]) as client:
            client.sendmail("x@elsewhere.example", [BEN], sample("watched", b"text\r\n").octets)
            client.docmd("RSET")
            client.docmd("MAIL FROM:<x@elsewhere.example>")
            client.docmd("RCPT TO:<nobody@example.test>")
        session = IMAP4("127.0.0.1", self.server.ports["imap"])
        session.starttls(self.server.tls())
        self.assertRaises(IMAP4.error, session.login, ANNA, "wrong")
        session.login(ANNA, PASSWORD)

        counted = 'mailnode_sessions{protocol="imap",state="logged_in"}'
        wait_until(lambda: self.metrics().get(counted) == 1, "the session to be counted")
        found = self.metrics()
        for name, value in (
            ("mailnode_accepted_messages_total", 1),
            ("mailnode_delivered_total", 1),
            ('mailnode_refusals_total{command="RCPT",kind="permanent",reason="address"}', 1),
            ('mailnode_logins_total{protocol="imap",outcome="ok"}', 1),
            ('mailnode_logins_total{protocol="imap",outcome="refused"}', 1),
        ):
            self.assertEqual(found.get(name), value, name)
        self.assertGreater(found["process_resident_memory_bytes"], 10_000_000)
        self.assertEqual(self.curl("/healthz", "-w", "%{http_code}"), "ok\n200")
        self.assertEqual(self.curl("/", "-o", "/dev/null", "-w", "%{http_code}"), "404")

        shown = mailnode(self.server, "status")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertRegex(shown.stdout, rf"imap +1 +0 +0\n(?:.*\n)*  {re.escape(ANNA)} 1\n")
        status = json.loads(mailnode(self.server, "status", "--json").stdout)
        self.assertEqual(status["totals"]["logins imap ok"], 1)
        session.logout()

        lines = [json.loads(line) for line in self.server.log().splitlines() if line.startswith("{")]
        (accepted,) = (line for line in lines if line["event"] == "Accepted")
        (delivered,) = (line for line in lines if line["event"] == "Delivered")
        self.assertEqual(accepted["message"], delivered["message"])
        self.assertIn(
            accepted["connection"], [line["connection"] for line in lines if line["event"] == "connected"]
        )
        (inside,) = (one for one in lines if (one["source"], one["event"]) == ("mailnode.imap", "connected"))
        self.assertEqual(inside["peer"], "127.0.0.1")
        self.server.stop()
        self.assertEqual(mailnode(self.server, "status").returncode, 1)

    def test_unhealthy(self) -> None:
        """A state folder that cannot be written to is told, with the status that monitoring looks at."""
        state = self.server.config().state
        os.rename(state, state + ".away")
        self.assertRegex(self.curl("/healthz", "-w", "%{http_code}"), "^the disk does not take .*\n503$")
        os.rename(state + ".away", state)


class WorkersTests(WatchingTests):
    """The same, where people read their mail in other processes: nothing looks different from outside."""

    head = "workers = 2\n"
