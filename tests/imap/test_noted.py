"""What IMAP commands do to messages is told as events, with names that outlive UIDs."""

from mailnode.events.deeds import Copied, Deed, Flagged, Identified, MailboxDeleted, MailboxRenamed, Moved
from mailnode.events.life import Expunged
from mailnode.imap import noted
from tests.imap.test_session import MESSAGE, SessionCase

ADDRESS = "me@example.org"


class NotedTests(SessionCase):
    """In one mailbox of one account."""

    def setUp(self) -> None:
        super().setUp()
        self.me = self.client().login()
        for _ in range(3):
            self.me.append(MESSAGE)
        self.me.say("a CREATE Work")
        self.told()

    def told(self) -> list[object]:
        """The events since the last time."""
        events = list(self.world.events)
        self.world.events.clear()
        return list(events)

    def one(self, command: str) -> Deed | Expunged:
        """The one event of a command, which is about this account."""
        self.assertIn(b"a OK", self.me.say(f"a {command}"))
        (event,) = self.told()
        assert isinstance(event, Deed | Expunged)
        self.assertEqual((event.connection, event.address), ("TEST", ADDRESS))
        return event

    def test_reading(self) -> None:
        r"""Who reads what is unread marks it; who only looks, or reads again, does nothing."""
        event = self.one("FETCH 1:2 BODY[]")
        assert isinstance(event, Flagged)
        self.assertEqual(
            (event.mailbox, event.uids, event.change, event.flags), ("INBOX", "1:2", "add", ("\\Seen",))
        )
        self.assertEqual(len(set(event.names)), 2)
        for command in ("FETCH 1 BODY[]", "FETCH 3 BODY.PEEK[]", "FETCH 3 FLAGS"):
            self.me.say(f"a {command}")
        self.assertEqual(self.told(), [])

    def test_flags(self) -> None:
        """Of flags it is told which changed how, and of which messages: those that have others now."""
        self.one("STORE 1 +FLAGS (\\Flagged)")
        event = self.one("STORE 1:3 +FLAGS (\\Flagged \\Answered)")
        assert isinstance(event, Flagged)
        self.assertEqual((event.uids, event.flags), ("1:3", ("\\Answered", "\\Flagged")))
        event = self.one("STORE 1:3 FLAGS.SILENT ()")
        assert isinstance(event, Flagged)
        self.assertEqual((event.change, event.flags), ("replace", ()))
        self.me.say("a STORE 1:3 -FLAGS (\\Flagged)")
        self.assertEqual(self.told(), [])

    def test_many(self) -> None:
        """Of a great many messages the UIDs are enough where flags change, not where they go."""
        self.patch(noted, "FEW", 2)
        self.patch(noted, "NAMED", 2)
        event = self.one("STORE 1:3 +FLAGS (\\Deleted)")
        assert isinstance(event, Flagged)
        self.assertEqual((event.uids, event.names), ("1:3", ()))
        self.me.say("a EXPUNGE")
        events = [event for event in self.told() if isinstance(event, Expunged)]
        self.assertEqual(
            [(one.uids, one.count, len(one.names)) for one in events], [("1:2", 2, 2), ("3", 1, 1)]
        )

    def test_the_name_stays(self) -> None:
        """One name leads through copies and moves to the end."""
        flagged = self.one("STORE 2 +FLAGS (\\Flagged)")
        copied = self.one("COPY 2 Work")
        assert isinstance(copied, Copied) and not isinstance(copied, Moved)
        self.assertEqual(
            (copied.uids, copied.to_address, copied.to_mailbox, copied.to_uids), ("2", ADDRESS, "Work", "1")
        )
        moved = self.one("MOVE 2 Work")
        assert isinstance(moved, Moved)
        self.assertEqual((moved.mailbox, moved.to_mailbox, moved.to_uids), ("INBOX", "Work", "2"))
        self.me.say("a SELECT Work")
        self.one("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
        gone = self.one("EXPUNGE")
        self.assertEqual((gone.mailbox, gone.uids), ("Work", "1:2"))
        self.assertEqual(set(gone.names), set(flagged.names))
        self.assertEqual(copied.names + moved.names, gone.names)

    def test_replaced(self) -> None:
        """REPLACE removes a message."""
        self.me.send(b"a REPLACE 1 INBOX {3+}\r\nabc\r\n")
        (event,) = self.told()
        assert isinstance(event, Expunged)
        self.assertEqual((event.mailbox, event.uids, event.count, len(event.names)), ("INBOX", "1", 1, 1))

    def test_mailboxes(self) -> None:
        """A mailbox that gets another name, or goes, is told of, whatever was in it."""
        self.me.say("a RENAME Work Play/Work")
        self.me.say("a DELETE Play/Work")
        self.me.say("a DELETE Nothing")
        self.assertEqual(
            self.told(),
            [
                MailboxRenamed("TEST", ADDRESS, "Work", "Play/Work"),
                MailboxDeleted("TEST", ADDRESS, "Play/Work"),
            ],
        )

    def test_identity(self) -> None:
        """What a client says of itself is told once, however often it says it."""
        for number in range(3):
            self.me.say(f'a ID ("name" "Reader\t" "version" "{number}")')
        (event,) = self.told()
        assert isinstance(event, Identified)
        self.assertEqual(event.client, "name=Reader\t; version=0")
