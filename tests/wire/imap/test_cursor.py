"""Arguments of commands."""

from collections.abc import Callable
from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire import abnf
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import writer
from mailnode.wire.imap.cursor import Cursor

Take = Callable[[Cursor], Any]

GOOD: tuple[tuple[Take, bytes, Any], ...] = (
    (Cursor.atom, b"abc[", b"abc["),
    (Cursor.astring, b"a]b", b"a]b"),
    (Cursor.astring, b'"a \\"b\\\\"', b'a "b\\'),
    (Cursor.astring, b'""', b""),
    (Cursor.string, b'"x"', b"x"),
    (Cursor.string, b'"\xc3\xa9\\""', b'\xc3\xa9"'),
    (Cursor.nstring, b"nil", None),
    (Cursor.nstring, b'"NIL"', b"NIL"),
    (Cursor.number, b"4294967295", 4294967295),
    (Cursor.number, b"007", 7),
    (Cursor.nz_number, b"10", 10),
    (Cursor.keyword, b"+flags.Silent", "+FLAGS.SILENT"),
    (Cursor.flag_list, b"()", []),
    (Cursor.flag_list, b"(\\Seen foo)", ["\\Seen", "foo"]),
    (Cursor.mailbox, b"&U,BTFw-", "台北"),
    (Cursor.list_mailbox, b"a/%*", "a/%*"),
    (Cursor.list_mailbox, b'""', ""),
    (Cursor.date, b"1-Feb-1994", date(1994, 2, 1)),
    (Cursor.date, b'"01-fEB-1994"', date(1994, 2, 1)),
    (Cursor.date_time, b'" 1-Jan-1970 01:00:00 +0100"', 0.0),
    (Cursor.date_time, b'"01-Jan-1970 00:00:60 -0000"', 59.0),
    (Cursor.date_time, b'"17-Jul-1996 02:44:25 -0700"', 837596665.0),
    (Cursor.base64, b"=", b"="),
)

BAD: tuple[tuple[Take, bytes], ...] = (
    (Cursor.atom, b""),
    (Cursor.atom, b"("),
    (Cursor.atom, b"\xe9"),
    (Cursor.astring, b"{3}"),
    (Cursor.string, b'"a\x00"'),
    (Cursor.string, b'"a\\"'),
    (Cursor.string, b'"a\\n"'),
    (Cursor.string, b'"abc'),
    (Cursor.string, b'"\xc3"'),
    (Cursor.string, b'"\xe9"'),
    (Cursor.string, b'"\xed\xa0\x80"'),
    (Cursor.string, b"abc"),
    (Cursor.number, b"4294967296"),
    (Cursor.number, b"-1"),
    (Cursor.nz_number, b"0"),
    (Cursor.nz_number, b"01"),
    (Cursor.flag_list, b"(\\Seen  foo)"),
    (Cursor.flag_list, b"(foo"),
    (Cursor.flag, b"\\"),
    (Cursor.mailbox, b"a%"),
    (Cursor.mailbox, b"&AC8-"),
    (Cursor.mailbox, b"%"),
    (Cursor.date, b"31-Feb-1994"),
    (Cursor.date, b'"1-Feb-1994'),
    (Cursor.date, b"1-Fev-1994"),
    (Cursor.date, b"1-Feb-0000"),
    (Cursor.date_time, b'"1-Jan-1970 00:00:00 +0000"'),
    (Cursor.date_time, b'"01-Jan-1970 24:00:00 +0000"'),
    (Cursor.date_time, b'"01-Jan-1970 00:00:61 +0000"'),
    (Cursor.date_time, b'"01-Jan-1970 00:00:00 +9900"'),
    (Cursor.date_time, b'"01-Jan-1970 00:00:00 +0060"'),
    (Cursor.date_time, b'"bad date"'),
)


class CursorTests(SynchronousTestCase):
    """RFC 3501 section 9."""

    def test_elements(self) -> None:
        """Each element takes what its rule allows, up to the end or to an octet that is not of it."""
        for take, text, wanted in GOOD:
            self.assertEqual(take(Cursor([text])), wanted, text)

    def test_refused(self) -> None:
        """All else raises BadSyntax with one line (I3, I4)."""
        for take, text in BAD:
            cursor = Cursor([text])
            with self.assertRaises(BadSyntax, msg=repr(text)) as caught:
                take(cursor)
                cursor.end()
            self.assertNotIn("\n", str(caught.exception))

    def test_literals(self) -> None:
        """A literal stands where a string may, and only there."""
        cursor = Cursor([b" ", b" ", b""], [b"one", b"(\r\n"])
        self.assertEqual((cursor.sp().astring(), cursor.sp().nstring()), (b"one", b"(\r\n"))
        cursor.end()
        self.assertRaises(BadSyntax, Cursor([b"", b""], [b"x"]).atom)
        self.assertRaises(BadSyntax, Cursor([b"", b""], [b"x"]).end)
        self.assertRaises(BadSyntax, Cursor([b"", b""], [b"a\0"]).astring)
        self.assertRaises(BadSyntax, _trailing)

    def test_awaited_literal(self) -> None:
        """A literal that has been announced and is not here can be seen, and not be read."""
        cursor = Cursor([b" ", b""])
        self.assertTrue(cursor.sp().at_awaited())
        self.assertFalse(Cursor([b"", b""], [b"x"]).at_awaited())
        self.assertRaises(BadSyntax, cursor.string)

    def test_end(self) -> None:
        """What is left over is a mistake."""
        self.assertRaises(BadSyntax, Cursor([b" "]).end)
        Cursor([b""]).end()

    def test_character_classes(self) -> None:
        """Atoms and astrings are made of exactly the octets that the grammar lists, all 256 tried."""
        for octet in range(256):
            one = bytes([octet])
            for take, allowed in ((Cursor.atom, abnf.ATOM_CHAR), (_plain_astring, abnf.ASTRING_CHAR)):
                self.assertEqual(_takes(take, one), octet in allowed, one)

    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=40))
    def test_written_strings_are_read(self, octets: bytes) -> None:
        """What the writer writes as a string, quoted or as a literal, is read as what it was."""
        octets = octets.replace(b"\0", b"")
        for write in (writer.string, writer.astring):
            written = write(octets)
            texts, literals = [written], []
            if written.startswith(b"{"):
                texts, literals = [b"", b""], [written.partition(b"\r\n")[2]]
            self.assertEqual(Cursor(texts, literals).astring(), octets)

    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=30))
    def test_nothing_but_bad_syntax(self, octets: bytes) -> None:
        """Any octets make a value or BadSyntax."""
        for take in {take for take, *_ in (*GOOD, *BAD)}:
            try:
                take(Cursor([octets]))
            except BadSyntax:
                pass


def _trailing() -> None:
    cursor = Cursor([b"", b"x"], [b"ab"])
    cursor.astring()
    cursor.end()


def _plain_astring(cursor: Cursor) -> bytes:
    if cursor.at(b'"'):
        raise BadSyntax
    return cursor.astring()


def _takes(take: Take, text: bytes) -> bool:
    try:
        cursor = Cursor([text])
        take(cursor)
        cursor.end()
    except BadSyntax:
        return False
    return True
