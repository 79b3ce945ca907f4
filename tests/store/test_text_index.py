"""The text index: it never lies, and it may be lost at any time."""

import os
import sqlite3
import stat
from array import array
from contextlib import closing
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.message.collation import fold
from mailnode.message.text import Searchable
from mailnode.store import preparing, reading, text_index, text_words
from mailnode.store.account import Account
from mailnode.store.index import FILE_NAME as CACHE
from mailnode.store.mailbox import Mailbox
from mailnode.store.text_index import FILE_NAME, NOTHING, Addition, Text, TextIndex
from mailnode.store.text_words import Where, trigrams
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


said_texts = st.tuples(pieces, st.lists(pieces, max_size=3))


class IndexTests(StoreTestCase):
    """What the index says of texts, beside a look at them."""

    def setUp(self) -> None:
        super().setUp()
        self.path = f"{self.base}/text.sqlite"
        self.index = TextIndex(self.path, "token")
        self.addCleanup(self.index.close)
        self.uid = 0

    def add(self, *texts: str) -> int:
        """Index texts, each of a message; gives the last one's UID."""
        since, self.uid = self.uid, self.uid + len(texts)
        added = [text_of(uid, text) for uid, text in enumerate(texts, since + 1)]
        self.assertTrue(self.index.extend("g", 1, Addition(since, self.uid, added, [])))
        return self.uid

    @property
    def live(self) -> "array[int]":
        return array("I", range(1, self.uid + 1))

    def candidates(self, needle: str) -> list[int]:
        """The messages that may hold it."""
        found = self.index.candidates("g", 1, needle)
        assert found is not None
        return sorted(found[0])

    def found(self, needle: str, where: Where = Where.TEXT) -> tuple[list[int], list[int]]:
        """The messages that hold it, and those that may."""
        found = self.index.found("g", 1, needle, where, self.live)
        assert found is not None
        self.assertEqual(found.until, self.uid)
        return found.sure.tolist(), found.perhaps.tolist()

    def held(self, needle: str, *uids: int, in_header: bool = True) -> dict[int, int | None]:
        """What is known of messages by their texts."""
        octets = needle.encode("utf-8", "surrogatepass")
        return self.index.held("g", 1, octets, uids, in_header=in_header)

    def keep(self, *uids: int, validity: int = 1, gone: tuple[int, ...] = ()) -> None:
        """Keep the texts of messages that had to be read; some of these have gone meanwhile."""
        texts = [text_of(uid, f"READ{uid}") for uid in uids]
        self.index.keep("g", validity, texts, lambda text: text.uid not in gone)

    def test_kept(self) -> None:
        """Texts are kept only of messages that are there, and of which the index says nothing else."""
        self.uid = 3
        self.index.extend("g", 1, Addition(0, 3, [text_of(1, "HELLO"), text_of(3, "HELLO")], [2]))
        self.keep(1, 2, 4, 5, gone=(5,))
        self.assertEqual(self.held("READ", 1, 2, 3, 4, 5), {1: 0, 2: 1, 3: 0, 4: 1})
        self.assertEqual(self.found("HELLO"), ([1, 3], [2]))
        self.index.forget("g")
        self.keep(1, gone=(1,))
        self.assertEqual(self.index.coverage("g", 1), NOTHING, "a folder of which nothing is kept")

    def test_kept_of_another_time(self) -> None:
        """Who still has the mailbox of an earlier UIDVALIDITY open takes nothing from the one of today."""
        self.index.extend("g", 2, Addition(0, 1, [text_of(1, "HELLO")], []))
        self.keep(1)
        self.assertEqual(self.index.coverage("g", 2).until, 1)
        self.assertEqual(self.index.coverage("g", 1), NOTHING)

    def test_kept_before_it_was_another(self) -> None:
        """When the index comes to speak of messages, nothing is left of what was kept under their UIDs."""
        self.keep(1, 2, 3, 4)
        self.index.extend("g", 1, Addition(0, 3, [text_of(2, "HELLO")], [3]))
        self.assertEqual(self.held("READ", 1, 2, 3, 4), {2: 0, 4: 1})

    def test_nobody_waits(self) -> None:
        """While somebody else writes nothing is kept; afterwards the index is patient again."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            self.keep(1)
            other.execute("ROLLBACK")
        self.assertEqual(self.held("READ", 1), {})
        self.assertEqual(self.index._db.execute("PRAGMA busy_timeout").fetchone(), (text_index._PATIENT,))
        self.keep(1)
        self.assertEqual(self.held("READ", 1), {1: 1})

    def soon_common(self) -> None:
        """Let the limits be those of a few small messages."""
        for name, value in (
            ("_LATEST", 4),
            ("_COMMON", 2),
            ("_MANY", 3),
            ("_LONGEST", 12),
            ("_SOME_WORDS", 2),
            ("_AT_ONCE", 3),
        ):
            self.patch(text_words, name, value)

    @settings(deadline=None, max_examples=250)
    @given(
        st.lists(st.lists(said_texts, min_size=1, max_size=5), min_size=1, max_size=4),
        st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 40), st.integers(1, 14)), min_size=1),
        st.sets(st.integers(1, 20)),
        st.booleans(),
    )
    def test_as_a_look_tells(
        self,
        parts: list[list[tuple[str, list[str]]]],
        cuts: list[tuple[int, int, int]],
        gone: set[int],
        others: bool,
    ) -> None:
        """Exactly the messages that hold a string are found, but those that have to be looked at."""
        self.soon_common()
        self.patch(text_words, "_LOOKED_AT", 30 if others else 10**6)
        self.index.start_anew()
        said: dict[int, tuple[str, list[str]]] = {}
        for number, part in enumerate(parts):
            since = len(said)
            added = dict(enumerate(part, since + 1))
            texts = [text_of(uid, *body, header=header) for uid, (header, body) in added.items()]
            said.update(added)
            self.assertTrue(self.index.extend("g", 1, Addition(since, len(said), texts, [])))
            if others:  # another folder, with the same words; its messages are others
                self.index.extend("h", 1, Addition(10 * number, 10 * number + len(said), texts, []))
        self.index.drop("g", 1, sorted(gone))
        live = array("I", [uid for uid in said if uid not in gone])
        every = ["".join([header, *body]) for header, body in said.values()]
        every += [text for header, body in said.values() for text in (header, *body)]
        for which, start, length in cuts:
            text = every[which % len(every)]
            needle = text[start % (len(text) + 1) :][:length]
            in_parts = {uid for uid in live if any(needle in one for one in said[uid][1])}
            in_all = in_parts | {uid for uid in live if needle in said[uid][0]}
            for where, holding in ((Where.TEXT, in_all), (Where.BODY, in_parts)):
                found = self.index.found("g", 1, needle, where, live)
                if found is None:
                    self.assertNotEqual(needle.split(), [needle])
                    continue
                sure, perhaps = set(found.sure) & set(live), set(found.perhaps) & set(live)
                self.assertEqual(holding - sure - perhaps, set(), needle)
                self.assertEqual(sure - holding, set(), needle)
                self.assertEqual(sure & perhaps, set())
                if needle.split() == [needle] and not perhaps:
                    self.assertEqual(sure, holding)
            held = self.held(needle, *live) if live else {}
            self.assertEqual(held, {uid: uid in in_all for uid in live})
            held = self.held(needle, *live, in_header=False) if live else {}
            self.assertEqual(held, {uid: uid in in_parts for uid in live})
            candidates = self.index.candidates("g", 1, needle)
            if candidates is not None:
                self.assertEqual(in_all - candidates[0], set(), needle)

    def test_nothing_is_left_to_look_at(self) -> None:
        """Of strings without white space all is known, in common words and in others, long or short."""
        self.soon_common()
        texts = [f"COMMON, WORD{number} {'X' * number}YZ 日本語{number}" for number in range(12)]
        self.add(*texts[:4])
        self.add(*texts[4:])
        (common,) = self.index._db.execute("SELECT count(*) FROM common").fetchone()
        self.assertEqual(common, 1)
        for needle in ("COMMON", "MMO", "N,", "D1", "WORD1", "XXYZ", "Y", "語7", "日本語", "NOWHERE", "Q"):
            holding = [uid for uid, text in enumerate(texts, 1) if needle in text]
            self.assertEqual(self.found(needle), (holding, []), needle)
            self.assertEqual(self.found(needle, Where.BODY), (holding, []), needle)

    def test_places(self) -> None:
        """A word may be in the header, in parts, or in both; a common one too."""
        self.soon_common()
        said = [("HELLO", ()), ("", ("HELLO",)), ("HELLO", ("HELLO",)), ("OTHER", ("OTHER",))] * 3
        for uid, (header, parts) in enumerate(said, 1):
            text = text_of(uid, *parts, header=header)
            self.index.extend("g", 1, Addition(uid - 1, uid, [text], []))
        self.uid = len(said)
        self.assertEqual(self.found("HELL"), ([1, 2, 3, 5, 6, 7, 9, 10, 11], []))
        self.assertEqual(self.found("HELL", Where.BODY), ([2, 3, 6, 7, 10, 11], []))

    def test_many_common_words(self) -> None:
        """Where many of them have the string in them, the last messages are looked at instead."""
        self.soon_common()
        self.add(*["A1XX A2XX A3XX A4XX A5XX A6XX"] * 4)
        self.add("A1XX", "A6XX", "A7XX", "NONE")
        sure, perhaps = self.found("XX")  # of 5 and 6 it hangs on the order of the words
        self.assertEqual(({*sure} - {5, 6}, {*perhaps} - {5, 6}), ({1, 2, 3, 4, 7}, {8}))
        self.assertEqual(sorted(sure + perhaps), [*range(1, 9)])
        self.patch(text_words, "_PRICE", 0)
        self.assertEqual(self.found("XX"), ([1, 2, 3, 4, 5, 6, 7], []))

    def test_many_common_words_for_a_glance(self) -> None:
        """Whoever only wants to know where to look does not wait for their postings."""
        self.soon_common()
        self.add(*["A1XXX A2XXX A3XXX"] * 4, "NONE")
        self.assertEqual(self.candidates("XXX"), [1, 2, 3, 4])
        self.patch(text_words, "_MOST_WORDS", 2)
        self.assertIsNone(self.index.candidates("g", 1, "XXX"))

    def test_more_common_words_than_there_is_room_for(self) -> None:
        """Those that come later are found in the rests."""
        self.soon_common()
        self.patch(text_words, "_MOST_COMMON", 1)
        self.add(*["FIRST SECOND"] * 4, *["THIRD"] * 4)
        (common,) = self.index._db.execute("SELECT count(*) FROM common").fetchone()
        self.assertEqual(common, 1)
        self.assertEqual(self.found("FIRST"), ([1, 2, 3, 4], []))
        self.assertEqual(self.found("SECOND"), ([1, 2, 3, 4], []))
        self.assertEqual(self.found("THIRD"), ([5, 6, 7, 8], []))

    def test_white_space(self) -> None:
        """Of a string with white space it is known which messages have all words; they are looked at."""
        self.add("HELLO WORLD", "WORLD  HELLO", "HELLO", "A B C D")
        for space in filter(str.isspace, map(chr, range(0x110000))):
            self.assertEqual(self.found(f"ELLO{space}WOR"), ([], [1, 2]), ascii(space))
        self.assertEqual(self.found(" HELLO"), ([], [1, 2, 3]))
        for needle in ("", " ", "A B", "B C "):
            self.assertIsNone(self.index.found("g", 1, needle, Where.TEXT, self.live))

    def test_long(self) -> None:
        """Messages with many words of their own are looked at, and all for long strings."""
        self.patch(text_words, "LONG", 20)
        self.add("HELLO", "HELLO AND MANY OTHER WORDS", "THIRD")
        self.assertEqual(self.found("HELL"), ([1], [2]))
        self.assertEqual(self.found("HE"), ([1], [2]))
        self.patch(text_index, "NEEDLE", 4)
        self.assertEqual(self.found("HELLO"), ([], [1, 2]))

    def test_so_much_at_a_time(self) -> None:
        """What would take long without a break is left to who looks at some messages at a time."""
        self.patch(text_words, "_LOOKED_AT", 10)
        self.add("HELLO", "HELLO YOU", "HELLO", "OTHER")
        self.assertEqual(self.found("HELL"), ([1, 2], [3]))
        self.assertEqual(self.found("HE"), ([1, 2], [3, 4]))

    def test_long_strings_are_not_sought_in_words(self) -> None:
        """Their trigrams tell which messages have to be looked at."""
        self.patch(text_index, "NEEDLE", 4)
        self.patch(text_words.Words, "holding", None)
        self.add("HELLO", "OTHER", "HELLO WORLD")
        self.assertEqual(self.found("HELLO"), ([], [1, 3]))
        self.assertEqual(self.found("HELLO WORLD"), ([], [3]))

    def test_long_texts(self) -> None:
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

    def test_some_of_them(self) -> None:
        """Some that are asked for may be far apart; nothing is said of others, nor of those not kept."""
        texts = [text_of(uid, "HELLO") for uid in (1, 2, 3, 4000)]
        self.index.extend("g", 1, Addition(0, 4001, texts, [4001]))
        self.assertEqual(self.held("HELLO", 1, 3), {1: 1, 2: 1, 3: 1})  # it was quicker to look at all
        self.assertEqual(self.held("HALLO", 1, 4000, 4001), {1: 0, 4000: 0})
        self.assertEqual(self.index.held("g", 2, b"HELLO", [1], in_header=True), {})
        found = self.index.found("g", 1, "HELLO", Where.TEXT, array("I", [1, 4000, 4001, 4002]))
        assert found is not None
        self.assertEqual((found.sure.tolist(), found.perhaps.tolist()), ([1, 2, 3, 4000], [4001]))

    def test_whose_they_are(self) -> None:
        """It is known which base names the messages had, in whatever octets."""
        names = {1: "one", 2: "two/", 3: "\udcfffoo", 5: "é"}
        texts = [Text(uid, base, Searchable("", ("HELLO",), ())) for uid, base in names.items()]
        self.index.extend("g", 1, Addition(0, 5, texts, []))

        def called(asked: dict[int, str]) -> list[bool]:
            return self.index.called(self.index.coverage("g", 1).id, [*asked], [*asked.values()])

        self.assertEqual(called(names), [True] * 4)
        self.assertEqual(called({1: "one", 5: "é"}), [True] * 2)
        self.assertEqual(called({**names, 2: "other"}), [True, False, True, True])
        self.assertEqual(called({1: "one", 2: "two", 4: "four"}), [True, False, False])
        self.assertEqual(called({7: "one"}), [False])

    def test_values(self) -> None:
        """What stands in a value that folds otherwise alone leads to the message, and is not in its texts."""
        self.soon_common()
        for uid in range(1, 9):
            text = text_of(uid, header="ONE", values=("OTHER" if uid % 2 else "ONE",))
            self.index.extend("g", 1, Addition(uid - 1, uid, [text], []))
        self.uid = 8
        self.assertEqual(self.candidates("OTHER"), [1, 3, 5, 7])
        self.assertEqual(self.found("OTHER"), ([], []))
        self.assertEqual(self.held("OTHER", 1), {1: 0})

    def test_gone(self) -> None:
        """Of what is gone no text is kept, nor of a folder that was forgotten."""
        texts = [text_of(uid, f"HELLO {uid}") for uid in (1, 2, 3)]
        self.index.extend("g", 1, Addition(0, 3, texts, []))
        self.index.drop("g", 1, [2, 7])
        self.assertEqual(self.held("HELLO", 1, 2, 3), {1: 1, 3: 1})
        self.uid = 3
        self.assertEqual(self.found("HELLO"), ([1, 3], [2]))
        self.index.forget("g")
        for table in ("kept", "named", "rest"):
            self.assertEqual(self.index._db.execute(f"SELECT count(*) FROM {table}").fetchone(), (0,))
        self.index.drop("g", 1, [1])

    def test_others_are_ruled_out(self) -> None:
        """A needle means nothing to SQLite's query language."""
        self.add("HELLO WORLD", 'A"B OR C', "日本語", "NEAR(A B)", "HELLX WORLD", "A\0B \ud800XX ?XX")
        for needle, uids in (
            ("HELLO", [1]),
            ("hello", []),
            ("WORLD", [1, 5]),
            ('A"B', [2]),
            ("日本語", [3]),
            ("日本人", []),
            ("NEAR(", [4]),
            ("ABC", []),
            ("HEL*", []),
            ("A\0B", [6]),
            ("A\ufffdB", []),
            ("\ud800XX", [6]),
            ("\ud801XX", []),
        ):
            self.assertEqual(self.found(needle), (uids, []), needle)

    def test_trigrams(self) -> None:
        """Of a long string a bounded number of trigrams is taken."""
        self.assertEqual([trigrams(""), trigrams("ab"), trigrams("abc")], [[], [], ["abc"]])
        self.assertEqual(trigrams("aaaaa"), ["aaa"])
        long = "".join(map(chr, range(65, 365)))
        self.assertEqual(len(trigrams(long)), 24)
        self.assertIn(trigrams(long)[-1], long[250:])
        self.add("HELLO")
        self.assertIsNone(self.index.candidates("g", 1, "ab"))

    def test_folders(self) -> None:
        """A folder is found by its G and UIDVALIDITY; under another one nothing is known."""
        self.add("HELLO")
        self.assertEqual(self.index.coverage("g", 1).until, 1)
        for guid, validity in (("g", 2), ("h", 1)):
            self.assertIsNone(self.index.candidates(guid, validity, "HELLO"))
            self.assertIsNone(self.index.found(guid, validity, "HELLO", Where.TEXT, self.live))
        self.assertTrue(self.index.extend("g", 2, Addition(0, 7, [text_of(5, "OTHER")], [6])))
        self.assertIsNone(self.index.candidates("g", 1, "HELLO"))
        self.assertEqual(self.index.candidates("g", 2, "HELLO"), ({6}, 7))

    def test_numbers(self) -> None:
        """No folder gets a number that another has had before a new beginning; a file may lie."""
        self.add("HELLO")
        numbers = [self.index.coverage("g", 1).id]
        for life in range(3):
            self.index.start_anew()
            self.index.extend(f"g{life}", 1, Addition(0, 1, [text_of(1, "HELLO")], []))
            numbers.append(self.index.coverage(f"g{life}", 1).id)
        self.assertEqual(numbers, [1, 2, 3, 4])
        for lie in (-7, 1 << 40, "many"):
            with closing(sqlite3.connect(self.path)) as db, db:
                db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'folder'", (lie,))
            self.index.start_anew()
            self.index.extend("g", 1, Addition(0, 1, [text_of(1, "HELLO")], []))
            self.assertEqual(self.index.coverage("g", 1).id, 1)

    def test_renamed(self) -> None:
        """A folder keeps what is known when it has another name."""
        self.add("HELLO")
        self.index.rename("g", "h")
        self.assertIsNone(self.index.candidates("g", 1, "HELLO"))
        self.assertEqual(self.index.candidates("h", 1, "HELLO"), ({1}, 1))

    def test_nothing_is_added_twice(self) -> None:
        """Where another process was quicker, or has forgotten the folder, nothing is added."""
        self.add("HELLO")
        self.assertFalse(self.index.extend("g", 1, Addition(0, 1, [text_of(1, "AGAIN")], [])))
        self.index.forget("g")
        self.assertFalse(self.index.extend("g", 1, Addition(1, 2, [text_of(2, "NEXT")], [])))
        self.assertEqual(self.index.coverage("g", 1).until, 0)

    def test_two_processes(self) -> None:
        """What is common for one is for the other, also after one of them has begun anew."""
        self.soon_common()
        other = TextIndex(self.path, "token")
        self.addCleanup(other.close)

        def add(index: TextIndex, *texts: str) -> None:
            since, self.uid = self.uid, self.uid + len(texts)
            added = [text_of(uid, text) for uid, text in enumerate(texts, since + 1)]
            self.assertTrue(index.extend("g", 1, Addition(since, self.uid, added, [])))

        add(self.index, *["HELLO WORLD"] * 4)
        add(other, *["HELLO"] * 3)
        add(self.index, *["HELLO"] * 3)
        self.assertEqual(self.found("HELLO"), ([*range(1, 11)], []))
        other.start_anew()
        self.uid = 0
        add(other, *["OTHER THINGS"] * 4)
        add(self.index, *["HELLO OTHER"] * 3)
        self.assertEqual(self.found("HELLO"), ([5, 6, 7], []))
        self.assertEqual(self.found("OTHER"), ([*range(1, 8)], []))
        self.assertEqual(self.found("THINGS"), ([1, 2, 3, 4], []))

    def test_nonsense(self) -> None:
        """What makes no sense is an error for which the index is thrown away."""
        self.soon_common()
        self.add("HELLO")
        for nonsense in (5, b"\xff"):
            self.index._db.execute("UPDATE rest SET header = ?", (nonsense,))
            texts = [text_of(uid, header="HELLO") for uid in range(2, 5)]
            if nonsense == b"\xff":
                self.patch(text_words, "_COMMON", 1)
            self.assertRaises(ValueError, self.index.extend, "g", 1, Addition(1, 4, texts, []))

    def test_nonsense_in_numbers(self) -> None:
        """The same where a number should stand, and where it is none of a message."""
        for statement, error in (
            ("UPDATE folder SET until = 'x'", ValueError),
            ("UPDATE passed_over SET uid = -1", OverflowError),
            ("UPDATE passed_over SET uid = 'x'", ValueError),
        ):
            self.index.start_anew()
            self.index.extend("g", 1, Addition(0, 2, [text_of(1, "HELLO")], [2]))
            self.index._db.execute(statement)
            self.assertRaises(error, self.index.found, "g", 1, "HELLO", Where.TEXT, array("I", [1, 2]))
        self.index.start_anew()
        self.index._db.execute("UPDATE origin SET texts = 'x'")
        self.assertRaises(ValueError, self.index.mostly_garbage, 1)

    def test_large_among_the_latest(self) -> None:
        """Messages with too many words for that are left out where common words are sought."""
        self.soon_common()
        self.patch(text_words, "_COUNTED", 40)
        self.add("HELLO ONE", "HELLO TWO", "HELLO THREE", " ".join(map(str, range(50))))
        self.assertEqual(self.index._db.execute("SELECT word FROM common").fetchall(), [(b"HELLO",)])

    def test_undone(self) -> None:
        """After an error in the midst of it nothing of an addition is believed."""
        self.soon_common()
        self.add(*["HELLO"] * 3)
        texts = [text_of(uid, "HELLO", "WORLD") for uid in (4, 5, 6)]
        with mock.patch.object(TextIndex, "_texts", side_effect=sqlite3.OperationalError("full")):
            self.assertRaises(sqlite3.OperationalError, self.index.extend, "g", 1, Addition(3, 6, texts, []))
        self.assertEqual(self.found("WORLD"), ([], []))
        self.add("OTHER", "OTHER", "THINGS")
        self.add("OTHER", "HELLO", "WORLD")
        self.assertEqual(self.found("OTHER"), ([4, 5, 7], []))
        self.assertEqual(self.found("HELLO"), ([1, 2, 3, 8], []))


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

    def test_names_once(self) -> None:
        """Whether texts are of the messages is asked once for all of a mailbox, until there are others."""
        account, inbox = self.filled(*["apple"] * 3, "pear")
        asked: list[list[int]] = []
        called = TextIndex.called

        def noted(index: TextIndex, folder: int, uids: list[int], bases: list[str]) -> list[bool]:
            asked.append(uids)
            return called(index, folder, uids, bases)

        self.patch(TextIndex, "called", noted)

        def found(word: str) -> list[list[int]]:
            asked.clear()
            both = inbox.found(fold(word), Where.TEXT)
            assert both is not None
            return [one.tolist() for one in both]

        for names in ([[1, 2, 3, 4]], []):
            self.assertEqual(found("apple"), [[1, 2, 3], []])
            self.assertEqual(asked, names)
        self.assertEqual(found("pear"), [[4], []])
        self.append(account, message=about("apple"))
        self.patch(reading, "_EVERYONE", 1)
        for _ in range(2):
            self.assertEqual(found("pear"), [[4], [5]])
            self.assertEqual(asked, [[4]])
        with closing(sqlite3.connect(f"{account.root}/{FILE_NAME}")) as db, db:
            db.execute("UPDATE named SET base = 'other' WHERE id & 0xffffffff IN (1, 4)")
        self.prepare(inbox)
        self.patch(reading, "_EVERYONE", 2)
        for _ in range(2):
            self.assertEqual(found("apple"), [[2, 3, 5], [1, 4]])
            self.assertEqual(found("pear"), [[], [1, 4]])
        self.assertEqual(asked, [])
        text = account.mailbox(INBOX)._text
        text.look_again()
        index = inbox._context.text_index(make=False)
        assert index is not None
        index.start_anew()
        text.look_again()
        self.prepare(inbox)
        self.assertEqual(found("apple"), [[1, 2, 3, 5], []])
        self.assertEqual(asked, [[1, 2, 3, 4, 5]])

    def test_names_of_a_part(self) -> None:
        """What was seen of the first messages says nothing of the next; what was passed over may be asked."""
        account = self.account()
        for word in ("apple", "long " * 40 + "pear", "apple", "apple"):
            self.append(account, message=about(word))
        inbox = account.mailbox(INBOX)
        self.patch(preparing, "TEXT_LIMIT", 100)
        asked: list[int] = []
        called = TextIndex.called

        def noted(index: TextIndex, folder: int, uids: list[int], bases: list[str]) -> list[bool]:
            asked.append(len(uids))
            return called(index, folder, uids, bases)

        self.patch(TextIndex, "called", noted)
        for until in range(1, 5):
            inbox.prepare_some(0)
            both = inbox.found(fold("apple"), Where.TEXT)
            assert both is not None
            sure = [uid for uid in (1, 3, 4) if uid <= until]
            perhaps = [uid for uid in range(1, 5) if uid not in sure and (uid == 2 or uid > until)]
            self.assertEqual([one.tolist() for one in both], [sure, perhaps])
        self.assertEqual(asked, [1, 1, 3, 4])

    def test_names_that_cannot_be_seen(self) -> None:
        """That the index could not be asked is not remembered."""
        _, inbox = self.filled("apple", "apple")
        found = []
        for error in (sqlite3.OperationalError("locked"), None):
            with mock.patch.object(TextIndex, "called", side_effect=error, return_value=[True] * 2):
                both = inbox.found(fold("apple"), Where.TEXT)
            assert both is not None
            found.append([one.tolist() for one in both])
        self.assertEqual(found, [[[], [1, 2]], [[1, 2], []]])

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

    def test_kept_by_who_has_read(self) -> None:
        """Texts that had to be read are kept for everybody, before their words are in the index and after."""
        account = self.account()
        for word in ("apple", "pear" * 20_000, "plum", "fig"):
            self.append(account, message=about(word))
        inbox = account.mailbox(INBOX)
        said = [inbox.text(uid) for uid in (3, 2, 1)]
        self.assertEqual([one is not None and "PLUM" in one.parts[0] for one in said], [True, False, False])
        self.assertEqual(self.looks(account, "apple"), [None] * 4)
        inbox.keep_texts()
        self.assertEqual(self.looks(account, "apple"), [True, None, False, None])
        self.assertIsNone(self.candidates(inbox, "apple"))
        self.prepare(inbox)
        self.assertEqual(self.candidates(inbox, "apple"), [1])
        self.assertEqual(self.looks(self.account(), "plum"), [False, None, True, False])

    def looks(self, account: Account, word: str) -> list[bool | None]:
        """What looks at all texts tell another process."""
        inbox = self.account(account.root.rpartition("/")[2]).mailbox(INBOX)
        return inbox.texts_holding(inbox.uids, fold(word), in_header=False)

    def test_kept_in_time(self) -> None:
        """When many have come together they are kept, and all are when the mailbox is closed."""
        self.patch(reading, "_TEXTS", 2)
        account = self.account()
        for word in ("apple", "pear", "plum"):
            self.append(account, message=about(word))
        inbox = account.mailbox(INBOX)
        for uid in (1, 2, 3):
            inbox.text(uid)
        self.assertEqual(self.kept(account), [1, 2])
        account.close()
        self.assertEqual(self.kept(account), [1, 2, 3])

    def test_not_kept_of_what_is_gone(self) -> None:
        """Nothing remains of a message that was removed after it was read."""
        account = self.account()
        for word in ("apple", "pear"):
            self.append(account, message=about(word))
        inbox = account.mailbox(INBOX)
        inbox.text(1)
        inbox.text(2)
        inbox.expunge([1])
        inbox.keep_texts()
        self.assertEqual(self.kept(account), [2])

    def test_not_kept_of_what_others_removed(self) -> None:
        """Nor of one of which only another process knows that it is gone, or lies elsewhere."""
        one, other = self.account(), self.account()
        one.create(("Work",))
        one.create(("Play",))
        for name in (INBOX, ("Work",), ("Play",)):
            self.append(one, name, message=about("apple"))
            one.mailbox(name).text(1)
        other.mailbox(INBOX).expunge([1])
        other.delete(("Work",))
        other.rename(("Play",), ("Fun",))
        self.prepare(other.mailbox(("Fun",)))
        one.close()
        self.assertEqual(self.kept(one), [1])
        other.mailbox(("Fun",)).expunge([1])
        self.assertEqual(self.kept(one), [])

    def test_numbers_that_change_twice(self) -> None:
        """Whatever UIDs come to mean, and mean again, a search finds what is there."""
        account = self.account()
        self.append(account, message=about("apple"))
        account.mailbox(INBOX).text(1)
        account.close()
        for uid in (2, 1):
            header, line = self.uid_list(account)
            with self.elsewhere(account.root), open(f"{account.root}/dovecot-uidlist", "w") as file:
                file.write(f"{header.replace(' N1 ', ' N9 ')}\n{uid} {line.partition(' ')[2]}\n")
            account = self.account()
            inbox = account.mailbox(INBOX)
            self.prepare(inbox)
            self.assertEqual(list(inbox.uids), [uid])
            self.assertMayHold(inbox, "apple", uid)
            found = inbox.found(fold("apple"), Where.TEXT)
            self.assertTrue(found is None or uid in [*found[0], *found[1]])
            account.close()

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
        methods = "coverage candidates found called held drop extend forget start_anew mostly_garbage"
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
        self.patch(text_words, "SCHEMA", text_words.SCHEMA.replace("fts5", "fts99"))
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
