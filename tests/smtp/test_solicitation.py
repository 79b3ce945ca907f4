"""NO-SOLICITING (RFC 3865): what says that it solicits is refused where that is not wanted."""

from tests.smtp.world import EHLO, MAIL, RCPT, SmtpTestCase, World

UNWANTED = {"no_soliciting": ("org.example:adv", "net.example:adv:adlt")}
MAIL_AS = b"MAIL FROM:<a@remote.example> SOLICIT="


class Solicitation(SmtpTestCase):
    """The parameter and the header field."""

    def test_announced(self) -> None:
        """Section 2.1: with its keywords, where there are any; the parameter is known only then."""
        world = self.world(config=UNWANTED)
        world.transport.take()
        world.stream.dataReceived(EHLO)
        self.assertIn(b"-NO-SOLICITING org.example:adv,net.example:adv:adlt\r\n", world.transport.take())
        world = self.world()
        world.transport.take()
        world.stream.dataReceived(EHLO)
        self.assertNotIn(b"SOLICIT", world.transport.take())
        self.check(world, [(MAIL_AS + b"x\r\n", [b"555 5.5.4"])])

    def test_parameter(self) -> None:
        """Section 2.4: 550 5.7.1 for a keyword that is not wanted, in any letters; others pass."""
        for value, answer in (
            (b"org.example:ADV", b"550 5.7.1 No soliciting here: org.example:adv"),
            (b"com.example:ADV,NET.example:ADV:ADLT", b"550 5.7.1"),
            (b"net.example:ADV", b"250"),
            (b"org.example:ADV:ADLT", b"250"),
            (b"org.example:ADV,", b"501 5.5.4"),
        ):
            self.check(self.greeted(config=UNWANTED), [(MAIL_AS + value + b"\r\n", [answer])])

    def deliver(self, world: World, begin: bytes, fields: bytes) -> bytes:
        """One message; the answer."""
        self.check(world, [(begin + RCPT + b"DATA\r\n", [b"250", b"250", b"354"])])
        (answer,) = world.send(fields + b"\r\nSolicitation: org.example:ADV\r\n.\r\n")
        return answer

    def test_field(self) -> None:
        """Section 2.5: the field says the same; what cannot be read in it says nothing."""
        for field, answer in (
            (b"Solicitation: org.example:ADV\r\n", b"550 5.7.1"),
            (b"SOLICITATION:com.example:x,\r\n net.example:ADV:ADLT\r\n", b"550 5.7.1"),
            (b"Solicitation: a.example:b\r\nSolicitation: org.example:adv\r\n", b"550 5.7.1"),
            (b"Solicitation: a.example:b\r\n", b"250 2.0.0"),
            (b"Solicitation: buy, buy!\r\n", b"250 2.0.0"),
            (b"X: y\r\n", b"250 2.0.0"),
        ):
            self.assertEqual(self.deliver(self.greeted(config=UNWANTED), MAIL, field)[:9], answer, field)
        self.assertEqual(self.deliver(self.greeted(), MAIL, b"Solicitation: org.example:ADV\r\n")[:3], b"250")

    def test_trace(self) -> None:
        """Section 2.6: what the parameter said stands in Received."""
        world = self.greeted(config=UNWANTED)
        self.deliver(world, MAIL_AS + b"a.example:B,c.example:D\r\n", b"X: y\r\n")
        wanted = b"with ESMTP\r\n\t(SOLICIT=a.example:b,c.example:d)\r\n\tid "
        self.assertIn(wanted, world.courier.delivered[0].content)
        world = self.greeted(config=UNWANTED)
        self.deliver(world, MAIL_AS + b"a." + b"x" * 990 + b"\r\n", b"X: y\r\n")
        self.assertNotIn(b"SOLICIT=", world.courier.delivered[0].content)
