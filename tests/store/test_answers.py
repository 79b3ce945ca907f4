"""Prepared answers: how much of the cache is read for whom."""

from unittest import mock

from mailnode.store.errors import NoSuchMessage
from mailnode.store.index import Index
from mailnode.store.values import INBOX
from tests.store.support import StoreTestCase


class WindowTests(StoreTestCase):
    """Forty messages in the cache."""

    def setUp(self) -> None:
        super().setUp()
        account = self.account()
        for _ in range(40):
            self.append(account)
        self.mailbox = account.mailbox(INBOX)
        while self.mailbox.prepare_some(10_000).more:
            pass

    def looks(self, *uids: int) -> list[int]:
        """Ask for the envelopes of messages; gives how many came with each look at the cache."""
        looked: list[int] = []
        prepared = Index.prepared

        def noting(index: Index, *arguments: object) -> object:
            window = prepared(index, *arguments)  # type: ignore[arg-type]
            looked.append(len(window.answers))
            return window

        with mock.patch.object(Index, "prepared", noting):
            for uid in uids:
                self.assertIn(b'"hello"', self.mailbox.prepared(uid, "envelope"))
        return looked

    def test_in_order(self) -> None:
        """Who asks for all gets a few, and then as many as a window holds."""
        self.assertEqual(self.looks(*range(1, 41)), [8, 32])

    def test_far_apart(self) -> None:
        """Who asks here and there gets a few each time."""
        self.assertEqual(self.looks(1, 12, 30, 5), [8, 8, 8, 8])

    def test_again(self) -> None:
        """What came with the last look is there; what is made is seen."""
        self.assertEqual(self.looks(2, 3, 2, 9), [8])
        self.append(self._open[0])
        self.assertEqual(self.looks(41), [0])
        self.mailbox.save_prepared()
        self.assertEqual(self.looks(41), [1])

    def test_what_is_ready(self) -> None:
        """A message that nobody has read yet has nothing ready, and one that was read has, cached or not."""
        self.append(self._open[0])
        self.assertIsNone(self.mailbox.ready(41, "preview"))
        self.assertEqual(self.mailbox.prepared(41, "preview"), b'"Text."')
        for _ in range(2):
            self.assertEqual(self.mailbox.ready(41, "preview"), b'"Text."')
            self.assertEqual(self.mailbox.ready(1, "preview"), b'"Text."')
            self.mailbox.save_prepared()
        self.assertRaises(NoSuchMessage, self.mailbox.ready, 42, "preview")
