"""mailnode.events.tally: what is counted."""

from twisted.trial.unittest import SynchronousTestCase

from mailnode.events import life
from mailnode.events.tally import COUNTS, KEPT, Key, Tally, reason_of

EXAMPLES: tuple[tuple[life.Event, dict[Key, int]], ...] = (
    (life.LoggedIn("c", "anna@x.y", "imap", "p"), {Key("logins", ("imap", "ok")): 1}),
    (life.LoginRefused("c", "who\n", "pop3", "p", "why"), {Key("logins", ("pop3", "refused")): 1}),
    (
        life.Accepted("c", "m", "a@x.y", ("b@x.y", "c@x.y"), 700),
        {Key("accepted"): 1, Key("accepted_recipients"): 2, Key("accepted_octets"): 700},
    ),
    (
        life.Refused("c", "RCPT", "550 5.1.1 No such mailbox", "TO:<x@x.y>"),
        {Key("refused", ("RCPT", "permanent", "address")): 1},
    ),
    (life.PutOff("", "m", "r", "h", "451 4.7.1 Later"), {Key("put_off", ("policy",)): 1}),
    (life.Expunged("c", "anna@x.y", "INBOX", 3), {Key("expunged"): 3}),
    (life.Delivered("c", "m", "anna@x.y", "INBOX"), {Key("delivered"): 1}),
)


class TallyTests(SynchronousTestCase):
    """The numbers."""

    def test_every_event_counts(self) -> None:
        """No kind of event is forgotten."""
        kinds = [one for one in vars(life).values() if isinstance(one, type) and issubclass(one, life.Event)]
        self.assertEqual(set(COUNTS), set(kinds) - {life.Event})

    def test_examples(self) -> None:
        """What an event adds, and that it adds it again."""
        for event, expected in EXAMPLES:
            tally = Tally()
            tally.hear(event)
            self.assertEqual(tally.totals(), expected)
            tally.hear(event)
            self.assertEqual(tally.totals(), {key: 2 * count for key, count in expected.items()})

    def test_reasons(self) -> None:
        """The kind and the subject of a reply; what has no enhanced code is of another reason."""
        for reply, expected in (
            ("452 4.2.2 Full", ("temporary", "mailbox")),
            ("550-5.7.26 Not signed", ("permanent", "policy")),
            ("5.4.4 no host", ("permanent", "network")),
            ("554 No", ("permanent", "other")),
            ("421 4.9.0 x", ("temporary", "other")),
            ("connection lost", ("temporary", "other")),
            ("", ("temporary", "other")),
        ):
            self.assertEqual(reason_of(reply), expected, reply)

    def test_lately(self) -> None:
        """An hour is looked back, less where the server has not run so long."""
        tally = Tally()
        tally.hear(life.Ended("", "m"))
        for _ in range(KEPT - 1):
            tally.minute_is_over()
        self.assertEqual(tally.lately(), {Key("ended"): 1})
        tally.minute_is_over()
        self.assertEqual(tally.lately(), {Key("ended"): 0})
        tally.hear(life.Ended("", "m"))
        self.assertEqual((tally.lately(), tally.totals()), ({Key("ended"): 1}, {Key("ended"): 2}))
