"""What SEARCH compares of a header, as it is kept."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.collation import fold
from mailnode.message.searched import FIELDS, octets_of, searched, sent_day, values

texts = st.text("aB ß\u0301日\U0001f600\ud800", max_size=4)
lines = st.one_of(
    texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
    texts.map(lambda text: b"=?utf-8?q?" + text.encode("utf-8", "replace").hex("=").encode() + b"?="),
    st.sampled_from([b"", b"=?utf-8?q?a=0Ab?=", b"a\r\n b", b"=?utf-7?q?+2AA-?=", b"\xe4\xff"]),
)
fields = st.tuples(st.sampled_from([b"Subject", b"SUBJECT", b"To", b"X-Subject"]), lines)
headers = st.lists(fields, max_size=5).map(
    lambda found: b"".join(b"%b: %b\r\n" % one for one in found) + b"\r\n"
)


class SearchedTests(SynchronousTestCase):
    """searched() and octets_of()"""

    @given(headers, texts | st.sampled_from(["", "\n", "a\nb", "A\nB"]))
    def test_as_the_values(self, header: bytes, needle: str) -> None:
        """What stands in a kept text is what stands in one of the values."""
        octets = octets_of(fold(needle))
        self.assertEqual(octets is None, "\n" in needle)
        for name, text in zip(FIELDS, searched(header).texts, strict=True):
            found = values(header, name)
            self.assertEqual(text is None, not found)
            if octets is not None:
                stands = text is not None and octets in text
                self.assertEqual(stands, any(fold(needle) in value for value in found))

    def test_days(self) -> None:
        """The day of the first Date field, whatever its zone."""
        for header, day in (
            (b"Date: 1 Jan 0001 00:00 +0000\r\n\r\n", 0),
            (b"Date: Wed, 1 Jan 2020 23:59:59 -1200\r\nDate: 2 Jan 2020 00:00 +0000\r\n\r\n", 737425),
            (b"Date: yesterday\r\nDate: 2 Jan 2020 00:00 +0000\r\n\r\n", 0),
            (b"Subject: none\r\n\r\n", 0),
        ):
            self.assertEqual((sent_day(header), searched(header).day), (day, day), header)
