"""FUTURERELEASE (RFC 4865): messages that are to be sent later."""

import errno

from mailnode.events.life import Accepted, Held
from mailnode.store.errors import OverQuota
from tests.smtp.world import CUTS, FROM, RCPT, SmtpTestCase, World

NOW = 1_000_000_000.0
MONTH = 2_592_000
TEXT = FROM + b"Subject: x\r\n\r\nbody\r\n"
BOB = b"RCPT TO:<bob@local.example>\r\n"


def mail(parameters: str) -> bytes:
    """MAIL of anna's with parameters."""
    return f"MAIL FROM:<anna@local.example> {parameters}\r\n".encode()


class FutureRelease(SmtpTestCase):
    """On submission, logged in."""

    def send(self, world: World, parameters: str, answer: bytes, to: bytes = RCPT) -> None:
        """A whole transaction."""
        self.check(world, [(mail(parameters), [b"250"]), (to, [b"250"] * to.count(b"RCPT"))])
        self.check(world, [(b"DATA\r\n", [b"354"]), (TEXT + b".\r\n", [answer])])

    def test_held(self) -> None:
        """A message whose time has not come goes to the queue, and nowhere else."""
        until = b" held until Sun, 9 Sep 2001 02:46:40 +0000"
        for parameters in (
            "HOLDFOR=3600",
            "holduntil=2001-09-09T02:46:40Z",
            "HOLDUNTIL=2001-09-09T04:46:40+02:00",
        ):
            for cut in CUTS:
                world = self.submitting(cut=cut)
                world.send(mail(parameters))
                envelope = world.envelope
                self.assertEqual(envelope.release, NOW + 3600)
                self.check(world, [(RCPT, [b"250"]), (b"DATA\r\n", [b"354"])])
                (answer,) = world.send(TEXT + b".\r\n")
                self.assertEqual((answer[:13], answer[-len(until) :]), (b"250 2.0.0 Ok:", until))
                self.assertEqual(world.courier.deliveries, [])
                (entry,), (admission,) = world.queue.entries, world.queue.admissions
                self.assertEqual(entry.id.encode(), answer.split()[3])
                self.assertEqual((entry.came, entry.due), (NOW, NOW + 3600))
                self.assertEqual(entry.envelope.reverse_path, envelope.reverse_path)
                self.assertEqual(
                    [str(one.address) for one in entry.envelope.recipients], ["anna@local.example"]
                )
                self.assertEqual(admission.outcome, "delivered")
                held, accepted = (event for event in world.events if isinstance(event, Held | Accepted))
                self.assertEqual(held, Held("CONN", entry.id, int(entry.due)))
                self.assertEqual(accepted.message, entry.id)

    def test_content(self) -> None:
        """Received tells when it was accepted; Return-Path and Delivered-To come at final delivery."""
        world = self.submitting()
        self.send(world, "HOLDFOR=60", b"250")
        content = world.queue.admissions[0].content
        self.assertEqual(content[:30], b"Received: from client.example ")
        self.assertIn(b"for <anna@local.example>;\r\n\tSun, 9 Sep 2001 01:46:40 +0000\r\n", content)
        self.assertIn(b"Date: Sun, 9 Sep 2001 01:46:40 +0000\r\n", content)
        self.assertTrue(content.endswith(TEXT))
        for name in (b"Return-Path", b"Delivered-To"):
            self.assertNotIn(name, content)

    def test_at_once(self) -> None:
        """RFC 4865 section 4: no time, and a time that is past, hold nothing."""
        for parameters in ("HOLDFOR=0", "HOLDUNTIL=1999-01-01T00:00:00Z"):
            world = self.submitting()
            self.send(world, parameters, b"250 2.0.0 Ok: ")
            self.assertEqual((len(world.courier.delivered), world.queue.entries), (1, []))

    def test_over_while_it_comes(self) -> None:
        """A time that passes before the content is there holds nothing."""
        world = self.submitting()
        self.check(world, [(mail("HOLDFOR=10"), [b"250"]), (RCPT, [b"250"]), (b"DATA\r\n", [b"354"])])
        world.clock.advance(11)
        self.check(world, [(TEXT + b".\r\n", [b"250"])])
        self.assertEqual((len(world.courier.delivered), world.queue.entries), (1, []))

    def test_refused(self) -> None:
        """501 for both at once, for too long, and for a deadline that would be over by then, in any order."""
        for parameters in (
            "HOLDFOR=1 HOLDUNTIL=2001-09-10T00:00:00Z",
            "HOLDUNTIL=2001-09-10T00:00:00Z HOLDFOR=1",
            f"HOLDFOR={MONTH + 1}",
            "HOLDUNTIL=2001-10-09T01:46:41Z",
            "HOLDFOR=61 BY=60;N",
            "BY=60;R HOLDFOR=61",
            "BY=60;R HOLDUNTIL=2001-09-09T02:46:40Z",
            "HOLDFOR=x",
            "HOLDFOR",
            "HOLDUNTIL=tomorrow",
        ):
            self.check(self.submitting(), [(mail(parameters), [b"501 5.5.4"])])

    def test_longest(self) -> None:
        """What is announced is possible."""
        for parameters in (f"HOLDFOR={MONTH}", "HOLDUNTIL=2001-10-09T01:46:40Z", "HOLDFOR=60 BY=60;R"):
            world = self.submitting()
            self.send(world, parameters, b"250 2.0.0 Ok: ")
            self.assertEqual(len(world.queue.entries), 1)

    def test_switched_off(self) -> None:
        """With longest_hold = 0 nobody is offered it; and strangers never are: it is for submission."""
        world = self.submitting(submission={"longest_hold": 0})
        self.check(world, [(mail("HOLDFOR=1"), [b"555 5.5.4"])])
        self.check(self.greeted(), [(b"MAIL FROM:<a@remote.example> HOLDFOR=1\r\n", [b"555 5.5.4"])])

    def test_full_now(self) -> None:
        """Whether a mailbox has room is asked on the day of the delivery."""
        world = self.submitting()
        world.courier.full = OverQuota("anna")
        self.send(world, "HOLDFOR=60", b"250 2.0.0 Ok: ")
        self.check(world, [(mail("HOLDFOR=0"), [b"250"]), (RCPT, [b"452 4.2.2"])])

    def test_disk(self) -> None:
        """D3: a message that could not be kept is refused, and nothing of it stays."""
        world = self.submitting()
        world.queue.fails = OSError(errno.ENOSPC, "full")
        self.send(world, "HOLDFOR=60", b"452 4.3.1")
        self.assertEqual(world.queue.admissions[0].outcome, "aborted")

    def test_aborted(self) -> None:
        """A client that goes away in the middle leaves nothing."""
        world = self.submitting()
        self.check(world, [(mail("HOLDFOR=60"), [b"250"]), (RCPT, [b"250"]), (b"DATA\r\n", [b"354"])])
        world.send(TEXT)
        world.lose()
        self.assertEqual([one.outcome for one in world.queue.admissions], ["aborted"])

    def test_literal(self) -> None:
        """An address that names this host by the address the client reached is kept by its name."""
        world = self.submitting()
        self.send(world, "HOLDFOR=60", b"250", b"RCPT TO:<anna@[192.0.2.1]>\r\n" + BOB)
        addresses = [str(one.address) for one in world.queue.entries[0].envelope.recipients]
        self.assertEqual(addresses, ["anna@local.example", "bob@local.example"])

    def test_chunks(self) -> None:
        """By BDAT, a binary message too."""
        world = self.submitting()
        self.check(world, [(mail("HOLDFOR=60 BODY=BINARYMIME"), [b"250"]), (RCPT, [b"250"])])
        content = TEXT + b"\0\n\r"
        self.check(world, [(b"BDAT %d LAST\r\n" % len(content) + content, [b"250 2.0.0 Ok: "])])
        self.assertTrue(world.queue.admissions[0].content.endswith(content))
