"""ESEARCH where a dialogue does not reach: mailboxes that go, or cannot be read."""

import errno

from mailnode.imap.places import Place
from mailnode.imap.selected import Selected
from mailnode.store.errors import NoSuchMailbox
from mailnode.store.mailbox import Mailbox
from mailnode.store.text_words import Where
from mailnode.store.values import Name
from tests.imap.test_session import MESSAGE, SessionCase
from tests.imap.world import Client


class MultisearchTests(SessionCase):
    """RFC 7377."""

    def prepared(self) -> Client:
        """Mailboxes a, b and c with a message each."""
        client = self.client().login()
        for name in "abc":
            client.say(f"a CREATE {name}")
            client.append(MESSAGE, name)
        return client

    def failing(self, error: Exception) -> None:
        """Opening b fails."""
        real = Selected.opened

        def view(place: Place, *, read_only: bool) -> Selected:
            if place.name == ("b",):
                raise error
            return real(place, read_only=read_only)

        self.patch(Selected, "opened", view)

    def test_mailbox_that_goes(self) -> None:
        """It is as if it had never been there."""
        client = self.prepared()
        self.failing(NoSuchMailbox(("b",)))
        said = client.say("a ESEARCH IN (personal) ALL")
        self.assertRegex(said, rb"^\* ESEARCH [^\n]* a [^\n]*\n\* ESEARCH [^\n]* c [^\n]*\na OK ")

    def test_mailbox_that_goes_while_it_is_searched(self) -> None:
        """Also when a search has begun in it."""
        client = self.prepared()
        store, real = self.world.account().store, Mailbox.found

        def found(mailbox: Mailbox, needle: str, where: Where) -> object:
            if mailbox.name == ("b",):
                store.delete(("b",))
            return real(mailbox, needle, where)

        self.patch(Mailbox, "found", found)
        said = client.say("a ESEARCH IN (personal) TEXT body")
        self.assertRegex(said, rb"^\* ESEARCH [^\n]* a [^\n]*\n\* ESEARCH [^\n]* c [^\n]*\na OK ")

    def test_mailbox_that_cannot_be_read(self) -> None:
        """The others are searched, and the NO says that something is missing."""
        client = self.prepared()
        self.failing(OSError(errno.EIO, "no"))
        said = client.say("a ESEARCH IN (personal) ALL")
        self.assertEqual(said.count(b"* ESEARCH "), 2)
        self.assertIn(b"a NO [UNAVAILABLE]", said)

    def test_trouble(self) -> None:
        """A bug ends the search, and the session goes on."""
        client = self.prepared()
        self.patch(Mailbox, "body", self.raising(ValueError("secret")))
        self.assertRegex(client.say("a ESEARCH IN (personal) TEXT y"), rb"^a NO \[SERVERBUG\] ")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(client.say("b NOOP"), b"b OK Done\r\n")

    def test_one_mailbox_is_open_at_a_time(self) -> None:
        """And there is a chance for others to have their turn after each."""
        client = self.prepared()
        opened: list[Name] = []
        real = Selected.opened

        def view(place: Place, *, read_only: bool) -> Selected:
            opened.append(place.name)
            self.assertTrue(read_only)
            return real(place, read_only=read_only)

        self.patch(Selected, "opened", view)
        said = client.say("a ESEARCH IN (personal) RETURN (COUNT) NOT RECENT")
        self.assertEqual(opened, [("a",), ("b",), ("c",)])  # INBOX is selected
        self.assertEqual(said, b"a OK Searched\r\n")
        self.assertIn(b"RECENT 1", client.say("b STATUS a (RECENT)"))

    def test_while_others_expunge(self) -> None:
        """The selected mailbox is searched as the client knows it."""
        one, two = self.client().login(), self.client().login()
        for _ in range(3):
            one.append(MESSAGE)
        two.say("a NOOP")
        one.say("a STORE 1 +FLAGS.SILENT (\\Deleted)")
        one.say("b EXPUNGE")
        said = two.say("b ESEARCH IN (mailboxes inbox) 2:3")
        self.assertIn(b"UID ALL 2:3\r\n* 1 EXPUNGE\r\n", said)
