"""Folders that change under our hands, disks that fail, caches that lie: each was a defect once."""

import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from unittest import mock

from mailnode.store.errors import InUse, NoSuchMailbox, NoSuchMessage
from mailnode.store.filenames import UniqueNames
from mailnode.store.index import FILE_NAME
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import ANSWERED, DELETED, FLAGGED, INBOX, SEEN, Name
from mailnode.store.vanished import Vanished
from tests.store.support import MESSAGE, StoreTestCase

OLD, NEW = ("Old",), ("New",)
OTHER_MESSAGE = b"Subject: another\r\n\r\nOther text.\r\n"


def failing(
    operation: str, *, first: int = 1, code: int = errno.EIO
) -> "Callable[[str, int], OSError | None]":
    """A fault in the n-th call of one operation."""
    seen = [0]

    def fail(name: str, _: int) -> OSError | None:
        seen[0] += name == operation
        return OSError(code, os.strerror(code)) if name == operation and seen[0] == first else None

    return fail


class ReplacedFolderTests(StoreTestCase):
    """Another folder takes the place of the one a session has selected (RFC 3501 section 2.3.1.1)."""

    def setUp(self) -> None:
        super().setUp()
        self.mine = self.account()
        self.mine.create(OLD)
        self.append(self.mine, OLD, frozenset([DELETED]))
        self.held = self.mine.mailbox(OLD)
        self.held.rendered(1)

    def replace(self, how: str) -> None:
        """Give the name to another folder with a message of UID 1."""
        if how == "rename":
            self.mine.rename(OLD, NEW)
        else:
            self.mine.delete(OLD)
        self.mine.create(OLD)
        self.append(self.mine, OLD, message=OTHER_MESSAGE)

    def test_nothing_is_done_under_old_uids(self) -> None:
        """No message of the new folder is read, changed or removed through the old object."""
        actions: tuple[Callable[[Mailbox], object], ...] = (
            lambda mailbox: mailbox.expunge([1]),
            lambda mailbox: mailbox.expunge([1], having=DELETED),
            lambda mailbox: mailbox.set_flags([1], "add", frozenset([DELETED])),
            lambda mailbox: mailbox.sync(),
            lambda mailbox: mailbox.claim_recent(),
            lambda mailbox: mailbox.copy([1], self.mine.mailbox(INBOX)),
        )
        for how in ("rename", "delete"):
            for action in actions:
                held = self.mine.mailbox(OLD)
                self.replace(how)
                self.assertRaises(NoSuchMailbox, action, held)
                now = self.mine.mailbox(OLD)
                self.assertEqual(self.facts(now), [(1, frozenset(), OTHER_MESSAGE)])
                self.assertIn(b'"another"', now.rendered(1).envelope)
                if how == "rename":
                    self.mine.delete(NEW)

    def test_prepared_answers_belong_to_their_folder(self) -> None:
        """A renamed folder keeps its prepared answers; the new one under its name has its own."""
        self.replace("rename")
        self.assertRaises(NoSuchMailbox, self.held.body, 1)
        for account in (self.mine, self.account()):
            self.assertIn(b'"hello"', account.mailbox(NEW).rendered(1).envelope)
            self.assertIn(b'"another"', account.mailbox(OLD).rendered(1).envelope)

    def test_body_of_a_folder_that_went(self) -> None:
        """Reading from a removed folder is NoSuchMailbox, not a file error."""
        self.mine.delete(OLD)
        self.assertRaises(NoSuchMailbox, self.held.body, 1)
        self.assertRaises(NoSuchMailbox, self.held.expunge, [1])


