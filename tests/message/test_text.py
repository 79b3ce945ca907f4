"""Octets to text, and what SEARCH compares."""

import time
from encodings.aliases import aliases

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message import collation
from mailnode.message import text as texts_of_messages
from mailnode.message.collation import fold
from mailnode.message.encoded import (
    decode_base64,
    decode_charset,
    decode_quoted_printable,
    decode_transfer,
    decode_words,
    encode_words,
)
from mailnode.message.header import scan
from mailnode.message.mime import parse
from mailnode.message.text import folded, searchable, stretches, texts, without_markup


class EncodeWordsTests(SynchronousTestCase):
    """encode_words()"""

    def test_ascii(self) -> None:
        """What needs no encoding has none."""
        self.assertEqual(encode_words("Hello, world"), ["Hello, world"])

    def test_words(self) -> None:
        """RFC 2047 section 4.2: letters and digits as they are, "_" for a blank, all else escaped."""
        self.assertEqual(encode_words("Grüße: a_b?"), ["=?utf-8?q?Gr=C3=BC=C3=9Fe=3A_a=5Fb=3F?="])

    @settings(derandomize=True, database=None, deadline=None)
    @given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=80))
    def test_any(self, text: str) -> None:
        """Decoding gives it back; each word has at most 75 characters, of which none is cut."""
        lines = encode_words(text)
        if not text.isascii():
            self.assertEqual(decode_words(" ".join(lines).encode()), text)
            for line in lines:
                self.assertRegex(line, r"\A[!-~]{13,75}\Z")
                self.assertNotIn(
                    "\ufffd", decode_words(line.encode()).replace("\ufffd" * ("\ufffd" in text), "")
                )


