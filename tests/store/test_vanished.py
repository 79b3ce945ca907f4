"""The memory of expunges."""

import sqlite3
from itertools import pairwise
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.store.context import Context
from mailnode.store.folder import Folder
from mailnode.store.index import FILE_NAME, Index
from mailnode.store.values import INBOX, SEEN
from mailnode.store.vanished import RANGES, RECORDS, Vanished
from tests.store.support import StoreTestCase

EXPUNGES = st.lists(st.sets(st.integers(1, 60), min_size=1), max_size=20)


class VanishedTests(SynchronousTestCase):
    """The queue by itself."""

    @given(EXPUNGES, st.integers(0, 22))
    def test_after(self, expunges: list[set[int]], since: int) -> None:
        """All UIDs of later expunges, and no others, as ranges that do not touch."""
        vanished = Vanished()
        for modseq, uids in enumerate(expunges, 1):
            vanished.add(modseq, uids)
        found = vanished.after(since)
        assert found is not None
        self.assertEqual(
            [uid for one in found for uid in one],
            sorted(set().union(*expunges[since:])),  # in order
        )
        self.assertTrue(all(one.stop < other.start for one, other in pairwise(found)))

    def test_bounded(self) -> None:
        """The oldest are given up, and nothing is said of what was before them."""
        vanished = Vanished(5)
        self.assertIsNone(vanished.after(4))
        self.assertEqual(vanished.after(5), [])
        for modseq in range(6, RECORDS + 7):
            vanished.add(modseq, [modseq])
        self.assertIsNone(vanished.after(5))
        self.assertEqual(vanished.after(6), [range(7, RECORDS + 7)])

    def test_bounded_in_ranges(self) -> None:
        """Few expunges of many stretches are bounded too."""
        vanished = Vanished()
        for modseq in (1, 2, 3):
            vanished.add(modseq, range(0, RANGES, 2))
        self.assertIsNone(vanished.after(0))
        self.assertIsNotNone(vanished.after(1))


class KeptTests(StoreTestCase):
    """In the cache of a folder."""

    def test_restart(self) -> None:
        """What was expunged is known after a restart, by its modseq."""
        account = self.account()
        for _ in range(9):
            self.append(account)
        mailbox = account.mailbox(INBOX)
        start = mailbox.highest_modseq
        mailbox.expunge([2, 3])
        middle = mailbox.highest_modseq
        mailbox.expunge([7])
        account.close()
        again = self.account().mailbox(INBOX)
        self.assertEqual(again.expunged(start), [range(2, 4), range(7, 8)])
        self.assertEqual(again.expunged(middle), [range(7, 8)])
        self.assertEqual(again.expunged(again.highest_modseq), [])

    def test_while_nobody_looked(self) -> None:
        """Files that went while the server was down vanish with a modseq that nobody has seen."""
        account = self.account()
        for _ in range(3):
            self.append(account)
        mailbox = account.mailbox(INBOX)
        highest = mailbox.highest_modseq
        gone = mailbox.get(2)
        assert gone is not None
        path = mailbox._path(gone)
        account.close()
        self.files.unlink(path)
        again = self.account().mailbox(INBOX)
        self.assertEqual(again.expunged(highest), [range(2, 3)])
        self.assertGreater(again.highest_modseq, highest)

    def test_lost_cache(self) -> None:
        """Without the cache nothing is known of what was before, and all of what comes after."""
        account = self.account()
        for _ in range(3):
            self.append(account)
        mailbox = account.mailbox(INBOX)
        before = mailbox.highest_modseq
        mailbox.expunge([1])
        account.close()
        self.files.unlink(f"{account.root}/{FILE_NAME}")
        account = self.account()
        mailbox = account.mailbox(INBOX)
        self.assertIsNone(mailbox.expunged(before))
        start = mailbox.highest_modseq
        mailbox.expunge([2])
        account.close()
        self.assertEqual(self.account().mailbox(INBOX).expunged(start), [range(2, 3)])

    def test_cache_lost_meanwhile(self) -> None:
        """A row that was made anew under our hands does not pass for one that was told everything."""
        account = self.account()
        for _ in range(4):
            self.append(account)
        mailbox = account.mailbox(INBOX)
        start = mailbox.highest_modseq
        mailbox.expunge([1])
        context: Context = account._context
        context.discard_index()
        mailbox.expunge([2])
        self.assertEqual(mailbox.expunged(start), [range(1, 3)])
        account.close()
        again = self.account().mailbox(INBOX)
        self.assertIsNone(again.expunged(start))

    def test_power_cut(self) -> None:
        """Of a message that came and went behind the end of what is left of the cache, the UID tells."""
        account = self.account()
        self.append(account)
        cache = f"{account.root}/{FILE_NAME}"
        account.close()
        with open(cache, "rb") as file:
            before = file.read()
        account = self.account()
        self.append(account)
        seen = account.mailbox(INBOX).highest_modseq
        account.mailbox(INBOX).expunge([2])
        account.close()
        with open(cache, "wb") as file:
            file.write(before)
        again = self.account().mailbox(INBOX)
        self.assertGreater(again.highest_modseq, seen)
        self.assertIsNone(again.expunged(seen))

    def test_cache_that_could_not_be_told(self) -> None:
        """What was expunged while the cache was locked is not known, here and after a restart."""
        account = self.account()
        for _ in range(2):
            self.append(account)
        mailbox = account.mailbox(INBOX)
        with mock.patch.object(Index, "save", side_effect=sqlite3.OperationalError("locked")):
            self.append(account)
            seen = mailbox.highest_modseq
            mailbox.expunge([3])
        self.append(account)
        self.assertIsNone(mailbox.expunged(seen))
        later = mailbox.highest_modseq
        account.close()
        again = self.account().mailbox(INBOX)
        self.assertIsNone(again.expunged(seen))
        self.assertEqual(again.expunged(later), [])

    def test_restless_folder(self) -> None:
        """A message that is missed at first, as the folder did not come to rest, is found gone later."""
        account = self.account()
        for _ in range(3):
            self.append(account)
        mailbox = account.mailbox(INBOX)
        seen = mailbox.highest_modseq
        gone = mailbox.get(2)
        assert gone is not None
        path = mailbox._path(gone)
        account.close()
        self.files.unlink(path)
        account = self.account()
        with mock.patch.object(Folder, "look_for_missing", lambda folder: folder.look(again=True) and False):
            self.assertEqual(account.mailbox(INBOX).uids.tolist(), [1, 3])
        self.assertEqual(account.mailbox(INBOX).expunged(seen), [range(2, 3)])

    def test_conditional_store(self) -> None:
        """What a message is asked is true of it when its flags change."""
        account = self.account()
        for _ in range(2):
            self.append(account)
        mailbox = account.mailbox(INBOX)
        done = mailbox.set_flags([1, 2], "add", frozenset([SEEN]), unless=lambda message: message.uid == 1)
        self.assertEqual(list(done), [2])