class ReplacedListTests(StoreTestCase):
    """The uid list is removed, restored or rewritten by others while the mailbox is open."""

    def setUp(self) -> None:
        super().setUp()
        self.mine = self.account()
        for _ in range(4):
            self.append(self.mine)
        self.inbox = self.mine.mailbox(INBOX)
        self.path = f"{self.mine.root}/dovecot-uidlist"

    def test_removed(self) -> None:
        """A new UIDVALIDITY means a new object, in which UIDs and messages fit again."""
        os.unlink(self.path)
        self.assertRaises(NoSuchMailbox, self.inbox.sync)
        again = self.mine.mailbox(INBOX)
        self.assertGreater(again.uid_validity, self.inbox.uid_validity)
        uid = self.append(self.mine, message=OTHER_MESSAGE)
        facts = self.facts(self.mine.mailbox(INBOX))
        self.assertEqual((uid, facts[-1][2]), (5, OTHER_MESSAGE))
        self.mine.close()
        self.assertEqual(self.facts(self.account().mailbox(INBOX)), facts)

    def test_restored(self) -> None:
        """An older list, without lines of messages that were seen, is not mixed with what is in memory."""
        with open(self.path, "rb") as file:
            lines = file.read().split(b"\n")
        with open(self.path, "wb") as file:
            file.write(b"\n".join(lines[:3]) + b"\n")
        self.assertRaises(NoSuchMailbox, self.inbox.sync)
        again = self.mine.mailbox(INBOX)
        self.assertEqual(again.uids.tolist(), [1, 2, 5, 6])  # 3 and 4 were given to somebody already
        self.mine.close()
        self.assertEqual(self.account().mailbox(INBOX).uids.tolist(), [1, 2, 5, 6])

    def test_renumbered(self) -> None:
        """A list that gives a message another UID is not mixed either."""
        with open(self.path, "rb") as file:
            text = file.read().replace(b"\n4 :", b"\n9 :")
        with open(self.path, "wb") as file:
            file.write(text)
        self.assertRaises(NoSuchMailbox, self.inbox.sync)
        self.assertEqual(self.mine.mailbox(INBOX).uids.tolist(), [1, 2, 3, 9])

    def test_uid_next_of_the_cache_is_written_down(self) -> None:
        """UIDNEXT never falls, also where only the cache remembered it."""
        self.inbox.expunge([4])
        with open(self.path, "rb") as file:
            lines = [line for line in file.read().split(b"\n") if not line.startswith(b"4 ")]
        self.mine.close()
        with open(self.path, "wb") as file:
            file.write(b"\n".join(lines))
        again = self.account()
        self.assertEqual(again.mailbox(INBOX).uid_next, 5)
        again.close()
        os.unlink(f"{self.mine.root}/{FILE_NAME}")
        self.assertEqual(self.account().mailbox(INBOX).uid_next, 5)

    def test_the_list_does_not_grow_for_ever(self) -> None:
        """Lines of expunged messages go, also in one life of the process."""
        for _ in range(200):
            self.inbox.expunge([self.append(self.mine)])
        with open(self.path, "rb") as file:
            self.assertLess(file.read().count(b"\n"), 100)

    def test_an_expunged_uid_never_returns(self) -> None:
        """A copy back under the old base name gets a base of its own: no dead line can come to life (V6)."""
        self.mine.create(OLD)
        old = self.mine.mailbox(OLD)
        self.inbox.copy([1], old)
        self.inbox.expunge([1])
        old.copy([1], self.inbox)
        self.mine.close()
        os.truncate(self.path, os.path.getsize(self.path) - 10)  # killed before the new line was whole
        uids = self.account().mailbox(INBOX).uids.tolist()
        self.assertNotIn(1, uids)
        self.assertEqual(len(uids), 4)


