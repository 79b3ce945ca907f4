"""mailnode.wire.abnf: every class over all 256 octets, against the RFC's own words; strict numbers."""

import string

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire import abnf
from mailnode.wire.errors import BadSyntax

LETTERS = string.ascii_letters.encode()
DIGITS = b"0123456789"
PRINTABLE = bytes(range(0x21, 0x7F))
CONTROLS = bytes([*range(0x20), 0x7F])

# name, members as written in the RFC
CLASSES = (
    ("ALPHA", LETTERS),
    ("DIGIT", DIGITS),
    ("CTL", CONTROLS),
    ("CHAR", bytes(range(1, 0x80))),
    ("VCHAR", PRINTABLE),
    ("ATEXT", LETTERS + DIGITS + b"!#$%&'*+-/=?^_`{|}~"),
    ("ATOM_SPECIALS", b'(){ %*"\\]' + CONTROLS),
    ("ATOM_CHAR", bytes(octet for octet in PRINTABLE if octet not in b'(){%*"\\]')),
    ("ASTRING_CHAR", bytes(octet for octet in PRINTABLE if octet not in b'(){%*"\\')),
    ("LIST_CHAR", bytes(octet for octet in PRINTABLE if octet not in b'(){"\\')),
    ("TAG_CHAR", bytes(octet for octet in PRINTABLE if octet not in b'(){%*"\\+')),
)


class Classes(SynchronousTestCase):
    """The character classes."""

    def test_all_octets(self) -> None:
        """Each class holds exactly the octets its RFC lists (5234 B.1, 5321 4.1.2, 5322 3.2.3, 3501 9)."""
        for name, members in CLASSES:
            found: frozenset[int] = getattr(abnf, name)
            for octet in range(256):
                self.assertEqual(octet in found, octet in members, (name, octet))
                self.assertEqual(abnf.is_all(bytes([octet]), found), octet in members, (name, octet))

    def test_every_class_is_tested(self) -> None:
        """No class of the module is missing above."""
        there = {name for name, value in vars(abnf).items() if isinstance(value, frozenset)}
        self.assertEqual(there, {name for name, _ in CLASSES})

    def test_is_all(self) -> None:
        """One octet outside spoils it; nothing is all of anything."""
        self.assertTrue(abnf.is_all(b"", abnf.DIGIT))
        self.assertTrue(abnf.is_all(b"12", abnf.DIGIT))
        self.assertFalse(abnf.is_all(b"1 2", abnf.DIGIT))


class Numbers(SynchronousTestCase):
    """number()"""

    def test_taken(self) -> None:
        """Digits only, leading zeros included, up to the limit."""
        for text, value in (
            (b"0", 0),
            (b"7", 7),
            (b"007", 7),
            (b"4294967295", 2**32 - 1),
            (b"0" * 5000 + b"1", 1),
        ):
            self.assertEqual(abnf.number(text, limit=2**32 - 1), value)

    def test_refused(self) -> None:
        """What int() would take, and what is too large, is refused (vectors P1 and I-numbers)."""
        refused = (
            b"",
            b" 1",
            b"1 ",
            b"+1",
            b"-1",
            b"1_0",
            b"0x1",
            b"1.0",
            b"\xd9\xa1",
            b"4294967296",
            b"9" * 5000,
        )
        for text in refused:
            self.assertRaises(BadSyntax, abnf.number, text, limit=2**32 - 1)

    @settings(deadline=None, max_examples=100)
    @given(st.integers(0, 2**70), st.integers(0, 2**64))
    def test_round_trip(self, value: int, limit: int) -> None:
        """Every number up to the limit is read as itself, every greater one refused."""
        text = b"%d" % value
        if value <= limit:
            self.assertEqual(abnf.number(text, limit=limit), value)
        else:
            self.assertRaises(BadSyntax, abnf.number, text, limit=limit)

    @settings(deadline=None, max_examples=100)
    @given(st.binary(max_size=8))
    def test_any_octets(self, text: bytes) -> None:
        """Anything is either all digits or refused."""
        try:
            value = abnf.number(text, limit=10**9)
        except BadSyntax:
            return
        self.assertTrue(text and set(text) <= set(DIGITS))
        self.assertEqual(value, int(text))
