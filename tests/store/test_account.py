"""An account: its folders, subscriptions, deliveries and locks."""

import errno
import os
import time
from unittest import mock

from mailnode.store import names as naming
from mailnode.store import subscriptions
from mailnode.store.delivery import deliver_each
from mailnode.store.errors import BadMailboxName, InUse, MailboxExists, NoSuchMailbox, OverQuota
from mailnode.store.locks import Locks
from mailnode.store.names import name_of
from mailnode.store.quota import Limit
from mailnode.store.values import INBOX, SEEN, Name
from tests.store.support import MESSAGE, StoreTestCase

WORK: Name = ("Work",)
DEEP: Name = ("Work", "2026")


class FolderTests(StoreTestCase):
    """CREATE, DELETE, RENAME (RFC 3501 sections 6.3.3 to 6.3.5)."""

    def test_create(self) -> None:
        """A mailbox is a Maildir++ folder, there whole with its uid list; parents need not exist."""
        account = self.account()
        account.create(DEEP)
        self.assertEqual(account.names(), [INBOX, DEEP])
        found = os.listdir(f"{account.root}/.Work.2026")
        self.assertEqual(sorted(found), ["cur", "dovecot-uidlist", "maildirfolder", "new", "tmp"])
        self.assertRaises(MailboxExists, account.create, DEEP)
        self.assertRaises(MailboxExists, account.create, ("inbox",))

    def test_validity_only_grows(self) -> None:
        """A mailbox that is made again has a greater UIDVALIDITY, also within one second (X6)."""
        account = self.account()
        seen = [account.mailbox(INBOX).uid_validity]
        for _ in range(3):
            account.create(WORK)
            seen.append(account.mailbox(WORK).uid_validity)
            account.delete(WORK)
        self.assertEqual(seen, sorted(set(seen)))
        markers = [name for name in os.listdir(account.root) if name.startswith("dovecot-uidvalidity.")]
        self.assertEqual(markers, [f"dovecot-uidvalidity.{seen[-1]:08x}"])

    def test_bad_names(self) -> None:
        """Names that could leave the tree, or mean something on disk, are refused (I14)."""
        account = self.account()
        for name in (
            ("..", "..", "etc"), ("a", "..", "b"), ("", "etc"), ("~root", "x"), (".",), ("..",),
            ("a", "", "b"), ("a.",), (".a",), ("cur",), ("new", "x"), ("tmp",), ("a\0b",), ("a\r\nb",),
            ("x" * 256,), tuple("abcdefghijk"), ("INBOX", "..", "x"), ("a/b",), (), ("a\u2028b",),
            ("\ud800",),
        ):  # fmt: skip
            self.assertRaises(BadMailboxName, account.create, name)
            self.assertRaises(BadMailboxName, account.subscribe, name)
        self.assertEqual(account.names(), [INBOX])
        self.assertEqual(os.listdir(self.base), ["anna"])

    def test_normal_form(self) -> None:
        """Composed and decomposed letters are one name; INBOX is one in any case (I16)."""
        account = self.account()
        account.create(("\u00e9",))
        self.assertRaises(MailboxExists, account.create, ("e\u0301",))
        self.assertEqual(account.mailbox(("e\u0301",)).name, ("\u00e9",))
        self.assertIs(account.mailbox(("iNbOx",)), account.mailbox(INBOX))

    def test_directories(self) -> None:
        """Modified UTF-7 first, UTF-8 else; what is neither, or is INBOX twice, is no mailbox."""
        for directory, name in (
            (".Work", ("Work",)), (".A.B", ("A", "B")), (".Entw&APw-rfe", ("Entw\u00fcrfe",)),
            (".Entw\u00fcrfe", ("Entw\u00fcrfe",)), (".a&b", None), (".&AEE-", None), (".INBOX", None),
            ("..DOVECOT-TRASHED", None), (".", None), ("..", None), (".a..b", None), ("cur", None),
            (os.fsdecode(b".\xff"), None), (".INBOX.x", ("INBOX", "x")),
        ):  # fmt: skip
            self.assertEqual(name_of(directory), name, directory)

    def test_a_tree_in_utf8_stays_so(self) -> None:
        """Where Dovecot wrote UTF-8 names, new folders are written so too."""
        account = self.account()
        for sub in ("cur", "new", "tmp"):
            os.makedirs(f"{account.root}/.Entw\u00fcrfe/{sub}")
        account.create(("Gel\u00f6scht",))
        self.assertIn(".Gel\u00f6scht", os.listdir(account.root))
        self.assertIn(("Gel\u00f6scht",), account.names())

    def test_delete(self) -> None:
        """DELETE removes the folder, not its inferiors; INBOX cannot be deleted."""
        account = self.account()
        account.create(WORK)
        account.create(DEEP)
        self.append(account, WORK)
        account.delete(WORK)
        self.assertEqual(account.names(), [INBOX, DEEP])
        self.assertRaises(NoSuchMailbox, account.delete, WORK)
        self.assertRaises(BadMailboxName, account.delete, INBOX)

    def test_rename(self) -> None:
        """RENAME keeps UIDs and UIDVALIDITY and takes the inferiors along."""
        account = self.account()
        account.create(WORK)
        account.create(DEEP)
        self.append(account, DEEP, frozenset([SEEN]))
        validity, facts = account.mailbox(DEEP).uid_validity, self.facts(account.mailbox(DEEP))
        account.rename(WORK, ("Job",))
        self.assertEqual(account.names(), [INBOX, ("Job",), ("Job", "2026")])
        moved = account.mailbox(("Job", "2026"))
        self.assertEqual((moved.uid_validity, self.facts(moved)), (validity, facts))
        self.assertRaises(NoSuchMailbox, account.rename, WORK, ("X",))
        self.assertRaises(MailboxExists, account.rename, ("Job",), INBOX)
        self.assertRaises(BadMailboxName, account.rename, ("Job",), ("Job", "below"))

    def test_rename_of_a_parent_that_is_no_mailbox(self) -> None:
        """A name that is only the parent of others can be renamed with them."""
        account = self.account()
        account.create(DEEP)
        account.rename(WORK, ("Job",))
        self.assertEqual(account.names(), [INBOX, ("Job", "2026")])

    def test_rename_inbox(self) -> None:
        """RENAME INBOX moves its messages and leaves it empty, with its UIDVALIDITY."""
        account = self.account()
        self.append(account)
        inbox = account.mailbox(INBOX)
        validity = inbox.uid_validity
        account.rename(INBOX, ("Old",))
        self.assertEqual(self.facts(account.mailbox(("Old",))), [(1, frozenset(), MESSAGE)])
        self.assertEqual((inbox.uids.tolist(), inbox.uid_validity, inbox.uid_next), ([], validity, 2))

    def test_a_failed_create_leaves_nothing(self) -> None:
        """An error in the middle of CREATE leaves no folder and no name."""
        account = self.account()
        account.names()
        target = f"{account.root}/.Work"
        self.files.fail = lambda operation, _: (
            OSError(errno.EIO, "io")
            if operation == "rename" and not os.path.exists(target) and built()
            else None
        )

        def built() -> bool:
            return any(
                os.path.exists(f"{account.root}/{name}/dovecot-uidlist") for name in os.listdir(account.root)
            )

        self.assertRaises(OSError, account.create, WORK)
        self.files.fail = lambda operation, _: None
        self.assertEqual(account.names(), [INBOX])
        self.assertEqual([name for name in os.listdir(account.root) if name.startswith("..")], [])


