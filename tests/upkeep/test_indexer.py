"""The idle indexer: what it prepares, in which order, and for whom it steps aside."""

import random
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.live import Live
from mailnode.auth.realm import MailAccount, Realm
from mailnode.config import Config, Mailboxes, Store
from mailnode.events.feed import ChangeFeed
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.runtime import Runtime
from mailnode.store import preparing, text_index
from mailnode.store.account import Account
from mailnode.store.delivery import deliver
from mailnode.store.errors import InUse
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import INBOX, Name
from mailnode.upkeep.indexer import LONGEST, QUIET, REST, WAIT, Indexer
from tests.scratch import room_of

MESSAGE = b"Subject: hello\r\n\r\nText.\r\n"
NOON = 1_700_000_000.0
SECOND = 1.02  # a little more, as sums of fractions are not exact


class Threads(InlineExecutor):
    """An executor; while `held` is not None jobs wait there to be done by the test."""

    def __init__(self) -> None:
        self.held: list[Callable[[], None]] | None = None

    def run(self, function: Callable[..., Any], *args: Any) -> "Deferred[Any]":
        if self.held is None:
            return super().run(function, *args)
        done: Deferred[Any] = Deferred()
        self.held.append(lambda: super(Threads, self).run(function, *args).chainDeferred(done))
        return done


