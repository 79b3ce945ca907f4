"""What administrators do to mail by hand: copies, restores, links, clean-ups; and odd files they bring."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from unittest import mock

from mailnode.store import context
from mailnode.store.account import Account
from mailnode.store.errors import NoSuchMailbox
from mailnode.store.index import FILE_NAME, Index
from mailnode.store.locks import LOCK_NAME
from mailnode.store.mailbox import Mailbox
from mailnode.store.text_index import FILE_NAME as TEXT_FILE_NAME
from mailnode.store.uidlist import parse
from mailnode.store.values import DELETED, FLAGGED, INBOX, SEEN, Name
from tests.store.support import MESSAGE, StoreTestCase

WORK: Name = ("Work",)
COPY: Name = ("Copy",)


def text(word: str) -> bytes:
    """A message of one word."""
    return f"Subject: x\r\n\r\n{word}\r\n".encode()


class ByHand(StoreTestCase):
    """An account with a second folder."""

    def setUp(self) -> None:
        super().setUp()
        self.anna = self.account()
        self.anna.create(WORK)
        for word in ("one", "two", "three"):
            self.append(self.anna, WORK, message=text(word))
        self.root = self.anna.root

    def restart(self) -> Account:
        """The server is stopped, and started again."""
        self.anna.close()
        self.anna = self.account()
        return self.anna

    def prepare(self, name: Name) -> Mailbox:
        """Everything in a folder is indexed."""
        mailbox = self.anna.mailbox(name)
        while mailbox.prepare_some(10.0).more:
            pass
        return mailbox


class CopiedFolders(ByHand):
    """cp -a of a folder, as whoever restores some mail does it."""

    def copied(self) -> tuple[Mailbox, Mailbox]:
        self.prepare(WORK)
        shutil.copytree(f"{self.root}/.Work", f"{self.root}/.Copy")
        return self.prepare(COPY), self.prepare(WORK)

    def test_both_are_searched(self) -> None:
        """New messages of the copy and of the original are found, each in its own folder."""
        for here, there in (("walrus", "zebra"), ("kettle", "yacht")):
            copy, work = self.copied()
            self.assertNotEqual(copy.guid, work.guid)
            self.append(self.anna, WORK, message=text(here))
            self.append(self.anna, COPY, message=text(there))
            if here == "kettle":
                self.restart()
            work, copy = self.prepare(WORK), self.prepare(COPY)
            for mailbox, mine, other in ((work, here, there), (copy, there, here)):
                self.assertEqual(list(mailbox.candidates(mine.upper()) or ()), [mailbox.uids[-1]])
                self.assertEqual(list(mailbox.candidates(other.upper()) or ()), [])
            self.anna.delete(COPY)

    def test_uids_stay(self) -> None:
        """Neither the copy nor the original gets other UIDs, or another UIDVALIDITY."""
        validity = self.anna.mailbox(WORK).uid_validity
        for mailbox in self.copied():
            self.assertEqual((mailbox.uids.tolist(), mailbox.uid_validity), ([1, 2, 3], validity))

    def test_renamed_by_hand(self) -> None:
        """A folder that was renamed while the server was stopped keeps G, cache and index."""
        guid = self.prepare(WORK).guid
        self.anna.close()
        os.rename(f"{self.root}/.Work", f"{self.root}/.Copy")
        copy = self.restart().mailbox(COPY)
        with mock.patch.object(Mailbox, "body", side_effect=AssertionError("read again")):
            self.assertIn(b'"x"', copy.prepared(1, "envelope"))
        self.assertEqual((copy.guid, list(copy.candidates("THREE") or ())), (guid, [3]))


class RestoredFiles(ByHand):
    """Files that come back."""

    def test_an_expunged_message(self) -> None:
        """A message that was expunged, and is restored after a restart, gets a new UID."""
        work = self.anna.mailbox(WORK)
        (name,) = [one for one in os.listdir(f"{self.root}/.Work/new") if one.startswith(work.get(2).base)]  # type: ignore[union-attr]
        shutil.copy(f"{self.root}/.Work/new/{name}", f"{self.base}/saved")
        self.assertEqual(work.expunge([2]), [2])
        self.restart().mailbox(WORK)
        with self.elsewhere(f"{self.root}/.Work"):
            shutil.copy(f"{self.base}/saved", f"{self.root}/.Work/new/{name}")
        self.assertEqual(self.anna.mailbox(WORK).uids.tolist(), [1, 3, 4])
        self.assertEqual(self.restart().mailbox(WORK).uids.tolist(), [1, 3, 4])

    def test_a_look_that_misses_one(self) -> None:
        """Without a cache too a listed message is gone only when two looks miss it."""
        path = f"{self.root}/.Work/dovecot-uidlist"
        self.anna.close()
        os.unlink(f"{self.root}/{FILE_NAME}")
        with open(path, "r+b") as file:
            lines = file.read().splitlines(keepends=True)
            dead = [b"%d :1600000000.M%d.host\n" % (uid, uid) for uid in range(4, 100)]
            file.seek(0)
            file.writelines([*lines, *dead])
        names, skipped = type(self.files).names, []

        def skipping(files: object, path: str) -> list[str]:
            found = names(files, path)  # type: ignore[arg-type]
            if path.endswith(".Work/new") and not skipped:
                skipped.append(found.pop())
            return found

        with mock.patch.object(type(self.files), "names", skipping):
            work = self.restart().mailbox(WORK)
        self.assertEqual(len(skipped), 1)
        work.sync()
        self.assertEqual(work.uids.tolist(), [1, 2, 3])
        with open(path, "rb") as file:
            self.assertLess(file.read().count(b"\n"), 10)


class Links(ByHand):
    """Symlinks in place of directories are no mailboxes."""

    def test_a_linked_folder(self) -> None:
        """A link to somebody else's mail is not listed, opened or emptied (X1, X2)."""
        ben = self.account("ben")
        self.append(ben)
        os.symlink(ben.root, f"{self.root}/.Shared")
        os.makedirs(f"{self.root}/.Odd/new")
        os.symlink(f"{ben.root}/new", f"{self.root}/.Odd/cur")
        for name in (("Shared",), ("Odd",)):
            self.assertNotIn(name, self.anna.names())
            for action in (self.anna.mailbox, self.anna.delete, self.anna.status):
                self.assertRaises(NoSuchMailbox, action, name)
        self.assertEqual(len(os.listdir(f"{ben.root}/new")), 1)

    def test_a_link_on_its_way_out(self) -> None:
        """A link where a deleted folder was to be swept loses its name only."""
        ben = self.account("ben")
        self.append(ben)
        os.symlink(ben.root, f"{self.root}/..DOVECOT-TRASHED")
        self.anna.delete(WORK)
        self.assertEqual(len(os.listdir(f"{ben.root}/new")), 1)
        self.assertFalse(os.path.lexists(f"{self.root}/..DOVECOT-TRASHED"))