class DecodeTests(SynchronousTestCase):
    WORDS = (
        # RFC 2047 section 8
        (b"(=?ISO-8859-1?Q?a?=)", "(a)"),
        (b"(=?ISO-8859-1?Q?a?= b)", "(a b)"),
        (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
        (b"(=?ISO-8859-1?Q?a?=    \t  =?ISO-8859-2?Q?b?=)", "(ab)"),
        (b"(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
        (b"=?US-ASCII*EN?Q?Keith_Moore?= <m@x>", "Keith Moore <m@x>"),
        # A character in two words
        (b"=?utf-8?B?w6k=?= =?utf-8?q?=C3?=\t=?UTF-8?b?qQ==?= x", "éé x"),
        (b"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        (b" =?utf-8?q?a?=", " a"),
        (b"=?nonsense?q?=E9?=", "é"),
        (b"=?utf-8?x?a?= =?utf-8?q?a", "=?utf-8?x?a?= =?utf-8?q?a"),
        (b"caf\xc3\xa9 caf\xe9", "cafÃ© café"),
        (b"", ""),
    )

    def test_words(self) -> None:
        """Encoded words are decoded, and nothing else (RFC 2047)."""
        for value, expected in self.WORDS:
            self.assertEqual(decode_words(value), expected, value)

    def test_base64(self) -> None:
        """Line ends, junk and an incomplete end do no harm."""
        for text, expected in (
            (b"aGVs\r\nbG8=", b"hello"),
            (b"aGVsbG8", b"hello"),
            (b"aGV!sbG8=", b"hello"),
            (b"aGVsb", b"hel"),
            (b"=", b""),
            (b"", b""),
        ):
            self.assertEqual(decode_base64(text), expected, text)

    def test_quoted_printable(self) -> None:
        """RFC 2045 section 6.7; what is no escape stays."""
        self.assertEqual(decode_quoted_printable(b"a=3Db=\r\nc=\nd =ZZ"), b"a=bcd =ZZ")

    def test_charsets(self) -> None:
        """Names of mail are known; unknown ones, and no charsets, are UTF-8 or ISO-8859-1."""
        for charset, octets, expected in (
            (b"utf-8", b"\xc3\xa9", "é"),
            (b" UTF8 ", b"\xc3\xa9", "é"),
            (b"iso-8859-15", b"\xa4", "€"),
            (b"windows-1252", b"\x80", "€"),
            (b"koi8-u", b"\xa4", "є"),
            (b"GB2312", b"\xc4\xe3", "你"),
            (b"us-ascii", b"\xe9", "é"),
            (b"us-ascii", b"\xc3\xa9", "é"),
            (None, b"a", "a"),
            (b"hex", b"6161", "6161"),
            (b"punycode", b"a-b", "a-b"),
            (b"../../x\0", b"a", "a"),
            (b"utf-7", b"+2AA-", "?"),
        ):
            self.assertEqual(decode_charset(octets, charset), expected, charset)

    @settings(deadline=None, max_examples=100)
    @given(
        st.binary(max_size=40),
        st.one_of(st.binary(max_size=10), st.sampled_from(sorted(aliases)).map(str.encode)),
    )
    def test_never_raises(self, octets: bytes, charset: bytes) -> None:
        """Any octets in any charset and encoding become text that UTF-8 can carry."""
        decode_charset(octets, charset).encode("utf-8")
        decode_words(b"=?" + charset + b"?b?" + octets + b"?=" + octets).encode("utf-8")
        for encoding in (b"base64", b"quoted-printable", b"x"):
            decode_transfer(octets, encoding)


class MarkupTests(SynchronousTestCase):
    TABLE = (
        ("a<b>b</b>c", "abc"),
        ("<p>a</p><p>b", "\na\n\nb"),
        ("a<br/>b", "a\nb"),
        ("a<!-- <b> -->b<!DOCTYPE x>c<?x?>", "abc"),
        ("a<script>if (1<2) {}</script >b<STYLE x='y'>p {}</style>c", "abc"),
        ("x &lt; y &amp; &eacute; &#8364;", "x < y & é €"),
        ("1 < 2 <3", "1 < 2 <3"),
        ("a<script>open", "a"),
        ("a<!-- open", "a"),
        ("a<p open", "a\n"),
        ("&#" + "9" * 5000 + ";", "\ufffd"),
    )

    def test_table(self) -> None:
        """Words that stand together stay together, and nothing of the markup is left."""
        for source, expected in self.TABLE:
            self.assertEqual(without_markup(source), expected, source[:50])

    def test_linear(self) -> None:
        """What is opened and never closed takes the time of one look."""
        for piece in ("<p", "<!--", "<script", "<script>", "</", "&", "&#", "<style></script>"):
            without_markup(piece * 100000)


class TextsTests(SynchronousTestCase):
    def test_parts(self) -> None:
        """Header, text parts decoded, and the headers of messages inside; nothing of attachments."""
        data = (
            b"Subject: =?utf-8?q?=C3=A9?=\nContent-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n"
            b"Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
            b"caf=E9\n--b\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\n"
            b"PHA+YTxiPmI8L2I+\n--b\n"
            b"Content-Type: image/gif\n\nimage\n--b\nContent-Type: message/rfc822\n\n"
            b"Subject: in\n\nside\n--b--\n"
        )
        self.assertEqual(
            list(texts(data, parse(data))),
            ["Subject: é\nContent-Type: multipart/mixed; boundary=b", "café", "\nab", "Subject: in", "side"],
        )


class FoldTests(SynchronousTestCase):
    EQUAL = (
        ("Hello", "hELLO"),
        ("é", "E\u0301"),
        ("ÄÖÜ", "äöü"),
        ("ǆ", "ǅ"),
        ("Ａ", "a"),
        ("σ", "Σ"),
        ("я", "Я"),
    )

    def test_equal(self) -> None:
        """Texts that differ in case or composition only compare equal (RFC 5051 section 2)."""
        for one, other in self.EQUAL:
            self.assertEqual(fold(one), fold(other))

    def test_different(self) -> None:
        """Accents count."""
        self.assertNotEqual(fold("e"), fold("é"))
        self.assertNotEqual(fold("ß"), fold("ss"))

    def test_linear(self) -> None:
        """A hundred thousand combining marks in a row, which would have to change places, take no time."""
        before = time.process_time()
        fold("a" + "\u0301\u0316" * 50_000)
        self.assertLess(time.process_time() - before, 2)

    @settings(deadline=None, max_examples=200)
    @given(
        st.lists(st.from_regex("[ab][\u00e9\u0301\u0316\ufb01]{0,3}", fullmatch=True)).map("".join),
        st.integers(0, 60),
        st.integers(1, 20),
    )
    def test_stretches(self, text: str, start: int, length: int) -> None:
        """What stands in a folded text, and is not too long for the overlap, stands in a stretch."""
        self.patch(texts_of_messages, "_STRETCH", 4)
        needle = fold(text)[start : start + length]
        self.assertTrue(any(needle in stretch for stretch in stretches(text, length - 1)), needle)
        self.assertEqual("".join(stretches(text, 0)), fold(text))

    @settings(deadline=None, max_examples=100)
    @given(st.text("a\u00e9\u0301\u0316\ufb01", max_size=80), st.integers(0, 40))
    def test_cuts_of_stretches(self, text: str, overlap: int) -> None:
        """However much the stretches overlap, they come from one folded text."""
        self.patch(texts_of_messages, "_STRETCH", 4)
        whole = "".join(folded(text))
        self.assertEqual([one for one in stretches(text, overlap) if one not in whole], [])

    @settings(deadline=None, max_examples=100)
    @given(
        st.lists(st.text("ab \u00e9\u0301\u0316\ufb01\u65e5", max_size=30), max_size=3),
        st.text("ab\n<>&; \u00e9\u0301\u0316\ufb01\u65e5", max_size=80),
        st.sampled_from(["plain", "html"]),
    )
    def test_searchable(self, values: list[str], body: str, subtype: str) -> None:
        """Values of the header stand in it or with it; every text is that of its stretches."""
        self.patch(texts_of_messages, "_STRETCH", 4)
        self.patch(collation, "_BLOCK", 4)
        fields = "".join(f"Subject: {value}\n" for value in values)
        data = f"{fields}Content-Type: text/{subtype}; charset=utf-8\n\n{body}".encode()
        root = parse(data)
        found = searchable(data, root, 10_000)
        assert found is not None
        self.assertEqual([found.header, *found.parts], ["".join(folded(text)) for text in texts(data, root)])
        alone = [fold(decode_words(value)) for value in scan(data).all(b"subject")]
        self.assertEqual([one for one in alone if one not in found.header and one not in found.values], [])

    def test_searchable_has_a_limit(self) -> None:
        """Of a text that is too long, on disk or folded, there is nothing; attachments do not count."""
        for octets, limit, known in (
            (b"\n" + b"x" * 100, 110, True),
            (b"\n" + b"x" * 100, 99, False),
            (b"Content-Type: text/plain; charset=utf-8\n\n" + "\ufdfa".encode() * 5, 100, False),
            (b"Content-Type: image/gif\n\n" + b"x" * 100, 50, True),
        ):
            self.assertEqual(searchable(octets, parse(octets), limit) is not None, known, octets)

    @settings(deadline=None, max_examples=100)
    @given(st.text())
    def test_ascii(self, text: str) -> None:
        """ASCII folds the same alone and beside other characters."""
        ascii_only = "".join(character for character in text if character.isascii())
        self.assertEqual(fold(ascii_only), fold(ascii_only + "é")[: len(ascii_only)])
        fold(text)
