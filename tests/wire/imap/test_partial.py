"""Ranges of results."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.partial import Partial, parse
from mailnode.wire.imap.sequence import LARGEST

NUMBERS = st.integers(1, 12) | st.integers(1, LARGEST)


class PartialTests(SynchronousTestCase):
    def test_grammar(self) -> None:
        """RFC 9394 section 4; a range may be written from either end."""
        for text, expected in (
            (b"1:5", Partial(b"1:5", 1, 5, False)),
            (b"500:400", Partial(b"500:400", 400, 500, False)),
            (b"-1:-3", Partial(b"-1:-3", 1, 3, True)),
            (b"-500:-400", Partial(b"-500:-400", 400, 500, True)),
            (b"7:7", Partial(b"7:7", 7, 7, False)),
        ):
            args = Cursor([b" " + text])
            self.assertEqual(parse(args), expected)
            args.end()

    def test_not_in_the_grammar(self) -> None:
        """No zero, no star, no single number, no mixed signs, nothing that fits no number."""
        wrong = b"|1|1:|:1|0:1|1:0|1:*|*:1|-1:1|1:-1|-1|--1:-1|+1:+2|1:4294967296|01:2|1,2|-0:-1|- 1:-2|1 :2"
        for text in wrong.split(b"|"):
            self.assertRaises(BadSyntax, parse, Cursor([b" " + text]))

    @given(NUMBERS, NUMBERS, st.booleans(), st.integers(0, 20))
    def test_as_a_list(self, one: int, other: int, backwards: bool, count: int) -> None:
        """The same as counting through a list, from the one end or the other."""
        wanted = Partial(b"", min(one, other), max(one, other), backwards)
        places = list(range(count))[::-1] if backwards else list(range(count))
        expected = [place for rank, place in enumerate(places, 1) if wanted.first <= rank <= wanted.last]
        self.assertEqual(list(wanted.indexes(count)), sorted(expected))

    @given(NUMBERS, NUMBERS, st.booleans(), st.sets(st.integers(0, 30)))
    def test_cut(self, one: int, other: int, backwards: bool, chosen: set[int]) -> None:
        """Spans are cut as the list of what is in them."""
        wanted = Partial(b"", min(one, other), max(one, other), backwards)
        members = sorted(chosen)
        spans = [range(member, member + 1) for member in members]
        cut = [member for span in wanted.cut(iter(spans)) for member in span]
        self.assertEqual(cut, [members[place] for place in wanted.indexes(len(members))])
        self.assertEqual(list(wanted.cut([range(40)])), [wanted.indexes(40)] if wanted.indexes(40) else [])
