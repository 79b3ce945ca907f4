"""SEARCH where a dialogue does not reach: many keys, long texts, and trouble in the middle."""

import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

from mailnode.imap import matching
from mailnode.imap.commands.search import Findings, Search
from mailnode.imap.matching import TURNS, Matching
from mailnode.imap.narrowing import Narrowing
from mailnode.imap.places import Place
from mailnode.imap.runs import Runs
from mailnode.imap.search_key import alone
from mailnode.imap.search_keys import parse_all
from mailnode.imap.selected import Selected
from mailnode.message import text as texts_of_messages
from mailnode.message.collation import fold
from mailnode.store.mailbox import Mailbox
from mailnode.store.messages import Message
from mailnode.store.values import INBOX
from mailnode.wire.imap.cursor import Cursor
from tests.imap.test_session import MESSAGE, SessionCase

# What is asked of many messages together; some of seven match.
TOGETHER = (
    b"SEEN",
    b"UNSEEN UNDELETED",
    b"OR FLAGGED KEYWORD $work",
    b"NOT (SEEN NOT UNKEYWORD $Work)",
    b"2:4 UNSEEN",
    b"UID 3:* NOT 5 OR DELETED SEEN",
    b"OLD 2:3",
    b"MODSEQ 5 SEEN",
    b"OR LARGER 50 SEEN",
    b"SMALLER 1000 NOT 1",
    b"OR BEFORE 1-Jan-2000 UNSEEN",
    b"SINCE 1-Jan-2000 YOUNGER 100000 2:*",
    b"SENTON 1-Jan-2020",
    b"NOT SENTSINCE 1-Jan-2020",
    b"SENTBEFORE 2-Jan-2020",
    b'SUBJECT "e x" 2:*',
    b"NOT SUBJECT xyz UNSEEN",
    b'FROM ""',
    b'NOT TO "" 2:3',
    b"OR SUBJECT str (FROM a@b CC none)",
    b"HEADER subject x SEEN",
    b"OR HEADER x-none a@b UNSEEN",
    b"NOT HEADER date 2020",
    b"TEXT st 2:*",
    b"NOT BODY x UNSEEN",
    b"OR TEXT stra (BODY b SEEN)",
    b'NOT TEXT stra BODY ""',
)