class IndexerTests(SynchronousTestCase):
    """Accounts on a disk, one clock, and an indexer."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOON)
        self.threads = Threads()
        self.files = FileSystem()
        config = Config("mail.example.org", ("example.org",), store=Store(room_of(self) + "/{local}"))
        runtime = Runtime(self.clock, random.Random(1), self.threads)
        self.realm = Realm(Live(config, Mailboxes()), runtime, self.files, rng=random.Random(2))
        self.feed = ChangeFeed()
        self.indexer = Indexer(runtime, self.realm, self.feed, Log("tests.upkeep"))
        self.indexer.start()
        self.slices: list[tuple[str, Name]] = []
        prepare_some = Mailbox.prepare_some

        def noting(mailbox: Mailbox, seconds: float) -> preparing.Piece:
            self.slices.append((mailbox._context.root.rpartition("/")[2], mailbox.name))
            return prepare_some(mailbox, seconds)

        self.patch(Mailbox, "prepare_some", noting)

    def tearDown(self) -> None:
        self.indexer.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        for account in self.realm.accounts():
            account.store.close()

    def account(self, name: str = "anna") -> MailAccount:
        return self.realm.account(f"{name}@example.org")

    def deliver(self, account: MailAccount, count: int = 1, *, announce: bool = True) -> None:
        """Messages as the courier brings them: outside the account's lane, and announced."""
        for _ in range(count):
            draft = account.store.draft()
            draft.write(MESSAGE)
            deliver(draft, [account.store], self.files)
        if announce:
            self.feed.announce(account.key(INBOX))

    def use(self, account: MailAccount) -> "Deferred[int]":
        """Somebody does something."""
        return account.lane.run(int, "1")

    def pass_time(self, seconds: float) -> None:
        """Let time go by, in steps of which the timers can take notice."""
        self.clock.pump([0.01] * round(seconds / 0.01))

    def candidates(self, store: Account, name: Name = INBOX) -> list[int] | None:
        found = store.mailbox(name).candidates("TEXT.")
        return None if found is None else found.tolist()

    def test_delivered_mail(self) -> None:
        """Seconds after a delivery the message is prepared, though nobody has logged in."""
        anna = self.account()
        self.deliver(anna)
        self.assertIsNone(self.candidates(anna.store))
        self.pass_time(QUIET + 1)
        self.assertEqual(self.candidates(anna.store), [1])
        self.patch(Mailbox, "body", lambda *_: self.fail("opened"))
        self.assertIn(b"hello", anna.store.mailbox(INBOX).rendered(1).envelope)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_all_mailboxes_once(self) -> None:
        """When an account is used for the first time, each of its mailboxes is worked at to its end."""
        anna = self.account()
        self.deliver(anna, 3, announce=False)
        anna.store.create(("Work",))
        self.use(anna)
        self.patch(preparing, "_MESSAGES", 1)
        self.pass_time(QUIET + 1)
        self.assertEqual(self.slices, [("anna", INBOX)] * 3 + [("anna", ("Work",))])
        self.slices.clear()
        self.use(self.account())
        self.pass_time(QUIET + 1)
        self.assertEqual(self.slices, [])

    def test_when_the_index_starts_anew(self) -> None:
        """A text index that was mostly garbage is filled again from all mailboxes."""
        self.patch(text_index, "_GARBAGE", 0)
        anna = self.account()
        work = ("Work",)
        anna.store.create(work)
        self.deliver(anna, 6)
        inbox = anna.store.mailbox(INBOX)
        inbox.copy([1], anna.store.mailbox(work))
        self.pass_time(QUIET + 1)
        inbox.expunge([1, 2, 3, 4, 5, 6])
        self.deliver(anna)
        self.pass_time(QUIET + 1)
        self.assertEqual([self.candidates(anna.store, name) for name in (INBOX, work)], [[7], [1]])

    def test_what_was_announced_comes_first(self) -> None:
        """New messages do not wait until a large mailbox is done."""
        anna, ben = self.account(), self.account("ben")
        self.pass_time(QUIET + 1)
        self.slices.clear()
        self.patch(preparing, "_MESSAGES", 1)
        self.deliver(anna, 30)
        self.pass_time(SECOND)
        self.deliver(ben)
        self.pass_time(SECOND + REST)
        self.assertEqual(self.slices.pop(), ("ben", INBOX))
        self.assertEqual({name for name, _ in self.slices}, {"anna"})
        self.assertLess(len(self.slices), 30)

    def test_announced_all_the_time(self) -> None:
        """What comes into a mailbox one after the other is prepared together, but not too late."""
        anna = self.account()
        self.deliver(anna, announce=False)
        for _ in range(round(LONGEST / QUIET)):
            self.feed.announce(anna.key(INBOX))
            self.pass_time(QUIET - 0.02)
            self.assertEqual(self.slices, [])
        self.feed.announce(anna.key(INBOX))
        self.pass_time(QUIET)
        self.assertEqual(self.slices, [("anna", INBOX)])

    def test_a_second_of_quiet(self) -> None:
        """As long as somebody works in the account, nothing is done there; elsewhere it is."""
        anna, ben = self.account(), self.account("ben")
        self.deliver(anna)
        self.deliver(ben)
        for _ in range(5):
            self.use(anna)
            self.pass_time(QUIET - 0.1)
        self.assertEqual({name for name, _ in self.slices}, {"ben"})
        self.pass_time(0.1 + WAIT + 0.01)
        self.assertEqual(self.slices[-1], ("anna", INBOX))

    def test_used_in_another_process(self) -> None:
        """An account that somebody uses in a worker is left alone as long, and then all of it is prepared."""
        anna = self.account()
        self.deliver(anna, announce=False)
        for _ in range(5):
            self.realm.note_use(anna.address)
            self.pass_time(QUIET - 0.1)
        self.assertEqual(self.slices, [])
        self.pass_time(0.1 + WAIT + 0.1)
        self.assertEqual(self.slices, [("anna", INBOX)])

    def test_rests(self) -> None:
        """After a slice it rests twice as long as that took."""
        self.use(self.account())
        self.threads.held = []
        self.deliver(self.account())
        self.pass_time(SECOND)
        [announced] = self.take()
        self.pass_time(0.3)
        announced()
        self.pass_time(0.58)
        self.assertEqual(self.threads.held, [])
        self.pass_time(0.12)
        [names] = self.take()
        names()
        self.pass_time(0.3)
        self.assertEqual(len(self.take()), 1)

    def test_rests_longer_beside_others(self) -> None:
        """While anybody uses the server it rests nine times as long."""
        self.use(self.account())
        self.threads.held = []
        self.deliver(self.account())
        self.pass_time(SECOND)
        [announced] = self.take()
        self.pass_time(0.1)
        self.threads.held = None
        self.use(self.account("ben"))
        self.threads.held = []
        announced()
        self.pass_time(0.95)
        self.assertEqual(self.threads.held, [])
        self.pass_time(0.25)
        self.assertEqual(len(self.take()), 1)

    def take(self) -> list[Callable[[], None]]:
        """The jobs that have begun."""
        jobs, self.threads.held = self.threads.held, []
        return jobs or []

    def test_one_at_a_time(self) -> None:
        """However long a slice takes, no other begins."""
        self.threads.held = []
        self.deliver(self.account())
        self.deliver(self.account("ben"))
        self.pass_time(60)
        self.assertEqual(len(self.threads.held), 1)

    def test_nobody_waits(self) -> None:
        """No slice begins where a job runs, nor anywhere while a job waits for another."""
        anna, ben = self.account(), self.account("ben")
        self.threads.held = []
        first, second = self.use(anna), self.use(anna)
        self.deliver(ben)
        self.pass_time(10)
        [job] = self.take()
        job()
        self.assertEqual(self.successResultOf(first), 1)
        self.pass_time(1)
        ours, slice_of_ben = self.take()
        self.assertEqual(self.realm.crowded, False)
        self.pass_time(10)
        self.assertEqual(self.threads.held, [])
        for done in (ours, slice_of_ben):
            done()
        self.assertEqual(self.successResultOf(second), 1)
        self.assertEqual(self.slices[0], ("ben", INBOX))

    def test_errors(self) -> None:
        """What goes wrong in an account is logged once, and the others are served."""
        mailbox = Account.mailbox

        def fail(store: Account, name: Name) -> Mailbox:
            if store is self.failing[0]:
                raise self.failing[1]
            return mailbox(store, name)

        self.patch(Account, "mailbox", fail)
        for error, logged in ((InUse("locked"), 0), (PermissionError("no"), 0), (ValueError("bug"), 1)):
            bad, good = self.account(f"bad-{type(error).__name__}"), self.account("good")
            self.failing = (bad.store, error)
            for _ in range(3):
                self.deliver(bad)
                self.deliver(good)
                self.pass_time(QUIET + 1)
            self.assertEqual(len(self.flushLoggedErrors()), logged)
        self.assertEqual(self.candidates(good.store), list(range(1, 10)))

    def test_a_mailbox_that_went(self) -> None:
        """A mailbox that was deleted meanwhile is no trouble."""
        anna = self.account()
        self.use(anna)
        self.feed.announce(anna.key(("Gone",)))
        self.pass_time(QUIET + 1)
        self.assertEqual(self.slices, [("anna", INBOX)])

    def test_stops_at_once(self) -> None:
        """A slice that runs ends by itself, and nothing comes after it."""
        self.threads.held = []
        anna = self.account()
        self.deliver(anna)
        self.pass_time(SECOND)
        [job] = self.take()
        self.indexer.stop()
        self.indexer.stop()
        job()
        self.deliver(anna)
        self.account("ben")
        self.pass_time(10)
        self.assertEqual(self.threads.held, [])
