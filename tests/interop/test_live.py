"""A whole server: a message by SEND, from one person to another who is in IDLE."""

import smtplib

from tests.interop.harness import ANNA, BEN, HOST, PASSWORD, InteropTestCase


class Live(InteropTestCase):
    """SMTP and IMAP of one process."""

    def test_send(self) -> None:
        """It is an alert at once, and nowhere stored; whoever is away is not there."""
        self.server.write_config(self.server.extra + '\n[messages]\nallow = "users"\n')
        self.assertTrue(self.server.reload()["ok"])
        ben = self.server.connect("imap")
        ben.line()
        self.assertIn(b"OK", ben.tagged(f"a LOGIN {BEN} {PASSWORD}".encode()))
        self.assertIn(b"OK", ben.tagged(b"b SELECT INBOX"))
        ben.send(b"c IDLE\r\n")
        self.assertTrue(ben.line().startswith(b"+"))
        with smtplib.SMTP(HOST, self.server.ports["submission"]) as anna:
            anna.starttls(context=self.server.tls())
            anna.login(ANNA, PASSWORD)
            text = f"From: {ANNA}\r\nSubject: Lunch\r\n\r\nAt noon?\r\n"
            self.assertEqual(anna.docmd("SEND", f"FROM:<{ANNA}>")[0], 250)
            self.assertEqual(anna.rcpt(ANNA)[0], 450)
            self.assertEqual(anna.rcpt(BEN)[0], 250)
            self.assertEqual(anna.data(text)[0], 250)
        self.assertEqual(ben.line(), f"* OK [ALERT] Message from {ANNA}: Lunch: At noon?".encode())
        ben.finish()
        self.assertEqual(self.server.files(BEN), [])
