"""The text index: it never lies, and it may be lost at any time."""

import os
import sqlite3
import stat
from contextlib import closing
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.message.collation import fold
from mailnode.message.text import Searchable
from mailnode.store import preparing, text_index
from mailnode.store.account import Account
from mailnode.store.index import FILE_NAME as CACHE
from mailnode.store.mailbox import Mailbox
from mailnode.store.text_index import FILE_NAME, Addition, Text, TextIndex, trigrams, words
from mailnode.store.values import INBOX
from tests.store.support import StoreTestCase

MANY = 10_000  # seconds


def about(word: str) -> bytes:
    """A message with a word in its body."""
    return b"From: a@example.org\r\nSubject: hello\r\n\r\n" + word.encode() + b"\r\n"


def text_of(uid: int, *parts: str, header: str = "", values: tuple[str, ...] = ()) -> Text:
    """A folded text of a message."""
    return Text(uid, f"base{uid}", Searchable(header, parts, values))


# Blanks of all kinds, what ends a string for SQLite, what UTF-8 has not, and what folding makes of a few.
letters = st.sampled_from("AB\n\t  \u3000\x1c\x85\0'\"*^():\ufffd é\u0301日本\ufffe\U0001f600\u05d0\ud800")
pieces = st.text(letters, max_size=40)