class SweepTests(StoreTestCase):
    """What a crash left behind."""

    def test_sweep(self) -> None:
        """Files in tmp/ and half-built folders go when they are 36 hours old, not before."""
        account = self.account()
        account.ensure()
        paths = (f"{account.root}/tmp/file", f"{account.root}/..mailnode-new.1/uids")
        for path in paths:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb"):
                pass
            os.utime(path, (1, 1))  # as a draft of an old message: only its making counts
        made = os.stat(paths[0]).st_ctime
        for hours, left in ((35, [True, True]), (37, [False, False])):
            self.clock = made + hours * 3600
            self.account().ensure()
            self.assertEqual([os.path.exists(path) for path in paths], left)


class SubscriptionTests(StoreTestCase):
    """The subscriptions file."""

    def test_subscribe(self) -> None:
        """Names come in file order, each once, and survive; they need not exist."""
        account = self.account()
        account.subscribe(DEEP)
        account.subscribe(("Entw\u00fcrfe", "a b"))
        account.subscribe(DEEP)
        with open(f"{account.root}/subscriptions", "rb") as file:
            self.assertEqual(file.read(), b"V\t2\n\nWork\t2026\nEntw&APw-rfe\ta b\n")
        self.assertEqual(self.account().subscriptions(), [DEEP, ("Entw\u00fcrfe", "a b")])
        account.unsubscribe(DEEP)
        account.unsubscribe(DEEP)
        self.assertEqual(account.subscriptions(), [("Entw\u00fcrfe", "a b")])

    def test_version_1_stays(self) -> None:
        """A file without header keeps its form."""
        account = self.account()
        account.names()
        with open(f"{account.root}/subscriptions", "wb") as file:
            file.write(b"Work.2026\nINBOX\n")
        account.subscribe(WORK)
        with open(f"{account.root}/subscriptions", "rb") as file:
            self.assertEqual(file.read(), b"Work.2026\nINBOX\nWork\n")

    def test_escapes(self) -> None:
        """Tabs and control characters in levels are escaped, as Dovecot does."""
        self.assertEqual(subscriptions.parse(b"V\t2\n\na\x01tb\x011\n").names, [])  # no client can name these
        self.assertEqual(subscriptions.parse(b"V\t2\n\na\n\na\nb&\n").names, [("a",)])

    def test_lines_nobody_can_name_stay(self) -> None:
        """UTF-8 names are read, and lines that make no sense are kept."""
        account = self.account()
        account.names()
        data = "Entw\u00fcrfe\nb&\n".encode() + b"\xff\n"
        with open(f"{account.root}/subscriptions", "wb") as file:
            file.write(data)
        self.assertEqual(account.subscriptions(), [("Entw\u00fcrfe",)])
        account.subscribe(WORK)
        with open(f"{account.root}/subscriptions", "rb") as file:
            self.assertEqual(file.read(), data + b"Work\n")
        account.unsubscribe(("Entw\u00fcrfe",))
        self.assertEqual(account.subscriptions(), [WORK])