class EmptyDirectories(ByHand):
    """find -type d -empty -delete under a live server."""

    def test_each_comes_back(self) -> None:
        """Whatever directory went, mail is delivered, appended and read as before."""
        for directory in ("cur", "tmp", "new"):
            for action in (self.deliver, self.append, lambda account: account.mailbox(INBOX).sync()):
                self.anna.mailbox(INBOX).claim_recent()
                os.makedirs(f"{self.base}/aside", exist_ok=True)
                for entry in os.listdir(f"{self.root}/{directory}"):
                    os.unlink(f"{self.root}/{directory}/{entry}")
                os.rmdir(f"{self.root}/{directory}")
                action(self.anna)  # type: ignore[operator]
                self.deliver(self.anna)
                self.append(self.anna)
                inbox = self.anna.mailbox(INBOX)
                self.assertGreaterEqual(len(self.facts(inbox)), 2)


class OddFiles(ByHand):
    """Files with odd names and contents."""

    def test_keyword_files(self) -> None:
        """What cannot be a keyword is called unknown; what cannot be a line is passed over."""
        lines = [
            b"000000000999 x",
            b"0" * 5000 + b" y",
            b"0 $Label1\r",
            b"1 foo) (bar",
            b"2 ok",
            b"56 z",
            b"3 ",
        ]
        with open(f"{self.root}/dovecot-keywords", "wb") as file:
            file.write(b"\n".join(lines) + b"\n")
        inbox = self.anna.mailbox(INBOX)
        self.append(self.anna)
        self.assertEqual(inbox.keywords(), ["unknown-0", "unknown-1", "ok", "unknown-3"])
        inbox.set_flags([1], "add", frozenset(["new", "ok"]))
        self.assertEqual(inbox.get(1).flags, {"new", "ok"})  # type: ignore[union-attr]

    def test_keyword_file_under_a_live_mailbox(self) -> None:
        """When the keyword file goes or is another, messages have the names that it gives them."""
        self.append(self.anna, flags=frozenset(["Foo"]))
        inbox = self.anna.mailbox(INBOX)
        os.unlink(f"{self.root}/dovecot-keywords")
        inbox.set_flags([1], "add", frozenset([SEEN]))
        self.assertEqual(inbox.get(1).flags, {SEEN, "unknown-0"})  # type: ignore[union-attr]
        with open(f"{self.root}/dovecot-keywords", "wb") as file:
            file.write(b"0 Bar\n")
        before = inbox.highest_modseq
        inbox.sync()
        self.assertEqual(inbox.changes(before), [1])
        self.assertEqual(inbox.get(1).flags, {SEEN, "Bar"})  # type: ignore[union-attr]

    def test_the_longest_name(self) -> None:
        """A message whose name leaves no room for flags can be read; flags it cannot have."""
        self.append(self.anna)
        with open(f"{self.root}/new/" + "x" * 255, "wb") as file:
            file.write(MESSAGE.replace(b"\r\n", b"\n"))
        inbox = self.anna.mailbox(INBOX)
        self.assertEqual(inbox.claim_recent(), {1, 2})
        self.assertEqual(len(self.facts(inbox)), 2)
        long = next(uid for uid in inbox.uids if len(inbox.get(uid).base) == 255)  # type: ignore[union-attr]
        with self.assertRaises(OSError) as raised:
            inbox.set_flags([long], "add", frozenset([FLAGGED]))
        self.assertEqual(raised.exception.errno, errno.ENAMETOOLONG)
        self.assertEqual(inbox.expunge([long]), [long])

    def test_written_over(self) -> None:
        """A message that is cut short while it is looked at ends nobody's process."""
        uid = self.append(self.anna, message=text("long " * 400_000))
        inbox = self.anna.mailbox(INBOX)
        message = inbox.get(uid)
        assert message is not None
        with inbox.body(uid) as body:
            os.truncate(inbox._path(message), 10)
            self.assertEqual(len(body.data), 10)


