"""BODY and BODYSTRUCTURE."""

from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.mime import parse
from mailnode.message.structure import structures


class StructureTests(SynchronousTestCase):
    TABLE = (
        (
            b"\nhello\n",
            b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 7 1',
            b" NIL NIL NIL NIL)",
        ),
        (
            b"Content-Type: TEXT/HTML; Name=x\nContent-ID: <i>\nContent-Description: d\nContent-MD5: m\n"
            b"Content-Disposition: Inline; filename=f\nContent-Language: en, de\nContent-Location: l\n\n",
            b'("text" "html" ("Name" "x") "<i>" "d" "7bit" 0 0',
            b' "m" ("Inline" ("filename" "f")) ("en" "de") "l")',
        ),
        (
            b"Content-Type: image/gif\nContent-Disposition: attachment\nContent-Language: en\n\nx",
            b'("image" "gif" NIL NIL NIL "7bit" 1',
            b' NIL ("attachment" NIL) "en" NIL)',
        ),
        (
            b"Content-Type: message/rfc822\n\nSubject: s\nContent-Type: a/b\n\nx\n",
            b'("message" "rfc822" NIL NIL NIL "7bit" 36 (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL) '
            b'("a" "b" NIL NIL NIL "7bit" 3%s) 4',
            b" NIL NIL NIL NIL)",
        ),
        (
            b"Content-Type: multipart/mixed; boundary=b\nContent-Language: en\n\n"
            b"--b\nContent-Type: a/b\n\nx\n"
            b"--b\nContent-Type: c/d\n\ny\n--b--\n",
            b'(("a" "b" NIL NIL NIL "7bit" 1%s)("c" "d" NIL NIL NIL "7bit" 1%s) "mixed"',
            b' ("boundary" "b") NIL "en" NIL)',
        ),
    )

    def test_table(self) -> None:
        """RFC 3501 section 7.4.2: basic fields in their order, then extension data or none."""
        for data, basic, extension in self.TABLE:
            body, bodystructure = structures(parse(data))
            self.assertEqual(body, basic.replace(b"%s", b"") + b")")
            self.assertEqual(bodystructure, basic.replace(b"%s", b" NIL NIL NIL NIL") + extension)

    def test_eight_bit(self) -> None:
        """Octets that no quoted string holds go into literals."""
        part = parse(b"Content-Type: a/b; name=\xe9\n\n")
        self.assertIn(b'("name" {1}\r\n\xe9)', structures(part)[0])