class DeliveryTests(StoreTestCase):
    """Delivery into new/: all recipients, or none."""

    def test_one_file_for_all(self) -> None:
        """Several recipients share one file."""
        accounts = [self.account(name) for name in ("anna", "ben", "carl")]
        self.deliver(*accounts)
        files = [
            f"{account.root}/new/{name}" for account in accounts for name in os.listdir(f"{account.root}/new")
        ]
        self.assertEqual(len({os.stat(path).st_ino for path in files}), 1)
        self.assertEqual(len(files), 3)
        self.assertEqual(os.listdir(f"{accounts[0].root}/tmp"), [])
        for account in accounts:
            self.assertEqual(self.facts(account.mailbox(INBOX)), [(1, frozenset(), MESSAGE)])

    def test_order_on_disk(self) -> None:
        """The promise of 250: file written, linked, and the folder fsynced, in this order (D1)."""
        account = self.account()
        account.ensure()
        self.files.calls.clear()
        self.deliver(account)
        self.assertEqual(self.files.calls, ["create", "link", "sync_directory", "unlink"])

    def test_each_for_himself(self) -> None:
        """Who has no room is told so; the others have the message, which is still one file."""
        anna, ben, carl = (
            self.account(name, limit=lambda name=name: Limit(octets=1 if name == "anna" else None))
            for name in ("anna", "ben", "carl")
        )
        draft = anna.draft()
        draft.write(MESSAGE)
        outcomes = deliver_each(draft, [[anna], [ben], [carl]], self.files)
        self.assertIsInstance(outcomes[0], OverQuota)
        self.assertEqual(outcomes[1:], [None, None])
        found = [os.listdir(f"{account.root}/new") for account in (anna, ben, carl)]
        self.assertEqual([len(names) for names in found], [0, 1, 1])
        self.assertEqual(os.stat(f"{ben.root}/new/{found[1][0]}").st_nlink, 2)
        self.assertEqual(os.listdir(f"{anna.root}/tmp"), [])

    def test_groups(self) -> None:
        """An alias is refused as a whole, so that who sends it again makes no second copy for the others."""
        anna, ben, carl = (
            self.account(name, limit=lambda name=name: Limit(octets=1 if name == "anna" else None))
            for name in ("anna", "ben", "carl")
        )
        draft = ben.draft()
        draft.write(MESSAGE)
        groups = [[ben, anna], [carl], [carl, ben], [carl, anna]]
        outcomes = deliver_each(draft, groups, self.files)
        self.assertEqual([outcome is None for outcome in outcomes], [False, True, True, False])
        anna.ensure()
        found = [len(os.listdir(f"{account.root}/new")) for account in (anna, ben, carl)]
        self.assertEqual(found, [0, 1, 1])
        draft = ben.draft()
        draft.write(MESSAGE)
        self.assertIsInstance(deliver_each(draft, [[ben, anna]], self.files)[0], OverQuota)
        self.assertEqual(len(os.listdir(f"{ben.root}/new")), 1)

    def test_each_is_told_the_truth(self) -> None:
        """An error at any step: who was not refused has the message, and nobody else."""
        for failing in range(1, 9):
            accounts = [self.account(f"{name}{failing}") for name in ("anna", "ben", "carl")]
            for account in accounts:
                account.ensure()
            self.files.calls.clear()
            self.files.fail = lambda _, count, failing=failing: (
                OSError(errno.ENOSPC, "full") if count == failing else None
            )
            draft = accounts[0].draft()
            draft.write(MESSAGE)
            try:
                outcomes = deliver_each(draft, [[account] for account in accounts], self.files)
            except OSError:
                outcomes = [OSError()] * 3
            self.files.fail = lambda operation, _: None
            found = [len(os.listdir(f"{account.root}/new")) for account in accounts]
            self.assertEqual(found, [int(outcome is None) for outcome in outcomes], failing)
            self.assertEqual(os.listdir(f"{accounts[0].root}/tmp"), [])

    def test_none_when_one_fails(self) -> None:
        """An error at any step leaves nobody with the message (D3, D4)."""
        accounts = [self.account(name) for name in ("anna", "ben", "carl")]
        for account in accounts:
            account.ensure()
        for failing in range(1, 9):
            self.files.calls.clear()
            self.files.fail = lambda _, count, failing=failing: (
                OSError(errno.ENOSPC, "full") if count == failing else None
            )
            try:
                self.deliver(*accounts)
            except OSError:
                counts = [0, 0, 0]
            else:
                counts = [1, 1, 1]
            self.files.fail = lambda operation, _: None
            found = [len(os.listdir(f"{account.root}/new")) for account in accounts]
            self.assertEqual(found, counts, failing)
            self.assertEqual(os.listdir(f"{accounts[0].root}/tmp"), [])
            for account in accounts:
                for name in os.listdir(f"{account.root}/new"):
                    os.unlink(f"{account.root}/new/{name}")


