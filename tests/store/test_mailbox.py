"""A mailbox: UIDs, flags, copies, and other programs at work in the same Maildir."""

import errno
import os
import sqlite3
from collections.abc import Callable
from unittest import mock

from mailnode.store.draft import Arriving
from mailnode.store.errors import NoSuchMailbox, NoSuchMessage, OverQuota, TooManyKeywords
from mailnode.store.filenames import arrival_order
from mailnode.store.index import FILE_NAME
from mailnode.store.quota import Limit
from mailnode.store.usage import Usage
from mailnode.store.values import DELETED, FLAGGED, INBOX, NO_FLAGS, SEEN
from tests.store.support import MESSAGE, StoreTestCase

OTHER = ("Other",)


class UidTests(StoreTestCase):
    """UIDs are given once, durably, and never again."""

    def test_delivery_gets_a_uid_when_looked_at(self) -> None:
        """New files get UIDs in the order of their arrival (RFC 3501 section 2.3.1.1)."""
        account = self.account()
        for _ in range(3):
            self.deliver(account)
        mailbox = account.mailbox(INBOX)
        self.assertEqual(mailbox.uids.tolist(), [1, 2, 3])
        self.assertEqual(mailbox.uid_next, 4)

    def test_the_uid_is_durable_before_it_is_seen(self) -> None:
        """When the uid list cannot be written, nobody sees the message."""
        account = self.account()
        mailbox = account.mailbox(INBOX)
        self.deliver(account)
        self.files.fail = lambda operation, _: OSError(errno.EIO, "io") if operation == "append" else None
        self.assertRaises(OSError, mailbox.sync)
        self.assertEqual(mailbox.uids.tolist(), [])
        self.files.fail = lambda operation, _: None
        mailbox.sync()
        self.assertEqual(mailbox.uids.tolist(), [1])

    def failing(self, operation: str, nth: int) -> Callable[[str, int], OSError | None]:
        """The n-th call of an operation fails."""
        seen: list[str] = []

        def fail(called: str, _: int) -> OSError | None:
            seen.append(called)
            if called == operation and seen.count(operation) == nth:
                return OSError(errno.EIO, "io")
            return None

        return fail

    def test_several_at_once(self) -> None:
        """UIDs in their order, flags and date of each; when one cannot be put there, none is, nor in tmp/."""
        account = self.account(limit=lambda: Limit(messages=3))
        mailbox = account.mailbox(INBOX)

        def arriving(*texts: bytes) -> list[Arriving]:
            drafts = [account.draft() for _ in texts]
            for draft, text in zip(drafts, texts, strict=True):
                draft.write(text)
            return [
                Arriving(draft, frozenset((SEEN,)) if number else NO_FLAGS, 1e9 + number)
                for number, draft in enumerate(drafts)
            ]

        for failing, nth in (("rename", 2), ("sync_directory", 2), ("append", 1)):
            three = arriving(b"one\r\n", b"two\r\n", b"three\r\n")
            self.files.fail = self.failing(failing, nth)
            self.assertRaises(OSError, mailbox.append_all, three)
            self.files.fail = lambda operation, _: None
            mailbox.sync()
            self.assertEqual(mailbox.uids.tolist(), [])
            self.assertEqual(os.listdir(f"{account.root}/tmp"), [])
        three = arriving(b"one\r\n", b"two\r\n", b"three\r\n")
        self.assertEqual(three[0].draft.finish(1e9), three[0].draft.finish())
        uids = mailbox.append_all(three)
        self.assertEqual(uids, [uids[0], uids[0] + 1, uids[0] + 2])
        self.assertEqual(
            self.facts(mailbox),
            [
                (uids[0], NO_FLAGS, b"one\r\n"),
                (uids[1], frozenset((SEEN,)), b"two\r\n"),
                (uids[2], frozenset((SEEN,)), b"three\r\n"),
            ],
        )
        self.assertEqual([mailbox.internal_date(uid) for uid in uids], [1e9, 1e9 + 1, 1e9 + 2])
        self.assertRaises(OverQuota, mailbox.append_all, arriving(b"four\r\n"))
        freed = mailbox.usage_of(uids[0])
        self.assertEqual(freed, Usage(4, 1))
        self.assertRaises(OverQuota, mailbox.append_all, arriving(b"4\r\n", b"5\r\n"), freed=freed)
        self.assertEqual(len(mailbox.append_all(arriving(b"four\r\n"), freed=freed)), 1)

    def test_a_restart_changes_nothing(self) -> None:
        """A fresh process sees the same UIDs, UIDVALIDITY, flags and octets."""
        account = self.account()
        self.append(account, flags=frozenset([SEEN, "$Work"]))
        self.deliver(account)
        before = account.mailbox(INBOX)
        facts, validity = self.facts(before), before.uid_validity
        account.close()
        after = self.account().mailbox(INBOX)
        self.assertEqual((self.facts(after), after.uid_validity), (facts, validity))

    def test_losing_the_cache_changes_nothing(self) -> None:
        """SQLite is a cache: without it UIDs, flags and octets are the same, and modseqs do not fall."""
        account = self.account()
        for flags in ([], [SEEN], [FLAGGED, "a", "b"]):
            self.append(account, flags=frozenset(flags))
        before = account.mailbox(INBOX)
        before.expunge([2])
        facts, modseq = self.facts(before), before.highest_modseq
        account.close()
        for suffix in ("", "-wal", "-shm"):
            path = f"{account.root}/{FILE_NAME}{suffix}"
            if os.path.exists(path):
                os.unlink(path)
        after = self.account().mailbox(INBOX)
        self.assertEqual(self.facts(after), facts)
        self.assertGreater(after.highest_modseq, modseq)
        self.assertEqual(after.uid_next, 4)

    def test_a_broken_cache_is_made_anew(self) -> None:
        """A cache file full of nonsense costs nothing but time."""
        account = self.account()
        self.append(account)
        account.close()
        with open(f"{account.root}/{FILE_NAME}", "wb") as file:
            file.write(b"nonsense" * 1000)
        self.assertEqual(self.account().mailbox(INBOX).uids.tolist(), [1])

    def test_an_error_in_the_cache_is_no_error(self) -> None:
        """When SQLite fails in the middle, mail is served all the same."""
        account = self.account()
        self.append(account)
        mailbox = account.mailbox(INBOX)
        with mock.patch(
            "mailnode.store.index.Index.save", side_effect=sqlite3.OperationalError("disk I/O error")
        ):
            self.deliver(account)
            mailbox.sync()
        self.assertEqual(mailbox.uids.tolist(), [1, 2])
        self.append(account)
        self.assertEqual(mailbox.uids.tolist(), [1, 2, 3])

    def test_a_lost_list_means_a_new_uidvalidity(self) -> None:
        """Without its uid list a folder gets a UIDVALIDITY greater than any before, and new UIDs."""
        account = self.account()
        self.append(account)
        old = account.mailbox(INBOX).uid_validity
        account.close()
        os.unlink(f"{account.root}/dovecot-uidlist")
        mailbox = self.account().mailbox(INBOX)
        self.assertGreater(mailbox.uid_validity, old)
        self.assertEqual(len(mailbox.uids), 1)

    def test_dead_lines_are_swept(self) -> None:
        """The list is rewritten when more than a third of it, and 64 lines, name files that are gone."""
        account = self.account()
        for _ in range(70):
            self.append(account)
        mailbox = account.mailbox(INBOX)
        mailbox.expunge(range(1, 67))
        with open(f"{account.root}/dovecot-uidlist") as file:
            self.assertEqual(len(file.readlines()), 71)
        account.close()
        again = self.account().mailbox(INBOX)
        self.assertEqual(again.uids.tolist(), [67, 68, 69, 70])
        with open(f"{account.root}/dovecot-uidlist") as file:
            self.assertEqual(len(file.readlines()), 5)
        self.assertEqual(again.uid_next, 71)

    def test_appending_behind_half_a_line(self) -> None:
        """After a crash in the middle of a line the list is mended before anything is added to it."""
        account = self.account()
        self.append(account)
        account.close()
        with open(f"{account.root}/dovecot-uidlist", "ab") as file:
            file.write(b"30")
        again = self.account()
        self.assertEqual(self.append(again), 2)
        again.close()
        self.assertEqual(self.account().mailbox(INBOX).uids.tolist(), [1, 2])