class GramTests(StoreTestCase):
    """Trigrams, ours and SQLite's."""

    def setUp(self) -> None:
        super().setUp()
        self.index = TextIndex(f"{self.base}/text.sqlite", "token")
        self.addCleanup(self.index.close)
        self.uid = 0

    def add(self, text: str) -> int:
        """Index a text; gives its UID."""
        self.uid += 1
        self.index.extend("g", 1, Addition(self.uid - 1, self.uid, [text_of(self.uid, text)], []))
        return self.uid

    def found(self, needle: str) -> list[int]:
        found = self.index.candidates("g", 1, needle)
        assert found is not None
        return found.uids.tolist()

    def held(self, needle: str, *uids: int, in_header: bool = True) -> dict[int, int | None]:
        """What is known of messages by their texts."""
        octets = needle.encode("utf-8", "surrogatepass")
        held = self.index.held("g", 1, octets, uids, in_header=in_header)
        self.assertEqual([base for base, _ in held.values()], [f"base{uid}" for uid in held])
        return {uid: known for uid, (_, known) in held.items()}

    @settings(deadline=None, max_examples=200)
    @given(
        st.text(
            "abAB\"'*^():\0\n \u3000\x1f\x85é\u0301\ufb01日本\ufffe\uffff\U0001f600\U0001f3fd\u05d0\ud800",
            max_size=60,
        ),
        st.integers(0, 50),
        st.integers(3, 40),
    )
    def test_every_part_is_found(self, text: str, start: int, length: int) -> None:
        """Whatever stands in a text leads to it, with quotes, NUL, noncharacters and half surrogates."""
        uid = self.add(text)
        needle = text[start : start + length]
        if trigrams(needle):
            self.assertIn(uid, self.found(needle))

    @settings(deadline=None, max_examples=200)
    @given(
        st.lists(st.tuples(pieces, st.lists(pieces, max_size=3)), min_size=1, max_size=5),
        st.data(),
    )
    def test_what_is_known_is_true(self, messages: list[tuple[str, list[str]]], data: st.DataObject) -> None:
        """What is said of a text is what a look at it says; all that hold a string are candidates for it."""
        since = self.uid
        said = {since + number: one for number, one in enumerate(messages, 1)}
        self.uid += len(messages)
        texts = [text_of(uid, *parts, header=header) for uid, (header, parts) in said.items()]
        self.assertTrue(self.index.extend("g", 1, Addition(since, self.uid, texts, [])))
        header, parts = data.draw(st.sampled_from(messages))
        whole = data.draw(st.sampled_from(["".join([header, *parts]), header, *parts]))
        start, length = data.draw(st.integers(0, 40)), data.draw(st.integers(0, 12))
        needle = whole[start : start + length]
        in_parts = {uid: any(needle in part for part in parts) for uid, (_, parts) in said.items()}
        in_all = {uid: in_parts[uid] or needle in header for uid, (header, _) in said.items()}
        self.assertEqual(self.held(needle, *said), in_all)
        self.assertEqual(self.held(needle, *said, in_header=False), in_parts)
        if trigrams(needle):
            self.assertEqual({uid for uid in said if in_all[uid]} - {*self.found(needle)}, set())

    def test_some_of_them(self) -> None:
        """Some that are asked for may be far apart; nothing is said of others, nor of those not kept."""
        texts = [text_of(uid, "HELLO") for uid in (1, 2, 3, 4000)]
        self.index.extend("g", 1, Addition(0, 4001, texts, [4001]))
        self.assertEqual(self.held("HELLO", 1, 3), {1: 1, 2: 1, 3: 1})  # it was quicker to look at all
        self.assertEqual(self.held("HALLO", 1, 4000, 4001), {1: 0, 4000: 0})
        self.assertEqual(self.index.held("g", 2, b"HELLO", [1], in_header=True), {})

    def test_bounds(self) -> None:
        """Long texts are looked at alone; long needles are not looked for."""
        self.patch(text_index, "SHORT", 10)
        self.patch(text_index, "NEEDLE", 5)
        texts = [
            text_of(1, "HELLO", header="WORLD"),
            text_of(2, "HELLO WORLD"),
            text_of(3, header="HELLO WORLD"),
        ]
        self.index.extend("g", 1, Addition(0, 3, texts, []))
        self.assertEqual(self.held("HELLO", 1, 2, 3), {1: 1, 2: None, 3: None})
        self.assertEqual([self.held("HELLO", uid) for uid in (2, 3)], [{2: 1}, {3: 1}])
        self.assertEqual(self.held("HELLO ", 1), {})

    def test_values(self) -> None:
        """What stands in a value that folds otherwise alone leads to the message, and is not in its texts."""
        self.index.extend("g", 1, Addition(0, 1, [text_of(1, header="ONE", values=("OTHER",))], []))
        self.assertEqual(self.found("OTHER"), [1])
        self.assertEqual(self.held("OTHER", 1), {1: 0})

    def test_white_space(self) -> None:
        """Any white space in a text or a needle is a blank; no trigram has one in its midst."""
        for space in filter(str.isspace, map(chr, range(0x110000))):
            self.assertEqual(trigrams(f"AB{space}C"), ["AB "], ascii(space))
            self.assertEqual(words(Searchable(f"A{space}A", ("B",), ())), " A  B ")
        self.assertEqual(trigrams("A BC D  E"), [" BC", "BC ", " D "])
        self.assertEqual(trigrams("A B C"), [" B "])

    def test_gone(self) -> None:
        """Of what is gone no text is kept, nor of a folder that was forgotten."""
        texts = [text_of(uid, f"HELLO {uid}") for uid in (1, 2, 3)]
        self.index.extend("g", 1, Addition(0, 3, texts, []))
        self.index.drop("g", 1, [2, 7])
        self.assertEqual(self.held("HELLO", 1, 2, 3), {1: 1, 3: 1})
        self.index.forget("g")
        self.assertEqual(self.index._db.execute("SELECT count(*) FROM kept").fetchone(), (0,))
        self.index.drop("g", 1, [1])

    def test_others_are_ruled_out(self) -> None:
        """A text that lacks a trigram is no candidate; a needle means nothing to SQLite's query language."""
        for text in ("HELLO WORLD", 'A"B OR C', "日本語", "NEAR(A B)", "HELLX WORLD"):
            self.add(text)
        for needle, uids in (
            ("HELLO", [1]),
            ("hello", []),
            ("LO WOR", [1]),
            ("RLD HEL", [1, 5]),  # which only the texts can tell
            ("WORLD", [1, 5]),
            ('A"B', [2]),
            ("OR C", [2]),
            ("日本語", [3]),
            ("日本人", []),
            ("NEAR(", [4]),
            ("ABC", []),
            ("HEL*", []),
        ):
            self.assertEqual(self.found(needle), uids, needle)

    def test_needles(self) -> None:
        """Fewer than three characters say nothing; of a long needle a bounded number of trigrams is taken."""
        self.assertEqual([trigrams(""), trigrams("ab"), trigrams("abc")], [[], [], ["abc"]])
        self.assertEqual(trigrams("aaaaa"), ["aaa"])
        long = "".join(map(chr, range(65, 365)))
        self.assertEqual(len(trigrams(long)), 24)
        self.assertIn(trigrams(long)[-1], long[250:])
        self.assertIsNone(self.index.candidates("g", 1, "ab"))

    def test_folders(self) -> None:
        """A folder is found by its G and UIDVALIDITY; under another one nothing is known."""
        self.add("HELLO")
        self.assertEqual(self.index.coverage("g", 1).until, 1)
        for guid, validity in (("g", 2), ("h", 1)):
            self.assertIsNone(self.index.candidates(guid, validity, "HELLO"))
        self.assertTrue(self.index.extend("g", 2, Addition(0, 7, [text_of(5, "OTHER")], [6])))
        self.assertIsNone(self.index.candidates("g", 1, "HELLO"))
        found = self.index.candidates("g", 2, "HELLO")
        assert found is not None
        self.assertEqual((found.uids.tolist(), found.until), ([6], 7))

    def test_nothing_is_added_twice(self) -> None:
        """Where another process was quicker, or has forgotten the folder, nothing is added."""
        self.add("HELLO")
        self.assertFalse(self.index.extend("g", 1, Addition(0, 1, [text_of(1, "AGAIN")], [])))
        self.index.forget("g")
        self.assertFalse(self.index.extend("g", 1, Addition(1, 2, [text_of(2, "NEXT")], [])))
        self.assertEqual(self.index.coverage("g", 1).until, 0)


