r"""Removed messages: where they lie, how long, and that they are never nowhere."""

import errno
import os
from typing import Any
from unittest import mock

from mailnode.store.account import Account
from mailnode.store.errors import NoRight, NoSuchMailbox
from mailnode.store.identity import email_id, saved
from mailnode.store.keeping import DIRECTORY, Terms, name_of_removed, original
from mailnode.store.transfer import Transfer
from mailnode.store.values import ANSWERED, DELETED, INBOX, SEEN
from mailnode.store.verify import read_tree, verify
from tests.store.support import MESSAGE, StoreTestCase

WORK = ("Work",)
DEEP = ("Work", "Ünder")
DAY = 86_400


class KeepingCase(StoreTestCase):
    """An account in which removed messages are kept."""

    terms = Terms(14, 10_000)

    def setUp(self) -> None:
        super().setUp()
        self.mine = self.account(recover=lambda: self.terms)

    def found(self, name: Any = INBOX, account: Account | None = None) -> list[Any]:
        """What can be recovered from a folder: flags and octets."""
        store = (account or self.mine).recovered
        return [(flags, octets) for _, flags, octets in self.facts(store.mailbox(name))]


class RemovedTests(KeepingCase):
    """What is removed for good lies aside."""

    def test_names(self) -> None:
        """A removed message has its old name behind the time."""
        for base in ("1700000000.M1P2Q3.host,S=3,W=4", "x", "1.removed-2", "a b"):
            self.assertEqual(original(name_of_removed(base, 17.9)), base)
            self.assertEqual(original(base), "2" if base == "1.removed-2" else base)

    def test_expunge(self) -> None:
        r"""Flags and keywords stay, but \Deleted; UIDs come in the order of removal."""
        for flags in ({SEEN, "$Todo", DELETED}, {ANSWERED}, {DELETED}):
            self.append(self.mine, flags=frozenset(flags))
        inbox = self.mine.mailbox(INBOX)
        self.assertEqual(inbox.expunge([1, 2, 3], having=DELETED), [1, 3])
        self.assertCountEqual(self.found(), [({SEEN, "$Todo"}, MESSAGE), (set(), MESSAGE)])
        self.clock += 60
        inbox.expunge([2])
        fresh = self.account(recover=lambda: self.terms)
        self.assertEqual(len(self.found(account=fresh)), 3)
        self.assertEqual(self.found(account=fresh)[2], ({ANSWERED}, MESSAGE))
        self.assertFalse(fresh.recovered.mailbox(INBOX).recent)
        self.assertEqual(fresh.mailbox(INBOX).uids.tolist(), [])

    def test_it_is_no_mailbox(self) -> None:
        """Nothing of it is a folder of the account, counts as usage, or is wrong."""
        self.append(self.mine)
        self.mine.create(WORK)
        self.append(self.mine, WORK)
        self.mine.mailbox(INBOX).expunge([1])
        self.mine.delete(WORK)
        self.assertEqual(self.mine.names(), [INBOX])
        self.assertEqual(self.mine.usage().messages, 0)
        tree = read_tree(self.files, self.mine.root)
        self.assertEqual([one for one in verify(tree, self.files, self.clock) if not one.harmless], [])

    def test_deleted_mailbox(self) -> None:
        """The messages of a mailbox that is deleted are kept, under its name."""
        for name in (WORK, DEEP):
            self.mine.create(name)
            self.append(self.mine, name, frozenset({"$Todo"}))
        self.mine.delete(DEEP)
        self.assertEqual(self.found(DEEP), [({"$Todo"}, MESSAGE)])
        self.assertRaises(NoSuchMailbox, self.mine.recovered.mailbox, WORK)
        self.assertEqual(self.mine.mailbox(WORK).uids.tolist(), [1])

    def test_a_mailbox_that_stays(self) -> None:
        """What a DELETE that fails did not remove is not kept either."""
        self.mine.create(WORK)
        self.append(self.mine, WORK)
        self.mine.mailbox(WORK)
        self.files.fail = lambda operation, _: OSError(errno.EIO, "") if operation == "rename" else None
        self.assertRaises(OSError, self.mine.delete, WORK)
        self.files.fail = lambda operation, count: None
        self.assertEqual(self.found(WORK), [])

    def test_moved_messages_are_not_removed(self) -> None:
        """MOVE, and what is taken back after an error, keeps nothing."""
        self.append(self.mine)
        self.mine.create(WORK)
        moved = self.mine.mailbox(INBOX).move([1], self.mine.mailbox(WORK))
        self.mine.mailbox(WORK).take_back([there for _, there in moved])
        self.assertFalse(os.path.exists(f"{self.mine.root}/{DIRECTORY}"))

    def test_only_where_it_is_wanted(self) -> None:
        """With no days nothing is kept, and nothing made."""
        self.terms = Terms(0)
        self.append(self.mine)
        self.mine.mailbox(INBOX).expunge([1])
        self.assertFalse(os.path.exists(f"{self.mine.root}/{DIRECTORY}"))

    def test_the_same_message_again(self) -> None:
        """A name that is taken, or too long, is no obstacle."""
        long = "1700000000." + "x" * 230
        for base in ("1700000000.M1P2Q3.host", long):
            path = f"{self.mine.root}/cur/{base}:2,"
            self.mine.ensure()
            for _ in range(2):
                with open(path, "wb") as file:
                    file.write(MESSAGE)
                inbox = self.mine.mailbox(INBOX)
                self.clock -= 0.002 if base != long else 0  # within the same second
                inbox.expunge(list(inbox.uids))
        self.assertEqual(len(self.found()), 4)

    def test_a_full_disk(self) -> None:
        """Removing makes room on a full disk: what cannot be kept is removed all the same."""
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            self.append(self.mine)
            inbox = self.mine.mailbox(INBOX)
            fail = mock.Mock(side_effect=OSError(number, ""))
            with mock.patch.object(self.files, "link", fail):
                self.assertEqual(inbox.expunge(list(inbox.uids)), [inbox.uid_next - 1])
        self.assertEqual(self.found(), [])

    def test_no_room_for_a_folder(self) -> None:
        """Nor is there an error where not even the place for it can be made, or the names be made durable."""
        for operation in ("make_directory", "create", "sync_directory"):
            self.append(self.mine)
            inbox = self.mine.mailbox(INBOX)
            real = getattr(self.files, operation)

            def fail(path: str, *args: Any, real: Any = real, **kwargs: Any) -> Any:
                if DIRECTORY in path:
                    raise OSError(errno.ENOSPC, "")
                return real(path, *args, **kwargs)

            with mock.patch.object(self.files, operation, fail):
                self.assertEqual(inbox.expunge(list(inbox.uids)), [inbox.uid_next - 1], operation)

    def test_a_disk_that_is_nearly_full(self) -> None:
        """What is removed is gone, and what is kept goes, the oldest first, until there is room."""
        for flags in ({SEEN}, {ANSWERED}, {DELETED}):
            uid = self.append(self.mine, flags=frozenset(flags))
            if flags != {DELETED}:
                self.mine.mailbox(INBOX).expunge([uid])
            self.clock += 60
        self.terms = Terms(14, None, 1000)
        with mock.patch.object(self.files, "free_space", return_value=999):
            self.mine.mailbox(INBOX).expunge([3])
            self.assertEqual(self.mine.keeper.expire(), 1)
        self.assertEqual([flags for flags, _ in self.found()], [{ANSWERED}])
        with mock.patch.object(self.files, "free_space", return_value=1000):
            self.assertEqual(self.mine.keeper.expire(), 0)

    def test_trouble(self) -> None:
        """After another error the message is where it was, and nowhere else."""
        self.append(self.mine)
        inbox = self.mine.mailbox(INBOX)
        for operation in ("link", "unlink"):
            real = getattr(self.files, operation)

            def fail(path: str, *args: Any, real: Any = real, **kwargs: Any) -> Any:
                if path.startswith(f"{self.mine.root}/new/"):
                    raise OSError(errno.EIO, "")
                return real(path, *args, **kwargs)

            with mock.patch.object(self.files, operation, fail):
                self.assertRaises(OSError, inbox.expunge, [1])
        self.assertEqual(self.found(), [])
        self.assertEqual(inbox.uids.tolist(), [1])

    def test_another_program_has_renamed_it(self) -> None:
        """A message that has other flags meanwhile is looked for again."""
        self.append(self.mine, flags=frozenset({SEEN}))
        inbox = self.mine.mailbox(INBOX)
        self.assertEqual(len(os.listdir(f"{self.mine.root}/cur")), 1)
        link, done = self.files.link, []

        def first(source: str, target: str) -> None:
            if not done:
                done.append(True)
                with self.elsewhere(self.mine.root):
                    os.rename(source, source + "F")
            link(source, target)

        with mock.patch.object(self.files, "link", first):
            self.assertEqual(inbox.expunge([1]), [1])
        self.assertEqual(len(self.found()), 1)
        self.assertEqual(os.listdir(f"{self.mine.root}/cur"), [])


