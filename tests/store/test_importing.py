"""Mail of others that is brought in, and ours that is written out."""

import errno
import mailbox as stdlib
import os
from typing import Any
from unittest import mock

from mailnode.fs import NewFile
from mailnode.store import incoming_files
from mailnode.store.account import Account
from mailnode.store.errors import OverQuota
from mailnode.store.export import export_maildir, export_mbox
from mailnode.store.importing import Letter, Target, import_maildir, import_mbox, mbox_files, renamed
from mailnode.store.incoming_files import Taken
from mailnode.store.keywords import FIRST_FILE
from mailnode.store.quota import Limit
from mailnode.store.values import DELETED, FLAGGED, INBOX, NO_FLAGS, SEEN, Name
from mailnode.store.verify import read_tree, verify
from tests.store.support import StoreTestCase
from tests.store.test_backup import text

WORK = ("Work",)
DEEP = ("Work", "Ünder")


def silent(count: int) -> None:
    """Nobody looks."""


class ImportTests(StoreTestCase):
    """Into an account with one message."""

    def setUp(self) -> None:
        super().setUp()
        self.mine = self.account()
        self.append(self.mine, message=text("here"))

    def write(self, name: str, data: bytes) -> str:
        path = f"{self.base}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def check(self, account: Account) -> None:
        """Nothing is wrong on the disk, and nothing left."""
        tree = read_tree(self.files, account.root)
        self.assertEqual([one for one in verify(tree, self.files, self.clock) if not one.harmless], [])
        self.assertEqual(os.listdir(f"{account.root}/tmp"), [])

    def test_mbox(self) -> None:
        """Messages of a file, with flags and dates, each once, but those that are deleted."""
        path = self.write(
            "x.mbox",
            b"".join(
                b"From a Tue Nov 14 22:13:20 2023\n%b\n" % one.replace(b"\r\n", b"\n")
                for one in (
                    b"Status: R\n" + text("one"),
                    text("here"),
                    text("one"),
                    b"X-Status: D\n" + text("gone"),
                    b"X-Keywords: $Todo\n" + text("two"),
                )
            ),
        )
        done: list[int] = []
        taken = import_mbox(self.mine, self.files, path, INBOX, step=done.append)
        self.assertEqual(taken, Taken(2, 2, 0))
        self.assertEqual(sum(done), os.path.getsize(path))
        inbox = self.mine.mailbox(INBOX)
        self.assertEqual(
            [fact[1:] for fact in self.facts(inbox)],
            [(set(), text("here")), ({SEEN}, text("one")), ({"$Todo"}, text("two"))],
        )
        self.assertEqual(inbox.internal_date(2), 1_700_000_000)
        again = self.account()
        self.assertEqual(import_mbox(again, self.files, path, INBOX), Taken(0, 4, 0))
        self.check(again)

    def test_mbox_files(self) -> None:
        """Folders as Thunderbird lays them out, and as we do."""
        for name in ("Inbox", "Work.sbd/2026", "Old.mbox", "Old/Deep.mbox"):
            self.write(f"tb/{name}", b"From \n\nx\n")
        self.write("tb/Inbox.msf", b"// index")
        self.write("tb/.hidden/x", b"From \n\nx\n")
        self.assertEqual(
            [name for name, _ in mbox_files(self.files, f"{self.base}/tb")],
            [("Inbox",), ("Old", "Deep"), ("Old",), ("Work", "2026")],
        )

    def foreign(self) -> str:
        """A Maildir of another program."""
        root = f"{self.base}/theirs"
        for name in ("cur", "new", "tmp", ".Work/cur", ".Work/new", ".Work/tmp"):
            os.makedirs(f"{root}/{name}")
        self.write("theirs/dovecot-keywords", b"0 $Todo\n")
        plain = text("one").replace(b"\r\n", b"\n")
        self.write(f"theirs/cur/1700000001.1.host,S={len(plain)}:2,FSa", plain)
        self.write("theirs/cur/1700000002.2.host,S=5,W=7:2,", text("two"))  # untrue sizes
        self.write("theirs/cur/1700000003.3.host:2,T", text("gone"))
        self.write("theirs/new/1700000004.4.host", text("here").replace(b"\r\n", b"\n"))
        self.write("theirs/.Work/cur/1700000005.5.host:2,", b"bare\nlines\r\n")
        for path, _, names in os.walk(root):
            for name in names:
                os.utime(f"{path}/{name}", (1_600_000_000, 1_600_000_000))
        return root

    def test_many_go_to_the_disk_together(self) -> None:
        """The disk has several files before one is waited for; an error leaves nothing behind."""
        for number in range(5):
            self.write(f"theirs/cur/17000000{number}.{number}.host:2,", b"Subject: %d\n\nx\n" % number)
        os.makedirs(f"{self.base}/theirs/new")
        [folder] = read_tree(self.files, f"{self.base}/theirs").folders()
        told: list[str] = []
        fails: set[int] = set()

        def sync(_: object) -> None:
            told.append("sync")
            if told.count("sync") in fails:
                raise OSError(errno.EIO, "broken")

        begin_sync = mock.patch.object(NewFile, "begin_sync", lambda _: told.append("begin"))
        target = Target.of(self.mine, WORK)
        descriptors = len(os.listdir("/proc/self/fd"))
        with (
            begin_sync,
            mock.patch.object(NewFile, "sync", sync),
            mock.patch.object(incoming_files, "_UNSETTLED", 3),
        ):
            for number in (1, 3, 4, 5):
                fails.add(number)
                told.clear()
                self.assertRaises(OSError, import_maildir, self.mine, self.files, folder, WORK)
                self.assertEqual(len(os.listdir("/proc/self/fd")), descriptors)
                self.check(self.mine)
                fails.clear()
            told.clear()
            self.assertEqual(import_maildir(self.mine, self.files, folder, WORK), Taken(5, 0, 0))
        self.assertEqual(told, ["begin"] * 3 + ["sync"] * 3 + ["begin"] * 2 + ["sync"] * 2)
        target.mailbox.sync()
        self.assertEqual(len(target.mailbox.uids), 5)

    def import_all(self, account: Account, root: str) -> dict[Name, Taken]:
        """All folders."""
        folders = read_tree(self.files, root).folders()
        return {folder.name: import_maildir(account, self.files, folder, folder.name) for folder in folders}

    def test_maildir(self) -> None:
        """Names that others use, flags, keywords, dates; sizes that are not true are not believed."""
        root = self.foreign()
        taken = self.import_all(self.mine, root)
        self.assertEqual(taken, {INBOX: Taken(2, 1, 0), WORK: Taken(1, 0, 0)})
        inbox = self.mine.mailbox(INBOX)
        facts = {octets: flags for _, flags, octets in self.facts(inbox)}
        self.assertEqual(facts[text("one")], {SEEN, FLAGGED, "$Todo"})
        self.assertEqual(facts[text("two")], NO_FLAGS)
        self.assertNotIn(text("gone"), facts)
        for uid in inbox.uids:
            with inbox.body(uid) as body:
                self.assertEqual(inbox.octets(uid), len(b"".join(body.wire())))
        self.assertIn(1_600_000_000, {inbox.internal_date(uid) for uid in inbox.uids})
        self.assertEqual({one.added for one in self.import_all(self.account(), root).values()}, {0})
        self.check(self.mine)

    def test_over_quota(self) -> None:
        """What has no room does not come, and leaves nothing behind."""
        small = self.account("ben", limit=lambda: Limit(messages=1))
        path = self.write("x.mbox", b"From \n\nx\n\nFrom \n\ny\n")
        self.assertRaises(OverQuota, import_mbox, small, self.files, path, INBOX)
        self.check(small)
        self.assertEqual(small.mailbox(INBOX).uids.tolist(), [])

    def test_cut_off(self) -> None:
        """What was cut off goes on where it was; what came before is not written once more."""
        letters = [Letter(text(str(n)), NO_FLAGS, None, f"imap{n}") for n in range(5)]
        self.assertEqual(Target.of(self.mine, WORK).take(letters[:3]).added, 3)
        target = Target.of(self.account(), WORK)
        self.assertTrue(target.has("imap2"))
        self.assertFalse(target.has("imap3"))
        with mock.patch.object(Account, "draft", wraps=target.account.draft) as draft:
            self.assertEqual(target.take(letters), Taken(2, 3, 0))
            self.assertEqual(draft.call_count, 2)

    def test_too_many_keywords(self) -> None:
        """Where there are no letters left a message comes without its keywords."""
        self.mine.create(WORK)
        for start in range(0, 56, 8):
            flags: Any = {f"k{number}" for number in range(start, start + 8)}
            self.append(self.mine, WORK, frozenset(flags))
        letter = Letter(text("x"), frozenset({"$New", SEEN}), None, "g")
        self.assertEqual(Target.of(self.mine, WORK).take([letter]).added, 1)
        self.assertEqual(self.facts(self.mine.mailbox(WORK))[-1][1], {SEEN})

    def test_names(self) -> None:
        """A folder and those below it get another name; all go below one."""
        pairs = [(("Sent",), ("Old", "Sent")), (("A",), ())]
        for name, expected in (
            (("Sent",), ("Old", "Sent")),
            (("Sent", "2020"), ("Old", "Sent", "2020")),
            (("Sender",), ("Sender",)),
            (("A", "b"), ("b",)),
        ):
            self.assertEqual(renamed(name, pairs, ()), expected)
            self.assertEqual(renamed(name, pairs, ("X",)), ("X", *expected))


