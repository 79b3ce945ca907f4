"""Literals behind lines that cannot be taken: their octets are no commands (RFC 7888 section 4)."""

from tests.imap.dialog import at_random, byte_by_byte, whole
from tests.imap.test_session import SessionCase


class BadLineTests(SessionCase):
    """Commands stand in the literals, and none of them is done."""

    def test_literal_of_a_bad_line(self) -> None:
        """A line that is too long, or ends in a bare LF, has its literal read past too (RFC 7888)."""
        for cut in (whole, byte_by_byte, at_random):
            client = self.client().login()
            long = b"a LIST " + b"x" * 70000
            for line in (
                long + b" {10+}\r\n",
                b"a LIST {10+}\n",
                b"a LIST {1+}\r\nx " + long + b" {10+}\r\n",
            ):
                octets = line + b"b LOGOUT\r\n {3+}\r\nabc\r\nc NOOP\r\n"
                said = b"".join(map(client.send, cut(octets))) + client.heard()
                complaint = b"Line too long" if long in line else b"Lines must end in CRLF, not in a bare LF"
                self.assertEqual(said, b"a BAD %b\r\nc OK Done\r\n" % complaint)
            said = client.send(long + b" {5}\r\n") + client.say("c NOOP")
            self.assertEqual(said, b"a BAD Line too long\r\nc OK Done\r\n")

    def test_literal_where_a_line_is_wanted(self) -> None:
        """What stands for DONE, or for a response of SASL, and announces a literal is read past with it."""
        client = self.client().login()
        client.say("a IDLE")
        said = client.send(b"b APPEND INBOX {10+}\r\nc LOGOUT\r\n\r\nd NOOP\r\n")
        self.assertEqual(said, b"a BAD DONE expected\r\nd OK Done\r\n")
        stranger = self.client()
        self.assertEqual(stranger.say("a AUTHENTICATE PLAIN"), b"+ \r\n")
        said = stranger.send(b"b LOGIN {10+}\r\nc LOGOUT\r\n\r\nd NOOP\r\n")
        self.assertRegex(said, b"^a BAD .*\r\nd OK Done\r\n$")