class FlagTests(StoreTestCase):
    """Flags are letters in file names."""

    def test_modes(self) -> None:
        """Add, remove and replace (RFC 3501 section 6.4.6); only real changes are told."""
        account = self.account()
        self.append(account, flags=frozenset([SEEN]))
        self.append(account)
        mailbox = account.mailbox(INBOX)
        self.assertEqual(list(mailbox.set_flags([1, 2, 99], "add", frozenset([SEEN, "Work"]))), [1, 2])
        self.assertEqual(list(mailbox.set_flags([1, 2], "add", frozenset(["work"]))), [])
        self.assertEqual(list(mailbox.set_flags([1], "remove", frozenset([SEEN, "never-there"]))), [1])
        self.assertEqual(list(mailbox.set_flags([2], "replace", frozenset([DELETED]))), [2])
        self.assertEqual([mailbox.get(uid).flags for uid in (1, 2)], [{"Work"}, {DELETED}])  # type: ignore[union-attr]

    def test_change_log(self) -> None:
        """changes() names new and changed messages after a modseq, and modseqs grow."""
        account = self.account()
        self.append(account)
        self.append(account)
        mailbox = account.mailbox(INBOX)
        start = mailbox.highest_modseq
        mailbox.set_flags([2], "add", frozenset([SEEN]))
        middle = mailbox.highest_modseq
        self.append(account)
        self.assertLess(start, middle)
        self.assertEqual(mailbox.changes(start), [2, 3])
        self.assertEqual(mailbox.changes(middle), [3])
        self.assertEqual(mailbox.changes(mailbox.highest_modseq), [])

    def test_the_change_log_is_bounded(self) -> None:
        """A thousand changes of one message are remembered as one."""
        account = self.account()
        self.append(account)
        mailbox = account.mailbox(INBOX)
        start = mailbox.highest_modseq
        for turn in range(1100):
            mailbox.set_flags([1], "add" if turn % 2 else "remove", frozenset([SEEN]))
        self.assertEqual(mailbox.changes(start), [1])
        self.assertLess(len(mailbox._messages._changed), 1100)

    def test_too_many_keywords(self) -> None:
        """The 57th keyword is refused and changes nothing; the first 56 survive a restart."""
        account = self.account()
        self.append(account)
        mailbox = account.mailbox(INBOX)
        names = frozenset(f"k{number}" for number in range(56))
        mailbox.set_flags([1], "add", names)
        self.assertTrue(mailbox.keywords_full)
        self.assertRaises(TooManyKeywords, mailbox.set_flags, [1], "add", frozenset(["k56", SEEN]))
        account.close()
        self.assertEqual(self.account().mailbox(INBOX).get(1).flags, names)  # type: ignore[union-attr]

    def test_recent(self) -> None:
        """SELECT moves new/ to cur/ and gets the UIDs that were there, once (RFC 3501 section 2.3.2)."""
        account = self.account()
        self.deliver(account)
        mailbox = account.mailbox(INBOX)
        self.assertEqual(mailbox.recent, {1})
        self.assertEqual(mailbox.claim_recent(), {1})
        self.assertEqual(mailbox.claim_recent(), set())
        self.assertEqual(os.listdir(f"{account.root}/new"), [])

    def test_recent_without_a_lock(self) -> None:
        """Nobody waits for the lock to claim what does not lie in new/, as a copy."""
        account = self.account()
        self.append(account, flags=frozenset([SEEN]))
        mailbox = account.mailbox(INBOX)
        mailbox.claim_recent()
        mailbox.copy([1], mailbox)
        self.patch(account._context.locks, "folder", None)
        self.assertEqual((mailbox.claim_recent(), mailbox.claim_recent()), ({2}, set()))


