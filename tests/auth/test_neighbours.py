"""Who has opened anything to whom."""

import errno
import random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.live import Live
from mailnode.auth.neighbours import Neighbours
from mailnode.auth.realm import Realm
from mailnode.config import Config, MailboxEntry, Mailboxes, Store
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.runtime import Runtime
from mailnode.store.acl import USER, Acl, Entry
from mailnode.store.sharing import Sharing
from mailnode.store.values import INBOX
from tests.scratch import room_of

BEN = "ben@example.org"


class NeighbourTests(SynchronousTestCase):
    """Anna, who grants something to Ben."""

    def setUp(self) -> None:
        directory = room_of(self)
        store = Store(f"{directory}/{{local}}")
        config = Config("mail.example.org", ("example.org",), state=directory, store=store)
        people = Mailboxes({f"{name}@example.org": MailboxEntry("") for name in ("anna", "ben", "carl")})
        self.live = Live(config, people)
        self.path = f"{directory}/shares"
        files = FileSystem()
        runtime = Runtime(Clock(), random.Random(1), InlineExecutor())
        realm = Realm(self.live, runtime, files, rng=random.Random(2))
        self.neighbours = Neighbours(self.live, realm, files)
        self.anna = realm.account("anna@example.org")
        self.addCleanup(self.anna.store.close)

    def grant(self, rights: str) -> None:
        """Anna says what Ben may do with her INBOX."""
        entry = Entry(USER + BEN, frozenset(rights))
        self.neighbours.grant(self.anna, INBOX, lambda found: found.with_entry(entry) if rights else Acl())

    def text(self) -> str:
        """What is noted."""
        with open(self.path, encoding="utf-8") as file:
            return file.read()

    def test_granted_and_taken_back(self) -> None:
        """It is noted, for whoever asks, and no more when it is taken back."""
        self.assertEqual(self.neighbours.open_to(BEN), [])
        self.grant("lr")
        self.assertEqual(self.neighbours.open_to(BEN), [self.anna])
        self.assertEqual(self.neighbours.open_to("carl@example.org"), [])
        self.assertIn("anna@example.org ben@example.org\n", self.text())
        self.grant("")
        self.assertEqual(self.neighbours.open_to(BEN), [])
        self.assertIn("anna@example.org\n", self.text())

    def test_power_cut(self) -> None:
        """What is granted was noted before: nobody is granted anything that cannot be found."""

        def fail(*_: object) -> None:
            raise OSError(errno.EIO, "no")

        self.patch(Sharing, "change", fail)
        self.assertRaises(OSError, self.grant, "lr")
        self.assertIn("anna@example.org ben@example.org\n", self.text())

    def test_who_is_known(self) -> None:
        """Who has a mailbox, as the configuration of the moment says."""
        self.grant("lr")
        self.assertTrue(self.neighbours.knows(BEN))
        self.live.mailboxes = Mailboxes({BEN: MailboxEntry("")})
        self.assertFalse(self.neighbours.knows("anna@example.org"))
        self.assertEqual(self.neighbours.open_to(BEN), [])
