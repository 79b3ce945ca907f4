"""Allowances of people who submit mail, as their clients hear of them."""

from mailnode.events.life import AllowanceUsedUp
from tests.smtp.world import FROM, RCPT, SmtpTestCase, World

MAIL = b"MAIL FROM:<anna@local.example>\r\n"
BOB = b"RCPT TO:<bob@local.example>\r\n"
TOO_MANY = b"450 4.7.1 You may send to 2 recipients in an hour; try again later"
TWO = {"submission_recipients_hour": 2}


class Allowances(SmtpTestCase):
    """At RCPT, for all sessions of an account together."""

    def used_up(self, world: World) -> list[AllowanceUsedUp]:
        """What the administrator was told."""
        return [event for event in world.events if isinstance(event, AllowanceUsedUp)]

    def test_limit(self) -> None:
        """450 for the recipient that is one too many; the others get the message."""
        world = self.submitting(limits=TWO)
        self.check(world, [(MAIL + RCPT + BOB + RCPT, [b"250", b"250", b"250", TOO_MANY])])
        self.check(world, [(b"DATA\r\n", [b"354"]), (FROM + b"\r\n.\r\n", [b"250"])])
        self.check(world, [(MAIL + RCPT + BOB, [b"250", TOO_MANY, TOO_MANY])])
        told = AllowanceUsedUp("CONN", "anna@local.example", "submission_recipients_hour", 2)
        self.assertEqual(self.used_up(world), [told])
        world.clock.advance(200)
        self.check(world, [(b"RSET\r\n", [b"250"])])

    def test_what_is_not_accepted_does_not_count(self) -> None:
        """Refused messages, RSET and lost connections give back what they reserved."""
        world = self.submitting(limits=TWO)
        for _ in range(3):
            self.check(world, [(MAIL + RCPT + BOB + b"DATA\r\n", [b"250", b"250", b"250", b"354"])])
            self.check(world, [(b"\r\n.\r\n", [b"550"])])
            self.check(world, [(MAIL + RCPT + BOB + b"RSET\r\n", [b"250"] * 4)])
        self.check(world, [(MAIL + RCPT + BOB, [b"250"] * 3)])
        other = self.submitting(limits=TWO, beside=world)
        self.check(other, [(MAIL + RCPT, [b"250", TOO_MANY])])
        world.lose()
        self.check(other, [(RCPT + BOB + RCPT, [b"250", b"250", TOO_MANY])])

    def test_chunks(self) -> None:
        """A message in chunks counts as one by DATA."""
        world = self.submitting(limits=TWO)
        self.check(world, [(MAIL + RCPT + BOB, [b"250"] * 3)])
        content = FROM + b"\r\n"
        self.check(world, [(b"BDAT %d LAST\r\n" % len(content) + content, [b"250"])])
        self.check(world, [(MAIL + RCPT, [b"250", TOO_MANY])])

    def test_other_servers(self) -> None:
        """Mail from other servers has no allowance."""
        world = self.greeted(limits=TWO)
        self.check(world, [(b"MAIL FROM:<>\r\n" + (RCPT + BOB) * 5, [b"250"] * 11)])
