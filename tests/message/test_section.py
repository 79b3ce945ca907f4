"""Sections of a message."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.header import extent, field_lines
from mailnode.message.mime import parse
from mailnode.message.section import Section, What, _fields_called, header_fields, locate


def _part(kind: bytes, body: bytes) -> bytes:
    return b"Content-Type: " + kind + b"\n\n" + body


def _multi(boundary: bytes, kind: bytes, *parts: bytes) -> bytes:
    lines = b"".join(b"--" + boundary + b"\n" + part + b"\n" for part in parts)
    return _part(b"multipart/" + kind + b"; boundary=" + boundary, lines + b"--" + boundary + b"--")


# The message of RFC 3501 section 6.4.5.
INNER_3 = _multi(b"c", b"mixed", _part(b"text/plain", b"3.1"), _part(b"application/octet-stream", b"3.2"))
ALTERNATIVE = _multi(
    b"e", b"alternative", _part(b"text/plain", b"4.2.2.1"), _part(b"text/richtext", b"4.2.2.2")
)
INNER_42 = _multi(b"d", b"mixed", _part(b"text/plain", b"4.2.1"), ALTERNATIVE)
PART_4 = _multi(b"b", b"mixed", _part(b"image/gif", b"4.1"), _part(b"message/rfc822", INNER_42))
EXAMPLE = _multi(
    b"a",
    b"mixed",
    _part(b"text/plain", b"1"),
    _part(b"application/octet-stream", b"2"),
    _part(b"message/rfc822", INNER_3),
    PART_4,
)


class LocateTests(SynchronousTestCase):
    def _text(self, data: bytes, path: tuple[int, ...], what: What) -> bytes | None:
        place = locate(parse(data), Section(path, what))
        return None if place is None else data[place.start : place.end]

    def test_leaves(self) -> None:
        """Every numbered leaf of the example is found."""
        for number in ("1", "2", "3.1", "3.2", "4.1", "4.2.1", "4.2.2.1", "4.2.2.2"):
            path = tuple(int(digit) for digit in number.split("."))
            self.assertEqual(self._text(EXAMPLE, path, ""), number.encode())

    TABLE: tuple[tuple[tuple[int, ...], What, bytes | None], ...] = (
        ((), "", EXAMPLE),
        ((), "HEADER", b"Content-Type: multipart/mixed; boundary=a\n\n"),
        ((), "HEADER.FIELDS", b"Content-Type: multipart/mixed; boundary=a\n\n"),
        ((), "TEXT", EXAMPLE.partition(b"\n\n")[2]),
        ((), "MIME", None),
        ((3,), "", INNER_3),
        ((3,), "MIME", b"Content-Type: message/rfc822\n\n"),
        ((3,), "HEADER", b"Content-Type: multipart/mixed; boundary=c\n\n"),
        ((3,), "TEXT", INNER_3.partition(b"\n\n")[2]),
        ((4,), "", PART_4.partition(b"\n\n")[2]),
        ((4,), "TEXT", None),
        ((4, 1), "MIME", b"Content-Type: image/gif\n\n"),
        ((4, 2), "HEADER", b"Content-Type: multipart/mixed; boundary=d\n\n"),
        ((4, 2, 2), "", ALTERNATIVE.partition(b"\n\n")[2]),
        ((1,), "HEADER", None),
        ((1,), "TEXT", None),
        ((1, 1), "", None),
        ((5,), "", None),
        ((0,), "", None),
        ((4294967295,), "", None),
        ((3, 3), "", None),
        ((1,) * 100, "", None),
    )

    def test_table(self) -> None:
        """Sections and what is none (RFC 3501 section 6.4.5, I11)."""
        for path, what, expected in self.TABLE:
            self.assertEqual(self._text(EXAMPLE, path, what), expected, (path, what))

    def test_single_part(self) -> None:
        """A message that is no multipart has a part 1, its body, and nothing more."""
        self.assertEqual(self._text(b"A: b\n\nx", (1,), ""), b"x")
        self.assertEqual(self._text(b"A: b\n\nx", (1,), "MIME"), b"A: b\n\n")
        self.assertIsNone(self._text(b"A: b\n\nx", (2,), ""))
        self.assertIsNone(self._text(b"A: b\n\nx", (1, 1), ""))
        self.assertIsNone(self._text(b"A: b\n\nx", (1,), "HEADER"))

    def test_message_in_message(self) -> None:
        """A message that is itself a message/rfc822 goes on inside its part 1."""
        data = _part(b"message/rfc822", b"S: t\n\nx")
        self.assertEqual(self._text(data, (1,), "HEADER"), b"S: t\n\n")
        self.assertEqual(self._text(data, (1,), "TEXT"), b"x")
        self.assertEqual(self._text(data, (1, 1), ""), b"x")
        self.assertEqual(self._text(data, (1, 1), "MIME"), b"S: t\n\n")


class HeaderFieldsTests(SynchronousTestCase):
    BLOCK = b"From: a\r\nTO: b\r\n c\r\njunk\r\nTo : d\r\nX: y\r\n\r\n"

    def test_subsets(self) -> None:
        """Lines are kept byte for byte and in order, names compared without case, the empty line follows."""
        self.assertEqual(header_fields(self.BLOCK, [b"to"], False), b"TO: b\r\n c\r\nTo : d\r\n\r\n")
        self.assertEqual(header_fields(self.BLOCK, [b"to", b"X"], True), b"From: a\r\n\r\n")
        self.assertEqual(header_fields(self.BLOCK, [b"none"], False), b"\r\n")

    def test_no_empty_line(self) -> None:
        """A header without an empty line gets none."""
        self.assertEqual(header_fields(b"A: b\r\n", [b"a"], False), b"A: b\r\n")
        self.assertEqual(header_fields(b"", [b"a"], True), b"")

    @given(
        st.text("aB:;- \t\r\n\0é", max_size=60),
        st.lists(st.text("aB:- é", max_size=3), min_size=1, max_size=4),
        st.sampled_from([1, 40]),
    )
    def test_both_subsets(self, text: str, names: list[str], times: int) -> None:
        """Every field is in one of the two subsets, whatever the header and the names are made of."""
        header = text.encode()
        wanted = {name.lower() for name in map(str.encode, names)}
        blank, end = extent(header, 0, len(header))
        fields = [
            (name.lower(), header[start:stop]) for name, start, _, stop in field_lines(header, 0, blank)
        ]
        for negate in (False, True):
            expected = [line for name, line in fields if (name in wanted) is not negate]
            found = header_fields(header, [name.encode() for name in names] * times, negate)
            self.assertEqual(found, b"".join(expected) + header[blank:end])

    def test_nothing_large_is_kept(self) -> None:
        """Patterns are kept for the next message; those of very many or long names would fill the memory."""
        kept = _fields_called.cache_info().currsize
        for number in range(3):
            names = [b"x%d-%d" % (number, other) for other in range(5000)]
            self.assertEqual(header_fields(b"A: b\r\n\r\n", [*names, b"a"], False), b"A: b\r\n\r\n")
            self.assertEqual(header_fields(b"A: b\r\n\r\n", [b"x" * 50000], False), b"\r\n")
        self.assertEqual(_fields_called.cache_info().currsize, kept)
