"""What SORT and THREAD compare, kept in the cache."""

from unittest import mock

from mailnode.message.ordering import Text, text_key
from mailnode.store.index import Index
from mailnode.store.values import INBOX
from tests.store.support import StoreTestCase


class OrderingTests(StoreTestCase):
    """Forty messages in the cache."""

    def setUp(self) -> None:
        super().setUp()
        account = self.account()
        for _ in range(40):
            self.append(account)
        self.mailbox = account.mailbox(INBOX)
        while self.mailbox.prepare_some(10_000).more:
            pass

    def looks(self, uids: list[int]) -> list[int]:
        """Ask for messages; gives how many came with each look at the cache. The others are made."""
        looked: list[int] = []
        orderings = Index.orderings

        def noting(index: Index, folder: int, first: int, last: int) -> object:
            found = orderings(index, folder, first, last)
            looked.append(len(found.uids))
            return found

        with mock.patch.object(Index, "orderings", noting):
            found = self.mailbox.orderings(uids)
        self.assertEqual([text_key(one or b"", Text.SUBJECT) for one in found], [b"HELLO"] * len(uids))
        return looked

    def test_no_message_is_opened(self) -> None:
        """Neighbours come with one look, as long as not much is looked at for nothing."""
        with mock.patch.object(self.files, "read_start", side_effect=AssertionError):
            self.assertEqual(self.looks(list(range(1, 41))), [40])
            self.assertEqual(self.looks([3, 5, 10]), [8])
            self.assertEqual(self.looks([1, 40]), [1, 1])
            self.assertEqual(self.looks([7]), [1])
            self.assertEqual(self.looks([]), [])

    def test_what_is_new_is_made(self) -> None:
        """What is not in the cache is made of headers, and is there the next time."""
        self.append(self._open[0])
        self.assertEqual(self.looks([40, 41]), [1])
        self.mailbox.save_prepared()
        self.assertEqual(self.looks([40, 41]), [2])

    def test_goes_with_the_message(self) -> None:
        """No row stays of a message that is gone, and another message is not taken for it."""
        index = self.mailbox._context.index()
        self.mailbox.set_flags([2], "add", frozenset(("\\Deleted",)))
        self.mailbox.expunge([2])
        self.assertEqual(index.orderings(1, 1, 3).uids, (1, 3))
        index._db.execute("UPDATE ordering SET base = 'other', ordering = x'00' WHERE uid = 3")
        self.assertEqual(self.looks([1, 3]), [2])

    def test_nonsense(self) -> None:
        """A row that makes no sense is made again, with the cache that it stood in."""
        index = self.mailbox._context.index()
        index._db.execute("UPDATE ordering SET ordering = 'text' WHERE uid = 3")
        self.assertEqual(self.looks([1, 2, 3]), [0])