class LockTests(StoreTestCase):
    """Locks against other processes."""

    def test_maildrop(self) -> None:
        """One POP3 session at a time has the maildrop (RFC 1939 section 4)."""
        lock = self.account().try_lock_maildrop()
        self.assertRaises(InUse, self.account().try_lock_maildrop)
        lock.release()
        lock.release()
        self.account().try_lock_maildrop().release()

    def lock(self, slept: list[float] | None = None) -> Locks:
        """Locks that note their waiting instead of doing it."""
        waits = [] if slept is None else slept
        return Locks(self.files, host="mail.example.org", pid=os.getpid(), sleep=waits.append)

    def test_stale_lock_files(self) -> None:
        """Dovecot's lock file of a dead process of this host, or of an earlier life of ours, is removed."""
        path = f"{self.base}/dovecot-uidlist.lock"
        for owner in (f"{os.getpid()}:mail.example.org", "4194305:mail.example.org"):
            with open(path, "w") as file:
                file.write(owner)
            with self.lock().folder(self.base):
                pass
            self.assertFalse(os.path.exists(path))

    def test_live_lock_files(self) -> None:
        """A lock file of a living process, or of another host, is waited for, a minute at most."""
        path = f"{self.base}/dovecot-uidlist.lock"
        for owner in ("1:mail.example.org", "1:other.example.org", ""):
            with open(path, "w") as file:
                file.write(owner)
            slept: list[float] = []
            with self.assertRaises(InUse), self.lock(slept).folder(self.base):
                pass
            self.assertTrue(59 < sum(slept) < 61)
            self.assertTrue(os.path.exists(path))
        os.utime(path, (1, 1))
        with self.lock().folder(self.base):
            pass

    def test_a_lock_file_left_empty(self) -> None:
        """One who died before writing its number into the lock file is waited for a second at most."""
        path = f"{self.base}/dovecot-uidlist.lock"
        open(path, "w").close()
        os.utime(path, (time.time() - 2,) * 2)
        slept: list[float] = []
        with self.lock(slept).folder(self.base):
            pass
        self.assertEqual(slept, [])
        open(path, "w").close()
        locks = Locks(self.files, host="h", pid=1, sleep=lambda pause: os.utime(path, (1, 1)))
        with locks.folder(self.base):
            pass

    def test_a_lock_file_that_stays(self) -> None:
        """What was done under the lock is done, also when the lock file cannot be removed afterwards (D3)."""
        path = f"{self.base}/dovecot-uidlist.lock"
        locks = self.lock()
        with (
            mock.patch.object(self.files, "unlink", side_effect=OSError(errno.EIO, "cannot be removed")),
            locks.folder(self.base),
        ):
            pass
        self.assertTrue(os.path.exists(path))
        with locks.folder(self.base):
            pass
        self.assertFalse(os.path.exists(path))


class NameTests(StoreTestCase):
    """Small rules of names."""

    def test_wants_utf8(self) -> None:
        """Only a tree with UTF-8 names and no modified UTF-7 ones is continued in UTF-8."""
        self.assertTrue(naming.wants_utf8([".\u00e9", ".plain"]))
        self.assertFalse(naming.wants_utf8([".\u00e9", ".&AOk-"]))
        self.assertFalse(naming.wants_utf8([".plain"]))
