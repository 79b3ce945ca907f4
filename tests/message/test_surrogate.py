"""mailnode.message.surrogate: an internationalised header in ASCII (RFC 6858)."""

from email import message_from_bytes, policy
from email.header import decode_header, make_header

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.surrogate import surrogate

NOBODY = b"<invalid@internationalized-address.invalid>"

# field as it is, field in the surrogate
FIELDS = (
    (b"Subject: plain", b"Subject: plain"),
    (b"Subject: folded\n  as it was", b"Subject: folded\r\n  as it was"),
    ("Subject: Grüße", b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?="),
    (b"Subject: Gr\xfc\xdfe in Latin-1", b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_in_Latin=2D1?="),
    ("Subject: =?utf-8?q?=C3=A9?= é", b"Subject: =?utf-8?q?=C3=A9_=C3=A9?="),
    ("From: Jürgen <j@example.org>", b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>"),
    ("From: jürgen@example.org", b"From: =?utf-8?q?j=C3=BCrgen=40example=2Eorg?= " + NOBODY),
    (
        "From: Jo <jö@example.org>",
        b"From: =?utf-8?q?Jo_=28j=C3=B6=40example=2Eorg=29?= " + NOBODY,
    ),
    ("Sender: x@bücher.example", b"Sender: <x@xn--bcher-kva.example>"),
    ("To: a@example.org, é <b@example.org>", b"To: <a@example.org>,\r\n\t=?utf-8?q?=C3=A9?= <b@example.org>"),
    ('To: "a, b" <a@b.example>, ü@b.example',
     b'To: "a, b" <a@b.example>,\r\n\t=?utf-8?q?=C3=BC=40b=2Eexample?= ' + NOBODY),
    ("Cc: Ü: a@b.example, c@d.example;, e@f.example",
     b"Cc: =?utf-8?q?=C3=9C?=:\r\n\t<a@b.example>,\r\n\t<c@d.example>\r\n\t;,\r\n\t<e@f.example>"),
    ("Bcc: é:;", b"Bcc: =?utf-8?q?=C3=A9?=:\r\n\t;"),
    ('Reply-To: é <"a b"@c.example>', b'Reply-To: =?utf-8?q?=C3=A9?= <"a b"@c.example>'),
    ("Content-Type: text/plain; name=ü.txt; charset=utf-8",
     b"Content-Type: text/plain;\r\n\tname*=utf-8''%C3%BC.txt;\r\n\tcharset=utf-8"),
    ("Content-Disposition: attachment; filename=\"" + "ü" * 12 + "\"",
     b"Content-Disposition: attachment;\r\n\tfilename*0*=utf-8''" + b"%C3%BC" * 8
     + b";\r\n\tfilename*1*=" + b"%C3%BC" * 4),
    ("Content-Type: ü/ü", None),
    ("Received: from ü by x; Thu, 1 Jan 1970 00:00:00 +0000", None),
    ("Message-ID: <ü@x>", None),
    ("ü no field", b"=?utf-8?q?=C3=BC_no_field?="),
    ("X-Unknown: ä", b"X-Unknown: =?utf-8?q?=C3=A4?="),
)  # fmt: skip


class Surrogates(SynchronousTestCase):
    """surrogate()"""

    def test_fields(self) -> None:
        """Each kind of field."""
        for given_, wanted in FIELDS:
            raw = given_.encode() if isinstance(given_, str) else given_
            made = surrogate(b"A: b\n" + raw + b"\nZ: y\n\n")
            middle = b"" if wanted is None else wanted + b"\r\n"
            self.assertEqual(made, b"A: b\r\n" + middle + b"Z: y\r\n\r\n", given_)

    def test_no_end(self) -> None:
        """A header without empty line, or without anything, has none afterwards."""
        self.assertEqual(surrogate(b""), b"")
        self.assertEqual(surrogate(b"\r\n"), b"\r\n")
        self.assertEqual(surrogate("A: é".encode()), b"A: =?utf-8?q?=C3=A9?=\r\n")

    def test_read_by_another(self) -> None:
        """Another parser finds the same texts in it."""
        text = ("Größe " * 40).strip()
        header = f'Subject: {text}\nFrom: "{text}" <a@b.example>\n\n'.encode()
        message = message_from_bytes(surrogate(header), policy=policy.default)
        self.assertEqual(message["subject"], text)
        (raw,) = (value for name, value in message.raw_items() if name == "From")
        self.assertEqual(str(make_header(decode_header(raw))), f"{text} <a@b.example>")

    @settings(deadline=None, max_examples=300)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(
                    ["From", "To", "Subject", "Content-Type", "Content-Disposition", "X", "Date"]
                ),
                st.text(st.sampled_from('aé<>@,;:"\\()=*/ \t\0\r[]?.\x7f\u2028\ud7ff'), max_size=30),
            ),
            max_size=4,
        )
    )
    def test_anything(self, fields: list[tuple[str, str]]) -> None:
        """Whatever comes, what goes out is ASCII in lines of at most 998 octets, with no new fields."""
        header = "".join(f"{name}: {value}\n" for name, value in fields).encode() + b"\n"
        made = surrogate(header)
        self.assertTrue(made.isascii())
        self.assertTrue(made.endswith(b"\r\n"))
        lines = made.split(b"\r\n")
        self.assertLessEqual(max(map(len, lines)), 998)
        names = [line.partition(b":")[0].decode() for line in lines if line[:1] not in (b"", b" ", b"\t")]
        known = [name for name, _ in fields]
        for name in names:
            self.assertIn(name, known)
            known = known[known.index(name) + 1 :]

    def test_long(self) -> None:
        """No line gets too long, however long the names are."""
        name = "x" * 3000
        header = (
            f"From: {name} <é@example.org>, {name} <a@{name}>\nContent-Type: a/b; {name}=é; x={name}é\n\n"
        )
        made = surrogate(header.encode())
        self.assertLessEqual(max(map(len, made.split(b"\r\n"))), 998)
        self.assertFalse(b"ppp" in made)