class SearchTests(SessionCase):
    """Many keys, long texts."""

    def test_number_of_keys(self) -> None:
        """500 keys, and no more, wherever in the command they stand."""
        client = self.client().login()
        client.append(MESSAGE)
        self.assertEqual(client.say("a SEARCH" + " TEXT body" * 500), b"* SEARCH 1\r\na OK Searched\r\n")
        many = "(" + " ".join(["NOT TEXT x"] * 251) + ")"
        for keys in ("TEXT body " * 501, f"OR {many} {many} ", "(UID 1:*) " * 501):
            said = client.say("a SEARCH " + keys[:-1])
            self.assertEqual(said, b"a NO [LIMIT] A search has at most 500 keys\r\n")

    def test_texts_are_made_once(self) -> None:
        """However many keys look into a text, it is decoded and folded once."""
        client = self.client().login()
        client.append(MESSAGE)
        folded: list[str] = []

        def counting(text: str) -> str:
            folded.append(text)
            return fold(text)

        self.patch(texts_of_messages, "fold", counting)
        keys = " ".join(f"TEXT bo BODY dy NOT TEXT no{n} OR BODY no{n} SUBJECT x" for n in range(50))
        self.assertEqual(client.say("a SEARCH " + keys), b"* SEARCH 1\r\na OK Searched\r\n")
        self.assertEqual(folded, ["From: a@b\nSubject: x", "body\n"])

    def test_texts_stay_closed(self) -> None:
        """Where flags, sizes or headers decide, no text is looked at."""
        client = self.client().login()
        client.append(MESSAGE)
        client.say("a FETCH 1 ENVELOPE")
        self.patch(Mailbox, "body", self.raising(ValueError("opened")))
        self.assertEqual(client.say("a SEARCH TEXT x SEEN"), b"* SEARCH\r\na OK Searched\r\n")
        self.assertEqual(client.say("a SEARCH OR TEXT x SUBJECT x"), b"* SEARCH 1\r\na OK Searched\r\n")

    def test_needles(self) -> None:
        """TEXT and BODY find what stands anywhere in a text, also across the stretches it is searched in."""
        client = self.client().login()
        filling = b"\xc3\xa4 word " * 5000
        client.append(
            b"Subject: inside\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
            + filling
            + b"needle "
            + filling
        )
        long = b"word \xc3\xa4 " * 1000
        for keys, found in (
            (b"TEXT inside", True),
            (b"BODY inside", False),
            (b"BODY NEEDLE", True),
            (b"TEXT {11+}\r\n\xc3\x84 word nee", True),
            (b"BODY {%d+}\r\n%s" % (len(long), long), True),
            (b"BODY {%d+}\r\n%sx" % (len(long) + 1, long), False),
            (b'BODY ""', True),
            (b"NOT BODY needle", False),
            (b"OR BODY nowhere TEXT needle", True),
            (b"BODY needle BODY nowhere", False),
        ):
            said = client.say(b"a SEARCH CHARSET UTF-8 " + keys)
            self.assertEqual(said, b"* SEARCH%s\r\na OK Searched\r\n" % (b" 1" * found), keys)

    def test_turns(self) -> None:
        """Between stretches of a text, between messages: whoever waits for the account gets a turn."""
        client = self.client().login()
        client.append(b"\r\n" + b"x" * 100_000)
        client.append(MESSAGE)
        account = self.world.account()
        view = Selected.opened(Place(account, INBOX), read_only=True)
        key = parse_all(Cursor([b"TEXT from TEXT body"]))
        chunks = list(Findings(view, Search(key, by_uid=True)).chunks())
        self.assertGreaterEqual(chunks.count(b""), 8)
        self.assertEqual(b"".join(chunks), b"* SEARCH 2\r\n")

    def test_turns_in_a_large_mailbox(self) -> None:
        """A few of 50,000 messages are looked at between two turns, and one where that is enough."""
        looked: list[int] = []

        class View:
            uids = array("I", range(1, 50_001))
            mailbox = SimpleNamespace(
                candidates=lambda needle: None, refresh=lambda: None, keep_texts=lambda: None
            )

            def messages(self, positions: range) -> Sequence[object]:
                return positions

            def message(self, position: int) -> object:
                looked.append(position)
                return SimpleNamespace(uid=position + 1, flags=frozenset(("\\Seen",) if position % 2 else ()))

        found = array("I")
        seen = Matching(View(), replace(parse_all(Cursor([b"SEEN"])), together=alone))
        before = 0
        for chunk in seen.collect(found):
            self.assertEqual(chunk, b"")
            self.assertLessEqual(len(looked) - before, TURNS)
            before = len(looked)
        self.assertEqual(found, array("I", range(1, 50_000, 2)))
        looked.clear()
        newest = array("I")
        self.assertEqual(list(seen.collect(newest, newest_first=True, most=1)), [])
        self.assertEqual((looked, list(newest)), ([49_999], [49_999]))

    def test_asked_together(self) -> None:
        """Many messages are asked together what each of them is asked alone, and others still get a turn."""
        client = self.client().login()
        for flags in ("\\Seen $Work", "\\Flagged", "", "\\Deleted", "\\Seen", "\\Flagged \\Seen"):
            client.append(MESSAGE, flags=f"({flags})")
        client.append(b"subject: stra\xc3\x9fe\r\n x\r\nSubject:\r\nDate: 1 Jan 2020 23:59 -0100\r\n\r\n")
        self.patch(matching, "_TOGETHER", 2)
        mailbox = self.world.account().store.mailbox(INBOX)
        self.assertFalse(mailbox.prepare_some(10_000).more)
        body = self.patch(Mailbox, "body", None)
        for text in TOGETHER:
            view = Selected.opened(Place(self.world.account(), INBOX), read_only=True)
            key = parse_all(Cursor([text]))
            together, found = array("I"), array("I")
            with self.nobody_alone():
                chunks = list(Matching(view, key).collect(together))
            list(Matching(view, replace(key, together=alone)).collect(found))
            self.assertEqual(together, found, text)
            self.assertEqual(set(chunks), {b""})
            self.assertLessEqual(len(chunks), 4, text)
            self.assertTrue(0 < len(found) < 7, text)
        body.restore()

    def test_sets_say_who_is_asked(self) -> None:
        """No message is asked that a set in the key does not name; a set behind NOT or OR names nothing."""
        client = self.client().login()
        for _ in range(9):
            client.append(MESSAGE)
        asked: list[int] = []
        messages = Selected.messages

        def noted(view: Selected, positions: Sequence[int]) -> list[Message]:
            asked.extend(position + 1 for position in positions)
            return messages(view, positions)

        self.patch(Selected, "messages", noted)
        for limit, text, named, found in (
            (0, b"3", [3], [3]),
            (0, b"2:4,7,9:*", [2, 3, 4, 7, 9], [2, 3, 4, 7, 9]),
            (0, b"UID 5:* UNSEEN", [5, 6, 7, 8, 9], [5, 6, 7, 8, 9]),
            (0, b"2:6 UID 5:8", [5, 6], [5, 6]),
            (0, b"1:2 8:9", [], []),
            (0, b"77", [], []),
            (0, b"ALL", list(range(1, 10)), list(range(1, 10))),
            (0, b"NOT 3:9", list(range(1, 10)), [1, 2]),
            (0, b"OR 3 UID 5", list(range(1, 10)), [3, 5]),
            (2, b"2:4,7 UNSEEN", [4, 7], [4, 7]),
            (2, b"NOT 9", [8, 9], [8]),
        ):
            view = Selected.opened(Place(self.world.account(), INBOX), read_only=True)
            for newest_first in (False, True):
                asked.clear()
                search = Matching(view, parse_all(Cursor([text])), limit=limit)
                told = [place + 1 for some in search.found(newest_first=newest_first) for place in some]
                self.assertEqual((sorted(told), asked), (found, named), text)
                self.assertEqual((search.looked, search.wanted), (len(named), len(named)), text)

    def test_sets_of_many_stretches(self) -> None:
        """All are asked where it may take longer to find out who need not be, as with many "$" of many."""
        client = self.client().login()
        for _ in range(9):
            client.append(MESSAGE)
        view = Selected.opened(Place(self.world.account(), INBOX), read_only=True)
        view.saved = Runs.at(range(0, 9, 2), view.uids)
        for stretches, sets, text, wanted in (
            (5, 4, b"$", 5),
            (4, 4, b"$", 9),
            (4, 4, b"$ 2:4", 3),
            (5, 1, b"2:7 $ 3", 6),
            (0, 4, b"3", 9),
        ):
            self.patch(matching, "_STRETCHES", stretches)
            self.patch(matching, "_SETS", sets)
            search = Matching(view, parse_all(Cursor([text])))
            list(search.found())
            self.assertEqual(search.wanted, wanted, text)

    @contextmanager
    def nobody_alone(self) -> Iterator[None]:
        """No message may be asked alone."""
        patched = self.patch(Matching, "look", None)
        yield
        patched.restore()

    def test_some_have_to_be_asked_alone(self) -> None:
        """What only reading a message can tell is asked of those that nobody has sorted out before."""
        client = self.client().login()
        for number, flags in enumerate(("\\Seen", "", "\\Seen", "")):
            client.append(b"Subject: %d\r\n\r\ntext" % number, flags=f"({flags})")
        looked: list[int] = []
        look = Matching.look

        def noting(search: Matching, position: int, narrowing: Narrowing | None = None) -> object:
            looked.append(position)
            return look(search, position, narrowing)

        self.patch(Matching, "look", noting)
        for text, asked, matching_ones in (
            (b'SUBJECT "1" SEEN', [0, 2], []),  # nothing is prepared
            (b"TEXT text SEEN", [0, 2], [0, 2]),
            (b"OR SEEN BODY nothing", [1, 3], [0, 2]),
            (b"NOT TEXT nothing UNSEEN", [], [1, 3]),  # which the others have read
            (b'HEADER X-None ""', [], []),  # of which that was prepared by the way
        ):
            view = Selected.opened(Place(self.world.account(), INBOX), read_only=True)
            found = array("I")
            list(Matching(view, parse_all(Cursor([text]))).collect(found))
            self.assertEqual((looked, list(found)), (asked, matching_ones), text)
            looked.clear()

    def test_many_keys_take_no_time(self) -> None:
        """500 keys of each kind on a message with a large header and a large text."""
        client = self.client().login()
        marks = "a\u0301\u0316".encode() * 10_000
        client.append(b"Subject: " + marks + b"\r\nDate: " + b"(" * 60_000 + b"\r\n\r\n" + marks * 20)
        before = time.process_time()
        for key in (
            "TEXT x",
            "SUBJECT x",
            "SENTON 1-Jan-2001",
            "UID 1:*",
            "1:*,1:*",
            "KEYWORD x",
            "LARGER 1",
        ):
            self.assertIn(b"a OK", client.say("a SEARCH" + f" NOT {key}" * 250 + f" {key}" * 250))
        self.assertLess(time.process_time() - before, 5)

    def test_trouble_in_the_middle(self) -> None:
        """The response is ended before the tagged line, whatever happens to the search."""
        client = self.client().login()
        client.append(MESSAGE)
        self.patch(Mailbox, "body", self.raising(ValueError("secret")))
        said = client.say("a SEARCH TEXT x")
        self.assertRegex(said, b"^\\* SEARCH\r\na NO \\[SERVERBUG\\] ")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