class BadCaches(ByHand):
    """SQLite files that are damaged, full or busy."""

    def damage(self, statement: str) -> None:
        """Change something in the cache behind everybody's back."""
        self.anna.close()
        with sqlite3.connect(f"{self.root}/{FILE_NAME}") as db:
            db.execute(statement)
        db.close()

    def test_rows_that_make_no_sense(self) -> None:
        """Wrong types and texts in any table cost nobody a delivery, a look or a count."""
        usage = self.anna.usage()
        self.prepare(WORK)
        for statement in (
            "UPDATE directory SET name = CAST(x'ff' AS TEXT) WHERE name = 'new'",
            "UPDATE directory SET octets = 'x'",
            "UPDATE rendered SET octets = x'00'",
            "UPDATE rendered SET header = 7",
            "UPDATE folder SET guid = CAST(x'ff' AS TEXT) WHERE id = 1",
        ):
            self.damage(statement)
            anna = self.restart()
            self.assertEqual(anna.usage(), usage, statement)
            work = anna.mailbox(WORK)
            self.assertEqual(len(self.facts(work)), 3, statement)
            self.assertEqual(work.prepared(1, "octets"), work.octets(1), statement)
            self.assertIn(b"Subject", work.prepared(1, "header"), statement)
            self.prepare(WORK)

    def test_trouble_that_passes(self) -> None:
        """A cache that cannot be opened for now, as it is locked or the disk full, is not thrown away."""
        self.prepare(WORK)
        self.anna.close()
        before = {name: os.stat(f"{self.root}/{name}").st_ino for name in (FILE_NAME, TEXT_FILE_NAME)}
        opening: Callable[..., Index] = mock.Mock(side_effect=sqlite3.OperationalError("database is locked"))
        with mock.patch.object(context, "Index", opening), mock.patch.object(context, "TextIndex", opening):
            work = self.restart().mailbox(WORK)
            self.assertEqual(len(self.facts(work)), 3)
            self.assertIsNone(work.candidates("THREE"))
        after = {name: os.stat(f"{self.root}/{name}").st_ino for name in before}
        self.assertEqual(after, before)
        self.assertEqual(list(self.restart().mailbox(WORK).candidates("THREE") or ()), [3])


class LeftOver(ByHand):
    """Nothing stays locked."""

    def test_no_lock_is_left(self) -> None:
        """After flags were changed and a message expunged no lock file is there, and the list is sound."""
        work = self.anna.mailbox(WORK)
        work.set_flags([1], "add", frozenset([DELETED]))
        work.expunge([1], having=DELETED)
        for directory in (self.root, f"{self.root}/.Work"):
            self.assertFalse(os.path.exists(f"{directory}/{LOCK_NAME}"))
        with open(f"{self.root}/.Work/dovecot-uidlist", "rb") as file:
            self.assertIsNotNone(parse(file.read()))
