"""Moving messages to another mailbox, while the disk fails."""

import contextlib
import errno
import itertools
import os
from collections.abc import Callable, Iterator
from unittest import mock

from mailnode.store.account import Account
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import INBOX
from tests.store.support import MESSAGE, StoreTestCase

WORK = ("Work",)


class FailingMoveTests(StoreTestCase):
    """A message that was moved is in one of the two mailboxes at least, whatever fails and when."""

    def setUp(self) -> None:
        super().setUp()
        self.mine: Account = self.account()
        self.mine.create(WORK)
        for _ in range(3):
            self.append(self.mine)
        self.inbox: Mailbox = self.mine.mailbox(INBOX)
        self.work: Mailbox = self.mine.mailbox(WORK)

    def places(self) -> tuple[list[int], list[int]]:
        """What a fresh process finds in either."""
        self.mine.close()
        other = self.account()
        found = other.mailbox(INBOX), other.mailbox(WORK)
        for mailbox in found:
            self.assertEqual({octets for _, _, octets in self.facts(mailbox)} or {MESSAGE}, {MESSAGE})
        return found[0].uids.tolist(), found[1].uids.tolist()

    @contextlib.contextmanager
    def failing(self, operation: str, first: int, *, for_good: bool = False) -> Iterator[None]:
        """The n-th call of an operation fails, or that and all later ones."""
        numbers = itertools.count(1)
        real: Callable[..., object] = getattr(self.files, operation)

        def fail(*args: object, **kwargs: object) -> object:
            number = next(numbers)
            if number == first or (for_good and number > first):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(*args, **kwargs)

        with mock.patch.object(self.files, operation, fail):
            yield

    def test_some_cannot_be_removed(self) -> None:
        """What was removed before that stays in the other mailbox, and the rest in this one."""
        with self.failing("unlink", 3):  # the first is that of a lock
            self.assertRaises(OSError, self.inbox.move, [1, 2, 3], self.work)
        self.assertEqual(self.places(), ([2, 3], [1]))

    def test_removed_and_not_synced(self) -> None:
        """They are gone here, though a power cut may bring them back: they are moved."""
        with self.failing("sync_directory", 2):
            self.assertEqual(self.inbox.move([1, 2, 3], self.work), [(1, 1), (2, 2), (3, 3)])
        self.assertEqual(self.places(), ([], [1, 2, 3]))

    def test_nothing_can_be_known(self) -> None:
        """Where the mailbox cannot be looked at afterwards, nothing is taken back."""
        with self.failing("sync_directory", 2), self.failing("names", 1, for_good=True):
            self.assertRaises(OSError, self.inbox.move, [1, 2, 3], self.work)
        self.assertEqual(self.places(), ([], [1, 2, 3]))

    def test_nothing_is_removed(self) -> None:
        """All of them stay here, and there is no copy."""
        with self.failing("unlink", 2):
            self.assertRaises(OSError, self.inbox.move, [1, 2, 3], self.work)
        self.assertEqual(self.places(), ([1, 2, 3], []))
