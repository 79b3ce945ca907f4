"""What SORT and THREAD compare of a message."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.date import sent_date
from mailnode.message.header import scan
from mailnode.message.message_ids import digest
from mailnode.message.ordering import Text, facts, ordering, sent, text_key


def keys(header: bytes) -> dict[str, bytes]:
    """All texts of a header that are not empty."""
    octets = ordering(scan(header))
    return {text.name: key for text in Text if (key := text_key(octets, text))}


class OrderingTests(SynchronousTestCase):
    """ordering() and what reads it"""

    def test_texts(self) -> None:
        """RFC 5256 section 3, RFC 5957 section 3: the first address of each field, folded."""
        header = (
            b"From: =?utf-8?q?=C3=84nne?= <anne@x>, b@x\nTo: c@x, Bob <b@x>\nCc: d@x\n"
            b"Subject: Re: [list] hello (fwd)\n\n"
        )
        self.assertEqual(
            keys(header),
            {
                "SUBJECT": b"HELLO",
                "FROM": b"ANNE",
                "TO": b"C",
                "CC": b"D",
                "DISPLAYFROM": "A\u0308NNE".encode(),
                "DISPLAYTO": b"C@X",
            },
        )

    def test_odd_addresses(self) -> None:
        """Groups, names without address, several fields, comments: as ENVELOPE shows them."""
        for header, expected in (
            (b"To: friends: a@x;\n\n", {"TO": b"FRIENDS", "DISPLAYTO": b"FRIENDS"}),
            (b"To: me\n\n", {"TO": b"ME", "DISPLAYTO": b"ME@"}),
            (b"To:\nTo: , a@x\n\n", {"TO": b"A", "DISPLAYTO": b"A@X"}),
            (b"To: a@x (Anne)\n\n", {"TO": b"A", "DISPLAYTO": b"ANNE"}),
            (b"From:\nFrom: a@x\n\n", {}),
            (b'To: "" <a@x>\n\n', {"TO": b"A", "DISPLAYTO": b"A@X"}),
        ):
            self.assertEqual(keys(header), expected, header)

    def test_facts(self) -> None:
        """Dates, ids and references come back as they were put in."""
        header = (
            b"Date: 1 Jan 2001 00:01:33 +0000\nMessage-ID: <a@b>\nReferences: <c@d> <e@f>\nSubject: Re: x\n\n"
        )
        found = facts(ordering(scan(header)))
        self.assertEqual(found, (978307293, True, b"X", digest(b"a@b"), (digest(b"c@d"), digest(b"e@f"))))
        self.assertEqual(facts(ordering(scan(b"\n"))), (None, False, b"", b"", ()))
        reply = facts(ordering(scan(b"In-Reply-To: <c@d> <e@f>\n\n")))
        self.assertEqual(reply, (None, False, b"", b"", (digest(b"c@d"),)))

    def test_sent_date(self) -> None:
        """RFC 5256 section 2.2: in UTC; a wrong zone is UTC, a wrong time is midnight, no day is nothing."""
        for value, expected in (
            (b"31 Dec 2000 16:01:33 -0800", 978307293),
            (b"Mon, 1 Jan 2001 00:01:33 +0000", 978307293),
            (b"Mon, 1 Jan 2001 00:01:33 +9999", 978307293),
            (b"1 Jan 2001 00:01:33 +12345", 978307293),
            (b"1 Jan 2001 00:01:33 Nowhere", 978307293),
            (b"1 Jan 2001 25:01:33 +0100", 978307200),
            (b"1 Jan 2001 soon", 978307200),
            (b"1 Jan 2001", 978307200),
            (b"1 Jan 1960 00:00:00.5 +0000", -315619200),
            (b"32 Jan 2001 00:00:00 +0000", None),
            (b"yesterday", None),
            (b"", None),
            (b"1 Jan 2001" + b" " * 300, None),
        ):
            self.assertEqual(sent_date(value), expected, value)

    @given(
        st.binary(max_size=300), st.sampled_from([b"Subject", b"From", b"Date", b"References", b"Message-ID"])
    )
    def test_anything(self, value: bytes, name: bytes) -> None:
        """Whatever stands in a field, there is something to compare."""
        octets = ordering(scan(name + b": " + value + b"\n\n"))
        for text in Text:
            self.assertIsInstance(text_key(octets, text), bytes)
        self.assertEqual(facts(octets).sent, sent(octets))
        self.assertEqual(facts(octets).subject, text_key(octets, Text.SUBJECT))
        self.assertTrue(all(len(one) == 16 for one in facts(octets).references))

    def test_bounded(self) -> None:
        """A header of any size gives a few thousand octets."""
        fields = (b"Subject: %s\n", b"From: %s <%s>\n", b"To: %s <%s>\n", b"Cc: %s@x\n")
        long = b"x" * 60_000
        header = b"".join(field.replace(b"%s", long) for field in fields)
        header += b"References: " + b"<x@y> " * 10_000 + b"\n\n"
        self.assertLess(len(ordering(scan(header))), 7000)
