"""Who may send as whom (vectors A14, B4; RFC 6409 sections 6.1 and 8.1)."""

from dataclasses import replace
from unittest.mock import patch

from mailnode.config import MailboxEntry, Mailboxes
from mailnode.config_submission import Submission
from tests.smtp.world import FROM, MAILBOXES, RCPT, SmtpTestCase, World

ANNA = "anna@local.example"
GRANTS = ("bob@local.example", "noreply@local.example", "@second.example")
GRANTED = replace(
    MAILBOXES,
    mailboxes={**MAILBOXES.mailboxes, ANNA: replace(MAILBOXES.mailboxes[ANNA], send_as=GRANTS)},
)
PATIENT = {"errors_soft": 1000, "errors_hard": 1000}
OWNED = (  # her own, aliases, what was granted by address, in other letters, with a tag, by domain
    b"anna@local.example",
    b"info@local.example",
    b"away@local.example",
    b"bob@local.example",
    b"BOB@LOCAL.example",
    b"bob+tag@local.example",
    b"noreply@local.example",
    b"carl@second.example",
    b"nobody+at+all@Second.Example",
)
OTHERS = (
    b"nobody@local.example",
    b"noreply.x@local.example",
    b"x@third.example",
    b"x@sub.second.example",
    b'"x@second.example"@local.example',
)
SENDERS_REFUSED = (
    b"Sender: dora@local.example\r\n",
    b"Sender: anna@elsewhere.example\r\n",
    b"Sender: anna\r\n",
    b"Sender:\r\n",
    b"SENDER : anna@local.example, bob@local.example\r\n",
    b"Sender: anna@local.example\r\nSender: anna@local.example\r\n",
    b"Sender: anna@local.example <x@elsewhere.example>\r\n",
    b"Sender:\r\n <x@elsewhere.example>\r\n",
)
REPORTS = (
    b"Content-Type: multipart/report; report-type=disposition-notification; boundary=x\r\n",
    b"CONTENT-TYPE:\r\n Multipart/Report;boundary=x\r\n",
    b"Auto-Submitted: auto-replied\r\n",
    b"auto-submitted: auto-generated; x=y\r\n",
)
NO_REPORTS = (
    b"",
    b"Content-Type: text/plain\r\n",
    b"Content-Type: text/plain; x=multipart/report\r\n",
    b"Auto-Submitted: no\r\n",
    b"Auto-Submitted:\r\n",
    b"X-Auto-Submitted: auto-replied\r\n",
)