class RenamingProgramTests(StoreTestCase):
    """Another program renames files at the very moment of our change."""

    def setUp(self) -> None:
        super().setUp()
        self.mine = self.account()
        for _ in range(3):
            self.append(self.mine, flags=frozenset([SEEN, DELETED]))
        self.inbox = self.mine.mailbox(INBOX)
        self.cur = f"{self.mine.root}/cur"

    def meddle(self, operation: str, change: Callable[[str], str | None]) -> None:
        """Once, just before the operation, rename (or remove, for None) every file in cur/."""
        real = getattr(self.files, operation)
        done: list[bool] = []

        def meddling(*args: object, **kwargs: object) -> object:
            if not done:
                done.append(True)
                for name in os.listdir(self.cur):
                    new = change(name)
                    if new is None:
                        os.unlink(f"{self.cur}/{name}")
                    else:
                        os.rename(f"{self.cur}/{name}", f"{self.cur}/{new}")
            return real(*args, **kwargs)

        self.patch(self.files, operation, meddling)

    def test_store(self) -> None:
        """STORE finds the new names; no change is lost."""
        self.meddle("rename", lambda name: name.replace(":2,ST", ":2,FST"))
        self.assertEqual(list(self.inbox.set_flags([1, 2, 3], "add", frozenset([ANSWERED]))), [1, 2, 3])
        for uid in (1, 2, 3):
            self.assertEqual(self.inbox.get(uid).flags, {SEEN, DELETED, FLAGGED, ANSWERED})  # type: ignore[union-attr]

    def test_expunge(self) -> None:
        """EXPUNGE removes the renamed files too; none comes back."""
        self.meddle("unlink", lambda name: name.replace(":2,ST", ":2,FST"))
        self.assertEqual(self.inbox.expunge([1, 2, 3]), [1, 2, 3])
        self.assertEqual(os.listdir(self.cur), [])

    def test_expunge_of_what_is_not_deleted_any_more(self) -> None:
        r"""What has lost its \Deleted meanwhile stays."""
        self.meddle("unlink", lambda name: name.replace(":2,ST", ":2,S"))
        self.assertEqual(self.inbox.expunge([1, 2, 3], having=DELETED), [])
        self.inbox.sync()
        self.assertEqual(self.inbox.uids.tolist(), [1, 2, 3])

    def test_undeleted_before_the_look(self) -> None:
        r"""The flag is tested after the look, not before."""
        with self.elsewhere(self.mine.root):
            name = os.listdir(self.cur)[0]
            os.rename(f"{self.cur}/{name}", f"{self.cur}/{name.replace('T', '')}")
        self.assertEqual(len(self.inbox.expunge([1, 2, 3], having=DELETED)), 2)
        self.assertEqual(len(self.inbox.uids), 1)

    def test_removed_meanwhile(self) -> None:
        """What is really gone is passed over."""
        self.meddle("rename", lambda name: None)
        self.assertEqual(self.inbox.set_flags([1, 2, 3], "add", frozenset([ANSWERED])), {})
        self.assertEqual(self.inbox.uids.tolist(), [])

    def test_copy(self) -> None:
        """COPY finds the new names."""
        self.mine.create(OLD)
        old = self.mine.mailbox(OLD)
        self.meddle("link", lambda name: name.replace(":2,ST", ":2,S"))
        self.assertEqual(self.inbox.copy([1, 2, 3], old), [(1, 1), (2, 2), (3, 3)])
        self.assertEqual(old.get(1).flags, {SEEN})  # type: ignore[union-attr]

    def test_copy_of_what_is_gone(self) -> None:
        """COPY of what has really gone is refused, and leaves nothing."""
        self.mine.create(OLD)
        old = self.mine.mailbox(OLD)
        self.meddle("link", lambda name: None)
        self.assertRaises(NoSuchMessage, self.inbox.copy, [1, 2, 3], old)
        self.assertEqual(os.listdir(f"{self.mine.root}/.Old/cur"), [])

    def test_scans_within_a_tick(self) -> None:
        """A name that a scan misses while the directory's time stands still is no expunge (X4)."""
        real = type(self.files).names
        now = os.stat(self.cur).st_mtime + 0.001  # within the tick of the last change
        self.clock = now
        slept: list[float] = []
        self.mine._context.sleep = slept.append
        missed: list[str] = []

        def names(files: object, path: str) -> list[str]:
            found = real(files, path)  # type: ignore[arg-type]
            if path == self.cur and len(missed) < 1:
                missed.append(found.pop())
            return found

        self.inbox._folder.forget()
        with mock.patch.object(type(self.files), "names", names):
            self.inbox.sync()
        self.assertEqual(self.inbox.uids.tolist(), [1, 2, 3])
        self.assertEqual(len(slept), 1)

    def test_missed_by_the_second_scan_only(self) -> None:
        """What either of two looks has seen is there."""
        real = type(self.files).names
        scans: list[list[str]] = []

        def names(files: object, path: str) -> list[str]:
            found = sorted(real(files, path))  # type: ignore[arg-type]
            if path == self.cur:
                scans.append(found)
                del found[len(scans) - 1]  # the first scan misses one, the second another
            return found

        self.inbox._folder.forget()
        with mock.patch.object(type(self.files), "names", names):
            self.inbox.sync()
        self.assertEqual(self.inbox.uids.tolist(), [1, 2, 3])


