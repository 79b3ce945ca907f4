"""Messages that come at the same time: durable together, each for itself."""

import errno
import os
from collections.abc import Sequence
from unittest import mock

from mailnode.fs import NewFile
from mailnode.store.account import Account
from mailnode.store.delivery import Arrival, deliver_together
from mailnode.store.values import INBOX
from tests.store.support import MESSAGE, StoreTestCase

_STEPS = 13 + 1  # files, links and folders of the arrivals in test_each_is_told_the_truth; and none


class TogetherTests(StoreTestCase):
    """deliver_together()."""

    def arrival(self, *accounts: Account, message: bytes = MESSAGE) -> Arrival:
        """A message for these."""
        return Arrival(accounts[0].draft(), message, accounts)

    def found(self, accounts: Sequence[Account], folder: str = "new") -> list[int]:
        """How many messages each has there."""
        return [len(os.listdir(f"{account.root}/{folder}")) for account in accounts]

    def test_one_fsync_for_a_folder(self) -> None:
        """Each file is synced by itself, then all are linked, then the folder is synced once (D1)."""
        account = self.account()
        account.ensure()
        self.files.calls.clear()
        messages = [MESSAGE + b"%d\r\n" % number for number in range(3)]
        arrivals = [self.arrival(account, message=message) for message in messages]
        self.assertEqual(deliver_together(arrivals, self.files), [None] * 3)
        calls = ["create"] * 3 + ["link"] * 3 + ["sync_directory"] + ["unlink"] * 3
        self.assertEqual(self.files.calls, calls)
        found = [octets for _, _, octets in self.facts(account.mailbox(INBOX))]
        self.assertEqual(sorted(found), sorted(messages))

    def test_the_disk_has_all_before_one_is_waited_for(self) -> None:
        """The kernel writes all files at once; for a single one it is not asked to."""
        account = self.account()
        for count in (1, 3):
            told: list[str] = []
            with (
                mock.patch.object(NewFile, "begin_sync", lambda _, told=told: told.append("begin")),
                mock.patch.object(NewFile, "sync", lambda _, told=told: told.append("sync")),
            ):
                deliver_together([self.arrival(account) for _ in range(count)], self.files)
            self.assertEqual(told, ["begin"] * (count if count > 1 else 0) + ["sync"] * count)

    def test_alone(self) -> None:
        """The first mail ever, with nobody beside it."""
        account = self.account()
        self.assertEqual(deliver_together([self.arrival(account)], self.files), [None])
        self.assertEqual((self.found([account]), self.found([account], "tmp")), ([1], [0]))

    def test_each_is_told_the_truth(self) -> None:
        """An error at any step: who is not told of it is in every mailbox of his, the others in none."""
        for failing in range(1, _STEPS + 1):
            accounts = [self.account(f"{name}{failing}") for name in ("anna", "ben", "carl")]
            anna, ben, carl = accounts
            for account in accounts:
                account.ensure()
            self.files.calls.clear()
            self.files.fail = lambda _, count, failing=failing: (
                OSError(errno.ENOSPC, "full") if count == failing else None
            )
            arrivals = [self.arrival(*people) for people in ((anna,), (ben, anna), (carl,), (carl, ben))]
            outcomes = deliver_together(arrivals, self.files)
            self.files.fail = lambda operation, _: None
            has = [
                sum(
                    outcome is None and account in arrival.accounts
                    for arrival, outcome in zip(arrivals, outcomes, strict=True)
                )
                for account in accounts
            ]
            self.assertEqual(self.found(accounts), has, failing)
            self.assertEqual(self.found(accounts, "tmp"), [0, 0, 0])
            self.assertEqual(any(outcomes), failing < _STEPS, failing)

    def test_folder_that_cannot_be_synced(self) -> None:
        """Its error is that of all who came into it, and of nobody else; it is not synced again."""
        anna, ben = self.account("anna"), self.account("ben")
        arrivals = [self.arrival(anna), self.arrival(ben), self.arrival(ben, anna)]
        for account in (anna, ben):
            account.ensure()
        self.files.calls.clear()
        self.files.fail = lambda operation, _: (
            OSError(errno.EIO, "broken")
            if operation == "sync_directory" and self.files.calls.count(operation) == 1
            else None
        )
        outcomes = deliver_together(arrivals, self.files)
        self.assertEqual([outcome is None for outcome in outcomes], [False, True, False])
        self.assertEqual(self.found([anna, ben]), [0, 1])
        self.assertEqual(self.files.calls.count("sync_directory"), 2)
