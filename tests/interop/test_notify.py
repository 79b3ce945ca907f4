"""A whole server: a client that uses NOTIFY and says nothing hears of all that others do."""

import os
import poplib
import smtplib
import subprocess

from tests.interop.harness import ANNA, BEN, HOST, PASSWORD, InteropTestCase, Line

MESSAGE = f"From: {ANNA}\r\nSubject: hello\r\n\r\nText.\r\n"


class Notify(InteropTestCase):
    """SMTP, POP3, IMAP and other programs beside each other."""

    def session(self, *commands: bytes) -> Line:
        """An IMAP session of Ben."""
        line = self.server.connect("imap")
        line.line()
        for command in (f"a LOGIN {BEN} {PASSWORD}".encode(), *commands):
            self.assertIn(b" OK ", line.tagged(command))
        return line

    def told(self, line: Line, word: bytes) -> bytes:
        """The next response that holds the word."""
        while word not in (answer := line.line()):
            self.assertTrue(answer, "the connection is closed")
        return answer

    def test_everybody(self) -> None:
        """Each of them is heard of, without a command, in the selected mailbox and elsewhere."""
        other = self.session(b"c CREATE box", b"c SELECT box")
        selected = b"(selected (MessageNew (UID FLAGS) MessageExpunge FlagChange))"
        elsewhere = b"(personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))"
        line = self.session(b"s SELECT INBOX", b"n NOTIFY SET " + selected + b" " + elsewhere)
        with smtplib.SMTP(HOST, self.server.ports["smtp"]) as smtp:
            smtp.sendmail(ANNA, [BEN], MESSAGE)
        self.assertEqual(self.told(line, b"EXISTS"), b"* 1 EXISTS")
        self.assertIn(b"UID 1 FLAGS", self.told(line, b"FETCH"))
        other.send(b"d APPEND box {%d+}\r\n%s\r\n" % (len(MESSAGE), MESSAGE.encode()))
        self.assertIn(b"box (MESSAGES 1 UIDNEXT 2 ", self.told(line, b"STATUS"))
        other.tagged(b"e STORE 1 FLAGS (\\Seen)")
        self.assertIn(b" UNSEEN 0)", self.told(line, b"STATUS"))
        other.tagged(b"f SUBSCRIBE box")
        self.assertIn(b"(\\Subscribed ", self.told(line, b"LIST"))
        pop3 = poplib.POP3(HOST, self.server.ports["pop3"])
        pop3.stls(context=self.server.tls())
        pop3.user(BEN)
        pop3.pass_(PASSWORD)
        pop3.dele(1)
        pop3.quit()
        self.assertEqual(self.told(line, b"EXPUNGE"), b"* 1 EXPUNGE")
        with open(f"{self.server.directory}/mail", "w", encoding="ascii") as file:
            file.write(MESSAGE.replace("\r", ""))
        root = self.server.maildir(BEN)
        subprocess.run(["cp", f"{self.server.directory}/mail", f"{root}/new/1700000000.1.host"], check=True)
        self.assertEqual(self.told(line, b"EXISTS"), b"* 1 EXISTS")
        subprocess.run(
            ["cp", f"{self.server.directory}/mail", f"{root}/.box/new/1700000000.2.host"], check=True
        )
        os.rename(f"{root}/.box", f"{root}/.crate")
        self.assertIn(b'crate ("OLDNAME" (box))', self.told(line, b"LIST"))
        self.assertIn(b"crate (MESSAGES 2 UIDNEXT 3 ", self.told(line, b"STATUS"))
        line.finish()
        other.finish()
