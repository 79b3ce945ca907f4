"""Where DATA ends: only at CRLF "." CRLF (vectors S1 to S14 and S20)."""

from tests.smtp.world import CUTS, MAIL, RCPT, SmtpTestCase, World

SECOND = (
    b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<bob@local.example>\r\nDATA\r\n"
    b"Subject: smuggled\r\n\r\nb\r\n.\r\n"
)
ENDS = {  # vector: octets that are no end of data, and the answer to a message with them
    "S1": (b"\n.\n", b"550 5.5.2"),
    "S2": (b"\n.\r\n", b"550 5.5.2"),
    "S3": (b"\r.\r", b"550 5.5.2"),
    "S4": (b"\r.\r\n", b"550 5.5.2"),
    "S5": (b"\r\n.\n", b"550 5.5.2"),
    "S6": (b"\r\n.\r", b"550 5.5.2"),
    "S7": (b"\n.\r", b"550 5.5.2"),
    "S8": (b"\r.\r\r\n", b"550 5.5.2"),
    "S9": (b"\r\n\x00.\r\n", b"550 5.6.0"),
    "S10": (b"\r\n.\r\r\n", b"550 5.5.2"),
    "S11": (b"\r\r\n.\r\r\n", b"550 5.5.2"),
}


class Smuggling(SmtpTestCase):
    """Whatever comes before the true end is text."""

    def ready(self, world: World) -> World:
        """After 354."""
        self.check(world, [(MAIL, [b"250"]), (RCPT, [b"250"]), (b"DATA\r\n", [b"354"])])
        return world

    def test_no_false_end(self) -> None:
        """S1-S11: one reply, after the true end, and no message: nothing of the text is run as commands."""
        for name, (end, answer) in ENDS.items():
            for cut in CUTS:
                world = self.ready(self.greeted(cut=cut))
                # The commands of the second message are text of the first; their end is the end of it.
                replies = world.send(b"Subject: a\r\n\r\nx" + end + SECOND)
                self.assertEqual([reply[:9] for reply in replies], [answer], (name, cut))
                self.assertEqual(world.courier.delivered, [], name)
                self.check(world, [(b"RCPT TO:<bob@local.example>\r\n", [b"503 5.5.1"])])

    def test_no_false_end_on_submission(self) -> None:
        """S20: the same for our own people."""
        for name, (end, answer) in ENDS.items():
            world = self.submitting()
            self.check(world, [(b"MAIL FROM:<anna@local.example>\r\n", [b"250"]), (RCPT, [b"250"])])
            self.check(world, [(b"DATA\r\n", [b"354"]), (b"\r\nx" + end + SECOND, [answer])])
            self.assertEqual(world.courier.delivered, [], name)

    def test_dots(self) -> None:
        """S12, S13: a doubled dot is one dot; the end may come in any pieces."""
        for cut in CUTS:
            world = self.ready(self.greeted(cut=cut))
            self.check(world, [(b"Subject: a\r\n\r\n..\r\n...x\r\n.\r\n", [b"250 2.0.0 Ok: "])])
            self.assertTrue(world.courier.delivered[0].content.endswith(b"Subject: a\r\n\r\n.\r\n..x\r\n"))

    def test_empty_message(self) -> None:
        """S14: a message without any content is accepted, with one reply."""
        for cut in CUTS:
            world = self.ready(self.greeted(cut=cut))
            self.check(world, [(b".\r\n", [b"250"])])
            self.assertTrue(world.courier.delivered[0].content.startswith(b"Return-Path: "))

    def test_commands_behind_the_end(self) -> None:
        """RFC 2920 section 3.1: what follows the end in the same segment is the next group of commands."""
        for cut in CUTS:
            world = self.ready(self.greeted(cut=cut))
            self.check(
                world, [(b"\r\nx\r\n.\r\n" + MAIL + RCPT + b"DATA\r\n", [b"250", b"250", b"250", b"354"])]
            )
            self.check(world, [(b"y\r\n.\r\nQUIT\r\n", [b"250", b"221"])])
            self.assertEqual(len(world.courier.delivered), 2)

    def test_a_bug_does_not_turn_text_into_commands(self) -> None:
        """Where our own code fails in the middle, the message is still read to its end, then 451."""
        world = self.ready(self.greeted())
        world.courier.begin = None  # type: ignore[assignment,method-assign]
        self.check(world, [(b"Subject: a\r\n\r\n", []), (b"NOOP\r\n", []), (b".\r\n", [b"451 4.3.0"])])
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
