"""mailnode.auth.realm: accounts, where they lie, and how many of them are open."""

import math
import random
import threading
from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth import realm
from mailnode.auth.live import Live
from mailnode.auth.realm import Realm
from mailnode.config import Config, MailboxEntry, Mailboxes, Store
from mailnode.config_quota import Quota, Room
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.runtime import Runtime
from mailnode.store.account import Account
from mailnode.store.quota import Limit
from mailnode.store.usage import Usage

ANNA, BEN, CARL = (f"{name}@example.org" for name in ("anna", "ben", "carl"))


class RealmTests(SynchronousTestCase):
    """A realm; nothing here touches the disk."""

    def setUp(self) -> None:
        config = Config("mail.example.org", ("example.org",), store=Store("/srv/mail/of-{local}/{domain}"))
        self.live = Live(config, Mailboxes())
        self.clock = Clock()
        runtime = Runtime(self.clock, random.Random(1), InlineExecutor())
        self.realm = Realm(self.live, runtime, FileSystem(), rng=random.Random(1))
        self.closed: list[str] = []
        self.patch(Account, "close", lambda account: self.closed.append(account.root))

    def use(self, *addresses: str) -> list[str]:
        """Run a job of each account in its lane; gives who was closed since the last time."""
        for address in addresses:
            account = self.realm.account(address)
            self.successResultOf(account.lane.run(int, "1"))
        roots = {self.realm.account(address).store.root: address for address in (ANNA, BEN, CARL)}
        closed, self.closed[:] = [roots[root] for root in self.closed], []
        return closed

    def test_one_account_for_each_address(self) -> None:
        """All who ask for an account share it."""
        self.assertIs(self.realm.account(ANNA), self.realm.account(ANNA))
        self.assertIsNot(self.realm.account(ANNA), self.realm.account(BEN))

    def test_mail_stays_where_it_is(self) -> None:
        """A reload with another place for mail moves nobody, neither those who have an account nor others."""
        before = self.realm.account(ANNA)
        self.live.config = replace(self.live.config, store=Store("/elsewhere/{domain}/{local}"))
        self.assertIs(self.realm.account(ANNA), before)
        self.assertEqual(self.realm.account(BEN).store.root, "/srv/mail/of-ben/example.org")
        self.assertEqual(self.realm.mail_root, "/srv/mail/of-")

    def test_limits_of_the_moment(self) -> None:
        """A reload changes what a mailbox may hold at once; without limits there is no quota at all."""
        anna = self.realm.account(ANNA).store
        self.assertEqual(anna.quotas(), [])
        self.live.config = replace(self.live.config, quota=Quota(storage=5))
        (quota,) = anna.quotas()
        self.assertEqual(quota._limit(), Limit(5))
        self.live.mailboxes = Mailboxes({ANNA: MailboxEntry("x", quota=7, quota_messages=8)})
        self.assertEqual(quota._limit(), Limit(7, 8))
        self.live.mailboxes = Mailboxes({ANNA: MailboxEntry("x", quota=None)})
        self.assertEqual(anna.quotas(), [])

    def test_domain(self) -> None:
        """A domain's quota is shared by its mailboxes of the moment, and by nobody else."""
        domains = {"example.org": Room(messages=5)}
        self.live.config = replace(self.live.config, quota=Quota(domains=domains))
        self.live.mailboxes = Mailboxes({one: MailboxEntry("x") for one in (ANNA, BEN, "x@example.net")})
        anna, ben, other = (self.realm.account(one).store for one in (ANNA, BEN, "x@example.net"))
        self.assertEqual(anna.quotas(), ben.quotas())
        self.assertEqual(other.quotas(), [])
        (shared,) = anna.quotas()
        self.assertEqual(shared._limit(), Limit(messages=5))
        held = {anna: Usage(1, 1), ben: Usage(2, 1), other: Usage(4, 1)}
        self.patch(Account, "usage", lambda account: held[account])
        self.assertEqual(shared._usage(), Usage(3, 2))
        held[anna] = Usage(9, 1)  # another process has changed it, and tells
        self.assertEqual(shared._usage(), Usage(3, 2))
        for one in (ANNA, "nobody@example.org"):
            self.realm.changed(one)
        self.assertEqual(shared._usage(), Usage(11, 2))
        self.live.mailboxes = Mailboxes({BEN: MailboxEntry("x")})
        self.assertEqual(shared._usage(), Usage(2, 1))
        self.live.config = replace(self.live.config, quota=Quota())
        self.assertEqual(anna.quotas(), [])

    def test_threads_share_accounts(self) -> None:
        """Threads that ask for an account at once get the same one."""
        found: set[object] = set()
        start = threading.Barrier(4)

        def ask() -> None:
            start.wait(10)
            found.update(self.realm.account(f"user{number}@example.org") for number in range(200))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(len(found), 200)

    def test_only_so_many_stores_are_open(self) -> None:
        """The store that was used longest ago is closed for one more, and is used again as if it were not."""
        self.patch(realm, "OPEN_STORES", 2)
        self.assertEqual(self.use(ANNA, BEN, ANNA), [])
        self.assertEqual(self.use(CARL), [BEN])
        self.assertEqual(self.use(ANNA, CARL, ANNA), [])
        self.assertEqual(self.use(BEN), [CARL])

    def test_many_accounts(self) -> None:
        """Fifty are open as they are used; a thousand leave 64 open."""
        people = [f"user{number}@example.org" for number in range(1000)]
        for count, person in enumerate(people, 1):
            account = self.realm.account(person)
            account.lane.run(int, "1")
            self.assertEqual(len(self.closed), max(0, count - 64))

    def test_closing_fails(self) -> None:
        """A store that cannot be closed is in the log, and in nobody's way."""

        def fails(_: Account) -> None:
            raise OSError(5, "Input/output error")

        self.patch(realm, "OPEN_STORES", 1)
        self.patch(Account, "close", fails)
        self.use(ANNA, BEN)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_aside(self) -> None:
        """What is done on nobody's behalf is no use of an account, but opens its store like any other."""
        self.patch(realm, "OPEN_STORES", 2)
        self.clock.advance(5)
        self.use(ANNA, BEN)
        self.clock.advance(5)
        carl = self.realm.account(CARL)
        self.assertEqual(self.successResultOf(self.realm.aside(carl, int, "1")), 1)
        self.assertEqual(self.use(), [ANNA])
        self.assertEqual([self.realm.last_used(one) for one in (ANNA, CARL)], [5, -math.inf])

    def test_greetings(self) -> None:
        """Who wants to know of accounts hears of each once, when it is first used."""
        met: list[str] = []
        self.realm.greet(lambda account: met.append(account.address))
        self.use(ANNA, BEN, ANNA)
        self.assertEqual(met, [ANNA, BEN])
        self.clock.advance(7)
        self.realm.note_use(ANNA)
        self.realm.note_use(CARL)
        self.assertEqual((met, self.realm.last_used(CARL), self.realm.last_use), ([ANNA, BEN, CARL], 7, 7))

    def test_told(self) -> None:
        """Other processes hear of each use here, and not of those that they have told of."""
        told: list[str] = []
        self.realm.tell = told.append
        self.use(ANNA, ANNA)
        self.realm.note_use(BEN)
        self.assertEqual(told, [ANNA, ANNA])
