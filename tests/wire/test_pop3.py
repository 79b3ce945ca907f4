"""mailnode.wire.pop3: commands and replies."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.pop3 import Command, error, message_number, number_and_lines, ok, parse_command

COMMANDS = (
    (b"NOOP", b"NOOP", b""),
    (b"noop", b"NOOP", b""),
    (b"Stat ", b"STAT", b""),
    (b"RETR 1", b"RETR", b"1"),
    (b"PASS a b  c ", b"PASS", b"a b  c "),
    (b"PASS  x", b"PASS", b" x"),
    (b"USER \xc3\xa4\0", b"USER", b"\xc3\xa4\0"),
    (b"CONNECT x:25 HTTP/1.1", b"CONNECT", b"x:25 HTTP/1.1"),
)
NOT_COMMANDS = (
    b"",
    b" ",
    b" NOOP",
    b"NO-OP",
    b"N-OP 1",
    b"\tSTAT",
    b"STAT\t1",
    b"\x16\x03\x01",
    b"\xff",
    b"\0",
)


class Commands(SynchronousTestCase):
    """parse_command()"""

    def test_taken(self) -> None:
        """The keyword in any case; the argument as it came, blanks and all (vector P5)."""
        for line, keyword, argument in COMMANDS:
            self.assertEqual(parse_command(line), Command(keyword, argument), line)

    def test_refused(self) -> None:
        """A keyword is made of letters and digits."""
        for line in NOT_COMMANDS:
            self.assertRaises(BadSyntax, parse_command, line)

    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=40))
    def test_any_line(self, line: bytes) -> None:
        """Any line is a command whose parts join to it again, or BadSyntax."""
        try:
            command = parse_command(line)
        except BadSyntax:
            return
        self.assertTrue(command.keyword.isalnum() and command.keyword == command.keyword.upper())
        self.assertEqual(line[len(command.keyword) :].removeprefix(b" "), command.argument)


class Numbers(SynchronousTestCase):
    """message_number(), number_and_lines()"""

    def test_taken(self) -> None:
        """Message numbers from 1, line counts from 0."""
        self.assertEqual(message_number(b"1"), 1)
        self.assertEqual(message_number(b"2147483647"), 2**31 - 1)
        self.assertEqual(number_and_lines(b"3 0"), (3, 0))
        self.assertEqual(number_and_lines(b"3 10"), (3, 10))

    def test_refused(self) -> None:
        """Vector P1: no zero, sign, second number, or anything too large."""
        for text in (b"", b"0", b"-1", b"+1", b"1 2", b"x", b"2147483648", b"9" * 20, b"1_0"):
            self.assertRaises(BadSyntax, message_number, text)
        for text in (b"1", b"1 ", b" 1", b"1  2", b"0 1", b"1 -1", b"1 2147483648", b"1 2 3", b""):
            self.assertRaises(BadSyntax, number_and_lines, text)


class Replies(SynchronousTestCase):
    """ok(), error()"""

    def test_form(self) -> None:
        """Upper case, one line, CRLF; the response code in brackets (RFC 2449 section 8)."""
        self.assertEqual(ok(), b"+OK\r\n")
        self.assertEqual(ok("2 320"), b"+OK 2 320\r\n")
        self.assertEqual(error("No such message"), b"-ERR No such message\r\n")
        self.assertEqual(error("Locked", "IN-USE"), b"-ERR [IN-USE] Locked\r\n")
