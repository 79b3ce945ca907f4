"""What is shown of a message (vector C14)."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.notice import LINE_LIMIT, LINES, WIDTH, Notice, notice

PLAIN = b"Subject: Lunch\r\n\r\nAt noon?\r\n\r\nBen\r\n"
HTML = b'Content-Type: text/html\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n<p>One<p>Two &amp; "3"'
MIXED = (
    b"Subject: x\r\n\ty\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: image/png\r\n\r\nPNG\r\n--b\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n--b--\r\n"
)
HOSTILE = "Subject: \x1b]0;x\x07\r\n\r\n\x1b[2J\x9b31m\u202e\u2028\tb\x00\x7f\x08\r\n* BYE\r\n".encode()

# Content: its subject, and its text.
CONTENTS: dict[bytes, tuple[str, tuple[str, ...]]] = {
    PLAIN: ("Lunch", ("At noon?", "", "Ben")),
    HTML: ("Grüße", ("One", 'Two & "3"')),
    MIXED: ("x y", ("Hello",)),
    MIXED[:-9]: ("x y", ("Hello",)),
    b"\r\n": ("", ()),
    b"Content-Type: image/png\r\n\r\nPNG": ("", ()),
    HOSTILE: ("?]0;x?", ("?[2J?31m?", "b???", "* BYE")),
}


class Notices(SynchronousTestCase):
    """notice() and its two forms."""

    def test_contents(self) -> None:
        """Subject and the first text part, decoded; nothing that is not printable."""
        for data, (subject, text) in CONTENTS.items():
            self.assertEqual(notice("a@b.example", data), Notice("a@b.example", subject, text), data)

    def test_forms(self) -> None:
        """One line for a session, several for a terminal."""
        found = notice("a@b.example", PLAIN)
        self.assertEqual(found.line, "Message from a@b.example: Lunch: At noon? Ben")
        screen = b"\r\n\x07Message from a@b.example about Lunch\r\nAt noon?\r\n\r\nBen\r\n"
        self.assertEqual(found.screen, screen)
        self.assertEqual(notice("a@b.example", HTML).line[-18:], 'Grüße: One Two & "3"'[-18:])
        self.assertIn(b" about Gr??e\r\n", notice("a@b.example", HTML).screen)
        self.assertEqual(notice("", b"\r\n").line, "Message from nobody")
        self.assertEqual(notice("", b"\r\n").screen, b"\r\n\x07Message from nobody\r\n")

    def test_limits(self) -> None:
        """However long a message is, what is shown is short."""
        found = notice("a" * 1000, b"Subject: " + b"s" * 9000 + b"\r\n\r\n" + (b"x" * 900 + b"\r\n") * 900)
        self.assertEqual(len(found.line), LINE_LIMIT)
        lines = found.screen.split(b"\r\n")
        self.assertEqual(len(lines), LINES + 3)
        self.assertEqual(max(map(len, lines)), WIDTH + 1)

    @given(st.text(), st.binary(max_size=2000))
    def test_anything(self, sender: str, data: bytes) -> None:
        """C14: whatever comes, no control character goes out but our own."""
        found = notice(sender, data)
        self.assertTrue(found.line.isprintable())
        self.assertRegex(found.screen.decode("ascii"), r"\A\r\n\x07([ -~]*\r\n)+\Z")
