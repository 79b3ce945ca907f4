"""Message sets."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import sequence

NUMBERS = st.one_of(st.integers(1, 40).map(str), st.just("*"))
SETS = st.lists(st.one_of(NUMBERS, st.tuples(NUMBERS, NUMBERS).map(":".join)), min_size=1).map(",".join)

RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 9))).map(
    lambda pairs: sequence.merge(range(first, first + length) for first, length in pairs)
)


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

    @given(SETS, st.integers(0, 50))
    def test_spans(self, text: str, largest: int) -> None:
        """The numbers themselves, as ranges that do not touch."""
        spans = sequence.parse(text.encode()).spans(largest)
        self.assertEqual({number for span in spans for number in span}, expanded(text, largest))
        self.assertTrue(all(one.stop < other.start for one, other in pairwise(spans)))
        self.assertEqual(sequence.parse(text.encode()).has_star, "*" in text)

    @given(RANGES, RANGES)
    def test_common(self, some: list[range], others: list[range]) -> None:
        """What is in both, in order."""
        found = [number for one in sequence.common(some, others) for number in one]
        self.assertEqual(found, sorted(_numbers(some) & _numbers(others)))

    @given(RANGES, st.integers(1, 70))
    def test_last_of(self, ranges: list[range], most: int) -> None:
        """So many, and whether those are not all."""
        numbers = sorted(_numbers(ranges))
        kept, exceeded = sequence.last_of(ranges, most)
        self.assertEqual([number for one in kept for number in one], numbers[-most:])
        self.assertEqual(exceeded, len(numbers) > most)
        self.assertTrue(all(kept))

    @given(RANGES, st.sets(st.integers(1, 60)))
    def test_without(self, ranges: list[range], present: set[int]) -> None:
        """What is not there, as ranges none of which is empty."""
        left = list(sequence.without(ranges, sorted(present)))
        self.assertEqual([number for one in left for number in one], sorted(_numbers(ranges) - present))
        self.assertTrue(all(left))

    @given(st.lists(st.integers(1, 40)))
    def test_in_parts(self, numbers: list[int]) -> None:
        """Runs keep the order; parts together say the same as the whole."""
        runs = list(sequence.runs(numbers))
        self.assertEqual([number for one in runs for number in one], numbers)
        self.assertEqual(b",".join(sequence.encode_in_parts(runs)), sequence.encode(numbers))
        many = [range(number, number + 1) for number in range(0, 2000, 2)]
        self.assertTrue(all(len(part) < 2000 for part in sequence.encode_in_parts(many)))


def _numbers(ranges: list[range]) -> set[int]:
    return {number for one in ranges for number in one}
