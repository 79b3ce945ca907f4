"""mailnode.store.quota: who is refused, who gets the last room, and what a domain's accounts may hold."""

import os
import threading
from collections.abc import Callable
from unittest.mock import patch

from mailnode.store import quota as quota_module
from mailnode.store.account import Account
from mailnode.store.delivery import deliver
from mailnode.store.errors import OverQuota
from mailnode.store.filenames import split
from mailnode.store.quota import REMEMBERED_SECONDS, Limit, Quota, Sum, demand
from mailnode.store.usage import NOTHING, Ledger, Usage
from mailnode.store.values import FLAGGED, INBOX, Name
from tests.store.support import MESSAGE, StoreTestCase, sum_of_files
from tests.store.test_usage import ON_DISK

WORK: Name = ("Work",)


class QuotaTestCase(StoreTestCase):
    """Accounts of one domain; `limits` holds what they may hold, `domain` what they may together."""

    def setUp(self) -> None:
        super().setUp()
        self.limits: dict[str, Limit] = {}
        self.domain = Limit()
        self.members: list[Account] = []
        total = Sum(lambda: self.members, self._now)
        self.shared = Quota("domain", limit=lambda: self.domain, usage=total.usage)

    def account(self, name: str = "anna") -> Account:
        account = super().account(
            name, limit=lambda: self.limits.get(name, Limit()), shared=lambda: self.shared
        )
        self.members = [one for one in self.members if one.root != account.root] + [account]
        return account

    def assert_over(self, action: Callable[..., object], *arguments: object) -> None:
        """It is refused, and nothing is there that was not there before."""
        before = self.names()
        self.assertRaises(OverQuota, action, *arguments)
        self.assertEqual(self.names(), before)

    def names(self) -> set[str]:
        """The paths of all messages, and of what is left of any."""
        return {
            f"{path}/{split(name)[0]}"
            for path, _, files in os.walk(self.base)
            for name in files
            if path.endswith(("/new", "/cur", "/tmp"))
        }


class Limits(QuotaTestCase):
    """What one account may hold."""

    def test_limits(self) -> None:
        """Each limit holds by itself, and to the octet."""
        for limit, usage, holds in (
            (Limit(), Usage(10**15, 10**9), True),
            (Limit(octets=10), Usage(10, 99), True),
            (Limit(octets=10), Usage(11, 0), False),
            (Limit(messages=2), Usage(10**9, 2), True),
            (Limit(10, 2), Usage(10, 3), False),
        ):
            self.assertEqual(limit.holds(usage), holds)

    def test_delivery(self) -> None:
        """What fits to the last octet is taken; one octet more, or one message more, is not."""
        anna = self.account()
        for limit in (Limit(octets=2 * ON_DISK), Limit(messages=2)):
            self.limits["anna"] = limit
            self.deliver(anna)
            self.deliver(anna)
            self.assert_over(self.deliver, anna)
            self.assertEqual(anna.usage(), Usage(2 * ON_DISK, 2))
            inbox = anna.mailbox(INBOX)
            inbox.expunge(list(inbox.uids))
        self.limits["anna"] = Limit(octets=ON_DISK - 1)
        self.assert_over(self.deliver, anna)
        self.limits["anna"] = Limit(octets=ON_DISK)
        self.deliver(anna)

    def test_append_and_copy(self) -> None:
        """APPEND and COPY are refused as a whole; flags, reading, expunging and moving work."""
        anna = self.account()
        anna.create(WORK)
        for _ in range(2):
            self.append(anna)
        inbox, work = anna.mailbox(INBOX), anna.mailbox(WORK)
        both = list(inbox.uids)
        for limit in (Limit(messages=3), Limit(octets=3 * ON_DISK)):
            self.limits["anna"] = limit
            self.assert_over(inbox.copy, both, work)
            self.assertEqual(len(work.uids), 0)
        inbox.copy(both[:1], work)
        self.assert_over(self.append, anna, WORK)
        inbox.set_flags(both, "add", frozenset({FLAGGED}))
        inbox.claim_recent()
        self.assertEqual(len(self.facts(inbox)), 2)
        self.limits["anna"] = Limit(messages=1)
        work.copy(list(work.uids), inbox, moving=True)
        anna.rename(INBOX, ("Old",))
        self.assertEqual(inbox.uids.tolist(), [])
        old = anna.mailbox(("Old",))
        self.assertEqual(len(old.expunge(list(old.uids))), 3)
        self.assert_over(self.append, anna, INBOX)
        work.expunge(list(work.uids))
        self.append(anna, INBOX)

    def test_limits_change(self) -> None:
        """A limit holds from the moment that it is set, and no longer than that."""
        anna = self.account()
        for _ in range(3):
            self.deliver(anna)
        self.limits["anna"] = Limit(messages=3)
        self.assert_over(self.deliver, anna)
        self.assertRaises(OverQuota, anna.check_room, 1)
        self.limits.clear()
        anna.check_room(10**15)
        self.deliver(anna)
        self.limits["anna"] = Limit(messages=5)
        self.deliver(anna)
        self.assert_over(self.deliver, anna)

    def test_several_recipients(self) -> None:
        """One recipient without room, and nobody has the message; no room stays reserved."""
        anna, ben = self.account("anna"), self.account("ben")
        self.limits = {"anna": Limit(messages=2), "ben": Limit(messages=1)}
        self.deliver(anna, ben)
        self.assert_over(self.deliver, anna, ben)
        self.deliver(anna)
        self.assert_over(self.deliver, anna)

    def test_failure_gives_room_back(self) -> None:
        """A delivery that fails has taken no room."""
        anna = self.account()
        self.limits["anna"] = Limit(messages=1)
        for step in ("create", "link", "sync_directory"):
            anna.ensure()
            with patch.object(self.files, step, side_effect=OSError(5, "I/O error")):
                self.assertRaises(OSError, self.deliver, anna)
        self.deliver(anna)
        self.assert_over(self.deliver, anna)

    def test_unlimited_is_not_measured(self) -> None:
        """Without a limit nobody asks for the usage."""
        anna = self.account()
        with patch.object(Ledger, "usage", side_effect=AssertionError):
            self.deliver(anna)
            self.append(anna)
            anna.check_room(10**15)


