"""Result options and the ESEARCH response."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap import protocol, results
from mailnode.imap.results import EVERYTHING, Response, Returning
from mailnode.imap.session import Session
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.partial import Partial
from tests.imap.test_session import MESSAGE, SessionCase

OPTIONS = st.frozensets(st.sampled_from(("MIN", "MAX", "ALL", "COUNT", "SAVE")), min_size=1)
RANGES = st.builds(
    lambda ends, newest: Partial(b"", min(ends), max(ends), newest),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.booleans(),
)


def returnings() -> st.SearchStrategy[Returning]:
    """All that parse() gives, of the options that say what is returned."""
    partly = st.builds(
        lambda options, partial: Returning((options - {"ALL"}) | {"PARTIAL"}, partial), OPTIONS, RANGES
    )
    return st.builds(Returning, OPTIONS) | partly


class ResultTests(SynchronousTestCase):
    """Options and what is made of them."""

    def response(self, returning: Returning, found: list[int]) -> bytes:
        """The line."""
        return b"".join(Response(b"a", by_uid=True).chunks(returning, found))

    def test_options(self) -> None:
        """Nothing but RETURN is taken, and () is ALL (RFC 4731 section 3.1)."""
        self.assertIsNone(results.parse(Cursor([b"ALL"])))
        args = Cursor([b"return () ALL"])
        self.assertEqual(results.parse(args), EVERYTHING)
        self.assertEqual(args.keyword(), "ALL")
        both = Returning(frozenset(("MIN", "MAX")))
        self.assertEqual(results.parse(Cursor([b"RETURN (max MIN) ALL"])), both)

    def test_refused(self) -> None:
        """What is unknown, twice or unended."""
        for text in (b"RETURN", b"RETURN ", b"RETURN (", b"RETURN (MIN", b"RETURN (MIN)", b"RETURN (MIN 1) "):
            with self.assertRaises(BadSyntax, msg=repr(text)):
                results.parse(Cursor([text]))

    @settings(deadline=None, max_examples=300)
    @given(st.lists(st.sampled_from((*results.RETURN_OPTIONS, "(", ")", "1:2", "-3:-4", "-1:2", "0:1", "x"))))
    def test_any_words(self, words: list[str]) -> None:
        """Whatever stands there is read or refused; what is read goes together."""
        try:
            returning = results.parse(Cursor([f"RETURN ({' '.join(words)}) ALL".encode()]))
        except BadSyntax:
            return
        assert returning is not None
        self.assertEqual("PARTIAL" in returning.options, returning.partial is not None)
        self.assertLessEqual(returning.options, set(results.RETURN_OPTIONS))
        self.assertFalse({"PARTIAL", "ALL"} <= returning.options)

    @settings(deadline=None, max_examples=100)
    @given(st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1), st.booleans())
    def test_range_is_repeated(self, one: int, other: int, newest: bool) -> None:
        """The range of the response is the one that was asked for, as it was written."""
        text = f"-{one}:-{other}" if newest else f"{one}:{other}"
        returning = results.parse(Cursor([f"RETURN (PARTIAL {text}) ALL".encode()]))
        assert returning is not None
        self.assertIn(f" PARTIAL ({text} ".encode(), self.response(returning, [7]))

    def test_more_data(self) -> None:
        """Others add their data at the end, behind the scores."""
        wanted = Returning(frozenset(("ALL", "RELEVANCY")))
        response = Response(b"a", by_uid=False, mailbox=(b"INBOX", 7))
        self.assertEqual(
            b"".join(response.chunks(wanted, [1, 2], [40, 7], 9)),
            b'* ESEARCH (TAG "a" MAILBOX INBOX UIDVALIDITY 7) ALL 1:2 RELEVANCY (40 7) MODSEQ 9\r\n',
        )

    def test_order_is_kept(self) -> None:
        """What was sorted goes out as it was sorted; ranges only ascend (RFC 5267 section 3.2)."""
        everything = Returning(frozenset(("MIN", "MAX", "ALL", "COUNT")))
        self.assertEqual(
            self.response(everything, [5, 4, 8, 9, 10, 1]),
            b'* ESEARCH (TAG "a") UID MIN 5 MAX 1 COUNT 6 ALL 5,4,8:10,1\r\n',
        )

    def test_in_pieces(self) -> None:
        """A long result is written a part at a time."""
        chunks = list(Response(b"a", by_uid=False).chunks(EVERYTHING, range(1, 20_001, 2)))
        self.assertLess(max(map(len, chunks)), 10_000)
        numbers = b",".join(b"%d" % n for n in range(1, 20_001, 2))
        self.assertEqual(b"".join(chunks), b'* ESEARCH (TAG "a") ALL ' + numbers + b"\r\n")

    @settings(deadline=None, max_examples=200)
    @given(RANGES, st.integers(0, 14))
    def test_partial(self, partial: Partial, count: int) -> None:
        """The first result is 1, the last is -1, and what there is not is left out (RFC 9394 section 3.1)."""
        found = list(range(100, 100 + count))
        ends = range(partial.first, partial.last + 1)
        wanted = {found[-n] if partial.newest else found[n - 1] for n in ends if n <= count}
        self.assertEqual([found[index] for index in partial.indexes(count)], sorted(wanted))

    @settings(deadline=None, max_examples=500)
    @given(returnings(), st.integers(0, 14))
    def test_part_of_the_search_is_enough(self, returning: Returning, count: int) -> None:
        """A search that ends early gives the same response, and saves the same."""
        found = list(range(100, 100 + count))
        some = found
        if returning.most is not None:
            some = found[-returning.most :] if returning.newest_first else found[: returning.most]
        self.assertEqual(self.response(returning, some), self.response(returning, found))
        self.assertEqual(list(returning.kept(some)), list(returning.kept(found)))


class SecondRevisionTests(SessionCase):
    """RFC 9051 section 6.4.4."""

    def test_search_without_options(self) -> None:
        """A client that has enabled IMAP4rev2 gets no SEARCH response."""

        class Enabled(Session):
            def __init__(self, *args: object) -> None:
                super().__init__(*args)
                self.enabled.add("IMAP4rev2")

        old = self.client().login()
        self.patch(protocol, "Session", Enabled)
        client = self.client().login()
        client.append(MESSAGE)
        old.say("a NOOP")
        self.assertEqual(old.say("b SEARCH ALL"), b"* SEARCH 1\r\nb OK Searched\r\n")
        self.assertEqual(client.say("c SEARCH ALL"), b'* ESEARCH (TAG "c") ALL 1\r\nc OK Searched\r\n')
        self.assertEqual(client.say("d UID SEARCH SEEN"), b'* ESEARCH (TAG "d") UID\r\nd OK Searched\r\n')
