"""LMTP (RFC 2033): LHLO, and an answer for each recipient."""

import errno

from mailnode.config import MailboxEntry, Mailboxes
from mailnode.events.life import Accepted
from mailnode.store.errors import OverQuota
from tests.smtp.world import CUTS, MAIL, RCPT, SmtpTestCase, World

LHLO = b"LHLO client.example\r\n"
BOB = b"RCPT TO:<bob@local.example>\r\n"
TEAM = b"RCPT TO:<team@local.example>\r\n"
TEXT = b"Subject: x\r\n\r\nbody\r\n"


class Lmtp(SmtpTestCase):
    """On a UNIX socket, where the other server of ours is."""

    def greeted(self, protocol: str = "lmtp", **facts: object) -> World:
        """A connection after LHLO."""
        world = self.world(protocol, peer="", trusted=True, loopback=True, **facts)
        self.check(world, [(b"", [b"220"]), (LHLO, [b"250"])])
        return world

    def test_greetings(self) -> None:
        """RFC 2033 section 4.1: LHLO, and neither HELO nor EHLO; on SMTP there is no LHLO."""
        world = self.world("lmtp", trusted=True)
        self.check(
            world, [(b"", [b"220 mx.local.example LMTP"]), (b"EHLO a\r\nHELO a\r\n", [b"500 5.5.2"] * 2)]
        )
        self.check(world, [(MAIL, [b"503"]), (LHLO, [b"250"]), (MAIL, [b"250"])])
        self.check(self.world(), [(b"", [b"220"]), (LHLO, [b"500 5.5.2"])])

    def test_an_answer_for_each(self) -> None:
        """Section 4.2: one reply for each RCPT that was accepted, in their order."""
        for cut in CUTS:
            for content in (b"DATA\r\n" + TEXT + b".\r\n", b"BDAT %d LAST\r\n" % len(TEXT) + TEXT):
                world = self.greeted(cut=cut)
                world.courier.fails_for = {"bob@local.example": OverQuota("bob")}
                begin = MAIL + RCPT + b"RCPT TO:<nobody@local.example>\r\n" + BOB + RCPT
                self.check(world, [(begin, [b"250", b"250", b"550", b"250", b"250"])])
                go_on = [b"354"] * content.startswith(b"DATA")
                answers = [b"250 2.0.0 Ok", b"452 4.2.2", b"250 2.0.0 Ok"]
                self.check(world, [(content + b"NOOP\r\n", [*go_on, *answers, b"250"])])
                (accepted,) = [event for event in world.events if isinstance(event, Accepted)]
                self.assertEqual(accepted.recipients, ("anna@local.example",) * 2)

    def test_an_alias_is_one_recipient(self) -> None:
        """Where one of its mailboxes does not get it, the recipient is refused."""
        world = self.greeted()
        world.courier.fails_for = {"bob@local.example": OSError(errno.ENOSPC, "full")}
        self.check(world, [(MAIL + TEAM + RCPT, [b"250"] * 3)])
        self.check(world, [(b"DATA\r\n" + TEXT + b".\r\n", [b"354", b"452 4.3.1", b"250"])])

    def test_all_are_refused_alike(self) -> None:
        """What is wrong with the message is said to each."""
        world = self.greeted()
        self.check(world, [(MAIL + RCPT + BOB, [b"250"] * 3)])
        self.check(world, [(b"DATA\r\na\nb\r\n.\r\nNOOP\r\n", [b"354", b"550 5.5.2", b"550 5.5.2", b"250"])])
        world.courier.fails = OSError(errno.EIO, "broken")
        self.check(world, [(MAIL + RCPT + BOB, [b"250"] * 3)])
        self.check(world, [(b"DATA\r\n" + TEXT + b".\r\n", [b"354", b"451 4.3.0", b"451 4.3.0"])])

    def test_many_refusals_are_one_error(self) -> None:
        """However many mailboxes are full for good: all answers come, at once, and the session goes on."""
        names = [f"u{number}@local.example" for number in range(30)]
        world = self.greeted(over="refuse", mailboxes=Mailboxes(dict.fromkeys(names, MailboxEntry("x"))))
        world.courier.fails_for = {name: OverQuota(name) for name in names[:20]}
        recipients = b"".join(b"RCPT TO:<%b>\r\n" % name.encode() for name in names)
        self.check(world, [(MAIL + recipients, [b"250"] * 31)])
        before = world.clock.seconds()
        answers = [b"552 5.2.2"] * 20 + [b"250 2.0.0"] * 10
        self.check(world, [(b"BDAT %d LAST\r\n" % len(TEXT) + TEXT + b"NOOP\r\n", [*answers, b"250"])])
        self.assertEqual(world.clock.seconds(), before)

    def test_received(self) -> None:
        """RFC 3848: LMTP is named in the Received field."""
        world = self.greeted()
        self.check(world, [(MAIL + RCPT, [b"250"] * 2), (b"DATA\r\n" + TEXT + b".\r\n", [b"354", b"250"])])
        self.assertIn(b"with LMTP id ", world.courier.delivered[0].content)