class OddFileTests(StoreTestCase):
    """Files that others left."""

    def test_flags_in_new(self) -> None:
        """Flags of a file in new/ count, and are kept when it moves to cur/."""
        account = self.account()
        account.ensure()
        with open(f"{account.root}/new/1.x:2,FR", "wb") as file:
            file.write(MESSAGE)
        inbox = account.mailbox(INBOX)
        self.assertEqual(inbox.get(1).flags, {FLAGGED, ANSWERED})  # type: ignore[union-attr]
        self.assertEqual(inbox.claim_recent(), {1})
        self.assertEqual(os.listdir(f"{account.root}/cur"), ["1.x:2,FR"])

    def test_two_files_of_one_base(self) -> None:
        """The second of two files with one base gets a base, and a UID, of its own."""
        account = self.account()
        account.ensure()
        for name, text in (
            ("cur/1.x,S=9:2,S", b"one"),
            ("cur/1.x,S=9:2,F", b"two"),
            ("new/1.x,S=9", b"three"),
        ):
            with open(f"{account.root}/{name}", "wb") as file:
                file.write(text)
        inbox = account.mailbox(INBOX)
        self.assertEqual(len(inbox.uids), 3)
        inbox.expunge([inbox.uids[0]])
        account.close()
        self.assertEqual(len(self.account().mailbox(INBOX).uids), 2)

    def test_two_names_of_one_file(self) -> None:
        """A file that is just being renamed by link and unlink is one message."""
        account = self.account()
        self.append(account, flags=frozenset([SEEN]))
        with self.elsewhere(account.root):
            name = os.listdir(f"{account.root}/cur")[0]
            os.link(f"{account.root}/cur/{name}", f"{account.root}/cur/{name}F")
        inbox = account.mailbox(INBOX)
        self.assertEqual(inbox.uids.tolist(), [1])
        with self.elsewhere(account.root):
            os.unlink(f"{account.root}/cur/{name}")
        inbox.sync()
        self.assertEqual(inbox.get(1).flags, {SEEN, FLAGGED})  # type: ignore[union-attr]

    def test_folder_without_new(self) -> None:
        """A folder from a backup that leaves out empty directories is opened all the same."""
        account = self.account()
        account.create(OLD)
        self.append(account, OLD, frozenset([SEEN]))
        account.close()
        shutil.rmtree(f"{account.root}/.Old/new")
        again = self.account()
        self.assertEqual(again.mailbox(OLD).uids.tolist(), [1])
        self.append(again, OLD)

    def test_recent_of_appended_and_copied(self) -> None:
        r"""APPEND and COPY set \Recent, with flags and without (RFC 3501 sections 6.3.11 and 6.4.7)."""
        account = self.account()
        account.create(OLD)
        self.append(account, flags=frozenset([SEEN]))
        self.append(account)
        inbox, old = account.mailbox(INBOX), account.mailbox(OLD)
        self.assertEqual(inbox.status().recent, 2)
        inbox.copy([1, 2], old)
        self.assertEqual(inbox.claim_recent(), {1, 2})
        self.assertEqual((inbox.status().recent, inbox.claim_recent()), (0, set()))
        self.assertEqual(old.claim_recent(), {1, 2})


