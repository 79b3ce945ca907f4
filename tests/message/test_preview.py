"""The first words of a message."""

import base64
import time
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.mime import parse
from mailnode.message.preview import LIMIT, preview
from tests.message import corpus, strategies


def shown(data: bytes) -> str:
    """The preview of a message, with what must hold for every one."""
    found = preview(data, parse(data))
    assert len(found) <= LIMIT
    assert found == found.strip()
    assert not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in found), found
    found.encode("utf-8")
    return found


def typed(content_type: bytes, body: bytes, more: bytes = b"") -> bytes:
    """A message, or a part, of this type."""
    return b"Content-Type: " + content_type + b"\n" + more + b"\n" + body


def multipart(kind: bytes, *parts: bytes) -> bytes:
    """A message, or a part, of these parts."""
    return typed(
        b"multipart/" + kind + b"; boundary=" + kind,
        b"".join(b"--" + kind + b"\n" + part + b"\n" for part in parts) + b"--" + kind + b"--\n",
    )


PLAIN = typed(b"text/plain", b"plain")
HTML = typed(b"text/html", b"<p>html</p>")
IMAGE = typed(b"image/png", b"png")
QUOTED = b"Content-Transfer-Encoding: quoted-printable\n"
REPLY = b"Yes.\n\nOn Monday, Anna\nwrote:\n> Shall we?\n>> Well?\n"


class PreviewTests(SynchronousTestCase):
    TABLE: tuple[tuple[bytes, str], ...] = (
        (b"", ""),
        (b"Subject: x\n\n", ""),
        (b"Subject: x\n\n Two\n\twords \r\n\r\n", "Two words"),
        (PLAIN, "plain"),
        (HTML, "html"),
        (IMAGE, ""),
        (multipart(b"alternative", PLAIN, HTML), "plain"),
        (multipart(b"alternative", typed(b"text/plain", b" \n"), HTML), "html"),
        (multipart(b"alternative", IMAGE, HTML), "html"),
        (multipart(b"mixed", multipart(b"alternative", HTML, PLAIN), IMAGE), "html"),
        (multipart(b"mixed", typed(b"text/plain", b"x", b"Content-Disposition: Attachment\n"), HTML), "html"),
        (multipart(b"mixed", typed(b"text/plain", b"x", b"Content-Disposition: inline\n"), HTML), "x"),
        (multipart(b"mixed", typed(b"text/calendar", b"BEGIN:"), HTML), "html"),
        (typed(b"message/rfc822", PLAIN), "plain"),
        (typed(b"message/rfc822", PLAIN, b"Content-Disposition: attachment\n"), ""),
        (multipart(b"encrypted", typed(b"application/pgp-encrypted", b"Version: 1")), ""),
        (b"\n-----BEGIN PGP MESSAGE-----\n\nhQEMA\n", ""),
        (b"\n" + REPLY, "Yes."),
        (b"\nOn Monday, Anna wrote:\n> Shall we?\nYes.\n-- \nBert", "Yes."),
        (b"\nOn Monday, Anna <anna@example.org>\nwrote:\n\n> Shall we?\nYes.", "Yes."),
        (b"\n> Only\n> > this", "Only this"),
        (b"\n--\nBert", ""),
        (b"\nTo do:\nall", "To do: all"),
        (typed(b"text/plain; charset=iso-8859-1", b"Gr\xfc\xdfe"), "Gr\u00fc\u00dfe"),
        (typed(b"text/plain; charset=utf-16", "G\u00fc".encode("utf-16")), "G\u00fc"),
        (typed(b"text/plain; charset=utf-8", b"a=CC=88=E2=80=AE b=\nc", QUOTED), "a\u0308 bc"),
        (
            typed(b"text/html", base64.b64encode(b"<i>x</i>"), b"Content-Transfer-Encoding: base64\n"),
            "x",
        ),
        (typed(b"text/html", b"<head><title>T</title><style>p{}</style></head><body>&amp;<br>x"), "& x"),
        (typed(b"text/html", b"<!-- a --><script>b</script>c<p d"), "c"),
        (typed(b"text/html", b"&nbsp;&zwnj;&#8199;&shy;&#x34f; x&#0;&#xD800;"), "x\ufffd\ufffd"),
        (b"\n\0a\x1b[31mb\x7f\xc2\xad", "a[31mb"),
        ("\n\u200c \U0001f469\u200d\U0001f680".encode(), "\U0001f469\u200d\U0001f680"),
    )  # fmt: skip

    def test_table(self) -> None:
        """Which text, how it is decoded, and what of it."""
        for data, expected in self.TABLE:
            self.assertEqual(shown(data), expected, data)

    def test_crlf(self) -> None:
        """A message that lies on the disk in the wire form has the same words."""
        for data, _ in self.TABLE:
            if b"utf-16" not in data:
                wire = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
                self.assertEqual(shown(wire), shown(data), data)

    def test_limit(self) -> None:
        """Exactly so many characters, not octets, and no cut in the middle of one."""
        for letter in ("x", "\u00fc", "\u4e2d", "\U0001f680"):
            for encoding in (b"8bit", b"base64"):
                body = (letter * 30000).encode()
                body = base64.encodebytes(body) if encoding == b"base64" else body
                head = b"Content-Transfer-Encoding: " + encoding + b"\n"
                self.assertEqual(shown(typed(b"text/plain; charset=utf-8", body, head)), letter * LIMIT)
        self.assertEqual(shown(b"\n" + b"ab " * 1000), ("ab " * 67)[:LIMIT].strip())

    def test_a_cut_goes_through_no_character(self) -> None:
        """Also where no charset is told, and the text would be taken for another."""
        quoted = b"> x\n" * 4000
        for padding in range(8):
            text = quoted + b"." * padding + "\u00fc ".encode() * 3000
            self.assertNotIn("\u00c3", shown(b"\n" + text))

    @given(strategies.messages)
    def test_any_message(self, data: bytes) -> None:
        """Whatever the message is."""
        shown(data)

    @given(st.text(max_size=300), st.sampled_from([b"plain", b"html"]))
    def test_any_text(self, text: str, subtype: bytes) -> None:
        """Whatever its text is."""
        shown(typed(b"text/" + subtype + b"; charset=utf-8", text.encode("utf-8", "replace")))

    def test_corpus(self) -> None:
        """Real messages."""
        for _, data in corpus.messages():
            shown(data)

    if corpus.ABSENT:
        test_corpus.skip = corpus.ABSENT  # type: ignore[attr-defined]

    def test_linear(self) -> None:
        """Hostile texts cost no more than their first octets."""
        for octets in (
            b"<",
            b"<!--",
            b"<script",
            b"&#9",
            b"<body",
            b">",
            b"a:\n>\n",
            b"\n",
            b"--",
            b" ",
            b"\xff",
        ):
            for subtype in (b"plain", b"html"):
                data = typed(b"text/" + subtype, octets * (10_000_000 // len(octets)))
                root = parse(data)
                begun = time.process_time()
                preview(data, root)
                self.assertLess(time.process_time() - begun, 0.5, octets)
