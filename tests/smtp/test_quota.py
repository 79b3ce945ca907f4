"""What SMTP says of full mailboxes: at RCPT, and when the message has come."""

from mailnode.config_quota import Quota
from mailnode.store.errors import OverQuota
from tests.smtp.world import MAIL, RCPT, SmtpTestCase, World

BEN = b"RCPT TO:<bob@local.example>\r\n"
TEAM = b"RCPT TO:<team@local.example>\r\n"
SIZED = b"MAIL FROM:<a@remote.example> SIZE=1000\r\n"
DATA = b"DATA\r\n"
CONTENT = b"Subject: x\r\n\r\nx\r\n.\r\n"


class Full(SmtpTestCase):
    """A mailbox without room."""

    def full(self, **facts: object) -> World:
        """A session in a transaction; from here on there is no room."""
        world = self.greeted(**facts)
        self.check(world, [(MAIL, [b"250"])])
        world.courier.full = OverQuota()
        return world

    def test_postmaster(self) -> None:
        """R17: every postmaster is accepted though the mailbox is full, and gets the message."""
        for path in (
            b"<Postmaster>",
            b"<POSTMASTER@local.example>",
            b"<postmaster@second.example>",
            b"<postmaster@mx.local.example>",
            b"<postmaster@[192.0.2.1]>",
        ):
            world = self.full()
            self.check(world, [(b"RCPT TO:" + path + b"\r\n" + RCPT, [b"250", b"452 4.2.2"])])
            self.check(world, [(b"DATA\r\n", [b"354"]), (b"\r\nx\r\n.\r\n", [b"250"])])
            (delivery,) = world.courier.delivered
            self.assertEqual(delivery.always, set(delivery.accounts), path)

    def test_postmaster_needs_no_room(self) -> None:
        """Who comes beside postmaster shares no room with it, and is not spared."""
        world = self.greeted()
        self.check(world, [(MAIL + b"RCPT TO:<postmaster>\r\n" + BEN, [b"250", b"250", b"250"])])
        self.assertEqual(world.courier.asked, [(("bob@local.example",), (), 0)])
        self.check(world, [(b"DATA\r\n", [b"354"]), (b"\r\nx\r\n.\r\n", [b"250"])])
        self.assertEqual(world.courier.delivered[0].always, {"anna@local.example"})

    def test_rcpt(self) -> None:
        """RCPT is put off or refused as configured; the transaction goes on with others."""
        for over, reply in (
            ("defer", b"452 4.2.2 The mailbox is full"),
            ("refuse", b"552 5.2.2 The mailbox"),
        ):
            world = self.full(over=over)
            self.check(world, [(RCPT, [reply]), (DATA, [b"554 5.5.1"])])
            world.courier.full = None
            self.check(world, [(BEN, [b"250"]), (DATA, [b"354"]), (CONTENT, [b"250"])])
            self.assertEqual(world.courier.delivered[0].accounts, ("bob@local.example",))

    def test_what_is_asked(self) -> None:
        """Asked for are the mailboxes behind an address, beside those before, with the size MAIL declared."""
        world = self.greeted()
        self.check(world, [(SIZED, [b"250"]), (RCPT, [b"250"]), (TEAM, [b"250"])])
        anna, bob = "anna@local.example", "bob@local.example"
        self.assertEqual(world.courier.asked, [((anna,), (), 1000), ((anna, bob), (anna,), 1000)])

    def test_unknown_and_relay(self) -> None:
        """Who is not here is not measured."""
        world = self.full()
        self.check(world, [(b"RCPT TO:<nobody@local.example>\r\n", [b"550 5.1.1"])])
        self.check(world, [(b"RCPT TO:<x@elsewhere.example>\r\n", [b"550 5.7.1"])])
        self.assertEqual(world.courier.asked, [])

    def test_unmeasurable(self) -> None:
        """A disk that does not answer is a temporary failure."""
        world = self.full()
        world.courier.full = OSError(5, "I/O error")
        self.check(world, [(RCPT, [b"451 4.3.0"])])

    def test_full_meanwhile(self) -> None:
        """Filled after RCPT: one recipient hears what RCPT would have said, for several it is put off."""
        for over, recipients, reply in (
            ("defer", RCPT, b"452 4.2.2 The mailbox is full"),
            ("refuse", RCPT, b"552 5.2.2 The mailbox is full"),
            ("defer", RCPT + BEN, b"452 4.2.2 The mailbox of a recipient is full"),
            ("refuse", RCPT + BEN, b"452 4.2.2 The mailbox of a recipient is full"),
        ):
            world = self.greeted(over=over)
            world.courier.fails = OverQuota()
            replies = [b"250"] * recipients.count(b"RCPT")
            self.check(world, [(MAIL, [b"250"]), (recipients, replies), (DATA, [b"354"]), (CONTENT, [reply])])
            self.assertEqual(world.courier.deliveries[0].outcome, "aborted")

    def test_reload(self) -> None:
        """Another answer holds for the next command."""
        world = self.full(over="refuse")
        self.check(world, [(RCPT, [b"552"])])
        world.live.config = World(over="defer").live.config
        self.assertEqual(world.live.config.quota, Quota())
        self.check(world, [(RCPT, [b"452"])])
