"""Finding fields by offsets."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.header import FIELD_LIMIT, field_lines, field_names, scan, values_of
from tests.message import strategies


class ValuesTests(SynchronousTestCase):
    @given(st.text("aB:;- \t\r\n\0é", max_size=60), st.text("aB:- é", max_size=3))
    def test_as_scanned(self, text: str, name: str) -> None:
        """The short way to the values of one name finds what the long way finds, whatever the header is."""
        header = text.encode()
        self.assertEqual(values_of(header, name.encode()), scan(header).all(name.encode()))

    def test_beyond_the_limit(self) -> None:
        """A field that comes too late has no value here either."""
        header = b"a: b\r\n" * FIELD_LIMIT + b"late: c\r\n"
        self.assertEqual(values_of(header, b"late"), [])
        self.assertEqual(len(values_of(header, b"A")), FIELD_LIMIT)


class ScanTests(SynchronousTestCase):
    TABLE: tuple[tuple[bytes, list[tuple[bytes, bytes]], int], ...] = (
        (b"", [], 0),
        (b"\nbody", [], 1),
        (b"\r\nbody", [], 2),
        (b"A: b\n\nbody", [(b"A", b"b")], 6),
        (b"A: b\r\nC:d\r\n\r\nbody", [(b"A", b"b"), (b"C", b"d")], 13),
        (b"A: b\n\r\nbody", [(b"A", b"b")], 7),
        (b"A: b", [(b"A", b"b")], 4),
        (b"A: b\n c\n\td\nE: f\n\n", [(b"A", b"b c\td"), (b"E", b"f")], 17),
        (b"A: b\n \n\tc\n\n", [(b"A", b"b \tc")], 11),
        (b"Subject : x\n\n", [(b"Subject", b"x")], 13),
        (b"A:\n\n", [(b"A", b"")], 4),
        (b"From me@x Mon 10:00\nA: b\n\n", [(b"A", b"b")], 26),
        (b"A: b\nno colon\n here: too\nC: d\n\n", [(b"A", b"b"), (b"C", b"d")], 31),
        (b" From: x\nA: b\n\n", [(b"A", b"b")], 15),
        (b": x\nA: b\n\n", [(b"A", b"b")], 10),
        (b"N\xe9: x\nA\0: y\nA: \0\xe9\n\n", [(b"A", b"\0\xe9")], 19),
    )

    def test_table(self) -> None:
        """Fields, folding, malformed lines and the end of the header (RFC 5322 section 2.2, C5, C17)."""
        for data, fields, end in self.TABLE:
            header = scan(data)
            self.assertEqual([(field.name, header.value(field)) for field in header.fields], fields, data)
            self.assertEqual(header.end, end, data)

    def test_get(self) -> None:
        """Names are compared without case, and the first field wins."""
        header = scan(b"To: a\nto: b\nTO: c\n\n")
        self.assertEqual(header.get(b"tO"), b"a")
        self.assertEqual(header.all(b"To"), [b"a", b"b", b"c"])
        self.assertIsNone(header.get(b"Cc"))
        self.assertEqual(header.all(b"Cc"), [])

    def test_limits(self) -> None:
        """After the limit the rest is opaque, and a given end is the end."""
        data = b"A: b\n" * 5 + b"\nbody"
        self.assertEqual(len(scan(data, limit=2).fields), 2)
        self.assertEqual(scan(data, limit=2).end, 26)
        self.assertEqual((scan(data, 5, 10).fields[0].start, scan(data, 5, 10).end), (5, 10))

    @settings(deadline=None, max_examples=100)
    @given(strategies.messages, st.integers(0, 20))
    def test_any_bytes(self, data: bytes, start: int) -> None:
        """Fields lie in order inside the header, each begins with its name, and an empty line ends it."""
        start = min(start, len(data))
        header = scan(data, start)
        position = start
        for field in header.fields:
            self.assertTrue(position <= field.start < field.value <= field.end <= header.blank)
            self.assertTrue(data.startswith(field.name, field.start))
            position = field.end
        self.assertIn(data[header.blank : header.end], (b"", b"\n", b"\r\n"))
        self.assertTrue(header.end == len(data) or header.end > header.blank)

    @settings(deadline=None, max_examples=100)
    @given(strategies.messages, st.integers(1, 3))
    def test_values(self, data: bytes, limit: int) -> None:
        """The values of a name are those of its fields, and no others."""
        header = scan(data, limit=limit)
        for name in {field.name for field in scan(data).fields}:
            values = [header.value(field) for field in header.fields if field.name.lower() == name.lower()]
            self.assertEqual(header.all(name), values)
            self.assertEqual(
                [tuple(one) for one in header.fields], [*field_lines(data, 0, header.blank)][:limit]
            )
            self.assertEqual(header.get(name), values[0] if values else None)

    @settings(deadline=None, max_examples=100)
    @given(strategies.messages)
    def test_names(self, data: bytes) -> None:
        """All names together are those of the fields one by one."""
        names = [name.lower() for name, *_ in field_lines(data, 0, len(data))]
        self.assertEqual(field_names(data), names)
