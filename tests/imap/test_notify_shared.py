"""NOTIFY, where others have opened mailboxes to the client."""

from mailnode.imap.lookout import POLL
from mailnode.store.delivery import deliver
from mailnode.store.values import INBOX
from tests.imap.test_session import MESSAGE
from tests.imap.test_shared import SharedCase
from tests.imap.world import Client

ALL = "(MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange)"
SHARED = f"(subtree Shared {ALL})"


class OfOthers(SharedCase):
    """The client is "me", and anna shares."""

    def listening(self, groups: str = SHARED, mailbox: str | None = None, who: str = "me") -> Client:
        """One that has used NOTIFY; what it was told then is left in `first`."""
        client = self.client().login(mailbox, who=who)
        self.first = client.say(f"n NOTIFY SET {groups}")
        self.assertIn(b"n OK ", self.first)
        return client

    def test_messages(self) -> None:
        """New messages, removals and flags, at once; what the client does itself it knows."""
        self.share("me lrswite")
        client = self.listening(f"STATUS {SHARED}")
        self.assertIn(b"* STATUS Shared/anna/Work (MESSAGES 1 UIDNEXT 2 ", self.first)
        self.anna.append(MESSAGE, "Work")
        self.assertRegex(
            client.heard(),
            rb"^\* STATUS Shared/anna/Work \(MESSAGES 2 UIDNEXT 3 UIDVALIDITY \d+ UNSEEN 2\)\r\n$",
        )
        self.does(self.anna, "SELECT Work", "STORE 1 +FLAGS (\\Deleted)", "EXPUNGE")
        self.assertIn(b"(MESSAGES 1 UIDNEXT 3 ", client.heard())
        client.append(MESSAGE, "Shared/anna/Work")
        self.assertEqual(client.heard(), b"")

    def test_seen_is_each_readers(self) -> None:
        r"""A reader's own \Seen is told to their other sessions, and not to carl's."""
        self.share("me lrs", "carl lrs")
        client = self.listening()
        carl = self.listening(who="carl")
        reader = self.client().login("Shared/anna/Work")
        self.does(reader, "STORE 1 +FLAGS (\\Seen)")
        self.assertRegex(client.heard(), rb"^\* STATUS Shared/anna/Work \(UIDVALIDITY \d+ UNSEEN 0\)\r\n$")
        self.assertEqual(carl.heard(), b"")

    def test_opened_later(self) -> None:
        """A mailbox that is opened, and closed again, comes and goes; also the first of its owner."""
        self.share()
        client = self.listening()
        self.assertEqual(self.first, b"n OK You will hear of it\r\n")
        self.does(self.anna, "SETACL Work me lr")
        self.assertTrue(client.heard().endswith(b'* LIST (\\HasNoChildren) "/" Shared/anna/Work\r\n'))
        self.anna.append(MESSAGE, "Work")
        self.assertIn(b"* STATUS Shared/anna/Work (MESSAGES 2 ", client.heard())
        self.does(self.anna, "DELETEACL Work me")
        self.assertTrue(
            client.heard().endswith(b'* LIST (\\NonExistent \\HasNoChildren) "/" Shared/anna/Work\r\n')
        )
        self.anna.append(MESSAGE, "Work")
        self.assertEqual(client.heard(), b"")
        self.does(self.anna, "SETACL Work anyone lr")
        self.assertTrue(client.heard().endswith(b'* LIST (\\HasNoChildren) "/" Shared/anna/Work\r\n'))

    def test_what_may_not_be_read(self) -> None:
        """What may be listed and not read is told to be so (section 3.1), and nothing of its messages."""
        self.share("me l")
        client = self.listening(f"STATUS {SHARED}")
        self.assertEqual(
            self.first,
            b'* LIST (\\NoAccess \\HasNoChildren) "/" Shared/anna/Work\r\nn OK You will hear of it\r\n',
        )
        self.anna.append(MESSAGE, "Work")
        self.assertEqual(client.heard(), b"")

    def test_read_later(self) -> None:
        """What may be read from here on is told so, what may not be read any more too (section 5.9)."""
        self.share("me l")
        client = self.listening(f"{SHARED} (personal (MessageNew MessageExpunge))")
        self.does(self.anna, "SETACL Work me lr")
        self.assertEqual(client.heard(), b'* LIST (\\HasNoChildren) "/" Shared/anna/Work\r\n')
        self.anna.append(MESSAGE, "Work")
        self.assertIn(b"* STATUS Shared/anna/Work (MESSAGES 2 ", client.heard())
        self.does(self.anna, "SETACL Work me lrw")
        self.assertEqual(client.heard(), b"")
        self.does(self.anna, "SETACL Work me l")
        self.assertEqual(client.heard(), b'* LIST (\\NoAccess \\HasNoChildren) "/" Shared/anna/Work\r\n')
        self.anna.append(MESSAGE, "Work")
        self.does(self.anna, "SETACL Work me lw")
        self.assertEqual(client.heard(), b"")

    def test_what_is_not_told(self) -> None:
        """I17: who may not know of a mailbox hears nothing, whatever happens to it."""
        self.share("carl lr")
        client = self.listening(f"STATUS {SHARED} (subtree (Shared/anna Shared/anna/Work) {ALL})")
        self.assertEqual(self.first, b"n OK You will hear of it\r\n")
        self.anna.append(MESSAGE, "Work")
        self.does(
            self.anna,
            "CREATE Work/Deep",
            "RENAME Work/Deep Work/Deeper",
            'SETMETADATA Work (/shared/comment "x")',
        )
        self.does(self.anna, "DELETE Work/Deeper", "SETACL Work carl lrw")
        self.assertEqual(client.heard(), b"")

    def test_personal_is_ones_own(self) -> None:
        """Mailboxes of others are not personal (section 6.2), and no inboxes."""
        self.share("me lr")
        client = self.listening(f"STATUS (personal {ALL}) (inboxes {ALL})")
        self.assertNotIn(b"Shared", self.first)
        self.anna.append(MESSAGE, "Work")
        self.does(self.anna, "CREATE Work/Deep")
        self.assertEqual(client.heard(), b"")

    def test_subscribed(self) -> None:
        """Those that are subscribed are, with the news of that."""
        self.share("me lr")
        other = self.client().login()
        client = self.listening(f"STATUS (subscribed {ALL})")
        self.does(other, "SUBSCRIBE Shared/anna/Work")
        self.assertEqual(client.heard(), b'* LIST (\\Subscribed \\HasNoChildren) "/" Shared/anna/Work\r\n')
        self.anna.append(MESSAGE, "Work")
        self.assertIn(b"* STATUS Shared/anna/Work (MESSAGES 2 ", client.heard())
        self.does(client, "UNSUBSCRIBE Shared/anna/Work")
        self.assertEqual(client.heard(), b"")
        self.anna.append(MESSAGE, "Work")
        self.assertEqual(client.heard(), b"")

    def test_names_and_notes(self) -> None:
        """New mailboxes, new names, and what everybody may know of them."""
        self.share("me lrk")
        client = self.listening()
        self.does(self.anna, "CREATE Work/Deep")
        self.assertEqual(
            client.heard().splitlines(),
            [
                b'* LIST (\\HasChildren) "/" Shared/anna/Work',
                b'* LIST (\\HasNoChildren) "/" Shared/anna/Work/Deep',
            ],
        )
        self.does(self.anna, "RENAME Work/Deep Work/Low")
        self.assertEqual(
            client.heard(),
            b'* LIST (\\HasNoChildren) "/" Shared/anna/Work/Low ("OLDNAME" (Shared/anna/Work/Deep))\r\n',
        )
        self.does(self.anna, 'SETMETADATA Work (/shared/comment "x" /private/comment "y")')
        self.assertEqual(client.heard(), b"* METADATA Shared/anna/Work /shared/comment\r\n")
        self.does(client, "CREATE Shared/anna/Work/Mine")
        self.assertEqual(client.heard(), b"")

    def test_selected(self) -> None:
        """The selected one may be that of somebody else, watched besides or not; other programs are seen."""
        self.share("me lrs")
        selected = "(selected (MessageNew (UID) MessageExpunge))"
        for number, groups in enumerate((selected, f"{selected} {SHARED}")):
            client = self.listening(groups, "Shared/anna/Work")
            self.anna.append(MESSAGE, "Work")
            self.assertRegex(client.heard(), rb"^\* \d EXISTS\r\n\* 0 RECENT\r\n\* \d FETCH \(UID \d\)\r\n$")
            self.world.clock.advance(POLL)
            with open(f"{self.root()}/.Work/new/other{number}", "wb") as file:
                file.write(MESSAGE)
            self.world.clock.advance(POLL)
            self.assertRegex(client.heard(), rb"^\* \d EXISTS\r\n")
            client.hang_up()

    def test_delivery(self) -> None:
        """Mail that comes to a mailbox of others is told as any other."""
        self.does(self.anna, "SETACL INBOX me lr")
        client = self.listening()
        account = self.world.realm.account("anna@example.org")
        draft = account.store.draft()
        draft.write(MESSAGE)
        deliver(draft, [account.store], self.world.files)
        self.world.feed.announce(account.key(INBOX))
        self.assertIn(b"* STATUS Shared/anna/INBOX (MESSAGES 1 ", client.heard())

    def test_nothing_is_left(self) -> None:
        """Who goes away watches nobody any more."""
        self.share("me lr")
        client = self.listening(f"(selected (MessageNew MessageExpunge)) {SHARED}", "Shared/anna/Work")
        self.anna.append(MESSAGE, "Work")
        client.heard()
        client.hang_up()
        self.anna.hang_up()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])