class FailingDiskTests(StoreTestCase):
    """Errors of the disk, and what comes after them."""

    def test_out_of_descriptors(self) -> None:
        """A message that could not be seen once is there when it can be."""
        account = self.account()
        inbox = account.mailbox(INBOX)
        self.deliver(account)
        with mock.patch.object(type(self.files), "names", side_effect=OSError(errno.EMFILE, "too many")):
            self.assertRaises(OSError, inbox.sync)
        inbox.sync()
        self.assertEqual(inbox.uids.tolist(), [1])

    def test_a_failed_fsync_is_not_believed(self) -> None:
        """A line whose fdatasync failed is written again before a UID is shown (D9)."""
        account = self.account()
        inbox = account.mailbox(INBOX)
        self.deliver(account)
        with mock.patch("os.fdatasync", side_effect=OSError(errno.EIO, "io")):
            self.assertRaises(OSError, inbox.sync)
        rewritten: list[str] = []
        real = type(self.files).replace

        def replace(files: object, path: str, data: bytes, **kwargs: object) -> None:
            rewritten.append(os.path.basename(path))
            real(files, path, data, **kwargs)  # type: ignore[arg-type]

        with mock.patch.object(type(self.files), "replace", replace):
            inbox.sync()
        self.assertEqual((inbox.uids.tolist(), rewritten), ([1], ["dovecot-uidlist"]))

    def looked(self, name: str, folder: Name, mailbox: Mailbox | None = None) -> tuple[list[int], list[str]]:
        """The UIDs that a look shows, or a process that starts, and which directories it syncs before."""
        synced: list[str] = []
        sync = self.files.sync_directory

        def noted(path: str) -> None:
            synced.append(os.path.basename(path))
            sync(path)

        with mock.patch.object(self.files, "sync_directory", noted):
            mailbox = mailbox or self.account(name).mailbox(folder)
            mailbox.sync()
        return mailbox.uids.tolist(), [one for one in synced if one in ("cur", "new")]

    def test_a_name_is_durable_before_its_uid_is_shown(self) -> None:
        """Whoever lists a message and cannot sync its name, or dies, leaves that to the next look (D1)."""
        for name in ("failed", "died"):
            inbox = self.account(name).mailbox(INBOX)
            self.deliver(self.account(name))
            self.files.fail = failing("sync_directory")
            self.assertRaises(OSError, inbox.sync)
            found = self.looked(name, INBOX, inbox if name == "failed" else None)
            self.assertEqual(found, ([1], ["new"]))
            self.assertEqual(self.looked(name, INBOX), ([1], []), "its line vouches for it")

    def test_half_a_copy_is_durable_before_it_is_shown(self) -> None:
        """Its source may be expunged because of it (D1)."""
        for name, directory in (("COPY", "cur"), ("APPEND", "new")):
            account = self.account(name)
            account.create(OLD)
            old = account.mailbox(OLD)
            uid = self.append(account)
            inbox = account.mailbox(INBOX)
            self.files.fail = failing("sync_directory")
            with mock.patch.object(self.files, "unlink"):  # it dies
                if name == "COPY":
                    self.assertRaises(OSError, inbox.copy, [uid], old)
                else:
                    self.assertRaises(OSError, self.append, account, OLD)
            self.assertEqual(self.looked(name, OLD), ([1], [directory]))

    def test_a_new_account_is_synced_upwards(self) -> None:
        """The Maildir and the directories above it are synced before the first message counts (D1)."""
        account = self.account()
        self.files.fail = failing("sync_directory")
        self.assertRaises(OSError, self.deliver, account)
        synced: list[str] = []
        self.files.fail = lambda operation, _: None
        real = type(self.files).sync_directory

        def sync(files: object, path: str) -> None:
            synced.append(path)
            real(files, path)  # type: ignore[arg-type]

        with mock.patch.object(type(self.files), "sync_directory", sync):
            self.deliver(account)
        for path in (f"{account.root}/new", account.root, self.base):
            self.assertIn(path, synced)

    def test_delivery_taken_back_from_cur(self) -> None:
        """A link is taken back also where a session has moved it to cur/ meanwhile (D4)."""
        accounts = [self.account(name) for name in ("anna", "ben")]
        for account in accounts:
            account.ensure()
        inbox = accounts[0].mailbox(INBOX)
        calls: list[str] = []

        def fail(operation: str, _: int) -> OSError | None:
            calls.append(operation)
            if operation == "sync_directory" and calls.count("sync_directory") == 2:
                self.files.fail = lambda operation, _: None
                inbox.claim_recent()
                return OSError(errno.EIO, "io")
            return None

        self.files.fail = fail
        self.assertRaises(OSError, self.deliver, *accounts)
        inbox.sync()
        self.assertEqual(inbox.uids.tolist(), [])
        self.deliver(*accounts)
        self.assertEqual([len(one.mailbox(INBOX).uids) for one in accounts], [1, 1])

    def test_half_a_rename_is_undone(self) -> None:
        """RENAME of a tree that fails in the middle has renamed nothing (V9)."""
        account = self.account()
        for name in (OLD, (*OLD, "x"), (*OLD, "y")):
            account.create(name)
        before = account.names()
        self.files.fail = failing("rename", first=2)
        self.assertRaises(OSError, account.rename, OLD, NEW)
        self.files.fail = lambda operation, _: None
        self.assertEqual(account.names(), before)
        account.rename(OLD, NEW)
        self.assertEqual(account.names(), [INBOX, NEW, (*NEW, "x"), (*NEW, "y")])

    def test_what_is_refused_is_not_done(self) -> None:
        """CREATE and DELETE whose last step fails have changed nothing (D3)."""
        account = self.account()
        account.ensure()
        self.files.calls.clear()
        account.create(OLD)
        last = self.files.calls.count("sync_directory")
        self.append(account, OLD)
        changes: tuple[tuple[int, Callable[[], None]], ...] = (
            (last, lambda: account.create(NEW)),
            (1, lambda: account.delete(OLD)),
        )
        for step, change in changes:
            self.files.fail = failing("sync_directory", first=step)
            self.assertRaises(OSError, change)
            self.files.fail = lambda operation, _: None
            self.assertEqual([name for name in os.listdir(account.root) if name.startswith("..")], [])
            self.assertEqual(account.names(), [INBOX, OLD])
        self.assertEqual(len(account.mailbox(OLD).uids), 1)

    def test_what_is_deleted_is_deleted(self) -> None:
        """DELETE that cannot clear away all of the folder has done it; the next one clears the rest away."""
        account = self.account()
        for name in (OLD, NEW):
            account.create(name)
        broken = OSError(errno.EIO, "broken disk")
        with mock.patch.object(self.files, "remove_directory", side_effect=broken):
            account.delete(OLD)
        self.assertEqual(account.names(), [INBOX, NEW])
        account.delete(NEW)
        self.assertEqual([name for name in os.listdir(account.root) if name.startswith("..")], [])

    def test_files_in_doubt_are_written_again(self) -> None:
        """What was renamed into place and not surely kept is not built upon (D9)."""
        account = self.account()
        self.append(account)
        inbox = account.mailbox(INBOX)
        with open(f"{account.root}/dovecot-uidlist", "ab") as file:
            file.write(b"torn")
        actions: dict[str, Callable[[], object]] = {
            "dovecot-uidlist": inbox.sync,
            "dovecot-keywords": lambda: inbox.set_flags([1], "add", frozenset(["$Todo"])),
        }
        for name, action in actions.items():
            self.files.fail = failing("sync_directory")
            self.assertRaises(OSError, action)
            self.files.fail = lambda operation, _: None
            doubtful = os.stat(f"{account.root}/{name}").st_ino
            action()
            self.assertNotEqual(os.stat(f"{account.root}/{name}").st_ino, doubtful)
            action()
        self.assertEqual(self.facts(inbox), [(1, frozenset(["$Todo"]), MESSAGE)])

    def test_full_disk_can_be_expunged(self) -> None:
        """Where nothing can be written, messages can be removed all the same (D10)."""
        account = self.account()
        self.append(account, flags=frozenset([SEEN]))
        inbox = account.mailbox(INBOX)
        with mock.patch("mailnode.fs.NewFile.write", side_effect=OSError(errno.ENOSPC, "full")):
            self.assertEqual(inbox.expunge([1]), [1])
        self.assertFalse(os.path.exists(f"{account.root}/dovecot-uidlist.lock"))

    def test_an_old_lock_of_a_living_process_is_stale(self) -> None:
        """After a power cut a left-over lock file may bear the number of another process."""
        account = self.account()
        account.ensure()
        path = f"{account.root}/dovecot-uidlist.lock"
        with open(path, "w") as file:
            file.write(f"1:{os.uname().nodename}")
        os.utime(path, (1, 1))
        self.append(account)

    def test_a_folder_another_process_holds(self) -> None:
        """A lock that is never given up is an error after its time, not a thread that hangs."""
        account = self.account()
        account.ensure()
        with mock.patch.object(type(self.files), "locked", side_effect=TimeoutError):
            self.assertRaises(InUse, account.mailbox, INBOX)

    def test_a_removed_maildir_comes_back(self) -> None:
        """When the whole Maildir was removed, the next delivery makes it again."""
        account = self.account()
        self.deliver(account)
        shutil.rmtree(account.root)
        self.deliver(account)
        self.assertEqual(len(os.listdir(f"{account.root}/new")), 1)


