"""A search with the text index finds what a search without it finds, and looks at less."""

import base64
import quopri
import random
import sqlite3
from array import array
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.auth.realm import MailAccount
from mailnode.imap import matching
from mailnode.imap.commands.search import Findings, Search
from mailnode.imap.narrowing import LOOKUPS, Narrowing, Possible, all_of, any_of
from mailnode.imap.needles import Needle
from mailnode.imap.places import Place
from mailnode.imap.search_keys import parse_all
from mailnode.imap.selected import Selected
from mailnode.net.blocking import InlineExecutor, Lane
from mailnode.store import preparing
from mailnode.store.mailbox import Mailbox
from mailnode.store.text_index import FILE_NAME
from mailnode.store.text_words import Where
from mailnode.wire.imap.cursor import Cursor
from tests.imap.test_session import SessionCase

MANY = 10_000  # seconds

# What is hard to compare: case, composed and decomposed, compatibility, scripts, beyond the BMP, controls.
WORDS = (
    "Straße", "STRASSE", "éclair", "e\u0301clair", "\ufb01ne", "fine", "İstanbul", "ǆep", "日本語のテ",
    "한국어", "\u1112\u1161\u11ab", "שלום עולם", "مرحبا", "\U0001f469\u200d\U0001f4bb ok", "a\u0323\u0307b",
    "a\u0307\u0323b", "\U0001f600\U0001f601", "x\0y", "=?q?", '"quoted"', "<b>", "&amp;", "ﷺ",
    "\u0301\u0316" * 9, "long" * 30, "two words",
)  # fmt: skip
words = st.sampled_from(WORDS) | st.text("abAB é\u0301日\U0001f600", min_size=1, max_size=8)
texts = st.lists(words, max_size=6).map(" ".join)


def encoded_words(text: str, cut: int) -> bytes:
    """Encoded words that are cut without regard to characters, as some senders do (RFC 2047 section 5)."""
    octets = text.encode()
    pieces = [octets[start : start + cut] for start in range(0, len(octets), cut)]
    return b"\r\n ".join(b"=?utf-8?B?" + base64.b64encode(piece) + b"?=" for piece in pieces)


def part(text: str, how: str) -> bytes:
    """A body part with the text in it."""
    if how == "html":
        return b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>" + text.encode().replace(b" ", b"<i> </i>")
    encoding, octets = {
        "8bit": ("8bit", text.encode()),
        "base64": ("base64", base64.encodebytes(text.encode())),
        "quoted-printable": ("quoted-printable", quopri.encodestring(text.encode())),
        "utf-16": ("base64", base64.encodebytes(text.encode("utf-16"))),
    }[how]
    charset = "utf-16" if how == "utf-16" else "utf-8"
    head = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + octets.replace(b"\n", b"\r\n")


def message(subject: bytes, parts: list[bytes]) -> bytes:
    """A message of these parts."""
    head = b"From: a@b\r\nSubject: " + subject + b"\r\nContent-Type: multipart/mixed; boundary=\\=/\r\n\r\n"
    return head + b"".join(b"--\\=/\r\n" + one + b"\r\n" for one in parts)


subjects = st.one_of(
    texts.map(lambda text: text.encode().replace(b"\0", b"")),
    st.builds(encoded_words, texts, st.integers(1, 45)),
)
hows = st.sampled_from(["8bit", "base64", "quoted-printable", "utf-16", "html"])
messages = st.builds(message, subjects, st.lists(st.builds(part, texts, hows), min_size=1, max_size=2))


@st.composite
def needles(draw: st.DrawFn) -> str:
    """A piece of a word or of two, in any case."""
    text = draw(st.lists(words, min_size=1, max_size=2).map(" ".join))
    start, length = draw(st.integers(0, 8)), draw(st.integers(0, 12))
    needle = text[start : start + length] or text
    return draw(st.sampled_from([needle, needle.upper(), needle.lower(), needle.title()])).replace("\0", "x")


