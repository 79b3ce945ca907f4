"""SMTP as a client reads and writes it (RFC 5321 section 4.2, RFC 3461 section 4; vector O1)."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.address import Address
from mailnode.wire.errors import BadSyntax
from mailnode.wire.esmtp import (
    Notify,
    OriginalRecipient,
    parse_notify,
    parse_original_recipient,
)
from mailnode.wire.framing import ByteQueue
from mailnode.wire.smtp import Reply, decode_xtext, parse_chunk, parse_command
from mailnode.wire.smtp_client import (
    REPLY_LINES,
    REPLY_OCTETS,
    BadCommand,
    BadReply,
    ReplyReader,
    capabilities,
    chunk,
    command,
    encode_notify,
    encode_original_recipient,
    encode_xtext,
    limit,
    path,
)

REPLIES = {  # octets: code, enhanced status code, text
    b"250 2.1.5 Ok\r\n": (250, "2.1.5", "Ok"),
    b"250\r\n": (250, "", ""),
    b"250 \r\n": (250, "", ""),
    b"250 2.0.0\r\n": (250, "2.0.0", ""),
    b"550 5.1.1\r\n": (550, "5.1.1", ""),
    b"550-5.1.1 Nobody\r\n550 5.1.1 here\r\n": (550, "5.1.1", "Nobody\nhere"),
    b"550-5.1.1 Nobody\r\n550-here\r\n550 5.7.1 at all\r\n": (550, "5.1.1", "Nobody\nhere\n5.7.1 at all"),
    b"250-a\r\n250-\r\n250\r\n": (250, "", "a\n\n"),
    # A status code of another class is text (RFC 3463 section 2), and so is what is none.
    b"550 2.1.5 Ok\r\n": (550, "", "2.1.5 Ok"),
    b"354 3.0.0 Go on\r\n": (354, "", "3.0.0 Go on"),
    b"250 2.1234.5 x\r\n": (250, "", "2.1234.5 x"),
    b"250 2.01.5 x\r\n": (250, "", "2.01.5 x"),
    b"250 2.1.5.6 x\r\n": (250, "", "2.1.5.6 x"),
    # A no with an unknown second digit is a no (RFC 5321 section 4.3.2).
    b"571 Go away\r\n": (571, "", "Go away"),
    b"499 Later\r\n": (499, "", "Later"),
    b"554 \xc3\xa4 \xff\x1b[2J\x00\r\n": (554, "", "ä \\xff\\x1b[2J\\x00"),
    "554 \u202etxt\u2028\r\n".encode(): (554, "", "\\u202etxt\\u2028"),
}
NO_REPLIES = (
    b"\r\n",
    b"abc\r\n",
    b"000 x\r\n",
    b"299 x\r\n",
    b"199 x\r\n",
    b"600 x\r\n",
    b"25 x\r\n",
    b"2500 x\r\n",
    b"250_x\r\n",
    b" 250 x\r\n",
    b"250\tx\r\n",
    b"250-a\r\n251 b\r\n",
    b"250-a\r\nb\r\n",
    b"250 bare\n",
    b"250-x\r\n" * (REPLY_LINES + 1),
    b"250 " + b"x" * (REPLY_OCTETS + 1) + b"\r\n",
    (b"250-" + b"x" * 1000 + b"\r\n") * 66,
)
OCTETS = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from(
            [b"250", b"550", b"421", b"299", b"-", b" ", b"\r\n", b"\n", b"5.1.1 ", b"2.0.0", b"\xff", b"x"]
        ),
        max_size=30,
    ).map(b"".join),
)


def read(octets: bytes) -> list[Reply]:
    """The whole replies in these octets. Raises BadReply and BadSyntax."""
    queue = ByteQueue()
    queue.feed(octets)
    reader = ReplyReader()
    found = []
    while (line := queue.line(reader.room)) is not None:
        if reply := reader.feed(line):
            found.append(reply)
    return found


class Replies(SynchronousTestCase):
    """ReplyReader"""

    def test_replies(self) -> None:
        """Each is what its row says, and the next one is not touched."""
        for octets, wanted in REPLIES.items():
            for reply in read(octets * 2):
                self.assertEqual((reply.code, reply.enhanced, reply.text), wanted, octets)
            self.assertEqual(len(read(octets * 2)), 2)

    def test_no_replies(self) -> None:
        """O1: what is no reply, or does not end, is refused; the bounds hold to the octet."""
        for octets in NO_REPLIES:
            self.assertRaises((BadReply, BadSyntax), read, octets)
        most = b"250-x\r\n" * (REPLY_LINES - 1) + b"250 x\r\n"
        self.assertEqual(read(most)[0].text, "\n".join("x" * REPLY_LINES))
        self.assertEqual(len(read(b"250 " + b"x" * (REPLY_OCTETS - 4) + b"\r\n")), 1)

    @settings(deadline=None, max_examples=400, derandomize=True)
    @given(OCTETS)
    def test_anything(self, octets: bytes) -> None:
        """Replies that can be shown, or one of two errors."""
        try:
            replies = read(octets)
        except (BadReply, BadSyntax):
            return
        for reply in replies:
            self.assertTrue(200 <= reply.code <= 599)
            self.assertTrue(all(line.isprintable() for line in reply.text.split("\n")))
            self.assertEqual(read(reply.encode())[0], reply)

    def test_capabilities(self) -> None:
        """Keywords in any letters, the old form of AUTH, and lines that make no sense."""
        text = "there\nsize 100\nAUTH LOGIN\nAUTH=PLAIN LOGIN\n8BITMIME\n\n?\nXA B  C\nDSN"
        self.assertEqual(
            capabilities(Reply(250, "", text)),
            {
                "SIZE": ("100",),
                "AUTH": ("LOGIN", "PLAIN", "LOGIN"),
                "8BITMIME": (),
                "XA": ("B", "C"),
                "DSN": (),
            },
        )
        self.assertEqual(capabilities(Reply(250, "", "PIPELINING")), {})

    def test_limits(self) -> None:
        """RFC 9422 section 4: numbers of six digits and no others."""
        announced = {"LIMITS": ("rcptmax=200", "MAILMAX=1000000", "RCPTDOMAINMAX", "X=0")}
        for name, wanted in (("RCPTMAX", 200), ("MAILMAX", None), ("RCPTDOMAINMAX", None), ("X", None)):
            self.assertEqual(limit(announced, name), wanted)
        self.assertIsNone(limit({}, "RCPTMAX"))


class Commands(SynchronousTestCase):
    """What is written."""

    def test_lines(self) -> None:
        """One line each."""
        self.assertEqual(command("MAIL FROM:<>", "SIZE=1"), b"MAIL FROM:<> SIZE=1\r\n")
        self.assertEqual(chunk(7, last=False) + chunk(0, last=True), b"BDAT 7\r\nBDAT 0 LAST\r\n")
        self.assertEqual(parse_chunk(parse_command(chunk(86, last=True)[:-2])[1]), (86, True))

    def test_no_second_line(self) -> None:
        """Nothing that ends a line gets out."""
        for text in ("a\rb", "a\nb", "a\0b", "\ud800"):
            self.assertRaises(BadCommand, command, "EHLO", text)

    def test_paths(self) -> None:
        """With A-labels where there is no SMTPUTF8, and with an error for a local part that needs it."""
        plain, wide = Address("anna b", "Example.org"), Address("anna", "bücher.example")
        self.assertEqual(path(None, utf8=False), "<>")
        self.assertEqual(path(plain, utf8=False), '<"anna b"@Example.org>')
        self.assertEqual(path(wide, utf8=True), "<anna@bücher.example>")
        self.assertEqual(path(wide, utf8=False), "<anna@xn--bcher-kva.example>")
        self.assertRaises(BadCommand, path, Address("änna", "example.org"), utf8=False)

    @settings(deadline=None, max_examples=200, derandomize=True)
    @given(st.text(st.characters(max_codepoint=127)))
    def test_xtext(self, text: str) -> None:
        """RFC 3461 section 4: comes back as it was; other than ASCII cannot go."""
        self.assertEqual(decode_xtext(encode_xtext(text).encode()), text.encode())
        self.assertRaises(BadCommand, encode_xtext, text + "é")

    def test_notify(self) -> None:
        """RFC 3461 section 4.1: every combination comes back."""
        for number in range(8):
            notify = Notify(number)
            self.assertEqual(parse_notify(encode_notify(notify).encode()), notify)

    @settings(deadline=None, max_examples=200, derandomize=True)
    @given(st.text(min_size=1, max_size=20), st.booleans(), st.booleans())
    def test_original_recipient(self, text: str, wide: bool, utf8: bool) -> None:
        """RFC 3461 section 4.2 and RFC 6533 section 3: comes back; in one word, in ASCII without SMTPUTF8."""
        if not text.isprintable() or (not wide and not text.isascii()):
            return
        original = OriginalRecipient("utf-8" if wide else "rfc822", text)
        written = encode_original_recipient(original, utf8=utf8)
        self.assertTrue(utf8 or written.isascii())
        self.assertNotIn(" ", written)
        self.assertEqual(parse_original_recipient(written.encode(), utf8=utf8), original)
