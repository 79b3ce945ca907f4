"""Who may send as whom."""

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.live import Live
from mailnode.config import MailboxEntry, Mailboxes
from mailnode.delivery.senders import may_send_as
from mailnode.wire.address import Address, parse_address
from tests.delivery.test_route import CONFIG, MAILBOXES

ANNA = "anna@a.example"
OWN = ("anna@a.example", "Anna+tag@a.example", "info@a.example", "all@a.example")
GRANTED = ("noreply@a.example", "noreply+x@a.example", "x@b.example", "carl@B.example")
NEITHER = ("bob@a.example", "noreply2@a.example", "x@a.example", "x@empty.example", "x@elsewhere.example")


class Rule(SynchronousTestCase):
    """The one function for reverse-path, From and Sender."""

    def setUp(self) -> None:
        entry = MailboxEntry("x", send_as=("noreply@a.example", "@b.example"))
        people = {**MAILBOXES.mailboxes, ANNA: entry}
        self.live = Live(CONFIG, replace(MAILBOXES, mailboxes=people))

    def test_rows(self) -> None:
        """Own addresses, granted ones, and all others."""
        for address in OWN + GRANTED:
            self.assertTrue(may_send_as(self.live, ANNA, parse_address(address)), address)
        for address in NEITHER:
            self.assertFalse(may_send_as(self.live, ANNA, parse_address(address)), address)
        for address in GRANTED[:2]:
            self.assertFalse(may_send_as(self.live, "bob@a.example", parse_address(address)), address)

    def test_without_subaddresses(self) -> None:
        """Where there is no separator, a + is a letter like others."""
        self.live.config = replace(CONFIG, subaddress="")
        self.assertFalse(may_send_as(self.live, ANNA, parse_address("noreply+x@a.example")))

    def test_mailbox_is_gone(self) -> None:
        """Who has no mailbox any more may send as nobody."""
        self.live.mailboxes = Mailboxes({}, MAILBOXES.aliases)
        self.assertFalse(may_send_as(self.live, ANNA, Address("anna", "a.example")))
