"""Where DATA ends when our own code fails; how else it ends is in tests/vectors/smuggling.toml."""

from tests.smtp.world import MAIL, RCPT, SmtpTestCase


class Smuggling(SmtpTestCase):
    """Whatever comes before the true end is text."""

    def test_a_bug_does_not_turn_text_into_commands(self) -> None:
        """Where our own code fails in the middle, the message is still read to its end, then 451."""
        world = self.greeted()
        self.check(world, [(MAIL + RCPT + b"DATA\r\n", [b"250", b"250", b"354"])])
        world.courier.begin = None  # type: ignore[assignment,method-assign]
        self.check(world, [(b"Subject: a\r\n\r\n", []), (b"NOOP\r\n", []), (b".\r\n", [b"451 4.3.0"])])
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
