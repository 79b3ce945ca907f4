"""What commands on mailbox names answer to a client that has enabled IMAP4rev2 (RFC 9051)."""

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap.commands import delete, rename, subscribe
from mailnode.imap.commands import list as listing
from mailnode.imap.commands.create import Create
from mailnode.imap.commands.create import run as create
from mailnode.imap.commands.rename import Rename
from mailnode.imap.replies import Refused
from mailnode.imap.session import Session
from tests.imap.world import World
from tests.scratch import room_of

COMPOSED, DECOMPOSED = "\u00e9", "e\u0301"


class ModernTests(SynchronousTestCase):
    """With "IMAP4rev2" in the set of what is enabled."""

    def setUp(self) -> None:
        self.world = World(room_of(self))
        self.addCleanup(self.world.close)
        self.client = self.world.client()
        self.session = Session(self.world.imap.shared, self.client.connection)
        self.session.logged_in(self.world.account())
        self.session.enabled.add("IMAP4rev2")

    def run_command(self, command: object) -> bytes:
        """Run it; gives what was said before its reply."""
        self.successResultOf(Deferred.fromCoroutine(command))
        return self.client.heard()

    def test_old_name(self) -> None:
        """Sections 6.3.4 to 6.3.6: a name that is not in Unicode's form C is told in that form."""
        self.assertEqual(
            self.run_command(create(self.session, Create(DECOMPOSED))),
            f'* LIST () "/" "{COMPOSED}" ("OLDNAME" ("{DECOMPOSED}"))\r\n'.encode(),
        )
        self.assertEqual(
            self.run_command(rename.run(self.session, Rename(DECOMPOSED, "x" + DECOMPOSED))),
            f'* LIST () "/" "x{COMPOSED}" ("OLDNAME" ("{DECOMPOSED}"))\r\n'.encode(),
        )
        self.assertEqual(
            self.run_command(delete.run(self.session, "x" + DECOMPOSED)),
            f'* LIST (\\NonExistent) "/" "x{COMPOSED}" ("OLDNAME" ("x{DECOMPOSED}"))\r\n'.encode(),
        )

    def test_names_as_they_are_need_no_words(self) -> None:
        """Nothing is told where nothing was changed, a separator at the end included."""
        self.assertEqual(self.run_command(create(self.session, Create(COMPOSED + "/"))), b"")
        self.assertEqual(self.run_command(rename.run(self.session, Rename(COMPOSED, "b"))), b"")
        self.assertEqual(self.run_command(delete.run(self.session, "b")), b"")

    def test_older_clients_are_told_nothing(self) -> None:
        """They do not know extended data items."""
        self.session.enabled.clear()
        self.assertEqual(self.run_command(create(self.session, Create(DECOMPOSED))), b"")

    def test_nonexistent(self) -> None:
        r"""Section 7.3.1: \NonExistent also in the basic form of LIST."""
        self.run_command(create(self.session, Create("foo/bar")))
        parsed = listing.List("", ("f%",))
        self.assertEqual(
            self.run_command(listing.run(self.session, parsed)),
            b'* LIST (\\NonExistent \\HasChildren) "/" foo\r\n',
        )
        self.session.enabled.clear()
        self.assertEqual(
            self.run_command(listing.run(self.session, parsed)),
            b'* LIST (\\Noselect \\HasChildren) "/" foo\r\n',
        )

    def test_unsubscribe(self) -> None:
        """Section 6.3.8: a name that is not subscribed can be unsubscribed; in RFC 3501 it cannot."""
        self.run_command(subscribe.unsubscribe(self.session, "nothing"))
        self.session.enabled.clear()
        self.failureResultOf(Deferred.fromCoroutine(subscribe.unsubscribe(self.session, "nothing")), Refused)
