"""The values of the Content- fields."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.parameters import (
    ContentType,
    Disposition,
    content_type,
    disposition,
    language,
    transfer_encoding,
)


class ContentTypeTests(SynchronousTestCase):
    TABLE: tuple[tuple[bytes, ContentType | None], ...] = (
        (b"text/plain", ContentType(b"text", b"plain")),
        (b" Text / (a) HTML ", ContentType(b"text", b"html")),
        (
            b"text/plain; charset=us-ascii (Plain text)",
            ContentType(b"text", b"plain", ((b"charset", b"us-ascii"),)),
        ),
        (b'text/plain; charset="us-ascii"', ContentType(b"text", b"plain", ((b"charset", b"us-ascii"),))),
        (b'a/b; Name="a \\"b\\"; c"', ContentType(b"a", b"b", ((b"Name", b'a "b"; c'),))),
        (
            b"multipart/mixed; boundary=--=_a/b:c",
            ContentType(b"multipart", b"mixed", ((b"boundary", b"--=_a/b:c"),)),
        ),
        (b"a/b; x=1; X=2", ContentType(b"a", b"b", ((b"x", b"1"),))),
        (b"a/b; ; x; =3; y=4;", ContentType(b"a", b"b", ((b"y", b"4"),))),
        (b"a/b x=1; y=2 z=3", ContentType(b"a", b"b", ((b"y", b"2"),))),
        (b'a/b; x=""', ContentType(b"a", b"b", ((b"x", b""),))),
        (b'a/b; x="open', ContentType(b"a", b"b", ((b"x", b"open"),))),
        (
            b"application/x-stuff; title*0*=us-ascii'en'This%20is; title*1=\"more\"",
            ContentType(
                b"application", b"x-stuff", ((b"title*0*", b"us-ascii'en'This%20is"), (b"title*1", b"more"))
            ),
        ),
        (b"a/b (c; x=1", ContentType(b"a", b"b")),
        (b"text", None),
        (b"text/", None),
        (b"/plain", None),
        (b"", None),
        (b"\0", None),
    )

    def test_table(self) -> None:
        """RFC 2045 section 5.1 and RFC 2231 values; of one name the first wins (C5)."""
        for value, expected in self.TABLE:
            self.assertEqual(content_type(value), expected, value)

    def test_disposition(self) -> None:
        """RFC 2183 section 2."""
        expected = Disposition(b"Attachment", ((b"filename", b"a.txt"),))
        self.assertEqual(disposition(b" Attachment ; filename=a.txt"), expected)
        self.assertIsNone(disposition(b'"inline"'))

    def test_transfer_encoding(self) -> None:
        """RFC 2045 section 6: one token, whatever stands behind it (C5)."""
        for value, expected in (
            (None, b"7bit"),
            (b"", b"7bit"),
            (b"base64 ", b"base64"),
            (b"Base64;x", b"base64"),
            (b"(c) Quoted-Printable", b"quoted-printable"),
        ):
            self.assertEqual(transfer_encoding(value), expected)

    def test_language(self) -> None:
        """RFC 3282 section 2."""
        self.assertEqual(language(b"da, mi (Maori) , en-US"), (b"da", b"mi", b"en-US"))
        self.assertEqual(language(b" ,; "), ())
        self.assertEqual(language(None), ())
        self.assertEqual(len(language(b"a," * 10000)), 64)

    @settings(deadline=None, max_examples=200)
    @given(st.text('ab=;/"\\() \n*%', max_size=40).map(str.encode))
    def test_never_raises(self, value: bytes) -> None:
        """No text raises."""
        content_type(value)
        content_type(b"a/b;" + value)
        disposition(value)
        language(value)
        transfer_encoding(value)