class OtherProgramTests(StoreTestCase):
    """Procmail, mutt and cp work in the same Maildir while we run."""

    def setUp(self) -> None:
        super().setUp()
        self.mine = self.account()
        self.append(self.mine, flags=frozenset([SEEN]))
        self.append(self.mine, flags=frozenset([SEEN]))
        self.mailbox = self.mine.mailbox(INBOX)
        self.cur = f"{self.mine.root}/cur"

    def names(self) -> list[str]:
        """What lies in cur/, in the order of arrival."""
        return sorted(os.listdir(self.cur), key=arrival_order)

    def test_a_file_appears(self) -> None:
        """A file without sizes in its name gets a UID and is served with its true size."""
        with self.elsewhere(self.mine.root), open(f"{self.mine.root}/new/1.strange", "wb") as file:
            file.write(b"Subject: x\n\nno sizes\n")
        self.mailbox.sync()
        self.assertEqual(self.mailbox.uids.tolist(), [1, 2, 3])
        self.assertEqual(self.mailbox.octets(3), len(b"Subject: x\r\n\r\nno sizes\r\n"))
        self.assertEqual(self.facts(self.mailbox)[2][2], b"Subject: x\r\n\r\nno sizes\r\n")

    def test_flags_by_rename(self) -> None:
        """A rename is a change of flags, not a new message (reliability of base names)."""
        since = self.mailbox.highest_modseq
        name = self.names()[0]
        with self.elsewhere(self.mine.root):
            os.rename(f"{self.cur}/{name}", f"{self.cur}/{name.replace(':2,S', ':2,FS')}")
        self.mailbox.sync()
        self.assertEqual(self.mailbox.get(1).flags, {SEEN, FLAGGED})  # type: ignore[union-attr]
        self.assertEqual(self.mailbox.changes(since), [1])

    def test_removal(self) -> None:
        """A removed file is an expunged message; its UID does not come back with the next file."""
        with self.elsewhere(self.mine.root):
            os.unlink(f"{self.cur}/{self.names()[1]}")
        self.mailbox.sync()
        self.assertEqual(self.mailbox.uids.tolist(), [1])
        self.assertEqual(self.append(self.mine), 3)

    def test_readdir_skips_a_file(self) -> None:
        """A name that one scan misses, as readdir may, is no expunge (section 3.5, X4)."""
        real = type(self.files).names
        missed = []

        def names(files: object, path: str) -> list[str]:
            found = real(self.files, path)
            if path == self.cur and not missed:
                missed.append(found.pop())
            return found

        with self.elsewhere(self.mine.root):
            pass
        with mock.patch.object(type(self.files), "names", names):
            self.mailbox.sync()
        self.assertEqual(len(missed), 1)
        self.assertEqual(self.mailbox.uids.tolist(), [1, 2])

    def test_rename_between_name_and_open(self) -> None:
        """A file renamed since the last look is found again when it is read."""
        name = self.names()[0]
        with self.elsewhere(self.mine.root):
            os.rename(f"{self.cur}/{name}", f"{self.cur}/{name}T")
        with self.mailbox.body(1) as body:
            self.assertEqual(b"".join(body.wire()), MESSAGE)
        self.assertEqual(self.mailbox.get(1).flags, {SEEN, DELETED})  # type: ignore[union-attr]

    def test_gone_between_name_and_open(self) -> None:
        """A file removed since the last look is a message that has gone."""
        with self.elsewhere(self.mine.root):
            os.unlink(f"{self.cur}/{self.names()[0]}")
        self.assertRaises(NoSuchMessage, self.mailbox.body, 1)

    def test_flags_of_a_file_that_moved(self) -> None:
        """STORE on a file another program renames at that moment works on the new name, or passes it over."""
        name = self.names()[0]
        with self.elsewhere(self.mine.root):
            os.rename(f"{self.cur}/{name}", f"{self.cur}/{name.replace(':2,S', ':2,')}")
        self.assertEqual(list(self.mailbox.set_flags([1], "add", frozenset([FLAGGED]))), [1])
        self.assertEqual(self.mailbox.get(1).flags, {FLAGGED})  # type: ignore[union-attr]

    def test_traps(self) -> None:
        """Symlinks, FIFOs, directories, dot files and names with line breaks get no UID (X1, X3)."""
        with self.elsewhere(self.mine.root):
            os.symlink("/etc/passwd", f"{self.cur}/1.link:2,S")
            os.mkfifo(f"{self.cur}/1.fifo:2,S")
            os.mkdir(f"{self.cur}/1.directory:2,S")
            for name in (".hidden", "1.a\nb", "1.a\rb", ":2,S"):
                with open(f"{self.cur}/{name}", "wb") as file:
                    file.write(MESSAGE)
        self.mailbox.sync()
        self.assertEqual(self.mailbox.uids.tolist(), [1, 2])

    def test_odd_names(self) -> None:
        """Odd names are messages like others (X3): no flags, unknown flags, wrong sizes, foreign octets."""
        for number, name in enumerate(
            (b"3.a", b"4.a:1,x", b"5.a:2,ZZZ", b"6.a,S=abc", b"7.a,S=99999999999999999999", b"8.\xff\xfe:2,S")
        ):
            with self.elsewhere(self.mine.root), open(self.cur.encode() + b"/" + name, "wb") as file:
                file.write(b"Subject: %d\n\n" % number)
        self.mailbox.sync()
        self.assertEqual(self.mailbox.uids.tolist(), [1, 2, 3, 4, 5, 6, 7, 8])
        self.assertEqual([self.mailbox.octets(uid) for uid in range(3, 9)], [len("Subject: 1\r\n\r\n")] * 6)

    def test_a_letter_without_a_name(self) -> None:
        """A keyword letter nobody named gets a name, which is written down."""
        name = self.names()[0]
        with self.elsewhere(self.mine.root):
            os.rename(f"{self.cur}/{name}", f"{self.cur}/{name}c")
        self.mailbox.sync()
        self.assertEqual(self.mailbox.get(1).flags, {SEEN, "unknown-2"})  # type: ignore[union-attr]
        with open(f"{self.mine.root}/dovecot-keywords") as file:
            self.assertEqual(file.read(), "2 unknown-2\n")

    def test_the_folder_goes(self) -> None:
        """A folder that another program removed is a mailbox that does not exist."""
        self.mine.create(OTHER)
        other = self.mine.mailbox(OTHER)
        os.rename(f"{self.mine.root}/.Other", f"{self.base}/elsewhere")
        self.assertRaises(NoSuchMailbox, other.sync)
        self.assertRaises(NoSuchMailbox, self.mine.mailbox, OTHER)

    def test_two_processes(self) -> None:
        """Two processes on one folder see each other's changes, and give no UID twice."""
        theirs = self.account().mailbox(INBOX)
        self.assertEqual(self.append(self.mine), 3)
        other = self._open[-1]
        self.assertEqual(self.append(other), 4)
        theirs.set_flags([1], "add", frozenset(["Both"]))
        self.mailbox.set_flags([2], "add", frozenset(["Mine"]))
        with self.elsewhere(self.mine.root):
            theirs.expunge([3])
        self.mailbox.sync()
        theirs.sync()
        self.assertEqual(self.facts(self.mailbox), self.facts(theirs))
        self.assertEqual(theirs.get(2).flags, {SEEN, "Mine"})  # type: ignore[union-attr]