class ExportTests(StoreTestCase):
    """Out of an account with messages in three folders, and in again."""

    def setUp(self) -> None:
        super().setUp()
        self.mine = self.account()
        for name in (WORK, DEEP):
            self.mine.create(name)
        self.append(self.mine, INBOX, frozenset({SEEN, "$Todo"}), text("one"))
        self.append(self.mine, INBOX, message=text("two") + b"From x\r\n>From y\r\nbare\nline")
        self.append(self.mine, DEEP, frozenset({DELETED}), text("three"))
        self.mine.mailbox(INBOX)
        self.target = f"{self.base}/out"
        self.tree = read_tree(self.files, self.mine.root)

    def test_mbox(self) -> None:
        """A file for each folder, which other programs read, and we too."""
        told = list(export_mbox(self.files, self.tree, self.target, step=silent))
        self.assertEqual([(one.folder, one.messages) for one in told], [(INBOX, 2), (WORK, 0), (DEEP, 1)])
        theirs = stdlib.mbox(f"{self.target}/INBOX.mbox")
        self.assertEqual([one["subject"] for one in theirs], ["one", "two"])
        self.assertEqual([one.get_flags() for one in theirs], ["RO", "O"])
        theirs.close()
        self.assertEqual(len(list(export_mbox(self.files, self.tree, self.target, step=silent))), 3)
        other = self.account("ben")
        for name, path in mbox_files(self.files, self.target):
            import_mbox(other, self.files, path, name)
        one, two = [(flags, octets) for _, flags, octets in self.facts(self.mine.mailbox(INBOX))]
        lines = two[1].replace(b"bare\nline", b"bare\r\nline\r\n")  # lines are ended there
        self.assertEqual(
            [(flags, octets) for _, flags, octets in self.facts(other.mailbox(INBOX))], [one, (two[0], lines)]
        )

    def test_maildir(self) -> None:
        """A tree that is served as ours is, with UIDs; twice is as once."""
        for _ in range(2):
            list(export_maildir(self.files, self.tree, self.target, step=silent))
        other = self.account("../" + os.path.relpath(self.target, os.path.dirname(self.base)))
        self.assertTrue(os.path.exists(f"{self.target}/{FIRST_FILE}"))
        for name in (INBOX, WORK, DEEP):
            mine, theirs = self.mine.mailbox(name), other.mailbox(name)
            self.assertEqual(self.facts(theirs), self.facts(mine))
            self.assertEqual(theirs.uid_validity, mine.uid_validity)
