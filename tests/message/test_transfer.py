"""Transfer encodings, undone piece by piece."""

import base64
import binascii
import quopri

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.transfer import LINE, decoded, decoder

SMALL = st.lists(st.binary(max_size=12), max_size=12)


def undone(encoding: bytes, *chunks: bytes) -> bytes:
    """All of a body."""
    by = decoder(encoding)
    assert by is not None
    return b"".join(decoded(chunks, by))


def pieces(octets: bytes, size: int) -> list[bytes]:
    """The octets, cut evenly."""
    return [octets[start : start + size] for start in range(0, len(octets), size)]


class TransferTests(SynchronousTestCase):
    """Each encoding of RFC 2045."""

    def test_which(self) -> None:
        """Five are known."""
        for encoding in (b"7bit", b"8bit", b"binary", b"base64", b"quoted-printable"):
            self.assertEqual(
                undone(encoding, b"abcd"), base64.b64decode(b"abcd") if encoding == b"base64" else b"abcd"
            )
        self.assertIsNone(decoder(b"x-uuencode"))
        self.assertIsNone(decoder(b""))

    @given(st.binary(max_size=400), st.integers(1, 70))
    def test_base64(self, octets: bytes, size: int) -> None:
        """What was encoded comes back, however it is cut."""
        self.assertEqual(
            undone(b"base64", *pieces(base64.encodebytes(octets).replace(b"\n", b"\r\n"), size)), octets
        )

    def test_wrong_base64(self) -> None:
        """Octets outside the alphabet do not count, padding ends the data, its lack does no harm."""
        for text, octets in (
            (b"YW Jj*\0", b"abc"),
            (b"YQ==YWJj", b"a"),
            (b"YWI=", b"ab"),
            (b"YWI", b"ab"),
            (b"YWJjY", b"abc"),
            (b"=YW=Jj", b"a"),
            (b"===", b""),
            (b"", b""),
        ):
            for size in (1, 2, 3, 100):
                self.assertEqual(undone(b"base64", *pieces(text, size)), octets, text)

    def test_much_padding(self) -> None:
        """Nothing takes long, whatever stands there."""
        self.assertEqual(undone(b"base64", b"=" * 1_000_000, b"Y" + b"=" * 1_000_000, b"Q"), b"a")

    @given(st.binary(max_size=400), st.integers(1, 70))
    def test_quoted_printable(self, octets: bytes, size: int) -> None:
        """What was encoded comes back, however it is cut."""
        text = binascii.b2a_qp(octets, istext=False).replace(b"=\n", b"=\r\n")
        self.assertEqual(undone(b"quoted-printable", *pieces(text, size)), octets)

    @given(st.text("ab =\t\r\n4F1f", max_size=60), st.integers(1, 9))
    def test_any_quoted_printable(self, text: str, size: int) -> None:
        """Also of what nobody should write, the cut makes no difference."""
        octets = text.encode()
        self.assertEqual(
            undone(b"quoted-printable", *pieces(octets, size)), undone(b"quoted-printable", octets)
        )

    def test_lines(self) -> None:
        """Soft line breaks, white space at ends of lines, and what is no escape."""
        for text, octets in (
            (b"a=\r\nb\r\n", b"ab\r\n"),
            (b"a= \t\r\nb", b"ab"),
            (b"a \t\r\nb \nc ", b"a\r\nb\nc"),
            (b"=4", b"=4"),
            (b"=4x=C3=a9", b"=4x\xc3\xa9"),
            (b"a=20\r\n", b"a \r\n"),
        ):
            self.assertEqual(undone(b"quoted-printable", text), octets, text)

    def test_long_lines(self) -> None:
        """A line without end is decoded as it comes, and white space without end takes no memory."""
        by = decoder(b"quoted-printable")
        assert by is not None
        text = quopri.encodestring(b"\xe9" * 5000).replace(b"=\n", b"")
        size = sum(len(by.feed(piece)) for piece in pieces(text, 1000))
        self.assertGreater(size, 5000 - LINE // 3 - 1)
        self.assertEqual(size + len(by.end()), 5000)
        spaces = [len(by.feed(b" " * 1000)) for _ in range(100)]
        self.assertGreaterEqual(sum(spaces), 100_000 - LINE - 1000)