class CopyTests(StoreTestCase):
    """COPY is a hard link (RFC 3501 section 6.4.7: all or nothing)."""

    def setUp(self) -> None:
        super().setUp()
        self.mine = self.account()
        self.mine.create(OTHER)
        self.append(self.mine, flags=frozenset([SEEN, "Work"]))
        self.append(self.mine)
        self.inbox, self.other = self.mine.mailbox(INBOX), self.mine.mailbox(OTHER)

    def test_copy(self) -> None:
        """Flags, keywords and INTERNALDATE go along; letters are the target's own."""
        self.append(self.mine, OTHER, frozenset(["First"]))
        self.assertEqual(self.inbox.copy([1, 2], self.other), [(1, 2), (2, 3)])
        self.assertEqual(self.other.get(2).flags, {SEEN, "Work"})  # type: ignore[union-attr]
        self.assertEqual(self.other.internal_date(2), self.inbox.internal_date(1))
        self.assertEqual(self.facts(self.other)[1][2], MESSAGE)

    def test_copy_twice(self) -> None:
        """A second copy gets a base of its own; the original's name is noted as its G."""
        self.inbox.copy([1], self.other)
        self.assertEqual(self.inbox.copy([1], self.other), [(1, 2)])
        self.assertEqual(self.inbox.copy([1, 1], self.inbox), [(1, 3), (1, 4)])
        again = self.account().mailbox(OTHER)
        self.assertEqual(again.uids.tolist(), [1, 2])

    def test_all_or_nothing(self) -> None:
        """When one message has gone, or the disk fails in the middle, nothing is copied."""
        for failing, error in (("link", OSError), ("append", OSError), ("sync_directory", OSError)):
            count = [0]

            def fail(
                operation: str, _: int, failing: str = failing, count: list[int] = count
            ) -> OSError | None:
                count[0] += operation == failing
                return OSError(errno.ENOSPC, "full") if operation == failing and count[0] == 1 else None

            self.files.fail = fail
            self.assertRaises(error, self.inbox.copy, [1, 2], self.other)
            self.files.fail = lambda operation, _: None
            self.other.sync()
            self.assertEqual(self.other.uids.tolist(), [], failing)
            self.assertEqual(os.listdir(f"{self.mine.root}/.Other/cur"), [])
        with self.elsewhere(self.mine.root):
            for name in os.listdir(f"{self.mine.root}/new"):
                os.unlink(f"{self.mine.root}/new/{name}")
        self.assertRaises(NoSuchMessage, self.inbox.copy, [1, 2], self.other)
        self.assertEqual(self.other.uids.tolist(), [])
        self.assertEqual(self.inbox.copy([1], self.other)[0][0], 1)

    def test_append_is_all_or_nothing(self) -> None:
        """A message whose UID cannot be made durable is not there, and no temporary file stays."""
        for failing in ("create", "rename", "sync_directory", "append"):
            self.files.fail = lambda operation, _, failing=failing: (
                OSError(errno.ENOSPC, "full") if operation == failing else None
            )
            self.assertRaises(OSError, self.append, self.mine)
            self.files.fail = lambda operation, _: None
            self.inbox.sync()
            self.assertEqual(self.inbox.uids.tolist(), [1, 2], failing)
            self.assertEqual(os.listdir(f"{self.mine.root}/tmp"), [])