class FolderTests(StoreTestCase):
    """The text index of an account at work."""

    def filled(self, *words: str) -> tuple[Account, Mailbox]:
        """An account with a message about each word, all prepared."""
        account = self.account()
        for word in words:
            self.append(account, message=about(word))
        inbox = account.mailbox(INBOX)
        self.prepare(inbox)
        return account, inbox

    def prepare(self, mailbox: Mailbox) -> int:
        """Prepare everything; gives how many calls it took."""
        for count in range(1, 100):
            if not mailbox.prepare_some(MANY).more:
                return count
        raise AssertionError("no end")

    def candidates(self, mailbox: Mailbox, word: str) -> list[int] | None:
        found = mailbox.candidates(fold(word))
        return None if found is None else found.tolist()

    def test_prepared(self) -> None:
        """Afterwards a search knows where to look, and answers come from the cache without the files."""
        account, inbox = self.filled("apple", "pear")
        self.assertEqual(self.candidates(inbox, "Apple"), [1])
        self.assertEqual(self.candidates(inbox, "example.org"), [1, 2])
        self.assertEqual(self.candidates(inbox, "plum"), [])
        facts = os.stat(f"{account.root}/{FILE_NAME}")
        self.assertEqual(stat.S_IMODE(facts.st_mode), 0o600)
        self.patch(Mailbox, "body", mock.Mock(side_effect=ValueError("opened")))
        self.assertIn(b"hello", inbox.rendered(2).envelope)
        self.assertEqual(inbox.prepare_some(MANY).read, 0)

    def test_each_file_is_opened_once(self) -> None:
        """Answers and text come from one pass."""
        account = self.account()
        self.append(account)
        inbox = account.mailbox(INBOX)
        with mock.patch.object(Mailbox, "body", autospec=True, side_effect=Mailbox.body) as body:
            self.prepare(inbox)
        self.assertEqual(body.call_count, 1)

    def test_newer_messages_may_hold_anything(self) -> None:
        """Messages above what was considered are candidates for every needle."""
        account, inbox = self.filled("apple")
        self.append(account, message=about("pear"))
        self.assertEqual(self.candidates(inbox, "plum"), [2])
        self.prepare(inbox)
        self.assertEqual(self.candidates(inbox, "plum"), [])
        self.assertEqual(self.candidates(inbox, "pear"), [2])

    def test_passed_over(self) -> None:
        """So are messages that are too long or cannot be read."""
        self.patch(preparing, "TEXT_LIMIT", 100)
        account = self.account()
        for word in ("apple", "pear" * 100, "plum"):
            self.append(account, message=about(word))
        inbox = account.mailbox(INBOX)
        body = Mailbox.body

        def unreadable(mailbox: Mailbox, uid: int) -> object:
            if uid == 3:
                raise PermissionError
            return body(mailbox, uid)

        self.patch(Mailbox, "body", unreadable)
        piece = inbox.prepare_some(MANY)
        self.assertEqual((piece.read, piece.unread, piece.more), (2, 1, False))
        self.assertEqual(self.candidates(inbox, "nowhere"), [2, 3])

    def test_in_pieces(self) -> None:
        """A call stops when its time is over, or when much has come together."""
        account = self.account()
        for number in range(5):
            self.append(account, message=about(f"word{number}"))
        inbox = account.mailbox(INBOX)
        self.assertEqual(inbox.prepare_some(0).read, 1)
        self.assertTrue(inbox.prepare_some(0).more)
        self.patch(preparing, "_MESSAGES", 2)
        self.assertEqual(inbox.prepare_some(MANY).read, 2)
        self.patch(preparing, "_CHARACTERS", 1)
        piece = inbox.prepare_some(MANY)
        self.assertEqual((piece.read, piece.more), (1, False))
        self.assertEqual(self.candidates(inbox, "word3"), [4])

    def test_after_a_restart(self) -> None:
        """The index is believed with the cache it was made beside, and with no other."""
        account, _ = self.filled("apple", "pear")
        account.close()
        inbox = self.account().mailbox(INBOX)
        self.assertEqual(self.candidates(inbox, "apple"), [1])
        self.assertFalse(inbox.prepare_some(MANY).read)
        os.unlink(f"{account.root}/{CACHE}")
        inbox = self.account().mailbox(INBOX)
        self.assertIsNone(self.candidates(inbox, "apple"))
        self.prepare(inbox)
        self.assertEqual(self.candidates(inbox, "pear"), [2])

    def test_uids_that_mean_others(self) -> None:
        """When the uid list gives indexed UIDs to other messages, the folder is indexed anew."""
        account, _ = self.filled("apple", "pear")
        account.close()
        header, first, second = self.uid_list(account)
        swapped = [header, f"1 {second.partition(' ')[2]}", f"2 {first.partition(' ')[2]}", ""]
        with open(f"{account.root}/dovecot-uidlist", "w") as file:
            file.write("\n".join(swapped))
        inbox = self.account().mailbox(INBOX)
        self.assertMayHold(inbox, "pear", 1)
        self.prepare(inbox)
        self.assertEqual(self.candidates(inbox, "pear"), [1])

    def test_a_uid_that_nobody_knew(self) -> None:
        """The same for the UID of a message that is gone, when it is given to another."""
        account, inbox = self.filled("apple", "pear")
        inbox.expunge([2])
        account.close()
        header, first, _ = self.uid_list(account)
        with open(f"{account.root}/cur/1.other", "wb") as message:
            message.write(about("plum"))
        with open(f"{account.root}/dovecot-uidlist", "w") as file:
            file.write("\n".join([header, first, "2 :1.other", ""]))
        inbox = self.account().mailbox(INBOX)
        self.assertMayHold(inbox, "plum", 2)
        self.prepare(inbox)
        self.assertEqual(self.candidates(inbox, "plum"), [2])

    def uid_list(self, account: Account) -> list[str]:
        """Its lines."""
        with open(f"{account.root}/dovecot-uidlist") as file:
            return file.read().splitlines()

    def assertMayHold(self, mailbox: Mailbox, word: str, uid: int) -> None:
        found = self.candidates(mailbox, word)
        self.assertTrue(found is None or uid in found, found)
        self.assertIn(mailbox.texts_holding([uid], fold(word), in_header=False), ([True], [None]))

    def test_lost_while_open(self) -> None:
        """An index that is lost under an open mailbox is made again."""
        account, inbox = self.filled("apple", "pear")
        account._context.discard_text_index()
        self.assertIsNone(self.candidates(inbox, "apple"))
        self.prepare(inbox)
        self.assertEqual(self.candidates(inbox, "apple"), [1])

    def test_removed(self) -> None:
        """The texts of what is removed go too, whoever removes it, and those of a deleted mailbox."""
        account, inbox = self.filled("apple", "pear", "plum")
        inbox.expunge([1])
        self.assertEqual(self.kept(account), [2, 3])
        message = inbox.get(3)
        assert message is not None
        os.unlink(f"{account.root}/{'new' if message.place[0] else 'cur'}/{message.base}{message.place[1]}")
        inbox.sync()
        self.assertEqual(self.kept(account), [2])
        account.create(("Work",))
        self.append(account, ("Work",), message=about("fig"))
        self.prepare(account.mailbox(("Work",)))
        self.assertEqual(self.kept(account), [1, 2])
        account.delete(("Work",))
        self.assertEqual(self.kept(account), [2])

    def kept(self, account: Account) -> list[int]:
        """The UIDs of messages whose texts the index has."""
        with closing(sqlite3.connect(f"{account.root}/{FILE_NAME}")) as db:
            return sorted(uid & 0xFFFFFFFF for (uid,) in db.execute("SELECT id FROM kept"))

    def test_garbage(self) -> None:
        """When most of what is indexed is gone the index starts anew."""
        self.patch(text_index, "_GARBAGE", 1)
        account, inbox = self.filled("apple", "pear", "plum", "fig")
        inbox.expunge([1, 2, 3])
        self.assertEqual(self.candidates(inbox, "hello"), [1, 2, 3, 4])
        self.append(account, message=about("quince"))
        self.prepare(inbox)  # two messages are there, five are indexed: not more than twice as many, and one
        self.assertEqual(self.candidates(inbox, "hello"), [1, 2, 3, 4, 5])
        inbox.expunge([5])
        self.append(account, message=about("grape"))
        self.assertEqual(self.prepare(inbox), 2)
        self.assertEqual(self.candidates(inbox, "hello"), [4, 6])

    def test_errors_anywhere(self) -> None:
        """Whatever fails in SQLite, nothing is ruled out that should not be, and work comes to its end."""
        methods = "coverage candidates held drop extend forget start_anew mostly_garbage"
        for method in methods.split():
            for error in (sqlite3.OperationalError("locked"), sqlite3.DatabaseError("broken"), OSError("io")):
                account, inbox = self.filled("apple")
                with mock.patch.object(TextIndex, method, side_effect=error):
                    uid = self.append(account, message=about("pear"))
                    self.prepare(inbox)
                    inbox.expunge([self.append(account)])
                    self.assertMayHold(inbox, "pear", uid)
                    self.assertMayHold(self.account().mailbox(INBOX), "pear", uid)
                self.assertMayHold(inbox, "pear", uid)
                self.append(account, message=about("plum"))
                self.prepare(inbox)
                self.assertIn(uid, self.candidates(inbox, "pear") or [])
                account.close()

    def test_a_broken_file(self) -> None:
        """A file that is no database is replaced."""
        account, _ = self.filled("apple")
        account.close()
        with open(f"{account.root}/{FILE_NAME}", "wb") as file:
            file.write(b"no database" * 1000)
        inbox = self.account().mailbox(INBOX)
        self.prepare(inbox)
        self.assertEqual(self.candidates(inbox, "apple"), [1])

    def test_without_trigrams(self) -> None:
        """An SQLite that lacks them costs speed, nothing else."""
        self.patch(text_index, "_SCHEMA", text_index._SCHEMA.replace("fts5", "fts99"))
        account, inbox = self.filled("apple")
        self.assertIsNone(self.candidates(inbox, "apple"))
        self.assertFalse(os.path.exists(f"{account.root}/{FILE_NAME}"))
        self.assertIn(b"hello", inbox.rendered(1).envelope)

    def test_not_wanted(self) -> None:
        """No file is made; one that is there is not looked at, and not believed afterwards."""
        account, _ = self.filled("apple")
        account.close()
        size = os.path.getsize(f"{account.root}/{FILE_NAME}")
        without = Account(
            account.root,
            files=self.files,
            now=self._now,
            host="x",
            rng=account._context.rng,
            text_index=False,
        )
        inbox = without.mailbox(INBOX)
        self.append(without, message=about("pear"))
        self.assertEqual(inbox.prepare_some(MANY).read, 2)
        self.assertFalse(inbox.prepare_some(MANY).more)
        self.assertIsNone(inbox.candidates("APPLE"))
        without.close()
        self.assertEqual(os.path.getsize(f"{account.root}/{FILE_NAME}"), size)
        inbox = self.account().mailbox(INBOX)
        self.assertIsNone(inbox.candidates("APPLE"))
        self.prepare(inbox)
        self.assertEqual(self.candidates(inbox, "pear"), [2])
