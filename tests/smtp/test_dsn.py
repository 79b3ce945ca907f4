"""DSN (RFC 3461): what our own people may ask to be told."""

import errno

from mailnode.config_messages import LiveMessages
from mailnode.envelope import Recipient
from mailnode.queue.entry import Fate
from mailnode.store.errors import OverQuota
from mailnode.wire.address import Address
from mailnode.wire.esmtp import Notify, OriginalRecipient
from tests.smtp.world import FROM, SmtpTestCase, World

MAIL = b"MAIL FROM:<anna@local.example> RET=FULL ENVID=my+2Bid\r\n"
BOB = b"RCPT TO:<bob@local.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+2Bx@local.example\r\n"
TEAM = b"RCPT TO:<team@local.example> NOTIFY=success\r\n"
CARL = b"RCPT TO:<carl@second.example> NOTIFY=NEVER\r\n"
INFO = b"RCPT TO:<info@local.example>\r\n"
TEXT = FROM + b"Auto-Submitted: auto-replied\r\nBcc: x@local.example\r\nSubject: x\r\n\r\nbody\r\n"


class Dsn(SmtpTestCase):
    """On submission, logged in."""

    def send(self, *recipients: bytes, answer: bytes = b"250", mail: bytes = MAIL, **facts: object) -> World:
        """A whole transaction."""
        world = self.submitting()
        for name, value in facts.items():
            setattr(world.courier, name, value)
        self.check(world, [(mail, [b"250"]), *((one, [b"250"]) for one in recipients)])
        self.check(world, [(b"DATA\r\n", [b"354"]), (TEXT + b".\r\n", [answer])])
        return world

    def test_envelope(self) -> None:
        """All that was said is in the envelope."""
        world = self.submitting()
        self.check(world, [(MAIL + BOB, [b"250"] * 2)])
        self.assertEqual((world.envelope.full, world.envelope.envelope_id), (True, "my+id"))
        wanted = Recipient(
            Address("bob", "local.example"),
            Notify.SUCCESS | Notify.FAILURE,
            OriginalRecipient("rfc822", "Bob+x@local.example"),
        )
        self.assertEqual(world.envelope.recipients, (wanted,))

    def test_success(self) -> None:
        """After the delivery, and for those only who were asked about; the header is as delivered."""
        world = self.send(BOB, TEAM, CARL, INFO)
        ((message, outcomes, header),) = world.reporter.reports
        told = [(str(recipient.address), progress.fate) for recipient, progress in outcomes]
        self.assertEqual(told, [("bob@local.example", Fate.DELIVERED), ("team@local.example", Fate.EXPANDED)])
        content = world.courier.delivered[0].content
        self.assertIn(f" id {message};\r\n".encode(), content)
        self.assertIn(header, content)
        self.assertTrue(header.startswith(b"Received: ") and header.endswith(b"Subject: x\r\n\r\n"))

    def test_saml(self) -> None:
        """A message by SAML is in the mailbox, whoever has seen it; of the others nobody knows."""
        for verb, reports in ((b"SAML", 1), (b"SOML", 0)):
            world = self.submitting(config={"messages": LiveMessages("users")})
            self.check(world, [(verb + b" FROM:<anna@local.example>\r\n" + BOB, [b"250"] * 2)])
            self.check(world, [(b"DATA\r\n", [b"354"]), (TEXT + b".\r\n", [b"250"])])
            self.assertEqual(len(world.reporter.reports), reports, verb)

    def test_nobody_asked(self) -> None:
        """No report that nobody wanted."""
        self.assertEqual(self.send(CARL, INFO).reporter.reports, [])

    def test_not_delivered(self) -> None:
        """A message that was refused has no report: its sender knows."""
        world = self.send(BOB, answer=b"452 4.2.2", fails=OverQuota("bob"))
        self.assertEqual(world.reporter.reports, [])

    def test_held(self) -> None:
        """A message that waits is not delivered."""
        world = self.send(BOB, mail=MAIL[:-2] + b" HOLDFOR=60\r\n")
        self.assertEqual((world.reporter.reports, len(world.queue.entries)), ([], 1))

    def test_no_reverse_path(self) -> None:
        """B3: nothing is reported to nobody."""
        self.assertEqual(self.send(BOB, mail=b"MAIL FROM:<>\r\n").reporter.reports, [])

    def test_report_fails(self) -> None:
        """D3: the message is delivered, so the answer stays yes, whatever becomes of the report."""
        for error in (OSError(errno.EIO, "broken"), ZeroDivisionError()):
            world = self.submitting()
            world.reporter.fails = error
            self.check(world, [(MAIL + BOB, [b"250"] * 2), (b"DATA\r\n", [b"354"])])
            self.check(world, [(TEXT + b".\r\n", [b"250"])])
            self.assertEqual(len(world.courier.delivered), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
