"""Header fields for lists, and fields of many headers: what header_fields() finds in each of them."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.listed import FIELDS, are_listed, chosen, listed
from mailnode.message.rendered import render
from mailnode.message.section import fields_of_headers, header_fields

NAMES = (b"From", b"TO", b"to", b"Subject", b"x", b"f", b"List-Id", b"-", b"0", b"]")

lines = st.sampled_from(
    (
        b"From: a", b"from : b", b"FROM:", b"To: c\r\n d", b"Subject:x\n\ty", b" opaque", b"\tx: y", b"x: 1",
        b"f: 2", b"From", b"Fro: 3", b"List-ID: <x>", b"\r", b"a\rb: c", b"to: \xc3\xa4", b"x: \0", b"\0",
        b"To: \x01\x7f", b"-: 4", b"0: 5", b"]: 6", b": 7", b"From x: 8",
    )
)  # fmt: skip
ends = st.sampled_from((b"\n", b"\r\n"))
blanks = st.sampled_from((b"", b"\n", b"\r\n", b"\r\nbody\n\nFrom: x\n"))
messages = st.builds(
    lambda pairs, last, blank: b"".join(line + end for line, end in pairs) + last + blank,
    st.lists(st.tuples(lines, ends), max_size=6),
    st.just(b"") | lines,
    blanks,
)
names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4)


def header(message: bytes, verbatim: bool) -> bytes:
    return render(message, verbatim).header


class ListedTests(SynchronousTestCase):
    @given(
        st.lists(messages, min_size=1, max_size=4),
        st.lists(st.sampled_from(NAMES[:4]), min_size=1),
        st.booleans(),
    )
    def test_chosen(self, some: list[bytes], wanted: list[bytes], verbatim: bool) -> None:
        """Each of several that are kept; one that is not is odd."""
        headers = [header(one, verbatim) for one in some]
        good = [one for one in headers if listed(one)]
        for one in headers:
            self.assertTrue(listed(one) or not one.isascii() or b"\0" in one or _ends_oddly(one), one)
        if good:
            found = chosen(b"\0".join(map(listed, good)), wanted)
            self.assertEqual(found, [header_fields(one, wanted, negate=False) for one in good])

    def test_names(self) -> None:
        """Names in whatever case; every name has a tag of its own."""
        self.assertTrue(are_listed([b"From", b"LIST-id"]))
        self.assertFalse(are_listed([b"From", b"Received"]))
        self.assertEqual(len(set(FIELDS)), len(FIELDS))
        every = b"".join(b"%b: %d\r\n" % (name.title(), n) for n, name in enumerate(FIELDS)) + b"\r\n"
        self.assertEqual(chosen(listed(every), FIELDS), [every])
        for n, name in enumerate(FIELDS):
            self.assertEqual(chosen(listed(every), [name]), [b"%b: %d\r\n\r\n" % (name.title(), n)])

    def test_what_is_long_is_left_out(self) -> None:
        """The way of a message and its signatures are not kept."""
        text = b"Received: from x\r\n by y\r\nSubject: a\r\n b\r\nDKIM-Signature: z\r\n\r\n"
        self.assertNotIn(b"from x", listed(text))
        self.assertEqual(chosen(listed(text), [b"Subject"]), [b"Subject: a\r\n b\r\n\r\n"])


def _ends_oddly(text: bytes) -> bool:
    """Whether there is nothing but an empty line, or the last line is no whole one."""
    return not text.strip(b"\r\n") or not text.endswith(b"\n") or text[:1] in b"\r\n"


class FieldsOfHeadersTests(SynchronousTestCase):
    @given(st.lists(messages, max_size=4), names, st.booleans())
    def test_of_each(self, some: list[bytes], wanted: list[bytes], verbatim: bool) -> None:
        """What header_fields() finds; None for a header that is not in ASCII."""
        headers = [header(one, verbatim) for one in some]
        expected = [header_fields(one, wanted, negate=False) if one.isascii() else None for one in headers]
        self.assertEqual(fields_of_headers(headers, wanted), expected)

    def test_together(self) -> None:
        """Those that are as most are look alike whether a name is none, or very many are asked for."""
        some = [b"From: a\r\nTo: b\r\n\r\n", b"To: c\r\n\r\n"]
        for wanted in ([b"to"], [b"to", b"\xe4"], [b"to"] + [b"x%d" % number for number in range(5000)]):
            self.assertEqual(fields_of_headers(some, wanted), [b"To: b\r\n\r\n", b"To: c\r\n\r\n"])