class MailboxTests(KeepingCase):
    """How removed messages are seen."""

    def setUp(self) -> None:
        super().setUp()
        self.append(self.mine, flags=frozenset({SEEN, "$Todo"}))
        self.inbox = self.mine.mailbox(INBOX)
        self.name = email_id(self.inbox.record(1))
        self.inbox.expunge([1])
        self.mailbox = self.mine.recovered.mailbox(INBOX)

    def test_flags(self) -> None:
        r"""Only \Deleted can be set."""
        self.assertEqual(self.mailbox.set_flags([1], "add", frozenset({ANSWERED, "$New"})), {})
        for mode, flags, expected in (
            ("add", {DELETED, ANSWERED}, {SEEN, "$Todo", DELETED}),
            ("remove", {DELETED, SEEN}, {SEEN, "$Todo"}),
            ("replace", {DELETED}, {SEEN, "$Todo", DELETED}),
            ("replace", set(), {SEEN, "$Todo"}),
        ):
            self.assertEqual(list(self.mailbox.set_flags([1], mode, frozenset(flags))), [1])
            self.assertEqual(self.found(), [(expected, MESSAGE)])

    def test_taken_out(self) -> None:
        """A message that comes back is the same by EMAILID, with its flags, and has another UID."""
        self.assertEqual(email_id(self.mailbox.record(1)), self.name)
        self.assertEqual(saved(self.mailbox.record(1)), int(self.clock))
        transfer = Transfer(self.mine)
        transfer.take(self.mailbox, [1])
        self.assertEqual(transfer.put(self.inbox), [2])
        transfer.drop()
        self.assertEqual(self.mailbox.expunge([1]), [1])
        self.assertEqual(email_id(self.inbox.record(2)), self.name)
        self.assertEqual(self.facts(self.inbox), [(2, {SEEN, "$Todo"}, MESSAGE)])
        self.assertEqual(self.found(), [])

    def test_rights(self) -> None:
        """Nothing can be put there, and no mailbox made."""
        sharing = self.mine.recovered.sharing
        self.assertEqual(sharing.shown_to("me"), {INBOX: frozenset("lrte")})
        self.assertRaises(NoRight, sharing.open, INBOX, "me", "i")
        self.assertRaises(NoRight, sharing.check_parent, WORK, "me")
        self.assertRaises(NoRight, sharing.check, INBOX, "me", "x")
        self.assertRaises(NoSuchMailbox, sharing.open, WORK, "me", "r")

    def test_nothing_there(self) -> None:
        """Who has removed nothing has no directory for it, though somebody looks."""
        other = self.account("ben", recover=lambda: self.terms)
        other.ensure()
        self.assertEqual(other.recovered.sharing.shown_to("me"), {})
        self.assertFalse(os.path.exists(other.recovered.root))


