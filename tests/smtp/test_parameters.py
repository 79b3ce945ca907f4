"""Parameters of MAIL and RCPT that say how a message is to be carried on."""

from dataclasses import replace

from mailnode.envelope import Body, Deadline, Envelope
from tests.smtp.world import MAIL, RCPT, SmtpTestCase, World

NOW = 1_000_000_000.0


def mail(parameters: str) -> bytes:
    """MAIL with parameters."""
    return f"{MAIL.decode()[:-2]} {parameters}\r\n".encode()


class Parameters(SmtpTestCase):
    """What is kept in the envelope, and what is refused."""

    def begin(self, parameters: str, reply: bytes = b"250 2.1.0", **facts: object) -> World:
        """After a MAIL with parameters."""
        world = self.greeted(**facts)
        self.check(world, [(mail(parameters), [reply])])
        return world

    def test_envelope(self) -> None:
        """All that was said is in the transaction's envelope."""
        for parameters, wanted in (
            ("SIZE=5", {"size": 5}),
            ("BODY=8bitmime", {"body": Body.EIGHT_BIT}),
            ("BODY=BINARYMIME", {"body": Body.BINARY}),
            ("BY=60;R", {"deadline": Deadline(NOW + 60, return_=True, trace=False)}),
            ("BY=-60;nt", {"deadline": Deadline(NOW - 60, return_=False, trace=True)}),
            ("MT-PRIORITY=-4", {"priority": -4}),
        ):
            world = self.begin(parameters, trusted=True)
            bare = Envelope(world.envelope.reverse_path)
            self.assertEqual(world.envelope, replace(bare, **wanted), parameters)

    def test_wrong_values(self) -> None:
        """501 for what the grammar does not allow, 555 for what is not known here."""
        for parameters in (
            "BY=0;R",
            "BY=1",
            "BY=1;X",
            "MT-PRIORITY=10",
            "MT-PRIORITY",
            "SIZE=x",
            "BY=1;R BY=1;R",
        ):
            self.begin(parameters, b"501 5.5.4")
        for parameters in ("REQUIRETLS", "HOLDFOR=1", "FOO", "BODY=7"):
            self.begin(parameters, b"555 5.5.4")

    def test_priority(self) -> None:
        """RFC 6710 section 4.1: a stranger may lower it, and is told when it is not raised."""
        self.begin("MT-PRIORITY=5", b"250 2.3.6 0 ")
        self.assertEqual(self.begin("MT-PRIORITY=5", trusted=True).envelope.priority, 5)
        world = self.begin("MT-PRIORITY=-2")
        self.check(world, [(RCPT, [b"250"]), (b"DATA\r\n", [b"354"]), (b"\r\n.\r\n", [b"250"])])
        self.assertIn(b"\tPRIORITY -2;\r\n", world.courier.delivered[0].content)

    def test_too_late(self) -> None:
        """RFC 2852: with R, a message that comes after its time is returned; with N it is delivered."""
        for mode, answer in (("R", b"554 5.4.7"), ("N", b"250")):
            world = self.begin(f"BY=10;{mode}")
            self.check(world, [(RCPT, [b"250"]), (b"DATA\r\n", [b"354"]), (b"\r\nx", [])])
            world.clock.advance(11)
            self.check(world, [(b"\r\n.\r\n", [answer])])
