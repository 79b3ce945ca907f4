"""mailnode.wire.framing: the same lines come out however the octets were cut, in linear time."""

import contextlib
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadLine, BadSyntax, LineTooLong
from mailnode.wire.framing import ByteQueue

LIMIT = 10

Outcome = bytes | type[BadSyntax]

# octets on the wire, what line(LIMIT) gives for them in turn
LINES: tuple[tuple[bytes, list[Outcome]], ...] = (
    (b"\r\n", [b""]),
    (b"NOOP\r\n", [b"NOOP"]),
    (b"a\r\nb\r\n\r\nc", [b"a", b"b", b""]),
    (b"1234567890\r\n", [b"1234567890"]),
    (b"1234567890a\r\nb\r\n", [LineTooLong, b"b"]),
    (b"1234567890\r\r\nb\r\n", [LineTooLong, b"b"]),
    (b"123456789\r\r\nb\r\n", [b"123456789\r", b"b"]),
    (b"a\nb\r\n", [BadLine, b"b"]),
    (b"\n\r\n", [BadLine, b""]),
    (b"\r\r\n", [b"\r"]),
    (b"a\rb\r\n", [b"a\rb"]),
    (b"1234567890\nb\r\n", [BadLine, b"b"]),
    (b"1234567890a\nb\r\n", [LineTooLong, b"b"]),
    (b"x" * 50 + b"\r\nb\r\n", [LineTooLong, b"b"]),
    (b"x" * 50 + b"\nb\r\n", [LineTooLong, b"b"]),
    (b"x" * 50 + b"\r\n" + b"y" * 50 + b"\r\nb\r\n", [LineTooLong, LineTooLong, b"b"]),
    (b"\0\xff\r\n", [b"\0\xff"]),
)


def outcomes(pieces: list[bytes], limit: int = LIMIT) -> list[Outcome]:
    """Feed the pieces in turn, take each line as soon as it can be had; one that comes alone either way."""
    fed, past = taken(pieces, limit), taken(pieces, limit, as_lines=True)
    assert fed == past, (pieces, fed, past)
    return fed


def taken(pieces: list[bytes], limit: int, *, as_lines: bool = False) -> list[Outcome]:
    """The same, one of the ways."""
    queue = ByteQueue()
    found: list[Outcome] = []
    for piece in pieces:
        alone = queue.as_line(piece, limit) if as_lines else None
        if alone is not None:
            found.append(alone)
            continue
        queue.feed(piece)
        while True:
            try:
                line = queue.line(limit)
            except BadSyntax as error:
                found.append(type(error))
                continue
            if line is None:
                break
            found.append(line)
    return found


class CountingBuffer(bytearray):
    """A bytearray that counts the octets find() looks at, and the deletions at its front.

    Such a deletion moves nothing: CPython only moves the start (Objects/bytearrayobject.c, ob_start).
    """

    def __init__(self) -> None:
        super().__init__()
        self.looked_at = 0
        self.deletions = 0

    def find(self, sub: bytes, start: int = 0) -> int:  # type: ignore[override]
        found = super().find(sub, start)
        self.looked_at += (len(self) if found < 0 else found + 1) - start
        return found

    def __delitem__(self, key: slice) -> None:  # type: ignore[override]
        self.deletions += 1
        super().__delitem__(key)


def counting_queue() -> tuple[ByteQueue, CountingBuffer]:
    queue = ByteQueue()
    buffer = CountingBuffer()
    queue.octets = buffer
    return queue, buffer


class Lines(SynchronousTestCase):
    """line()"""

    def test_table(self) -> None:
        """Only CRLF ends a line; a bare LF and a line too long each cost exactly that line."""
        for octets, expected in LINES:
            self.assertEqual(outcomes([octets]), expected, octets)

    def test_every_split(self) -> None:
        """A cut at any place, and a cut at every place, changes nothing."""
        for octets, expected in LINES:
            for cut in range(len(octets) + 1):
                self.assertEqual(outcomes([octets[:cut], octets[cut:]]), expected, (octets, cut))
            self.assertEqual(outcomes([octets[at : at + 1] for at in range(len(octets))]), expected, octets)

    @settings(deadline=None, max_examples=200)
    @given(
        st.text("ab\r\n", max_size=60).map(str.encode),
        st.lists(st.integers(0, 60), max_size=5),
        st.integers(1, 12),
    )
    def test_any_octets_any_cuts(self, octets: bytes, cuts: list[int], limit: int) -> None:
        """Whatever comes, the cuts do not matter."""
        edges = [0, *sorted(cuts), len(octets)]
        pieces = [octets[a:b] for a, b in pairwise(edges)]
        pieces[-1] += octets[sum(map(len, pieces)) :]
        self.assertEqual(outcomes(pieces, limit), outcomes([octets], limit))

    def test_start_of_a_line_too_long(self) -> None:
        """The error carries the first octets, whether the line end has come or not."""
        for end in (b"", b"\r\n"):
            queue = ByteQueue()
            queue.feed(b"a\r\n")
            queue.line(LIMIT)
            queue.feed(b"tag " + b"x" * 1000 + end)
            error = self.assertRaises(LineTooLong, queue.line, LIMIT)
            self.assertEqual(error.start, b"tag " + b"x" * 60)

    def test_end_of_a_bad_line(self) -> None:
        """The last octets of a line that cannot be taken are known once it has ended, however it comes."""
        for line in (b"x" * 50 + b" {5+}", b"x" * 11, b"{1}" * 40):
            for end in (b"\r\n", b"\n"):
                for size in (1, 7, 64, 1000):
                    queue = ByteQueue()
                    octets = line + end
                    for start in range(0, len(octets), size):
                        queue.feed(octets[start : start + size])
                        with contextlib.suppress(BadLine):
                            self.assertIsNone(queue.line(LIMIT))
                    self.assertTrue(queue.passed())
                    self.assertEqual(queue.tail[-50:], line[-50:], (line, end, size))
                    self.assertEqual(len(queue), 0)

    def test_too_long_holds_nothing(self) -> None:
        """What belongs to a line that is too long is dropped as it comes, not kept."""
        queue = ByteQueue()
        queue.feed(b"x" * 1000)
        self.assertRaises(LineTooLong, queue.line, LIMIT)
        for _ in range(100):
            queue.feed(b"x" * 1000)
            self.assertIsNone(queue.line(LIMIT))
            self.assertEqual(len(queue), 0)


