"""Messages that are sent later, and reports, with a real process that is killed in between."""

import email
import os
import smtplib
from email import policy
from email.message import EmailMessage

from click.testing import Result

from tests.interop.harness import ANNA, BEN, HOST, PASSWORD, InteropTestCase, sample, wait_until

LATER = sample("later", b"A text for later.\r\n")


class Later(InteropTestCase):
    """FUTURERELEASE and DSN."""

    def client(self) -> smtplib.SMTP_SSL:
        """A client that has logged in."""
        client = smtplib.SMTP_SSL(HOST, self.server.ports["submissions"], context=self.server.tls())
        self.addCleanup(client.close)
        client.login(ANNA, PASSWORD)
        return client

    def command(self, *arguments: str) -> Result:
        """`mailnode queue`."""
        return self.server.command("queue", *arguments)

    def send(self, *options: str, to: str = BEN, rcpt_options: tuple[str, ...] = ()) -> str:
        """Send the sample; gives its id."""
        client = self.client()
        client.mail(ANNA, options)
        self.assertEqual(client.rcpt(to, rcpt_options)[0], 250)
        code, text = client.data(LATER.octets)
        self.assertEqual(code, 250, text)
        return text.split()[2].decode()

    def read(self, path: str) -> EmailMessage:
        """A message as Python's parser reads it."""
        with open(path, "rb") as file:
            message = email.message_from_binary_file(file, policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message

    def test_killed_while_it_waits(self) -> None:
        """Accepted, killed, started again, released: it is there once, and was not before."""
        name = self.send("HOLDFOR=86400")
        self.server.kill()
        self.assertIn(name, self.command("list").stdout)
        self.server.start()
        self.assertEqual(self.server.files(BEN), [])
        self.command("release", name)
        wait_until(lambda: bool(self.server.files(BEN)), "the message to be released")
        (path,) = self.server.files(BEN)
        with open(path, "rb") as file:
            octets = file.read()
        self.assertTrue(
            octets.startswith(b"Return-Path: <anna@example.test>\nDelivered-To: ben@example.test\nReceived")
        )
        self.assertTrue(octets.endswith(LATER.octets.replace(b"\r\n", b"\n")))
        wait_until(lambda: self.command("list").stdout == "Nothing waits.\n", "the queue to be empty")
        self.server.restart()
        self.assertEqual(len(self.server.files(BEN)), 1)

    def test_released_by_time(self) -> None:
        """A second later it comes by itself; what was due while no server ran comes at the start."""
        self.send("HOLDFOR=1")
        wait_until(lambda: len(self.server.files(BEN)) == 1, "the first message to be released")
        name = self.send("HOLDFOR=86400")
        self.server.stop()
        self.assertIn("is due now", self.command("release", name).stdout)
        self.server.start()
        wait_until(lambda: len(self.server.files(BEN)) == 2, "the second message to be released")

    def test_commands(self) -> None:
        """`mailnode queue release` and `drop` with a running server, `drop` without one."""
        released, dropped, last = (self.send("HOLDFOR=86400") for _ in range(3))
        self.assertEqual(self.command("release", released).stdout, f"{released} is due now.\n")
        wait_until(lambda: bool(self.server.files(BEN)), "the message to be released")
        self.assertEqual(self.command("drop", dropped).stdout, f"{dropped} is gone.\n")
        self.assertEqual(self.command("drop", dropped).exit_code, 1)
        self.server.stop()
        self.assertIn(f"{last} is gone.", self.command("drop", last).stdout)
        self.assertEqual(os.listdir(self.server.config().queue_directory), [])
        self.assertEqual(len(self.server.files(BEN)), 1)

    def test_gone_meanwhile(self) -> None:
        """A mailbox that is removed while its message waits: the sender gets a report with the message."""
        name = self.send("HOLDFOR=86400", "RET=FULL", "ENVID=x1")
        removed = self.server.command("mailbox", "remove", BEN)
        self.assertEqual(removed.exit_code, 0, removed.output)
        self.command("release", name)
        wait_until(lambda: bool(self.server.files(ANNA)), "the report")
        report = self.read(self.server.files(ANNA)[0])
        text, status, original = report.iter_parts()
        self.assertIn("no such mailbox", text.get_content())
        message, recipient = status.get_payload()
        self.assertEqual(str(message["Original-Envelope-Id"]), "x1")
        self.assertEqual((str(recipient["Action"]), str(recipient["Status"])), ("failed", "5.1.1"))
        self.assertEqual(str(original.get_content()["Message-ID"]), "<later@client.example>")

    def test_success(self) -> None:
        """NOTIFY=SUCCESS: the report is there before the answer, and Python's parser reads it."""
        self.send("RET=HDRS", "ENVID=x2", rcpt_options=("NOTIFY=SUCCESS", "ORCPT=rfc822;Ben@example.test"))
        report = self.read(self.server.files(ANNA)[0])
        self.assertEqual(str(report["Return-Path"]), "<>")
        self.assertEqual(str(report["Auto-Submitted"]), "auto-replied")
        _, status, original = report.iter_parts()
        message, recipient = status.get_payload()
        self.assertEqual(str(message["Original-Envelope-Id"]), "x2")
        self.assertEqual(str(recipient["Original-Recipient"]), "rfc822; Ben@example.test")
        self.assertEqual(str(recipient["Action"]), "delivered")
        self.assertIn("<later@client.example>", original.get_content())
        self.assertEqual([part.defects for part in report.walk() if part.defects], [])
