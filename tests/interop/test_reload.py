"""Reload: new mailboxes, aliases and certificates reach a running server, and no connection is dropped."""

import contextlib
import imaplib
import os
import smtplib
import ssl
from base64 import b64encode
from threading import Thread

from mailnode.admin import mailboxes_file
from mailnode.auth.passwords import Hasher
from mailnode.config import Auth
from mailnode.fs import FileSystem
from tests.interop.harness import (
    ANNA,
    BEN,
    DOMAIN,
    HOST,
    PASSWORD,
    InteropTestCase,
    Line,
    sample,
    wait_until,
)

CARL = f"carl@{DOMAIN}"
OFFICE = f"office@{DOMAIN}"


class Reload(InteropTestCase):
    """SIGHUP and `mailnode reload`."""

    def setUp(self) -> None:
        super().setUp()
        self.sent = 0
        plain = self.server.connect("imaps").socket
        self.idle = Line(self.server.tls().wrap_socket(plain, server_hostname=HOST))
        self.addCleanup(self.idle.close)
        self.idle.line()
        self.idle.tagged(b"a LOGIN %s %s" % (ANNA.encode(), PASSWORD.encode()))
        self.idle.tagged(b"b SELECT INBOX")
        self.idle.send(b"c IDLE\r\n")
        self.assertTrue(self.idle.line().startswith(b"+"))

    def send(self, *recipients: str) -> None:
        """Deliver a message."""
        self.sent += 1
        with smtplib.SMTP(HOST, self.server.ports["smtp"]) as client:
            client.sendmail(ANNA, recipients, sample(f"m{self.sent}", b"text\r\n").octets)

    def assert_idle_lives(self, count: int) -> None:
        """The session that was opened before all this still hears of new mail, then ends well."""
        self.send(ANNA)
        while b"EXISTS" not in (line := self.idle.line()):
            self.assertTrue(line.startswith(b"* "), line)
        self.assertEqual(line, b"* %d EXISTS" % count)
        self.idle.send(b"DONE\r\n")
        while (line := self.idle.line()).startswith(b"* "):
            pass
        self.assertTrue(line.startswith(b"c OK"), line)
        self.assertTrue(self.idle.tagged(b"e LOGOUT").startswith(b"e OK"))

    def log_in(self, address: str) -> int:
        """Log in over IMAP; gives how many messages are in INBOX."""
        client = imaplib.IMAP4_SSL(HOST, self.server.ports["imaps"], ssl_context=self.server.tls())
        try:
            client.login(address, PASSWORD)
            return int(client.select("INBOX")[1][0] or b"0")
        finally:
            client.logout()

    def command(self, *arguments: str) -> tuple[int, str]:
        """Run the `mailnode` command; gives its exit code and all it says."""
        done = self.server.command(*arguments)
        return done.exit_code, done.output

    def test_mailbox_and_alias(self) -> None:
        """A mailbox and an alias that are new work after `mailnode reload`, and not before."""
        self.server.add_mailbox(CARL)
        self.server.add_alias(OFFICE, CARL, BEN)
        self.assertRaises(imaplib.IMAP4.error, self.log_in, CARL)
        self.assertRaises(smtplib.SMTPRecipientsRefused, self.send, OFFICE)
        code, said = self.command("reload")
        self.assertEqual(code, 0, said)
        self.send(OFFICE)
        self.assertEqual((self.log_in(CARL), self.log_in(BEN)), (1, 1))
        self.assert_idle_lives(1)

    def test_hang_up(self) -> None:
        """SIGHUP does the same."""
        self.server.add_mailbox(CARL)
        self.server.hang_up()
        wait_until(lambda: "reloaded" in self.server.log(), "the reload")
        self.assertEqual(self.log_in(CARL), 0)
        self.assert_idle_lives(1)

    def test_removed_mailbox(self) -> None:
        """`mailnode mailbox remove` tells the server itself: the next login fails at once."""
        self.assertEqual(self.log_in(BEN), 0)
        code, said = self.command("mailbox", "remove", BEN)
        self.assertEqual(code, 0, said)
        self.assertRaises(imaplib.IMAP4.error, self.log_in, BEN)
        self.assertRaises(smtplib.SMTPRecipientsRefused, self.send, BEN)
        self.assert_idle_lives(1)

    def test_quota(self) -> None:
        """A quota holds from the command on: RCPT is put off for a mailbox that holds more on the disk."""
        self.send(BEN)
        for size, full in (("1000000", False), ("1", True), ("none", False)):
            code, said = self.command("mailbox", "quota", BEN, size)
            self.assertEqual(code, 0, said)
            with smtplib.SMTP(HOST, self.server.ports["smtp"]) as client:
                client.ehlo()
                client.mail(ANNA)
                code, answer = client.rcpt(BEN)
                self.assertEqual((code, answer[:5]), (452, b"4.2.2") if full else (250, b"2.1.5"))
        self.assert_idle_lives(1)

    def log_in_everywhere(self, address: str) -> dict[str, Line]:
        """Sessions of all protocols; one IMAP session idles."""
        name, password = address.encode(), PASSWORD.encode()
        auth = b"AUTH PLAIN " + b64encode(b"\0" + name + b"\0" + password)
        sessions = {place: self.server.connect(place) for place in ("imap", "pop3", "submission")}
        sessions["idle"] = self.server.connect("imap")
        for session in sessions.values():
            self.addCleanup(session.close)
            session.line()
        for place in ("imap", "idle"):
            self.assertIn(b" OK ", sessions[place].tagged(b"a LOGIN " + name + b" " + password))
        sessions["idle"].tagged(b"b SELECT INBOX")
        sessions["idle"].send(b"c IDLE\r\n")
        self.assertTrue(sessions["idle"].line().startswith(b"+"))
        self.assertTrue(sessions["pop3"].ask(b"USER " + name).startswith(b"+OK"))
        self.assertTrue(sessions["pop3"].ask(b"PASS " + password).startswith(b"+OK"))
        sessions["submission"].ask(b"EHLO client.example")
        self.assertTrue(sessions["submission"].ask(auth).startswith(b"235"))
        return sessions

    def assert_sent_away(self, sessions: dict[str, Line]) -> None:
        """All have read why, and are closed."""
        for place, word in (
            ("imap", b"* BYE"),
            ("idle", b"* BYE"),
            ("pop3", b"-ERR"),
            ("submission", b"421"),
        ):
            said = sessions[place].rest()
            self.assertTrue(said.startswith(word), (place, said))
            self.assertIn(b"Your account has changed, log in again\r\n", said)

    def test_new_password_ends_sessions(self) -> None:
        """Who has another password after a reload is sent away from all sessions; others notice nothing."""
        sessions = self.log_in_everywhere(BEN)
        hashed = Hasher(Auth(argon2_memory=64, argon2_time=1)).hash("new")
        edit = mailboxes_file.setting_password(BEN, {"password": hashed})
        mailboxes_file.apply(edit, self.server.config(), FileSystem())
        self.assertTrue(self.server.reload()["ok"])
        self.assert_sent_away(sessions)
        self.assertRaises(imaplib.IMAP4.error, self.log_in, BEN)
        self.assert_idle_lives(1)

    def test_removed_mailbox_ends_sessions(self) -> None:
        """So is who has no mailbox any more."""
        sessions = self.log_in_everywhere(BEN)
        code, said = self.command("mailbox", "remove", BEN)
        self.assertEqual(code, 0, said)
        self.assert_sent_away(sessions)
        self.assert_idle_lives(1)

    def test_directories_stay(self) -> None:
        """Another place for mail, and other listeners, wait for the next start; the reload says so."""
        self.send(ANNA, BEN)
        elsewhere = os.path.join(self.server.directory, "elsewhere")
        listener = '\n[[listener]]\nprotocol = "smtp"\nendpoint = "tcp:2525:interface=127.0.0.1"\n'
        self.server.write_config(
            self.server.extra + f'\n[store]\nmail = "{elsewhere}/{{domain}}/{{local}}"\n' + listener
        )
        warnings = str(self.server.reload()["warnings"])
        for key in ("store.mail", "listener"):
            self.assertIn(f"{key} has changed, which takes effect when the server is started again", warnings)
        self.assertIn("store.mail has changed", self.server.log())
        self.assertNotIn("state has changed", warnings)
        self.assertEqual(self.log_in(BEN), 1)
        self.send(BEN)
        self.assertEqual(self.log_in(BEN), 2)
        self.assertFalse(os.path.exists(elsewhere))
        self.server.write_config(self.server.extra)
        self.assertNotIn("has changed", str(self.server.reload()["warnings"]))

    def test_certificate(self) -> None:
        """T19: new connections get the new certificate, the open one keeps what it has."""
        old = self.server.tls()
        self.server.write_certificates()
        self.assertEqual(self.log_in_with(old), "OK")
        self.assertTrue(self.server.reload()["ok"])
        self.assertRaises(ssl.SSLCertVerificationError, self.log_in_with, old)
        self.assertEqual(self.log_in_with(self.server.tls()), "OK")
        self.assert_idle_lives(1)

    def log_in_with(self, context: ssl.SSLContext) -> str:
        """Log in with STARTTLS, trusting what the context trusts."""
        client = imaplib.IMAP4(HOST, self.server.ports["imap"])
        try:
            client.starttls(ssl_context=context)
            return client.login(BEN, PASSWORD)[0]
        finally:
            with contextlib.suppress(OSError):
                client.shutdown()

    def test_broken(self) -> None:
        """A configuration with mistakes is refused with all of them, and what was in force stays."""
        self.server.add_mailbox(CARL)
        tls = os.path.join(self.server.directory, "tls")
        for breakage in ("\nnonsense = [\n", "\n[store]\nseparator = 7\n"):
            self.server.write_config(self.server.extra + breakage)
            code, said = self.command("reload")
            self.assertEqual(code, 1, said)
            self.assertIn("mailnode.toml:", said)
            self.assertRaises(imaplib.IMAP4.error, self.log_in, CARL)
            self.assertEqual(self.log_in(BEN), 0)
        self.server.write_config(self.server.extra)
        old = self.server.tls()
        with open(os.path.join(tls, "key.pem"), "rb") as file:
            key = file.read()
        self.server.write_certificates()
        with open(os.path.join(tls, "key.pem"), "wb") as file:
            file.write(key)
        self.server.hang_up()
        wait_until(lambda: "reload refused" in self.server.log(), "the refusal")
        self.assertEqual(self.log_in_with(old), "OK")
        self.assert_idle_lives(1)
        self.server.write_certificates()
        self.assertTrue(self.server.reload()["ok"])
        self.assertEqual(self.log_in(CARL), 0)

    def test_restart(self) -> None:
        """SIGTERM ends sessions with a word, and everything is there after the start."""
        self.send(ANNA, BEN)
        self.assertTrue(self.idle.line().startswith(b"* "))
        said: list[bytes] = []

        def read() -> None:
            said.append(self.idle.rest())
            self.idle.close()

        reader = Thread(target=read)
        reader.start()
        self.server.restart()
        reader.join()
        self.assertIn(b"* BYE", said[0])
        self.assertEqual((self.log_in(ANNA), self.log_in(BEN)), (1, 1))
