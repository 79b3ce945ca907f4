"""Two processes at one account: modification sequences and expunges are the same in both."""

import os
from typing import Any

from mailnode.store import synchronised, uidlist
from mailnode.store.account import Account
from mailnode.store.errors import NoSuchMailbox
from mailnode.store.folder import Folder, Place
from mailnode.store.index import FILE_NAME
from mailnode.store.values import DELETED, FLAGGED, INBOX, SEEN
from tests.store.support import StoreTestCase


class ProcessTests(StoreTestCase):
    """The sequences are far ahead of the clock, so that only the cache's counter can give an order."""

    def setUp(self) -> None:
        super().setUp()
        self.one, self.other = self.account(), self.account()
        for _ in range(3):
            self.append(self.one)
        self.one.mailbox(INBOX).outdo(10**17)
        self.one.mailbox(INBOX).advance()
        self.other.mailbox(INBOX).sync()

    def states(self) -> list[dict[int, tuple[Any, ...]]]:
        """What both know of each message, after a look."""
        found = []
        for account in (self.one, self.other, self.one):
            mailbox = account.mailbox(INBOX)
            mailbox.sync()
            found.append({one.uid: (one.flags, one.modseq) for one in mailbox.each(mailbox.uids)})
            found[-1][0] = (mailbox.highest_modseq,)
        return found

    def test_flags(self) -> None:
        """A change has one sequence, whoever sees it; and those of two processes have an order."""
        highest = 0
        for number, account in enumerate((self.one, self.other, self.other, self.one)):
            flag = (SEEN, FLAGGED)[number % 2]
            before = account.mailbox(INBOX).highest_modseq
            account.mailbox(INBOX).set_flags([1 + number % 3], "add", frozenset({flag, f"k{number}"}))
            first, *others = self.states()
            self.assertEqual(others, [first, first])
            self.assertGreater(first[0][0], max(before, highest))
            highest = first[0][0]

    def test_changes_are_told_as_of_the_same(self) -> None:
        """A session of the other process hears of it, and so does one that asks what came after."""
        other = self.other.mailbox(INBOX)
        since = other.highest_modseq
        self.one.mailbox(INBOX).set_flags([2], "add", frozenset({SEEN}))
        self.one.mailbox(INBOX).set_flags([1], "add", frozenset({SEEN}))
        other.sync()
        self.assertEqual(other.changes(since), [1, 2])
        message = other.get(2)
        assert message is not None
        self.assertEqual(other.changes(message.modseq), [1])

    def test_expunges(self) -> None:
        """What vanished is known as of one modification sequence, and still after a restart."""
        one, other = self.one.mailbox(INBOX), self.other.mailbox(INBOX)
        since = other.highest_modseq
        one.set_flags([2], "add", frozenset({DELETED}))
        one.expunge([2])
        at = one.highest_modseq
        other.sync()
        self.assertEqual(list(other.uids), [1, 3])
        self.assertEqual(other.highest_modseq, at)
        self.assertEqual(other.expunged(since), [range(2, 3)])
        self.assertEqual(other.expunged(at), [])
        other.expunge([3])
        one.sync()
        self.assertEqual(one.expunged(at), [range(3, 4)])
        fresh = self.account().mailbox(INBOX)
        fresh.sync()
        self.assertEqual(fresh.expunged(since), [range(2, 4)])

    def test_expunged_and_forgotten(self) -> None:
        """The mailbox is the same to who looks again after the uid list was written anew without them."""
        for _ in range(synchronised._DEAD_LINES + 40):
            self.append(self.one)
        one, other = self.one.mailbox(INBOX), self.other.mailbox(INBOX)
        other.sync()
        since = other.highest_modseq
        gone = list(one.uids)[1:-2]
        one.set_flags(gone, "add", frozenset({DELETED}))
        one.expunge(gone)
        self.append(self.one)
        one.sync()
        with open(f"{self.one.root}/{uidlist.FILE_NAME}", "rb") as file:
            self.assertLess(file.read().count(b"\n"), 10, "it was not written anew")
        other.sync()
        self.assertEqual(list(other.uids), list(one.uids))
        self.assertEqual(other.expunged(since), [range(gone[0], gone[-1] + 1)])

    def test_a_list_of_before(self) -> None:
        """Where the list has lost a message that is there its UID is gone: the mailbox is another one."""
        path = f"{self.one.root}/{uidlist.FILE_NAME}"
        with open(path, "rb") as file:
            before = file.read()
        self.append(self.one)
        other = self.other.mailbox(INBOX)
        other.sync()
        with self.elsewhere(self.one.root), open(path, "wb") as file:
            file.write(before)
        self.assertRaises(NoSuchMailbox, other.sync)

    def test_come_and_gone(self) -> None:
        """What only the other process has seen, before another program removed it, has vanished here too."""
        one, other = self.one.mailbox(INBOX), self.other.mailbox(INBOX)
        uid = self.append(self.one)
        told = one.highest_modseq
        message = one.get(uid)
        assert message is not None
        with self.elsewhere(self.one.root):
            os.unlink(one._path(message))
        for _ in range(2):  # once, however often its line is read
            other._folder.forget()
            other.sync()
            self.assertGreater(other.highest_modseq, told)
            self.assertEqual(other.expunged(told), [range(uid, uid + 1)])
            self.assertEqual(other.expunged(other.highest_modseq - 1), [range(uid, uid + 1)])
        one.sync()
        self.assertEqual(one.expunged(told), [range(uid, uid + 1)])
        self.assertEqual(one.highest_modseq, other.highest_modseq)

    def test_expunges_are_believed(self) -> None:
        """What the other process has told it has removed needs no second look, which would have to wait."""
        one, other = self.one.mailbox(INBOX), self.other.mailbox(INBOX)
        slept: list[float] = []
        other._context.sleep = slept.append
        one.expunge([2])
        other.sync()
        self.assertEqual((list(other.uids), slept), ([1, 3], []))

    def test_others_are_looked_for_again(self) -> None:
        """Not what goes at the same time without a word; it is looked for once more, and may be there."""
        one, other = self.one.mailbox(INBOX), self.other.mailbox(INBOX)
        message = other.get(3)
        assert message is not None
        path = other._path(message)
        slept: list[float] = []

        def back(pause: float) -> None:
            slept.append(pause)
            os.rename(f"{self.base}/away", path)

        other._context.sleep = back
        one.expunge([2])
        os.rename(path, f"{self.base}/away")
        os.utime(os.path.dirname(path), (self.clock, self.clock))
        other.sync()
        self.assertEqual(list(other.uids), [1, 3])
        self.assertEqual(len(slept), 1)

    def test_new_messages(self) -> None:
        """One that arrived has the same UID and sequence in both."""
        self.append(self.other)
        self.deliver(self.one)
        first, *others = self.states()
        self.assertEqual(sorted(first), [0, 1, 2, 3, 4, 5])
        self.assertEqual(others, [first, first])

    def test_lost_cache(self) -> None:
        """A cache that one has thrown away is not written to by the other."""
        self.one.mailbox(INBOX).set_flags([1], "add", frozenset({SEEN}))
        self.one._context.discard_index()
        self.one.mailbox(INBOX).set_flags([1], "add", frozenset({FLAGGED}))
        self.other.mailbox(INBOX).set_flags([2], "add", frozenset({FLAGGED}))
        first, *others = self.states()
        self.assertEqual(others, [first, first])
        path = f"{self.one.root}/{FILE_NAME}"
        descriptors = [
            os.readlink(f"/proc/self/fd/{name}")
            for name in os.listdir("/proc/self/fd")
            if os.path.lexists(f"/proc/self/fd/{name}")
        ]
        self.assertNotIn(f"{path} (deleted)", descriptors)

    def test_rights_to_be_first(self) -> None:
        """An account that another process opens later, or anew, goes on from there."""
        self.one.mailbox(INBOX).set_flags([1], "add", frozenset({SEEN}))
        late: Account = self.account()
        late.mailbox(INBOX).sync()
        late.mailbox(INBOX).set_flags([1], "add", frozenset({FLAGGED}))
        self.other.mailbox(INBOX).set_flags([1], "remove", frozenset({SEEN}))
        first, *others = self.states()
        self.assertEqual(others, [first, first])
        self.assertEqual(first[1][0], frozenset({FLAGGED}))

    def test_the_list_grows(self) -> None:
        """Of a list that the other process has added to, only what is new is examined."""
        one, other = self.one.mailbox(INBOX), self.other.mailbox(INBOX)
        other.sync()
        edition = other.edition
        uid = self.append(self.one)
        one.set_flags([2], "add", frozenset({SEEN}))
        asked: list[list[str]] = []
        found = Folder.found

        def noting(folder: Folder) -> dict[str, Place]:
            places = found(folder)
            asked.append(sorted(places))
            return places

        self.patch(Folder, "found", noting)
        other.sync()
        self.assertEqual(asked, [sorted(one.each([2, uid])[place].base for place in (0, 1))])
        self.assertEqual([(each.uid, each.flags) for each in other.each(other.uids)][1], (2, {SEEN}))
        self.assertEqual(list(other.uids), [1, 2, 3, uid])
        self.assertEqual(other.edition, edition)
        self.assertEqual(self.append(self.other), uid + 1)
        one.sync()
        self.assertEqual(list(one.uids), list(other.uids))

    def test_grown_by_what_is_gone(self) -> None:
        """A line that another program has added for no file leaves nothing but that its UID is used up."""
        other = self.other.mailbox(INBOX)
        path = f"{self.one.root}/{uidlist.FILE_NAME}"
        with self.elsewhere(self.one.root), open(path, "ab") as file:
            file.write(b"9 :1.nowhere\n")
        other.sync()
        self.assertEqual(list(other.uids), [1, 2, 3])
        self.assertEqual(other.uid_next, 10)
        self.assertNotIn("1.nowhere", other._folder.list.records)

    def test_grown_by_nonsense(self) -> None:
        """What cannot be read is mended as ever: the list is written anew before it is added to."""
        path = f"{self.one.root}/{uidlist.FILE_NAME}"
        for behind in (b"9 :torn", b"2 :1.again\n", b"x\n", b"9 :1.a\n9 :1.b\n"):
            with self.elsewhere(self.one.root), open(path, "ab") as file:
                file.write(behind)
            for account in (self.other, self.one):
                account.mailbox(INBOX).sync()
                self.assertEqual(list(account.mailbox(INBOX).uids), [1, 2, 3], behind)
            with open(path, "rb") as file:
                self.assertNotIn(behind, file.read())

    def test_another_number(self) -> None:
        """Nothing is remembered under the old UID of a message that by hand was given another one."""
        one = self.one.mailbox(INBOX)
        first, second = one.each([1, 2])
        self.other.close()
        self.one.close()
        path = f"{self.one.root}/{uidlist.FILE_NAME}"
        with open(path) as file:
            header, *lines = file.read().splitlines()
        lines[:2] = [f"1 :{second.base}", f"2 :{first.base}"]
        with self.elsewhere(self.one.root), open(path, "w") as file:
            file.write("\n".join([header, *lines, ""]))
            os.unlink(one._path(second))
        fresh = self.account()
        mailbox = fresh.mailbox(INBOX)
        self.assertEqual(next((each.uid, each.base) for each in mailbox.each(mailbox.uids)), (2, first.base))
        index = fresh._context.index()
        (key,) = index.keys(mailbox.guid)
        rows = index.rows(index.folder(key, mailbox.uid_validity).id)
        self.assertEqual([row.uid for row in rows], list(mailbox.uids))
