"""Commands, parameters and replies (RFC 5321 sections 4.1 and 4.2)."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import (
    Reply,
    after_keyword,
    decode_xtext,
    parse_command,
    parse_hello,
    parse_parameters,
    parse_size,
    split_smtputf8,
)

COMMANDS = {
    b"NOOP": ("NOOP", b""),
    b"noop  ": ("NOOP", b""),
    b"Mail\tFROM:<a@b> ": ("MAIL", b"FROM:<a@b>"),
    b"VRFY  a b": ("VRFY", b"a b"),
    b"X \x00\xff\n": ("X", b"\x00\xff\n"),
}
PARAMETERS: dict[bytes, dict[str, bytes | None]] = {
    b"": {},
    b" ": {},
    b" size=1": {"SIZE": b"1"},
    b" A  B-1=<x>+2C": {"A": None, "B-1": b"<x>+2C"},
}


class Commands(SynchronousTestCase):
    """Lines from the client."""

    def test_commands(self) -> None:
        """The verb in upper case, the argument as it is; blanks at the end do not count."""
        for line, command in COMMANDS.items():
            self.assertEqual(parse_command(line), command)

    def test_no_commands(self) -> None:
        """What does not begin with a word is no command."""
        for line in (b"", b" ", b" NOOP", b"\x80NOOP", b"250 Ok", b"NO-OP", b"MAIL\0FROM", b"A\nB"):
            self.assertRaises(BadSyntax, parse_command, line)

    def test_keyword(self) -> None:
        """FROM: and TO: come in any letters, and blanks may follow them."""
        self.assertEqual(after_keyword(b"from:<a@b>", b"FROM:"), b"<a@b>")
        self.assertEqual(after_keyword(b"To:  <a@b> X", b"TO:"), b"<a@b> X")
        for argument in (b"", b"<a@b>", b"FROM <a@b>", b"FROM :<a@b>", b"TO:<a@b>"):
            self.assertRaises(BadSyntax, after_keyword, argument, b"FROM:")

    def test_parameters(self) -> None:
        """*(SP esmtp-keyword ["=" esmtp-value])"""
        for text, parameters in PARAMETERS.items():
            self.assertEqual(parse_parameters(text), parameters)

    def test_bad_parameters(self) -> None:
        """Not separated, repeated, empty, or with octets that have no place there."""
        for text in (
            b"A",
            b" A=",
            b" =1",
            b" A=1=2",
            b" -A",
            b" A A",
            b" A=1 a=2",
            b" A=\x00",
            b" A\xff=1",
            b" A;B",
        ):
            self.assertRaises(BadSyntax, parse_parameters, text)

    def test_size(self) -> None:
        """SIZE has one to twenty digits (RFC 1870 section 4)."""
        self.assertEqual(parse_size(b"99999999999999999999"), 10**20 - 1)
        for value in (None, b"", b"-1", b"+1", b"1_0", b"100000000000000000000", b"0x1", "\u0661".encode()):
            self.assertRaises(BadSyntax, parse_size, value)

    def test_hello(self) -> None:
        """R27: a name or a literal, no blank, no control, nothing endless."""
        for name in (b"x", b"a.b-c_d", b"[192.0.2.1]", b"[IPv6:::1]", b"a" * 255):
            self.assertEqual(parse_hello(name), name.decode())
        for name in (b"", b"a b", b"[::1", b"[]", b"[a]b", b"a" * 256, b"\xff", b"a\n", b"a\r\nX: y", b"(x)"):
            self.assertRaises(BadSyntax, parse_hello, name)

    def test_xtext(self) -> None:
        """xtext = *( xchar / hexchar ) (RFC 3461 section 4)."""
        self.assertEqual(decode_xtext(b"<>"), b"<>")
        self.assertEqual(decode_xtext(b"a+2Bb+3D+0A"), b"a+b=\n")
        for text in (b"+", b"+2", b"+2b", b"=", b" ", b"\x00", b"\xff", b"a\n"):
            self.assertRaises(BadSyntax, decode_xtext, text)

    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=80))
    def test_anything(self, data: bytes) -> None:
        """Any octets are taken or BadSyntax, by every parser here."""
        for parse in (parse_command, parse_parameters, parse_size, parse_hello, decode_xtext):
            try:
                parse(data)  # type: ignore[operator]
            except BadSyntax:
                pass

    @settings(deadline=None, max_examples=100)
    @given(st.binary(max_size=40))
    def test_xtext_round_trip(self, data: bytes) -> None:
        """Any octets can be sent as xtext."""
        self.assertEqual(decode_xtext(b"".join(b"+%02X" % octet for octet in data)), data)

    def test_smtputf8(self) -> None:
        """SMTPUTF8 behind the String of VRFY and EXPN, in any letters; alone it is the String."""
        for argument, parts in (
            (b"anna", (b"anna", False)),
            (b"anna SMTPUTF8", (b"anna", True)),
            (b"\xc3\xbc  smtputf8", (b"\xc3\xbc", True)),
            (b"SMTPUTF8", (b"SMTPUTF8", False)),
            (b"anna SMTPUTF8=1", (b"anna SMTPUTF8=1", False)),
            (b"anna smith", (b"anna smith", False)),
        ):
            self.assertEqual(split_smtputf8(argument), parts)


VERBS = st.from_regex(r"[A-Za-z]{1,12}", fullmatch=True)
KEYWORDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9-]{0,8}", fullmatch=True)
VALUES = st.none() | st.from_regex(rb"[!-<>-~]{1,12}", fullmatch=True)
BLANKS = st.from_regex(rb"[ \t]{1,3}", fullmatch=True)


class Grammar(SynchronousTestCase):
    """Whatever can be written is read as what was written."""

    @settings(deadline=None, max_examples=100)
    @given(VERBS, BLANKS, st.binary(max_size=40), st.sampled_from([b"", b" ", b"\t  "]))
    def test_command(self, verb: str, blanks: bytes, argument: bytes, end: bytes) -> None:
        """The verb in upper case, and every octet of the argument but the blanks around it."""
        line = verb.encode() + blanks + argument + end
        self.assertEqual(parse_command(line), (verb.upper(), argument.strip(b" \t")))

    @settings(deadline=None, max_examples=100)
    @given(st.sampled_from([b"FROM:", b"TO:"]), st.booleans(), st.integers(0, 3), st.binary(max_size=40))
    def test_keyword(self, keyword: bytes, lower: bool, blanks: int, path: bytes) -> None:
        """The keyword in any letters, then blanks, then what is wanted."""
        argument = (keyword.lower() if lower else keyword) + b" " * blanks + path
        self.assertEqual(after_keyword(argument, keyword), path.lstrip(b" "))

    @settings(deadline=None, max_examples=100)
    @given(st.dictionaries(KEYWORDS.map(str.upper), VALUES, max_size=6), st.booleans())
    def test_parameters(self, parameters: dict[str, bytes | None], lower: bool) -> None:
        """Each keyword in upper case with its value, in the order they came; twice the same is refused."""
        words = [
            (key.lower() if lower else key).encode() + (b"" if value is None else b"=" + value)
            for key, value in parameters.items()
        ]
        text = b"".join(b" " + word for word in words)
        found = parse_parameters(text)
        self.assertEqual(list(found.items()), list(parameters.items()))
        for word in words:
            self.assertRaises(BadSyntax, parse_parameters, text + b" " + word.swapcase())

    @settings(deadline=None, max_examples=100)
    @given(st.integers(0, 10**20 - 1), st.integers(0, 30))
    def test_size(self, size: int, zeros: int) -> None:
        """Any number of up to twenty digits; zeros before it change nothing."""
        self.assertEqual(parse_size(b"0" * zeros + b"%d" % size), size)

    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=300) | st.text("ab.-_[]:1 ", max_size=260).map(str.encode))
    def test_hello(self, argument: bytes) -> None:
        """What is taken for a name goes into a header field as it is: printable, without blanks, short."""
        try:
            name = parse_hello(argument)
        except BadSyntax:
            return
        self.assertEqual(name.encode(), argument)
        self.assertTrue(name.isascii() and name.isprintable() and " " not in name and len(name) <= 255)

    @settings(deadline=None, max_examples=100)
    @given(st.binary(max_size=60) | st.text("+0Aa=2b ", max_size=12).map(str.encode))
    def test_xtext(self, text: bytes) -> None:
        """Whatever is xtext, its octets written out in full are the same."""
        try:
            octets = decode_xtext(text)
        except BadSyntax:
            return
        self.assertEqual(decode_xtext(b"".join(b"+%02X" % octet for octet in octets)), octets)
        self.assertLessEqual(len(octets), len(text))


class Replies(SynchronousTestCase):
    """Lines to the client."""

    def test_one_line(self) -> None:
        """Code, enhanced code, text."""
        self.assertEqual(Reply(250, "2.0.0", "Ok").encode(), b"250 2.0.0 Ok\r\n")
        self.assertEqual(Reply(354, "", "Go on").encode(), b"354 Go on\r\n")
        self.assertEqual(Reply(334, "", "").encode(), b"334 \r\n")

    def test_many_lines(self) -> None:
        """All lines but the last have a hyphen, and all have both codes (RFC 2034 section 4)."""
        self.assertEqual(Reply(214, "2.0.0", "a\nb").encode(), b"214-2.0.0 a\r\n214 2.0.0 b\r\n")
        self.assertEqual(Reply(250, "", "x\nSIZE 1\nHELP").encode(), b"250-x\r\n250-SIZE 1\r\n250 HELP\r\n")

    def test_nothing_raw(self) -> None:
        """Control characters and other than ASCII cannot go out in a reply."""
        for text in ("a\rb", "a\0", "\x1b[2J", "\u00fc", "\x7f", "a\r\n250 b"):
            self.assertRaises(ValueError, Reply(250, "", text).encode)

    def test_utf8(self) -> None:
        """UTF-8 goes out where it was asked for, and still nothing that could end the line."""
        self.assertEqual(Reply(250, "", "<\u00fc@x>", utf8=True).encode(), b"250 <\xc3\xbc@x>\r\n")
        for text in ("a\rb", "a\0", "\x1b[2J", "\x85", "\u2028", "\x7f", "\ud800"):
            self.assertRaises(ValueError, Reply(250, "", text, utf8=True).encode)

    def test_words(self) -> None:
        """2yz and 3yz are positive; str() is for the log."""
        self.assertEqual(
            [Reply(code, "", "").positive for code in (220, 354, 421, 550)], [True, True, False, False]
        )
        self.assertEqual(str(Reply(550, "5.1.1", "No")), "550 5.1.1 No")

    @settings(deadline=None, max_examples=100)
    @given(st.integers(200, 599), st.sampled_from(["", "2.0.0", "5.7.11"]), st.text(max_size=60))
    def test_any_text(self, code: int, enhanced: str, text: str) -> None:
        """A reply is not written, or it is one reply with these codes on every line, and this text."""
        try:
            octets = Reply(code, enhanced, text).encode()
        except ValueError:
            self.assertFalse(all(letter in "\t\n" or " " <= letter <= "~" for letter in text))
            return
        *lines, rest = octets.split(b"\r\n")
        status = f"{enhanced} " if enhanced else ""
        begins = [f"{code}-{status}"] * (len(lines) - 1) + [f"{code} {status}"]
        wanted = [begin + line for begin, line in zip(begins, text.split("\n"), strict=True)]
        self.assertEqual(([line.decode("ascii") for line in lines], rest), (wanted, b""))
