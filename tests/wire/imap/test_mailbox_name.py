"""Mailbox names in both forms."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.mailbox_name import decode, encode
from tests.wire.imap.test_mutf7 import TEXTS


class MailboxNameTests(SynchronousTestCase):
    """RFC 6855 section 3."""

    def test_forms(self) -> None:
        """ASCII as an atom where it can be one, else quoted; a literal for what no quoted string holds."""
        for name, wire in (
            ("a&b", b"a&b"),
            ("a b", b'"a b"'),
            ("Entw\u00fcrfe", b'"Entw\xc3\xbcrfe"'),
            ('\u00fc"\\', b'"\xc3\xbc\\"\\\\"'),
            ("\u00fc\n", b"{3}\r\n\xc3\xbc\n"),
            ("nil", b'"nil"'),
            ("", b'""'),
        ):
            self.assertEqual(encode(name, utf8=True), wire)
        self.assertEqual(encode("Entw\u00fcrfe", utf8=False), b"Entw&APw-rfe")

    def test_decoded(self) -> None:
        """What is not ASCII is UTF-8 in any case; "&" is what was agreed on."""
        self.assertEqual(decode(b"Entw&APw-rfe", utf8=False), "Entw\u00fcrfe")
        self.assertEqual(decode(b"Entw&APw-rfe", utf8=True), "Entw&APw-rfe")
        self.assertEqual(decode(b"&\xc3\xbc", utf8=False), "&\u00fc")
        for wrong in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf"):
            self.assertRaises(BadSyntax, decode, wrong, utf8=True)
            self.assertRaises(BadSyntax, decode, wrong, utf8=False)
        self.assertRaises(BadSyntax, decode, b"a&b", utf8=False)

    @given(TEXTS.filter(lambda name: not set(name) & set("\0\r\n") and len(name) < 200), st.booleans())
    def test_there_and_back(self, name: str, utf8: bool) -> None:
        """What a client hears, it can say."""
        self.assertEqual(Cursor([encode(name, utf8=utf8)], utf8=utf8).mailbox(), name)
