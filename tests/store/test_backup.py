"""Backups of mailboxes, and what comes back from them."""

import gc
import io
import os
import tarfile
from collections.abc import Callable
from typing import Any
from unittest import mock

from mailnode.store import manifest
from mailnode.store.account import Account
from mailnode.store.backup import SUMMARY, Counts, Damaged, Directory, Tar, back_up
from mailnode.store.incoming_files import Taken
from mailnode.store.keeping import Terms
from mailnode.store.restore import UID_GAP, NoBackup, Source, restore
from mailnode.store.values import DELETED, INBOX, SEEN
from tests.scratch import untar
from tests.store.support import MESSAGE, StoreTestCase

ANNA = "anna@example.org"
WORK = ("Work",)
DEEP = ("Work", "Ünder")


def text(label: str) -> bytes:
    """A message of its own."""
    return MESSAGE.replace(b"hello", label.encode())


class ManifestTests(StoreTestCase):
    """The list of digests."""

    def test_lines(self) -> None:
        """Every path comes back; what is no line is passed over."""
        paths = ["a b", "x\\057y", "a\nb\r", "\\", "ü"]
        data = b"".join(manifest.line(f"{number:064x}", path) for number, path in enumerate(paths))
        self.assertEqual(manifest.parse(data), {path: f"{n:064x}" for n, path in enumerate(paths)})
        self.assertEqual(manifest.parse(data[:-1]).keys(), set(paths[:-1]))
        self.assertEqual(manifest.parse(b"short  x\n\n" + b"0" * 64 + b" x\n"), {})


class BackupCase(StoreTestCase):
    """An account with messages in three folders, and a place for backups."""

    def setUp(self) -> None:
        super().setUp()
        self.mine = self.account(recover=lambda: Terms(14))
        for name in (WORK, DEEP):
            self.mine.create(name)
        self.append(self.mine, INBOX, frozenset({SEEN, "$Todo"}), text("one"))
        self.append(self.mine, INBOX, message=text("two"))
        self.append(self.mine, WORK, message=text("three"))
        self.mine.subscribe(WORK)
        self.mine.mailbox(INBOX)
        self.made = 0
        self.earlier: list[str] = []

    def back_up(self, *, whole: bool = True, source: Account | None = None) -> tuple[str, Counts]:
        """A backup beside the earlier ones."""
        root = f"{self.base}/backups/{self.made}"
        self.made += 1
        sink = Directory(self.files, root, self.earlier[::-1])
        store = source or self.mine
        counts = back_up(sink, self.files, store.root, ANNA, lock=store.locked)
        if whole:
            self.files.replace(f"{root}/{SUMMARY}", b"{}")
        self.earlier.append(root)
        return root, counts

    def restore(self, root: str, into: Account, only: Any = None) -> dict[Any, Taken]:
        """What became of each folder."""
        return dict(restore(into, Source(self.files, root, ANNA), only))

    def all_of(self, account: Account) -> dict[Any, Any]:
        """All that a client sees: UIDVALIDITY, UIDs, flags and octets of each folder."""
        found = {}
        for name in account.names():
            mailbox = account.mailbox(name)
            dates = [mailbox.internal_date(uid) for uid in mailbox.uids]
            found[name] = mailbox.uid_validity, self.facts(mailbox), dates
        return found