class Authors(SmtpTestCase):
    """One rule for the reverse-path, From and Sender."""

    def granted(self, **submission: bool) -> World:
        """Anna, with what the administrator granted her."""
        config = {"submission": Submission(**submission)}
        return self.submitting(mailboxes=GRANTED, limits=PATIENT, config=config)

    def sends(self, world: World, fields: bytes, path: bytes = b"anna@local.example") -> bytes:
        """One message; the answer."""
        self.check(world, [(b"MAIL FROM:<" + path + b">\r\n" + RCPT + b"DATA\r\n", [b"250", b"250", b"354"])])
        (answer,) = world.send(fields + b"\r\nx\r\n.\r\n")
        return answer

    def test_granted(self) -> None:
        """A14: what is one's own or was granted goes in all three places, anything else in none."""
        world = self.granted()
        for address in OWNED:
            for fields in (b"From: %s\r\n" % address, FROM + b"Sender: <%s>\r\n" % address):
                self.assertEqual(self.sends(world, fields, address)[:3], b"250", fields)
        for address in OTHERS:
            self.check(world, [(b"MAIL FROM:<" + address + b">\r\n", [b"550 5.7.1"])])
            for fields in (b"From: %s\r\n" % address, FROM + b"Sender: <%s>\r\n" % address):
                self.assertEqual(self.sends(world, fields)[:9], b"550 5.7.1", fields)

    def test_not_granted(self) -> None:
        """What was granted to one is nobody else's."""
        world = self.submitting(b"carl@second.example", mailboxes=GRANTED)
        self.check(world, [(b"MAIL FROM:<noreply@local.example>\r\n", [b"550 5.7.1"])])

    def test_several_authors(self) -> None:
        """RFC 5322 section 3.6.2: several authors are fine, if all are one's own."""
        world = self.granted()
        self.assertEqual(self.sends(world, b"From: info@local.example, x@second.example\r\n")[:3], b"250")
        refused = b"From: info@local.example, x@third.example\r\n"
        self.assertEqual(self.sends(world, refused)[:9], b"550 5.7.1")

    def test_sender(self) -> None:
        """A14: Sender is one, with one address, and one's own."""
        world = self.submitting(limits=PATIENT)
        for field in SENDERS_REFUSED:
            answer = self.sends(world, FROM + field)
            self.assertEqual(answer, b"550 5.7.1 You may not send with this address in Sender", field)
        self.assertEqual(self.sends(world, FROM + b"Sender: Info <info@local.example>\r\n")[:3], b"250")

    def test_sender_is_added(self) -> None:
        """RFC 6409 section 8.1: where it is configured, Sender names who logged in and is not in From."""
        added = b"Sender: anna@local.example\r\n"
        for fields, wanted in (
            (b"From: bob@local.example\r\n", 1),
            (b"From: bob@local.example, x@second.example\r\n", 1),
            (b"From: bob@local.example, anna@local.example\r\n", 0),
            (b"From: info@local.example\r\n", 0),
            (b"From: bob@local.example\r\nSender: x@second.example\r\n", 0),
        ):
            for configured in (True, False):
                world = self.granted(add_sender=configured)
                self.assertEqual(self.sends(world, fields)[:3], b"250")
                content = world.courier.delivered[0].content
                self.assertEqual(content.count(added), wanted * configured, fields)

    def test_sender_in_utf8(self) -> None:
        """RFC 6531 section 3.7.3: a name in UTF-8 is added to a message with SMTPUTF8, and to no other."""
        joerg, boss = "jörg@local.example", "boss@local.example"
        people = Mailboxes({joerg: MailboxEntry("x", send_as=(boss,)), boss: MailboxEntry("x")})
        for parameter, wanted in ((b"", 0), (b" SMTPUTF8", 1)):
            with patch("tests.smtp.world.MAILBOXES", people):
                world = self.submitting(joerg.encode(), mailboxes=people, submission={"add_sender": True})
            begin = (
                b"MAIL FROM:<boss@local.example>%b\r\nRCPT TO:<boss@local.example>\r\nDATA\r\n" % parameter
            )
            self.check(world, [(begin, [b"250", b"250", b"354"])])
            self.check(world, [(b"From: boss@local.example\r\n\r\nhi\r\n.\r\n", [b"250"])])
            content = world.courier.delivered[0].content
            self.assertEqual(content.count(f"Sender: {joerg}\r\n".encode()), wanted)

    def test_reports(self) -> None:
        """B4: on submission only reports and automatic answers go without a reverse-path."""
        world = self.submitting(limits=PATIENT)
        for field in REPORTS:
            self.assertEqual(self.sends(world, FROM + field, b"")[:3], b"250", field)
        for field in NO_REPORTS:
            self.assertEqual(self.sends(world, FROM + field, b"")[:9], b"550 5.7.1", field)
        self.assertEqual(self.sends(world, REPORTS[0], b"")[:9], b"550 5.6.0", "a report has a From too")

    def test_one_recipient_of_reports(self) -> None:
        """B4: one recipient on submission; from other servers as many as RFC 5321 4.5.3.1.8 promises."""
        group = b"MAIL FROM:<>\r\n" + RCPT + b"RCPT TO:<bob@local.example>\r\nDATA\r\n"
        self.check(self.submitting(), [(group, [b"250", b"250", b"550 5.7.1", b"354"]), (b".\r\n", [b"550"])])
        self.check(self.greeted(), [(group, [b"250", b"250", b"250", b"354"]), (b".\r\n", [b"250"])])