class BodyTests(StoreTestCase):
    """Reading messages."""

    def test_rendered_is_kept(self) -> None:
        """Prepared answers come out of the cache the second time, equal."""
        account = self.account()
        self.append(account)
        mailbox = account.mailbox(INBOX)
        first = mailbox.rendered(1)
        os.unlink(f"{account.root}/new/{os.listdir(f'{account.root}/new')[0]}")
        self.assertEqual(mailbox.rendered(1), first)
        self.assertEqual(first.octets, len(MESSAGE))

    def test_large_message(self) -> None:
        """A large message is mapped for parsing and comes out octet for octet."""
        account = self.account()
        message = MESSAGE + b"0123456789abcdef\r\n" * 100_000
        self.append(account, message=message)
        mailbox = account.mailbox(INBOX)
        self.assertEqual(self.facts(mailbox)[0][2], message)
        self.assertEqual(mailbox.rendered(1).octets, len(message))
        self.assertEqual(mailbox.rendered(1).parts.lines, 100_001)

    def test_uidl(self) -> None:
        """The default unique-id is Dovecot's; a P in the uid list overrules it."""
        account = self.account()
        self.append(account)
        mailbox = account.mailbox(INBOX)
        self.assertEqual(next(mailbox.uidls(mailbox.record(1))), f"00000001{mailbox.uid_validity:08x}")
        account.close()
        path = f"{account.root}/dovecot-uidlist"
        with open(path) as file:
            text = file.read().replace("1 :", "1 Pold-uidl :")
        with open(path, "w") as file:
            file.write(text)
        mailbox = self.account().mailbox(INBOX)
        self.assertEqual(next(mailbox.uidls(mailbox.record(1))), "old-uidl")
