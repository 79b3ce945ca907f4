"""Message sets."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import sequence

NUMBERS = st.one_of(st.integers(1, 40).map(str), st.just("*"))
SETS = st.lists(st.one_of(NUMBERS, st.tuples(NUMBERS, NUMBERS).map(":".join)), min_size=1).map(",".join)


def expanded(text: str, largest: int) -> set[int]:
    """What a set means, the slow way."""
    found: set[int] = set()
    for part in text.replace("*", str(largest)).split(","):
        first, _, last = part.partition(":")
        low, high = sorted((int(first), int(last or first)))
        found.update(range(low, high + 1))
    return found


class SequenceTests(SynchronousTestCase):
    """RFC 3501 section 9, sequence-set."""

    def test_refused(self) -> None:
        """Zero, signs, blanks, empty parts and numbers over 32 bits are no message numbers (I5)."""
        for text in (
            b"",
            b"0",
            b"1,",
            b",1",
            b"1:",
            b":1",
            b"1:2:3",
            b"4294967296",
            b"01",
            b"+1",
            b"1_0",
            b"**",
            b"$,1",
            b"$$",
            b"1:$",
            b"$:1",
            b"1,$,$",
        ):
            with self.assertRaises(BadSyntax, msg=repr(text)):
                sequence.parse(text)

    def test_huge_ranges_cost_nothing(self) -> None:
        """A range over all numbers, many times, is one range of positions (I5)."""
        numbers = sequence.parse(b",".join([b"1:4294967295"] * 5000))
        self.assertEqual(numbers.uids([5, 9]), [range(2)])
        self.assertEqual(numbers.existing_numbers(3), [range(3)])

    def test_numbers_nobody_has(self) -> None:
        """A sequence number beyond the last message is a mistake, and so is * in an empty mailbox."""
        for text, count in ((b"4", 3), (b"2:4", 3), (b"*", 0), (b"1:*", 0), (b"5:*", 3)):
            with self.assertRaises(BadSyntax, msg=repr(text)):
                sequence.parse(text).numbers(count)
            self.assertEqual(sequence.parse(text).existing_numbers(0), [])

    def test_saved_result(self) -> None:
        """ "$" stands alone or last; it is no number that an empty mailbox could lack (RFC 5182)."""
        self.assertEqual(sequence.parse(b"$"), sequence.SequenceSet((), saved=True))
        self.assertEqual(sequence.parse(b"1,3:4,$"), sequence.SequenceSet(((1, 1), (3, 4)), saved=True))
        self.assertEqual(sequence.parse(b"$").numbers(0), [])
        with self.assertRaises(BadSyntax):
            sequence.parse(b"1,$").numbers(0)

    def test_star_is_the_last_uid(self) -> None:
        """559:* always has the last message in it (RFC 3501 section 6.4.8)."""
        self.assertEqual(sequence.parse(b"559:*").uids([3, 17, 40]), [range(2, 3)])
        self.assertEqual(sequence.parse(b"*").uids([]), [])

    @settings(deadline=None, max_examples=200)
    @given(SETS, st.sets(st.integers(1, 40)))
    def test_uids(self, text: str, uids: set[int]) -> None:
        """The positions are those of the UIDs in the set, each once and ascending."""
        ordered = sorted(uids)
        spans = sequence.parse(text.encode()).uids(ordered)
        found = [ordered[position] for span in spans for position in span]
        self.assertEqual(found, sorted(uids & expanded(text, ordered[-1] if ordered else 0)))

    @settings(deadline=None, max_examples=200)
    @given(SETS)
    def test_numbers(self, text: str) -> None:
        """Sequence numbers are UIDs of a mailbox numbered 1 to n."""
        parsed = sequence.parse(text.encode())
        self.assertEqual(parsed.numbers(40), parsed.uids(range(1, 41)))
        self.assertEqual(parsed.existing_numbers(40), parsed.numbers(40))

    @settings(deadline=None, max_examples=100)
    @given(st.lists(st.integers(1, 30)))
    def test_encode(self, numbers: list[int]) -> None:
        """A set written from numbers lists them in their order."""
        parts = [part.partition(b":") for part in sequence.encode(numbers).split(b",") if part]
        found = [n for first, _, last in parts for n in range(int(first), int(last or first) + 1)]
        self.assertEqual(found, numbers)