class Domain(QuotaTestCase):
    """What the accounts of a domain may hold together."""

    def setUp(self) -> None:
        super().setUp()
        self.anna, self.ben = self.account("anna"), self.account("ben")

    def test_sum(self) -> None:
        """The mail of all counts, wherever it goes; what one removes, another may have."""
        self.domain = Limit(messages=3)
        self.deliver(self.anna)
        self.append(self.ben)
        self.assert_over(self.deliver, self.anna, self.ben)
        self.deliver(self.ben)
        for account in (self.anna, self.ben):
            self.assert_over(self.deliver, account)
            self.assert_over(self.append, account)
        inbox = self.ben.mailbox(INBOX)
        inbox.expunge(list(inbox.uids)[:1])
        self.deliver(self.anna)
        self.assert_over(self.deliver, self.anna)

    def test_both_limits(self) -> None:
        """The account's own limit and the domain's both hold."""
        self.domain, self.limits["anna"] = Limit(messages=3), Limit(messages=1)
        self.deliver(self.anna)
        self.assert_over(self.deliver, self.anna)
        self.deliver(self.ben)
        self.deliver(self.ben)
        self.assert_over(self.deliver, self.ben)

    def test_deleted_folders(self) -> None:
        """A folder that is deleted makes room at once."""
        self.domain = Limit(messages=1)
        self.anna.create(WORK)
        self.append(self.anna, WORK)
        self.assert_over(self.deliver, self.ben)
        self.anna.delete(WORK)
        self.deliver(self.ben)

    def test_failed_changes(self) -> None:
        """What was taken back after an error does not count."""
        self.domain = Limit(messages=2)
        self.deliver(self.ben)
        for action in (self.deliver, self.append):
            with patch.object(self.files, "sync_directory", side_effect=OSError(5, "I/O error")):
                self.assertRaises(OSError, action, self.anna)
        self.deliver(self.anna)
        self.assert_over(self.append, self.anna)

    def test_who_did_not_change_is_not_asked(self) -> None:
        """A delivery to one account looks at that one only; what others do counts after a while."""
        self.domain = Limit(messages=10)
        people = [self.account(f"user{number}") for number in range(20)]
        self.deliver(people[0])
        asked: list[str] = []
        usage = Account.usage
        with patch.object(Account, "usage", lambda one: asked.append(one.root) or usage(one)):
            self.deliver(people[0])
            self.deliver(people[1])
            self.assertEqual(asked, [people[0].root] * 2)
            directory = f"{people[2].root}/new"
            os.makedirs(directory)
            os.mkdir(f"{people[2].root}/cur")
            with self.elsewhere(people[2].root), open(f"{directory}/1.a.host", "wb") as file:
                file.write(MESSAGE)
            self.assertEqual(self.shared._usage().messages, 3)
            self.clock += REMEMBERED_SECONDS
            self.assertEqual(self.shared._usage().messages, 4)

    def test_members_change(self) -> None:
        """Who joins counts at once, who leaves no more."""
        self.domain = Limit(messages=2)
        self.deliver(self.ben)
        self.deliver(self.ben)
        self.assert_over(self.deliver, self.anna)
        self.members.remove(self.ben)
        self.deliver(self.anna)
        self.members.append(self.ben)
        self.assert_over(self.deliver, self.anna)

    def test_unreadable_member(self) -> None:
        """A mailbox that cannot be read does not keep the others from getting mail."""
        self.domain = Limit(messages=3)
        self.deliver(self.anna)
        self.deliver(self.ben)
        self.clock += REMEMBERED_SECONDS
        usage = Account.usage

        def broken(account: Account) -> Usage:
            if account is self.anna:
                raise OSError(5, "I/O error")
            return usage(account)

        with patch.object(Account, "usage", broken):
            self.assertEqual(self.shared._usage().messages, 2)
            self.deliver(self.ben)


