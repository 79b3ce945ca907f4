"""Hostile and tortured messages in the store: every octet comes back, and every look gives the same."""

import os
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.store.mailbox import Mailbox
from mailnode.store.prepared_tables import Prepared
from mailnode.store.values import INBOX
from tests.message.corpus import ABSENT, messages
from tests.store.support import StoreTestCase

ANSWERS: tuple[Prepared, ...] = ("envelope", "body", "bodystructure", "header", "octets")


class HostileStoreTests(StoreTestCase):
    """Messages of vectors C1 to C17, and whatever else there is."""

    def look(self, mailbox: Mailbox, uid: int) -> list[object]:
        """The octets on the wire, and all prepared answers."""
        with mailbox.body(uid) as body:
            wire = b"".join(body.wire())
        return [wire, mailbox.octets(uid), *(mailbox.prepared(uid, what) for what in ANSWERS)]

    def check(self, forms: Sequence[bytes]) -> None:
        """Stored, read back, prepared, forgotten, and prepared again."""
        account = self.account()
        uids = [self.append(account, message=octets) for octets in forms]
        mailbox = account.mailbox(INBOX)
        first = [self.look(mailbox, uid) for uid in uids]
        for octets, seen in zip(forms, first, strict=True):
            self.assertEqual(seen[0], octets)
            self.assertEqual((seen[1], seen[-1]), (len(octets), len(octets)))
        account.close()
        os.unlink(f"{self.base}/anna/mailnode-index.sqlite")
        mailbox = self.account().mailbox(INBOX)
        self.assertEqual([self.look(mailbox, uid) for uid in uids], first)

    def test_corpus(self) -> None:
        """Every message of the corpus, as it lies and as it comes over the wire, is kept octet for octet."""
        forms = [octets for _, octets in messages() if octets]
        self.check(forms + [octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for octets in forms])

    if ABSENT:
        test_corpus.skip = ABSENT  # type: ignore[attr-defined]

    @given(
        st.lists(st.binary(min_size=1, max_size=400) | st.text('a:\r\n\0 -=;"(', min_size=1).map(str.encode))
    )
    @settings(max_examples=30, deadline=None)
    def test_any_octets(self, forms: list[bytes]) -> None:
        """So is anything at all (the line ends of docs/store.md)."""
        self.check(forms)