class CacheTests(StoreTestCase):
    """SQLite is only a cache."""

    def test_errors_anywhere(self) -> None:
        """Whatever fails in SQLite, mail is served, and modseqs do not fall."""
        account = self.account()
        self.append(account, flags=frozenset([SEEN]))
        with open(f"{account.root}/new/1.nosize", "wb") as file:
            file.write(MESSAGE)
        for method in ("folder", "rows", "save", "rendered", "save_rendered"):
            fault = mock.patch(
                f"mailnode.store.index.Index.{method}", side_effect=sqlite3.OperationalError("io")
            )
            with fault:
                inbox = account.mailbox(INBOX)
                before = inbox.highest_modseq
                inbox.set_flags([1], "add", frozenset([FLAGGED]))
                inbox.octets(2)
                self.assertEqual(inbox.rendered(1).octets, len(MESSAGE))
                inbox.set_flags([1], "remove", frozenset([FLAGGED]))
            self.assertGreater(inbox.highest_modseq, before)
            self.assertEqual(inbox.rendered(2).octets, inbox.octets(2))
            account._open.clear()
            account._used.clear()

    def test_a_cache_that_cannot_be_opened(self) -> None:
        """A directory in place of the cache file costs speed, nothing else."""
        account = self.account()
        account.ensure()
        os.mkdir(f"{account.root}/{FILE_NAME}")
        self.append(account)
        self.assertEqual(account.mailbox(INBOX).rendered(1).octets, len(MESSAGE))

    def test_modseq_never_falls_in_the_cache(self) -> None:
        """A process that lags behind does not put the cache back."""
        account = self.account()
        self.append(account)
        highest = account.mailbox(INBOX).highest_modseq
        account.mailbox(INBOX)._cache.save(uid_next=1, modseq=1, changed=[], gone=[], vanished=Vanished())
        account.close()
        self.assertGreaterEqual(self.account().mailbox(INBOX).highest_modseq, highest)


class ThreadTests(StoreTestCase):
    """What deliveries do in threads of their own."""

    def test_names_are_unique_over_threads(self) -> None:
        """Names made by several threads in one instant differ."""
        names = UniqueNames(lambda: 1.0, pid=1, host="h", rng=self.account()._context.rng)
        made: list[list[str]] = [[] for _ in range(4)]

        def make(into: list[str]) -> None:
            into.extend(names.next() for _ in range(5000))

        threads = [threading.Thread(target=make, args=(into,)) for into in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(set().union(*made)), 20_000)