class Pieces(SynchronousTestCase):
    """exactly(), some(), unread(), clear()"""

    def test_exactly(self) -> None:
        """exactly() waits for all of it and leaves the rest."""
        queue = ByteQueue()
        queue.feed(b"abc")
        self.assertIsNone(queue.exactly(4))
        queue.feed(b"de\r\n")
        self.assertEqual(queue.exactly(4), b"abcd")
        self.assertEqual(queue.exactly(0), b"")
        self.assertEqual(queue.line(LIMIT), b"e")

    def test_accept(self) -> None:
        """accept() takes what was expected, when all of it is here and nothing else; then lines go on."""
        queue = ByteQueue()
        queue.feed(b"one\r\ntwo\r")
        self.assertEqual(list(map(queue.accept, (b"two\r\n", b"one\r\n", b"two\r\n"))), [False, True, False])
        self.assertIsNone(queue.line(LIMIT))
        queue.feed(b"\nthree\r\n")
        self.assertEqual((queue.accept(b"two\r\n"), queue.line(LIMIT), len(queue)), (True, b"three", 0))

    def test_accept_in_a_long_line(self) -> None:
        """What follows in a line that was too long is no line of its own."""
        queue = ByteQueue()
        queue.feed(b"x" * (LIMIT + 2))
        self.assertRaises(LineTooLong, queue.line, LIMIT)
        queue.feed(b"QUIT\r\nNOOP\r\n")
        self.assertFalse(queue.accept(b"QUIT\r\n"))
        self.assertEqual(queue.line(LIMIT), b"NOOP")

    def test_some(self) -> None:
        """some() gives what is here, up to a limit."""
        queue = ByteQueue()
        self.assertEqual(queue.some(5), b"")
        queue.feed(b"abcdefg")
        self.assertEqual((queue.some(5), queue.some(5), len(queue)), (b"abcde", b"fg", 0))

    def test_unread(self) -> None:
        """What is put back comes out first, also after part of the buffer was taken."""
        queue = ByteQueue()
        queue.feed(b"one\r\ntwo\r\n")
        self.assertEqual(queue.line(LIMIT), b"one")
        queue.unread(b"zero\r\n")
        self.assertEqual([queue.line(LIMIT), queue.line(LIMIT), queue.line(LIMIT)], [b"zero", b"two", None])

    def test_clear(self) -> None:
        """clear() drops everything, also what was searched already."""
        queue = ByteQueue()
        queue.feed(b"abc")
        self.assertIsNone(queue.line(LIMIT))
        queue.clear()
        queue.feed(b"d\r\n")
        self.assertEqual(queue.line(LIMIT), b"d")

    @settings(deadline=None, max_examples=200)
    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("feed"), st.binary(max_size=20)),
                st.tuples(st.just("some"), st.integers(1, 9)),
                st.tuples(st.just("exactly"), st.integers(0, 9)),
                st.tuples(st.just("accept"), st.binary(max_size=2)),
                st.tuples(st.just("unread"), st.binary(max_size=9)),
            ),
            max_size=30,
        )
    )
    def test_is_a_queue(self, steps: list[tuple[str, bytes | int]]) -> None:
        """It gives what a plain bytes object would give."""
        queue, model = ByteQueue(), b""
        for action, value in steps:
            if action == "accept" and isinstance(value, bytes):
                self.assertEqual(queue.accept(value), model.startswith(value))
                model = model.removeprefix(value)
                continue
            if isinstance(value, bytes):
                model = value + model if action == "unread" else model + value
                (queue.unread if action == "unread" else queue.feed)(value)
                continue
            size = min(value, len(model)) if action == "some" else value
            expected = model[:size] if size <= len(model) else None
            self.assertEqual(queue.some(value) if action == "some" else queue.exactly(value), expected)
            model = model[len(expected or b"") :]
            self.assertEqual(len(queue), len(model))


class LinearTime(SynchronousTestCase):
    """Counted, not timed."""

    def test_octet_by_octet(self) -> None:
        """A long line that comes octet by octet is searched once, not once for each octet."""
        queue, buffer = counting_queue()
        size = 20_000
        for _ in range(size):
            queue.feed(b"x")
            self.assertIsNone(queue.line(size))
        self.assertEqual(buffer.looked_at, size)

    def test_many_lines(self) -> None:
        """A megabyte of short lines in one piece: each octet is looked at once."""
        queue, buffer = counting_queue()
        octets = b"NOOP\r\n" * 170_000
        queue.feed(octets)
        count = 0
        while queue.line(LIMIT) is not None:
            count += 1
        self.assertEqual(count, 170_000)
        self.assertLessEqual(buffer.looked_at, len(octets) + count)
        self.assertLessEqual(buffer.deletions, len(octets) // 65536)
