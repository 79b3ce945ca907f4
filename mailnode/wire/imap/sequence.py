"""Sets of message numbers: `sequence-set` of RFC 3501 section 9.

A set is never expanded number by number: "1:4294967295" costs no more than the messages there are.
What a set selects is given as ranges of positions (0-based indexes into the list of messages), ascending
and disjoint, so that a set of sequence numbers and a set of UIDs are the same thing afterwards.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from mailnode.values import frozen
from mailnode.wire.abnf import number
from mailnode.wire.errors import BadSyntax

LARGEST = 0xFFFFFFFF
_STAR = LARGEST + 1

_PIECE = 300  # ranges that are written at once

Positions: TypeAlias = "Iterable[range]"


@frozen
class SequenceSet:
    """Pairs of numbers as they were written; `*` stands as a number above all others.

    With `saved`, the result of the last SEARCH is in the set too: who knows it has to add it.
    """

    ranges: tuple[tuple[int, int], ...]
    saved: bool = False

    @property
    def has_star(self) -> bool:
        """Whether `*` is in it."""
        return any(_STAR in pair for pair in self.ranges)

    def numbers(self, count: int) -> list[range]:
        """The positions of these sequence numbers among `count` messages.

        Raises BadSyntax for a number that no message has, `*` in an empty mailbox included, as the
        comment of `seq-number` asks.
        """
        spans = [self._span(pair, count) for pair in self.ranges]
        if any(last > count for _, last in spans) or (spans and not count):
            raise BadSyntax("No message has that sequence number")
        return _merge((first - 1, last) for first, last in spans)

    def existing_numbers(self, count: int) -> list[range]:
        """The same without any complaint: numbers that no message has select nothing (for SEARCH)."""
        spans = (self._span(pair, count) for pair in self.ranges)
        return _merge((max(first, 1) - 1, min(last, count)) for first, last in spans)

    def uids(self, uids: Sequence[int]) -> list[range]:
        """The positions of these UIDs in an ascending list; UIDs that are not in it are skipped."""
        largest = uids[-1] if uids else 0
        spans = (self._span(pair, largest) for pair in self.ranges)
        return _merge((bisect_left(uids, first), bisect_right(uids, last)) for first, last in spans)

    def spans(self, largest: int) -> list[range]:
        """The numbers themselves, not the positions of anything; `*` is `largest`."""
        pairs = (self._span(pair, largest) for pair in self.ranges)
        return _merge((first, last + 1) for first, last in pairs)

    @staticmethod
    def _span(pair: tuple[int, int], largest: int) -> tuple[int, int]:
        first, last = (largest if value == _STAR else value for value in pair)
        return (first, last) if first <= last else (last, first)


def parse(text: bytes) -> SequenceSet:
    """sequence-set = (seq-number / seq-range) *("," sequence-set) / "$"

    The "$" of RFC 5182 stands alone or last, and once.
    """
    *parts, last = text.split(b",")
    saved = last == b"$"
    return SequenceSet(tuple(_pair(part) for part in (parts if saved else (*parts, last))), saved)


def _pair(part: bytes) -> tuple[int, int]:
    first, colon, last = part.partition(b":")
    start = _seq_number(first)
    return start, _seq_number(last) if colon else start


def _seq_number(text: bytes) -> int:
    """seq-number = nz-number / "*" """
    if text == b"*":
        return _STAR
    value = number(text, limit=LARGEST)
    if not value or text.startswith(b"0"):
        raise BadSyntax("Message numbers start at 1 and have no leading zero")
    return value


def encode(numbers: Iterable[int]) -> bytes:
    """The shortest sequence-set that lists these numbers in this order (uid-set of RFC 4315)."""
    return encode_ranges(runs(numbers))


def runs(numbers: Iterable[int]) -> Iterator[range]:
    """The numbers in this order, with those that count up by one as a range."""
    start: int | None = None
    stop = 0
    for value in numbers:
        if start is not None:
            if value == stop:
                stop += 1
                continue
            yield range(start, stop)
        start, stop = value, value + 1
    if start is not None:
        yield range(start, stop)


def encode_ranges(ranges: Iterable[range]) -> bytes:
    """A sequence-set of ranges, none of which is empty."""
    return b",".join(
        b"%d" % one.start if len(one) == 1 else b"%d:%d" % (one.start, one.stop - 1) for one in ranges
    )


def encode_in_parts(ranges: Iterable[range]) -> Iterator[bytes]:
    """The same as several sequence-sets, none of which is too long for a line."""
    left = iter(ranges)
    while some := list(islice(left, _PIECE)):
        yield encode_ranges(some)


def pieces(numbers: Iterable[int]) -> Iterator[bytes]:
    """What encode() gives, a part at a time: memory does not grow with the set."""
    separator = b""
    for part in encode_in_parts(runs(numbers)):
        yield separator + part
        separator = b","


def merge(ranges: Iterable[range]) -> list[range]:
    """The same numbers as ascending ranges that do not touch."""
    return _merge((one.start, one.stop) for one in ranges)


def joined(spans: Iterable[range]) -> Iterator[range]:
    """Ascending ranges, with those made one that overlap or lie side by side."""
    open_span: range | None = None
    for span in spans:
        if open_span is None:
            open_span = span
        elif span.start <= open_span.stop:
            open_span = range(open_span.start, max(span.stop, open_span.stop))
        else:
            yield open_span
            open_span = span
    if open_span is not None:
        yield open_span


def last_of(ranges: Iterable[range], most: int) -> tuple[list[range], bool]:
    """The last `most` numbers of ascending ranges, and whether there are more than those."""
    kept: deque[range] = deque()
    count, exceeded = 0, False
    for one in ranges:
        kept.append(one)
        count += len(one)
        while count > most:
            exceeded = True
            first = kept.popleft()
            rest = first[count - most :]
            if rest:
                kept.appendleft(rest)
            count -= len(first) - len(rest)
    return list(kept), exceeded


def _merge(spans: Iterable[tuple[int, int]]) -> list[range]:
    return list(joined(range(first, end) for first, end in sorted(spans) if first < end))


def without(ranges: Iterable[range], present: Sequence[int]) -> Iterator[range]:
    """The numbers of ascending ranges that are not in an ascending list."""
    for one in ranges:
        start = one.start
        for taken in present[bisect_left(present, start) : bisect_left(present, one.stop)]:
            if taken > start:
                yield range(start, taken)
            start = taken + 1
        if start < one.stop:
            yield range(start, one.stop)


def common(some: Sequence[range], others: Sequence[range]) -> Iterator[range]:
    """The numbers in both of two lists of ascending ranges that do not overlap."""
    left, right = iter(some), iter(others)
    one, other = next(left, None), next(right, None)
    while one is not None and other is not None:
        both = range(max(one.start, other.start), min(one.stop, other.stop))
        if both:
            yield both
        if one.stop <= other.stop:
            one = next(left, None)
        else:
            other = next(right, None)