class BackupTests(BackupCase):
    """What is in a backup."""

    def test_tree(self) -> None:
        """A Maildir, without caches, locks, drafts and removed mail, and digests that are true."""
        self.mine.mailbox(INBOX).expunge([2])
        self.mine.draft().finish()
        root, counts = self.back_up()
        self.assertEqual(counts, Counts(2, counts.octets, 0))
        files = {
            os.path.relpath(f"{path}/{name}", root) for path, _, names in os.walk(root) for name in names
        }
        digests = manifest.read(self.files, f"{root}/{ANNA}.sha256")
        self.assertEqual(files - {SUMMARY, f"{ANNA}.sha256"}, set(digests))
        for path, digest in digests.items():
            self.assertEqual(manifest.digest_of(self.files, f"{root}/{path}"), digest)
        self.assertFalse([one for one in files if "sqlite" in one or "recovered" in one or "/tmp/" in one])
        self.assertIn(f"mail/{ANNA}/subscriptions", files)

    def test_links(self) -> None:
        """What an earlier backup has is linked, whatever its flags; the rest is copied."""
        first, _ = self.back_up()
        self.mine.mailbox(INBOX).set_flags([2], "add", frozenset({SEEN}))
        self.append(self.mine, WORK, message=text("four"))
        second, counts = self.back_up()
        self.assertEqual((counts.messages, counts.linked), (4, 3))
        inodes = [
            {
                os.stat(f"{root}/mail/{ANNA}/cur/{name}").st_ino
                for name in os.listdir(f"{root}/mail/{ANNA}/cur")
            }
            for root in (first, second)
        ]
        self.assertTrue(inodes[0] & inodes[1])
        self.assertEqual(self.back_up()[1].linked, 4)

    def test_cut_off(self) -> None:
        """What a backup that was cut off has is read once more, and linked where it is right."""
        root, _ = self.back_up(whole=False)
        self.assertEqual(self.back_up()[1].linked, 3)
        os.rename(root, f"{self.base}/elsewhere")
        self.earlier = [f"{self.base}/elsewhere"]
        for path, _, names in os.walk(f"{self.earlier[0]}/mail/{ANNA}/.Work"):
            for name in (name for name in names if path.endswith(("cur", "new"))):
                with open(f"{path}/{name}", "r+b") as file:
                    file.write(b"X")
        root, counts = self.back_up()
        self.assertEqual((counts.messages, counts.linked), (3, 2))
        self.assertEqual({one.damaged for one in self.restore(root, self.account("ben")).values()}, {0})

    def test_damaged_on_the_way(self) -> None:
        """What is not what was written is no backup."""
        real = Directory._write

        def write(sink: Directory, path: str, data: Any, time: float | None) -> None:
            real(sink, path, iter((b"X",)) if time is not None else data, time)

        with mock.patch.object(Directory, "_write", write):
            self.assertRaises(Damaged, self.back_up)

    def during(self, act: Callable[[], None]) -> tuple[str, Counts]:
        """A backup while something happens after the first look at a folder."""
        real, done = Directory.copy, []

        def copy(sink: Directory, path: str, source: str) -> tuple[int, bool]:
            if not done:
                done.append(True)
                act()
            return real(sink, path, source)

        with mock.patch.object(Directory, "copy", copy):
            return self.back_up()

    def test_flags_meanwhile(self) -> None:
        """A message that gets other flags while it is copied is there, with those of the look."""

        def act() -> None:
            self.mine.mailbox(INBOX).set_flags([1, 2], "add", frozenset({DELETED}))

        root, counts = self.during(act)
        self.assertEqual(counts.messages, 3)
        other = self.account("ben")
        self.restore(root, other)
        flags = [flags for _, flags, _ in self.facts(other.mailbox(INBOX))]
        self.assertEqual(flags, [{SEEN, "$Todo"}, set()])

    def test_removed_meanwhile(self) -> None:
        """A message, or a folder, that is removed while the backup is made is not in it."""

        def act() -> None:
            self.mine.mailbox(INBOX).expunge([1, 2])
            self.mine.delete(WORK)

        root, counts = self.during(act)
        self.assertEqual(counts.messages, 0)
        other = self.account("ben")
        self.assertEqual({one.added for one in self.restore(root, other).values()}, {0})

    def test_tar_that_is_cut_off(self) -> None:
        """After a failure elsewhere nothing more is written, not even when what writes it is collected."""
        for cut_off in (False, True):
            stream = io.BytesIO()
            sink = Tar(self.files, stream)
            sink.put("a", b"x")
            if cut_off:
                sink.cut_off()
            del sink
            gc.collect()
            self.assertEqual(bool(stream.getvalue()), not cut_off)

    def test_tar(self) -> None:
        """The same as one stream."""
        stream = io.BytesIO()
        sink = Tar(self.files, stream)
        self.assertEqual(back_up(sink, self.files, self.mine.root, ANNA, lock=self.mine.locked).messages, 3)
        sink.close()
        stream.seek(0)
        root = f"{self.base}/untarred"
        with tarfile.open(fileobj=stream) as tar:
            untar(tar, root)
        other = self.account("ben")
        self.assertEqual({one.damaged for one in self.restore(root, other).values()}, {0})
        before = self.all_of(self.mine)
        del before[DEEP]  # an empty folder has no message to lie in
        self.assertEqual({name: self.all_of(other)[name] for name in before}, before)