class ExpiryTests(KeepingCase):
    """Nothing stays for ever."""

    def setUp(self) -> None:
        super().setUp()
        self.mine.create(WORK)
        for name in (INBOX, WORK):
            self.append(self.mine, name)
            self.mine.mailbox(name).expunge([1])
            self.clock += DAY

    def test_days(self) -> None:
        """Each message goes when its days are over, and a folder with its last one."""
        seen = self.mine.recovered.mailbox(WORK)
        self.assertEqual(self.mine.keeper.expire(), 0)
        self.clock += 12.5 * DAY
        self.assertEqual(self.mine.keeper.expire(), 1)
        self.assertEqual((self.found(), self.found(WORK)), ([], [(set(), MESSAGE)]))
        self.clock += DAY
        self.assertEqual(self.mine.keeper.expire(), 1)
        self.assertRaises(NoSuchMailbox, seen.sync)
        self.assertEqual(self.mine.recovered.names(), [INBOX])

    def test_no_days(self) -> None:
        """Where nothing is to be kept any more nothing is."""
        self.terms = Terms(0)
        self.assertEqual(self.mine.keeper.expire(), 2)

    def test_room(self) -> None:
        """The oldest go where it is too much, at the next look at the latest, mostly at once."""
        self.terms = Terms(14, len(MESSAGE.replace(b"\r\n", b"\n")))
        self.assertEqual(self.mine.keeper.expire(), 1)
        self.assertEqual((self.found(), self.found(WORK)), ([], [(set(), MESSAGE)]))
        self.append(self.mine)
        inbox = self.mine.mailbox(INBOX)
        inbox.expunge(list(inbox.uids))
        self.assertEqual(self.found(), [(set(), MESSAGE)])
        self.assertEqual(self.mine.recovered.names(), [INBOX])

    def test_a_folder_that_comes_back(self) -> None:
        """Where a folder of removed messages is emptied and filled again UIDs mean something else."""
        before = self.mine.recovered.mailbox(WORK).uid_validity
        self.clock += 20 * DAY
        self.mine.keeper.expire()
        self.append(self.mine, WORK)
        self.mine.mailbox(WORK).expunge([2])
        self.assertGreater(self.mine.recovered.mailbox(WORK).uid_validity, before)