class Races(QuotaTestCase):
    """Threads that want the last room."""

    def race(self, count: int, action: Callable[[int], None]) -> int:
        """Run it in so many threads at once; gives how many were refused, and any other error is one."""
        refused: list[BaseException] = []
        start = threading.Barrier(count)

        def run(number: int) -> None:
            start.wait(10)
            try:
                action(number)
            except BaseException as error:
                refused.append(error)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual([error for error in refused if not isinstance(error, OverQuota)], [])
        return len(refused)

    def test_last_room_of_an_account(self) -> None:
        """Of many deliveries at once exactly those get in that fit, and the usage is exact."""
        anna = self.account()
        self.limits["anna"] = Limit(octets=5 * ON_DISK)
        self.assertEqual(self.race(12, lambda _: self.deliver(anna)), 7)
        self.assertEqual(anna.usage(), Usage(5 * ON_DISK, 5))
        self.assertEqual(sum_of_files(anna.root), Usage(5 * ON_DISK, 5))

    def test_last_room_of_a_domain(self) -> None:
        """The same for a domain, with appends among the deliveries, each account's in its lane."""
        people = [self.account(f"user{number}") for number in range(6)]
        self.domain = Limit(messages=7)

        def act(number: int) -> None:
            if number < 6:
                self.append(people[number])
            else:
                self.deliver(people[number % 6])

        self.assertEqual(self.race(12, act), 5)
        self.assertEqual(sum((sum_of_files(one.root) for one in people), NOTHING).messages, 7)
        self.assertEqual(self.shared._usage().messages, 7)

    def test_no_circle(self) -> None:
        """Deliveries to the same people in any order do not wait for each other in a circle."""
        anna, ben = self.account("anna"), self.account("ben")
        self.limits = {"anna": Limit(messages=4), "ben": Limit(messages=3)}
        self.domain = Limit(messages=100)

        def act(number: int) -> None:
            self.deliver(*((anna, ben) if number % 2 else (ben, anna)))

        self.assertEqual(self.race(10, act), 7)
        self.assertEqual((anna.usage().messages, ben.usage().messages), (3, 3))

    def test_waiting_for_a_reservation(self) -> None:
        """Who would fit without a message on its way waits for it, and gets the room if it fails."""
        anna = self.account()
        self.limits["anna"] = Limit(messages=1)
        asked = threading.Event()
        results: list[int] = []
        first = anna.quotas()[0].reserved(Usage(1, 1))
        first.__enter__()
        usage = Ledger.usage

        def watched(ledger: Ledger) -> Usage:
            asked.set()
            return usage(ledger)

        def race() -> None:
            results.append(self.race(1, lambda _: self.deliver(anna)))

        with patch.object(Ledger, "usage", watched):
            other = threading.Thread(target=race)
            other.start()
            self.assertTrue(asked.wait(10))
            first.__exit__(None, None, None)
            other.join(30)
        self.assertEqual((results, anna.usage().messages), ([0], 1))

    def test_no_news(self) -> None:
        """A message on its way that hangs does not keep others waiting for ever."""
        anna = self.account()
        self.limits["anna"] = Limit(messages=1)
        with patch.object(quota_module, "PATIENCE", 0.001), anna.quotas()[0].reserved(Usage(1, 1)):
            self.assert_over(self.deliver, anna)
        self.deliver(anna)


class Demands(QuotaTestCase):
    """What a message to several people needs."""

    def test_demand(self) -> None:
        """A quota that several share needs room for as many messages; the order is the same for all."""
        self.domain, self.limits = Limit(messages=9), {"anna": Limit(messages=9)}
        people = [self.account(name) for name in ("ben", "anna", "carl")]
        wanted = demand([one.quotas() for one in people], Usage(10, 1))
        self.assertEqual(
            [(quota.name, more) for quota, more in wanted.items()],
            [(f"{self.base}/anna", Usage(10, 1)), ("domain", Usage(30, 3))],
        )

    def test_a_draft_knows_its_size(self) -> None:
        """The room that is reserved is what the file will have, whatever its line ends are."""
        anna = self.account()
        for octets in (MESSAGE, b"a: b\n\nc\r\n", b"a: b\r\n\r\nc\r", b"x\r\n" * 200_000, b"\r\r\n"):
            draft = anna.draft()
            draft.write(octets)
            size = draft.octets_on_disk
            deliver(draft, [anna], self.files)
            (name,) = (name for name in os.listdir(f"{anna.root}/new") if name.startswith(draft.name))
            self.assertEqual(os.path.getsize(f"{anna.root}/new/{name}"), size)