class RestoreTests(BackupCase):
    """What comes back."""

    def test_all_is_lost(self) -> None:
        """In an account that is not there all is as it was, with UIDs, flags, dates and subscriptions."""
        before = self.all_of(self.mine)
        root, _ = self.back_up()
        other = self.account("ben")
        taken = self.restore(root, other)
        self.assertEqual({name: one.added for name, one in taken.items()}, {INBOX: 2, WORK: 1, DEEP: 0})
        self.assertEqual(self.all_of(other), before)
        self.assertEqual(other.subscriptions(), [WORK])
        self.assertGreaterEqual(other.mailbox(INBOX).uid_next, UID_GAP)
        self.assertEqual(os.listdir(f"{other.root}/tmp"), [])

    def test_nothing_twice(self) -> None:
        """Where all is there nothing comes; neither does what was restored before."""
        root, _ = self.back_up()
        for _ in range(2):
            self.assertEqual({one.added for one in self.restore(root, self.mine).values()}, {0})
        self.assertEqual(len(self.mine.mailbox(INBOX).uids), 2)

    def test_merged(self) -> None:
        """What is missing comes back with its flags; what came after the backup stays."""
        root, _ = self.back_up()
        self.append(self.mine, message=text("later"))
        self.mine.mailbox(INBOX).expunge([1])
        self.mine.mailbox(WORK).expunge([1])
        taken = self.restore(root, self.mine)
        self.assertEqual((taken[INBOX].added, taken[INBOX].known, taken[WORK].added), (1, 1, 1))
        facts = self.facts(self.mine.mailbox(INBOX))
        self.assertEqual([octets for _, _, octets in facts], [text("two"), text("later"), text("one")])
        self.assertEqual(facts[2][1], {SEEN, "$Todo"})
        self.assertEqual({one.added for one in self.restore(root, self.mine).values()}, {0})

    def test_one_folder(self) -> None:
        """Only that one; what the backup has not is said."""
        root, _ = self.back_up()
        other = self.account("ben")
        self.assertEqual(list(self.restore(root, other, WORK)), [WORK])
        self.assertEqual(other.names(), [INBOX, WORK])
        self.assertRaises(NoBackup, self.restore, root, other, ("No",))
        source = Source(self.files, root, "carl@example.org")
        self.assertRaises(NoBackup, list, restore(other, source))

    def test_another_name(self) -> None:
        """A message that is there under another name is known by its octets."""
        root, _ = self.back_up()
        other = self.account("ben")
        self.append(other, message=text("one"))
        taken = self.restore(root, other)
        self.assertEqual((taken[INBOX].added, taken[INBOX].known), (1, 1))

    def test_deleted_folder(self) -> None:
        """It comes back with its UIDs, and no UID is given twice."""
        validity = self.mine.mailbox(WORK).uid_validity
        root, _ = self.back_up()
        self.append(self.mine, WORK, message=text("later"))
        self.mine.delete(WORK)
        self.restore(root, self.mine)
        work = self.mine.mailbox(WORK)
        self.assertEqual((work.uid_validity, work.uids.tolist()), (validity, [1]))
        self.assertGreater(self.append(self.mine, WORK, message=text("new")), 2)

    def test_damaged(self) -> None:
        """What is not what was written stays out, and the rest comes."""
        root, _ = self.back_up()
        for name in os.listdir(f"{root}/mail/{ANNA}/cur"):
            with open(f"{root}/mail/{ANNA}/cur/{name}", "r+b") as file:
                file.write(b"X")
        for other in (self.account("ben"), self.account("carl")):
            if other.root.endswith("carl"):
                other.mailbox(INBOX)
            taken = self.restore(root, other)
            self.assertEqual((taken[INBOX].damaged, taken[INBOX].added), (1, 1), other.root)
