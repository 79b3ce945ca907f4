"""8-bit and binary content for hosts that take 7 bits (RFC 6152 section 3, RFC 2045 section 6)."""

from email import message_from_bytes

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.downgrade import CannotDowngrade, Contents, downgrade, examine
from mailnode.message.encoded import decode_transfer
from mailnode.message.mime import parse

PLAIN = b"Subject: a\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
MIXED = (
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\n"
    b"--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa4\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\r\n\n\xff\r\n"
    b"--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\n\xe4\r\n--b--\r\n"
)
IMPOSSIBLE = {
    "in the header": b"Subject: \xc3\xa4\r\n\r\nx\r\n",
    "in a part's header": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: \xe4\r\n\r\n--b--\r\n",
    "in the preamble": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\xe4\r\n--b\r\n\r\nx\r\n--b--\r\n",
    "encoded already": PLAIN + b"Content-Transfer-Encoding: base64\r\n\r\n\xe4\r\n",
    "an unknown encoding": PLAIN + b"Content-Transfer-Encoding: x-uuencode\r\n\r\n\xe4\r\n",
    "a multipart without parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\xe4\r\n",
    "a part of a message": b"Content-Type: message/partial\r\n\r\n\xe4\r\n",
}


def bodies(data: bytes) -> list[bytes]:
    """The decoded body of each leaf."""
    leaves = [part for part in parse(data, verbatim=True).walk() if not part.children]
    return [decode_transfer(data[part.body_start : part.end], part.encoding) for part in leaves]


class Downgrade(SynchronousTestCase):
    """downgrade()"""

    def test_text(self) -> None:
        """Text becomes quoted-printable; the label stands behind the header, or in place of another."""
        for label in (b"", b"Content-Transfer-Encoding: 8bit\r\n"):
            changed = downgrade(PLAIN + label + b"\r\n\xc3\xa4 = \r\n.\r\n")
            self.assertEqual(
                changed,
                PLAIN + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4 =3D=20\r\n=2E\r\n",
            )

    def test_no_mime(self) -> None:
        """A message of before MIME becomes one of it (RFC 2045 section 4)."""
        self.assertEqual(
            downgrade(b"Subject: a\r\n\r\n\xe4\r\n"),
            b"Subject: a\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E4\r\n",
        )

    def test_parts(self) -> None:
        """Every part on its own; what holds others, and what was plain after all, is 7bit now."""
        changed = downgrade(MIXED)
        self.assertEqual(bodies(changed), [b"\xc3\xa4", b"\0\r\n\n\xff", b"plain", b"\xe4"])
        self.assertEqual(
            [part.encoding for part in parse(changed, verbatim=True).walk()],
            [b"7bit", b"quoted-printable", b"base64", b"7bit", b"7bit", b"quoted-printable"],
        )
        read = [part.get_payload(decode=True) for part in message_from_bytes(changed).walk()]
        self.assertEqual(read[1:4], [b"\xc3\xa4", b"\0\r\n\n\xff", b"plain"])

    def test_nothing_to_do(self) -> None:
        """7-bit content stays as it is, to the octet."""
        for data in (
            b"",
            b"x",
            b"Subject: a\r\n\r\nx\r\n",
            PLAIN + b"Content-Transfer-Encoding: 7bit\r\n\r\nx",
        ):
            self.assertEqual(downgrade(data), data)

    def test_impossible(self) -> None:
        """What no encoding can help."""
        for name, data in IMPOSSIBLE.items():
            with self.assertRaises(CannotDowngrade, msg=name):
                downgrade(data)

    def test_lines(self) -> None:
        """Encoded lines are short, whatever they were."""
        for kind in (b"text/plain", b"application/pdf"):
            changed = downgrade(b"Content-Type: " + kind + b"\r\n\r\n" + b"\xe4 " * 5000)
            self.assertLessEqual(max(map(len, changed.split(b"\r\n"))), 76)

    @settings(deadline=None, max_examples=300, derandomize=True)
    @given(
        st.sampled_from([b"text/plain", b"image/png"]),
        st.lists(
            st.sampled_from(
                [b"\r\n", b"\r", b"\n", b"\xe4", b"a", b" ", b"\t", b".", b"=", b"\0", b"x" * 99]
            ),
            max_size=30,
        ).map(b"".join),
    )
    def test_any_body(self, kind: bytes, body: bytes) -> None:
        """Comes back octet for octet, and there is no bare CR or LF in what goes."""
        changed = downgrade(b"Content-Type: " + kind + b"\r\n\r\n" + body)
        self.assertEqual(bodies(changed), [body])
        self.assertTrue(changed.isascii())
        bare = changed.replace(b"\r\n", b"")
        self.assertNotIn(b"\r", bare)
        self.assertNotIn(b"\n", bare)

    @settings(deadline=None, max_examples=300, derandomize=True)
    @given(
        st.lists(st.sampled_from([*MIXED.split(b"\r\n"), b"--b", b"", b"\xe4"]), max_size=20).map(
            b"\r\n".join
        )
    )
    def test_anything(self, data: bytes) -> None:
        """7-bit content with the same number of parts, or one error."""
        try:
            changed = downgrade(data)
        except CannotDowngrade:
            return
        self.assertTrue(changed.isascii())
        self.assertEqual(bodies(changed), bodies(data))

    def test_examine(self) -> None:
        """Where the octets above 127 are."""
        for data, wanted in (
            (b"Subject: a\r\n\r\nx", Contents(False, False)),
            (PLAIN + b"\r\n\xe4", Contents(True, False)),
            (IMPOSSIBLE["in the header"], Contents(True, True)),
            (IMPOSSIBLE["in a part's header"], Contents(True, True)),
            (IMPOSSIBLE["in the preamble"], Contents(True, False)),
        ):
            self.assertEqual(examine(data), wanted)