PROGRAMS = (
    "TEXT {}",
    "BODY {}",
    "SUBJECT {}",
    "HEADER Subject {}",
    "NOT TEXT {}",
    "OR TEXT {} SUBJECT {}",
    "OR SEEN BODY {}",
    "TEXT {} NOT BODY {}",
    "TEXT {} (OR BODY {} NOT (SUBJECT {} UNSEEN))",
)


class NarrowingTests(SessionCase):
    """The index beside the messages."""

    def setUp(self) -> None:
        super().setUp()
        self.store = self.world.account().store
        self.folders = 0

    def folder(self, *contents: bytes) -> Mailbox:
        """A new mailbox with these messages."""
        self.folders += 1
        name = (f"F{self.folders}",)
        self.store.create(name)
        for content in contents:
            draft = self.store.draft()
            draft.write(content)
            self.store.append(name, draft)
        return self.store.mailbox(name)

    def search(self, mailbox: Mailbox, program: str, *arguments: str) -> bytes:
        """The numbers that are found."""
        literals = [argument.encode() for argument in arguments]
        key = parse_all(Cursor([text.encode() for text in program.split("{}")], literals))
        account = MailAccount("me@example.org", self.store, Lane(InlineExecutor()))
        view = Selected.opened(Place(account, mailbox.name), read_only=True)
        found = Findings(view, Search(key, by_uid=False))
        response = b"".join(found.chunks())
        self.assertIsNone(found.trouble)
        return response

    @contextmanager
    def nothing_kept(self) -> Iterator[None]:
        """Every search reads all messages."""
        patched = self.patch(Mailbox, "text", lambda mailbox, uid: None)
        yield
        patched.restore()

    @settings(deadline=None, max_examples=60)
    @given(st.lists(messages, min_size=1, max_size=3), st.lists(needles(), min_size=3, max_size=9))
    def test_the_same_is_found(self, contents: list[bytes], sought: list[str]) -> None:
        """Every program finds with the index what it found without, and with what was kept of reading."""
        mailbox = self.folder(*contents)
        rng = random.Random(1)
        asked = [(program, rng.sample(sought, program.count("{}"))) for program in PROGRAMS * 2]
        with self.nothing_kept():
            before = [self.search(mailbox, program, *arguments) for program, arguments in asked]
        kept = [self.search(mailbox, program, *arguments) for program, arguments in asked]
        self.assertEqual(kept, before)
        self.assertFalse(mailbox.prepare_some(MANY).more)
        self.assertIsNotNone(mailbox.candidates("ABC"))
        after = [self.search(mailbox, program, *arguments) for program, arguments in asked]
        self.assertEqual(after, before)

    @settings(deadline=None, max_examples=60)
    @given(
        st.lists(messages, min_size=1, max_size=4),
        st.lists(needles() | st.text("aß ", max_size=2), min_size=3, max_size=9),
        st.integers(0, 4),
        st.lists(st.sampled_from(["gone", "of another"]) | st.none(), min_size=4, max_size=4),
        st.sampled_from(["whole", "whole", "forgotten", "lost", "no database"]),
    )
    def test_whatever_is_known(
        self, contents: list[bytes], sought: list[str], known: int, rows: list[str | None], index: str
    ) -> None:
        """The same where the index lags, where texts are missing or others', and where it is no index."""
        mailbox = self.folder(*contents)
        rng = random.Random(1)
        asked = [(program, rng.sample(sought, program.count("{}"))) for program in PROGRAMS]
        with self.nothing_kept():
            before = [self.search(mailbox, program, *arguments) for program, arguments in asked]
        for _ in range(known):
            mailbox.prepare_some(0)
        path = f"{self.store.root}/{FILE_NAME}"
        if known:
            self.spoil(path, mailbox, rows, forget=index == "forgotten")
        if index == "lost":
            self.store._context.discard_text_index()
        if index == "no database":
            self.store.close()
            with open(path, "wb") as file:
                file.write(b"no database" * 1000)
        after = [self.search(mailbox, program, *arguments) for program, arguments in asked]
        self.assertEqual(after, before)

    def spoil(self, path: str, mailbox: Mailbox, rows: list[str | None], *, forget: bool) -> None:
        """Do something to the texts of the messages, in order of UID, and perhaps forget the folder."""
        db = sqlite3.connect(path, isolation_level=None)
        home = (f"{mailbox.guid}/.{mailbox.name[0]}",)
        (folder,) = db.execute("SELECT id FROM folder WHERE guid = ?", home).fetchone()
        for uid, what in enumerate(rows, 1):
            if what == "gone":
                for table in ("kept", "rest", "named"):
                    db.execute(f"DELETE FROM {table} WHERE id = ?", (folder << 32 | uid,))
            if what == "of another":
                other = (b"ANOTHER", None, folder << 32 | uid)
                db.execute("UPDATE kept SET header = ?, parts = ? WHERE id = ?", other)
                db.execute("UPDATE named SET base = '1.other' WHERE id = ?", (other[2],))
        if forget:
            db.execute("DELETE FROM folder WHERE guid = ?", home)
        db.close()

    def test_others_are_not_looked_at(self) -> None:
        """Where the program says what must be there, the messages without it are left alone."""
        mailbox = self.folder(*(part(f"word{number}", "8bit") for number in range(9)))
        mailbox.prepare_some(MANY)
        looked_at = self.noted("texts_holding", "headers")
        for program, arguments, seen, found in (
            ("TEXT {}", ["word3"], [], b" 4"),  # which is known
            ("TEXT {}", ["word3\n"], [4], b""),
            ("TEXT {} UNSEEN", ["word3 "], [4], b""),
            ("BODY {} TEXT {}", ["word3", "word4"], [], b""),
            ("OR BODY {} TEXT {}", [" word3", " word4"], [4, 5], b""),
            ("SUBJECT {}", ["word3"], [], b""),  # which is kept
            ("HEADER Subject-Of {}", ["word3"], [4], b""),
            ("HEADER Content-Type {} 2:3", ["plain"], [2, 3], b" 2 3"),
            ("OR BODY {} SEEN", ["word3"], [], b" 4"),
            ("NOT TEXT {} 2:5", ["word3"], [], b" 2 3 5"),
            ("NOT TEXT {} 2:5", ["word3 "], [4], b" 2 3 4 5"),
            ("BODY {}", ["xy"], [], b""),
            ("BODY {}", ["x y"], [*range(1, 10)], b""),
        ):
            self.assertEqual(self.search(mailbox, program, *arguments), b"* SEARCH%s\r\n" % found, program)
            self.assertEqual(looked_at, seen, program)
            looked_at.clear()

    def noted(self, *methods: str) -> list[int]:
        """The UIDs that a mailbox will be asked for in these ways."""
        uids: list[int] = []
        for name in methods:
            asking = getattr(Mailbox, name)

            def noting(
                mailbox: Mailbox, asked: Sequence[int], *values: object, asking: Any = asking, **more: object
            ) -> object:
                uids.extend(asked)
                return asking(mailbox, asked, *values, **more)

            self.patch(Mailbox, name, noting)
        return uids

    def opened(self) -> list[int]:
        """The messages whose files are opened from here on."""
        uids: list[int] = []
        body = Mailbox.body

        def noting(mailbox: Mailbox, uid: int) -> object:
            uids.append(uid)
            return body(mailbox, uid)

        self.patch(Mailbox, "body", noting)
        return uids

    def test_files_stay_closed(self) -> None:
        """Only a message whose text is not kept is read, once, and only if it may hold the needle."""
        self.patch(preparing, "TEXT_LIMIT", 100)
        words = [part(f"word{number}", "8bit") for number in range(4)]
        mailbox = self.folder(*words, part("long " * 99, "8bit"))
        mailbox.prepare_some(MANY)
        opened = self.opened()
        self.assertEqual(self.search(mailbox, "TEXT {}", "word2"), b"* SEARCH 3\r\n")
        self.assertEqual(self.search(mailbox, "1:4 NOT TEXT {}", "word2"), b"* SEARCH 1 2 4\r\n")
        self.assertEqual(self.search(mailbox, "BODY {}", "d2"), b"* SEARCH 3\r\n")
        self.assertEqual(opened, [5])

    def test_read_once(self) -> None:
        """What one search has read the next one finds, before there is an index, and so does a restart."""
        mailbox = self.folder(*(part(f"word{number}", "8bit") for number in range(3)))
        opened = self.opened()
        for program, word, found in (
            ("TEXT {} 1:2", "word1", b" 2"),
            ("BODY {}", "word2", b" 3"),
            ("TEXT {}", "text/plain", b" 1 2 3"),
            ("BODY {}", "text/plain", b""),
        ):
            self.assertEqual(self.search(mailbox, program, word), b"* SEARCH%s\r\n" % found, program)
        self.assertEqual(opened, [1, 2, 3])
        self.store.close()
        mailbox = self.store.mailbox(mailbox.name)
        self.assertEqual(self.search(mailbox, "BODY {}", "word0"), b"* SEARCH 1\r\n")
        self.assertEqual(opened, [1, 2, 3])

    def test_long_ones_are_read_again(self) -> None:
        """A text that is too long to be looked at with others is searched a stretch at a time."""
        mailbox = self.folder(part("word " * 20_000, "8bit"))
        opened = self.opened()
        for _ in range(2):
            self.assertEqual(self.search(mailbox, "TEXT {}", "word w"), b"* SEARCH 1\r\n")
        self.assertEqual(set(opened), {1})
        self.assertGreater(len(opened), 1)

    def test_gone_among_others(self) -> None:
        """One that is gone matches nothing, and the others are asked together all the same."""
        mailbox = self.folder(*(part(f"word{number}", "8bit") for number in range(3)))
        mailbox.prepare_some(MANY)
        account = MailAccount("me@example.org", self.store, Lane(InlineExecutor()))
        view = Selected.opened(Place(account, mailbox.name), read_only=True)
        mailbox.expunge([2])
        self.patch(matching.Matching, "look", None)
        for program, wanted in ((b"TEXT word", [0, 2]), (b"NOT TEXT word2", [0]), (b"UNSEEN", [0, 2])):
            found = array("I")
            list(matching.Matching(view, parse_all(Cursor([program]))).collect(found))
            self.assertEqual(list(found), wanted, program)

    def test_long_texts(self) -> None:
        """One that is too long to be looked at with others is looked at alone, and not read."""
        mailbox = self.folder(part("word", "8bit"), part("word " * 20_000, "8bit"))
        mailbox.prepare_some(MANY)
        self.patch(Mailbox, "body", None)
        looked_at = self.noted("texts_holding")
        self.assertEqual(self.search(mailbox, "TEXT {}", "word"), b"* SEARCH 1 2\r\n")
        self.assertEqual(looked_at, [])
        self.assertEqual(self.search(mailbox, "TEXT {}", "word w"), b"* SEARCH 2\r\n")
        self.assertEqual(looked_at, [1, 2, 2])

    def test_many_needles(self) -> None:
        """More needles than there are lookups for are looked for in one pass over the message."""
        mailbox = self.folder(*(part(f"word{number} {number:b}", "8bit") for number in range(4)))
        mailbox.prepare_some(MANY)
        looked_at = self.noted("texts_holding")
        needles = [f"xy{number}" for number in range(LOOKUPS)]
        program = "OR TEXT {} " * len(needles) + "BODY {}"
        opened = self.opened()
        self.assertEqual(self.search(mailbox, program, *needles, "word2"), b"* SEARCH 3\r\n")
        self.assertEqual((looked_at, opened), ([], [1, 2, 3, 4]))
        self.assertEqual(self.search(mailbox, program[11:], *needles[1:], "word2"), b"* SEARCH 3\r\n")
        self.assertEqual((looked_at, opened), ([], [1, 2, 3, 4]))

    def test_others_get_a_turn(self) -> None:
        """The more keys there are, the fewer messages are asked between two chances for others."""
        self.patch(matching, "_ANSWERS", 8)
        mailbox = self.folder(*(part(f"word{number}", "8bit") for number in range(5)))
        mailbox.prepare_some(MANY)
        account = MailAccount("me@example.org", self.store, Lane(InlineExecutor()))
        view = Selected.opened(Place(account, mailbox.name), read_only=True)
        for keys, chunks in ((1, 1), (3, 3), (9, 5)):
            key = parse_all(Cursor([b" ".join([b"TEXT or"] * keys)]))
            self.assertEqual(len(list(matching.Matching(view, key).collect(array("I")))), chunks)

    def test_messages_that_came_later(self) -> None:
        """What is not in the index yet is found all the same."""
        mailbox = self.folder(part("word", "8bit"))
        mailbox.prepare_some(MANY)
        draft = self.store.draft()
        draft.write(part("word", "base64"))
        self.store.append(mailbox.name, draft)
        self.assertEqual(self.search(mailbox, "TEXT {}", "WORD"), b"* SEARCH 1 2\r\n")

    def test_messages_that_went(self) -> None:
        """What the index has too much is not found."""
        mailbox = self.folder(*[part("word", "8bit")] * 3)
        mailbox.prepare_some(MANY)
        mailbox.expunge([2])
        self.assertEqual(self.search(mailbox, "TEXT {}", "WORD"), b"* SEARCH 1 2\r\n")

    def test_lookups(self) -> None:
        """The index is asked once for each needle, and for a bounded number of them."""
        asked: list[str] = []

        class Asked:
            def candidates(self, needle: str) -> Possible:
                asked.append(needle)
                return array("I", [1])

            def found(self, needle: str, where: Where) -> "tuple[array[int], array[int]]":
                asked.append(f"{needle} {where.name}")
                return array("I", [1]), array("I", [3])

        narrowing = Narrowing(Asked())
        body, last = Needle("needle", in_header=False), Needle("last", in_header=True)
        wanted = [f"needle{number}" for number in range(LOOKUPS)]
        for _ in range(2):
            self.assertEqual([narrowing.texts_may_hold(uid, body) for uid in (1, 2, 3)], [True, False, True])
            for needle in wanted:
                narrowing.may_hold(2, needle)
        self.assertEqual(asked, ["needle BODY", *wanted[:-1]])
        self.assertEqual([narrowing.may_hold(2, needle) for needle in wanted[-2:]], [False, True])
        self.assertEqual([narrowing.looks_for(needle) for needle in (body, last)], [True, False])
        self.assertTrue(narrowing.texts_may_hold(2, last))

    def test_another_message(self) -> None:
        """What is known of a message is not believed of one that has another name."""
        mailbox = self.folder(*[part("word", "8bit")] * 3)
        mailbox.prepare_some(MANY)
        with closing(sqlite3.connect(f"{self.store.root}/{FILE_NAME}")) as db:
            db.execute("UPDATE named SET base = '1.other' WHERE id & 0xffffffff = 2")
            db.commit()
        opened = self.opened()
        self.assertEqual(self.search(mailbox, "TEXT {}", "word"), b"* SEARCH 1 2 3\r\n")
        self.assertEqual(opened, [2])

    def test_sets(self) -> None:
        """None stands for every message."""
        one, two, none = array("I", [1, 2, 9]), array("I", [2, 3]), array("I")
        self.assertEqual(
            [all_of([one, None, two]), all_of([None]), all_of([])], [array("I", [2]), None, None]
        )
        self.assertEqual([any_of([one, two]), any_of([one, None])], [array("I", [1, 2, 3, 9]), None])
        self.assertEqual([all_of([one, none]), any_of([one, none]), any_of([none])], [none, one, none])
