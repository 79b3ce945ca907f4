"""Numbers of things in words."""

from twisted.trial.unittest import SynchronousTestCase

from mailnode.counting import counted, plural


class CountingTests(SynchronousTestCase):
    """One, and any other number."""

    def test_counted(self) -> None:
        """The number stands before the word that fits it."""
        for number, thing, things, text in (
            (0, "message", "", "0 messages"),
            (1, "message", "", "1 message"),
            (2, "message", "", "2 messages"),
            (1, "mailbox", "mailboxes", "1 mailbox"),
            (3, "mailbox", "mailboxes", "3 mailboxes"),
        ):
            self.assertEqual(counted(number, thing, things), text)
        self.assertEqual(plural(1, "has", "have"), "has")
