"""Hostile messages (vectors C1 to C7): bounded answers, the same at each run.

Time is bounded by the size of what comes out and by tests that would not end if anything were quadratic.
"""

from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.mime import DEPTH_LIMIT, PART_LIMIT, Part
from mailnode.message.rendered import Rendered, render
from mailnode.message.text import texts
from tests.message import grammar


def depth(part: Part) -> int:
    """The number of levels of a tree."""
    level, levels = [part], 0
    while level:
        level = [child for parent in level for child in parent.children]
        levels += 1
    return levels


class HostileTests(SynchronousTestCase):
    def _render(self, data: bytes) -> Rendered:
        rendered = render(data)
        self.assertEqual(rendered, render(data))
        grammar.check_envelope(grammar.read(rendered.envelope))
        grammar.check_body(grammar.read(rendered.bodystructure), extended=True)
        for _ in texts(data, rendered.parts):
            pass
        return rendered

    def test_address_fields(self) -> None:
        """C1: 100,000 To lines give an envelope of at most 1,000 addresses."""
        rendered = self._render(b"To: a@b\n" * 100000 + b"\n")
        self.assertEqual(rendered.envelope.count(b'"a"'), 1000)

    def test_long_address_fields(self) -> None:
        """C1: one field of a million addresses, or of a million words, is cut."""
        self.assertEqual(self._render(b"To: " + b"a@b," * 1000000 + b"\n\n").envelope.count(b'"a"'), 1000)
        self.assertLess(len(self._render(b"To: " + b"a " * 1000000 + b"\n\n").envelope), 70000)

    def test_nested_multiparts(self) -> None:
        """C3: 10,000 nested multiparts are cut at the depth limit."""
        levels = [b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(10000)]
        rendered = self._render(b"".join(levels))
        self.assertEqual(depth(rendered.parts), DEPTH_LIMIT)
        self.assertIn(b'"application" "octet-stream"', rendered.bodystructure)

    def test_nested_with_one_boundary(self) -> None:
        """C3: nested multiparts that share a boundary."""
        rendered = self._render(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 10000)
        self.assertLessEqual(depth(rendered.parts), DEPTH_LIMIT)

    def test_siblings(self) -> None:
        """C3: of 10,000 siblings the first 999 are parts, and none reaches into the next."""
        rendered = self._render(b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 10000)
        self.assertEqual(len(list(rendered.parts.walk())), PART_LIMIT)
        self.assertEqual({child.octets for child in rendered.parts.children}, {1})

    def test_messages(self) -> None:
        """C3: message/rfc822 in itself, 500 deep."""
        rendered = self._render(b"Content-Type: message/rfc822\n\n" * 500)
        self.assertEqual(depth(rendered.parts), DEPTH_LIMIT)

    def test_parameters(self) -> None:
        """C4: of 10,000 parameters or RFC 2231 segments 64 are kept."""
        for name in (b"a*%d", b"a%d*"):
            rendered = self._render(
                b"Content-Type: a/b" + b"".join(b"; " + name % i + b"=x" for i in range(10000))
            )
            self.assertEqual(len(rendered.parts.params), 64)

    def test_ambiguous(self) -> None:
        """C5: the first of two fields or parameters wins; odd spellings have one meaning."""
        rendered = self._render(
            b"Subject : a\nSubject: b\nContent-Type: multipart/mixed; boundary=b; boundary=c\n"
            b"Content-Type: text/plain\n\n--c\n\nx\n--b\nContent-Transfer-Encoding: Base64;x\nX: \0\n\n"
            b"YQ==\n--c--\n--b--"
        )
        self.assertIn(b'"a"', rendered.envelope)
        self.assertEqual([part.encoding for part in rendered.parts.children], [b"base64"])
        self._render(b"Subject: =?utf-8?q?" + b"=C3=A9" * 17000 + b"\n\n")
        self._render(b"Subject: " + b"=?utf-8?q?" * 10000 + b"\n\n")

    def test_addresses(self) -> None:
        """C6: empty fields, groups, a comment that ends with a backslash, 10,000 nested comments."""
        for value in (
            b"",
            b"a:b@c;",
            b"x@y (a\\",
            b"(" * 10000,
            b"(" * 10000 + b")" * 10000 + b"a@b",
            b'"' * 9999,
        ):
            self._render(b"From: " + value + b"\nTo: " + value + b"\n\n")

    def test_long_headers(self) -> None:
        """C2: a field of a million lines, a header that is one endless line, and one of blanks."""
        for data in (
            b"Subject: " + b"x\n " * 2**20 + b"\n\n",
            b"a" * 2**22,
            b" " * 2**22,
            b"a" + b" " * 2**22,
            b"\n" * 2**20,
            b"a:\n" * 2**17,
        ):
            self._render(data)

    def test_one_header_for_many_parts(self) -> None:
        """C3: a stretch without an empty line is not searched again for each part in it."""
        head = b"Content-Type: multipart/mixed; boundary=x\n\n"
        self._render(head + b"--x\n" * 2000 + b"a: b\r\n" * 200000)
        self._render(head + b"--x\n" + b"\n--" * 200000)
        self._render(head + b"--x\nA: b\n" * 2000)

    def test_long_boundaries(self) -> None:
        """C5: boundaries of any length are compared in full, many times."""
        long = b"b" * 5000
        parts = (
            b"--%s%d\nContent-Type: multipart/mixed; boundary=%s%d\n\n" % (long, i, long, i + 1)
            for i in range(150)
        )
        data = b"Content-Type: multipart/mixed; boundary=" + long + b"0\n\n" + b"".join(parts)
        self.assertEqual(depth(self._render(data).parts), DEPTH_LIMIT)
