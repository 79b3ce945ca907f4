"""Accept-Language and Content-Language (RFC 3282)."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.language import languages

TABLE: tuple[tuple[bytes, tuple[str, ...]], ...] = (
    (b"Subject: x\r\n", ()),
    (b"Content-Language: de\r\n", ("de",)),
    (b"content-language: de-AT, (Tyrol) FR\r\n", ("de", "fr")),
    (b"Accept-Language: de-DE, en-US\r\nContent-Language: fr\r\n", ("de", "en", "fr")),
    (b"Accept-Language: en;q=0.5, de ; q = 0.7, fr;q=0.7, es\r\n", ("es", "de", "fr", "en")),
    (b"Accept-Language: de;q=0, en\r\nContent-Language: de, es\r\n", ("en", "es")),
    (b"Accept-Language: *, fr;q=0.001\r\nContent-Language: it\r\n", ("fr", "it")),
    (b"Accept-Language: fr,\r\n\tde\r\n", ("fr", "de")),
    (b"Accept-Language: de-AT;q=0.1, de;q=0.9, en;q=0.5\r\n", ("en", "de")),
    (b"Accept-Language: \xff, de_DE, d3, en;q=2, fr;q=1.5, es;q=x, ;q=1, pt;q=1.000\r\n", ("pt",)),
    (b"Accept-Language: klingonish, i-x\r\n", ("i",)),
    (b"Accept-Language: de\r\nAccept-Language: fr\r\n", ("de",)),
    (b"X: y\r\n\r\nAccept-Language: de\r\n", ()),
)


class LanguageTests(SynchronousTestCase):
    """languages()"""

    def test_each(self) -> None:
        """Primary subtags, by their weight, then as they stand; those of the text last."""
        for header, found in TABLE:
            self.assertEqual(languages(header), found, header)

    def test_bounded(self) -> None:
        """Of a field without end only the beginning is looked at."""
        many = b", ".join(b"%c%c" % (one, two) for one in range(97, 123) for two in range(97, 123))
        self.assertLess(len(languages(b"Accept-Language: " + many + b"\r\n")), 100)

    @settings(derandomize=True, database=None, deadline=None)
    @given(
        st.binary(max_size=60),
        st.lists(
            st.sampled_from((b"de", b"-AT", b";q=0.5", b";", b"q=", b",", b" ", b"(", b"*", b"1", b"\r\n"))
        ),
    )
    def test_any(self, octets: bytes, pieces: list[bytes]) -> None:
        """Whatever stands there, each language is named once, in lower case letters."""
        for value in (octets, b"".join(pieces)):
            found = languages(b"Accept-Language: " + value + b"\r\nContent-Language: " + value + b"\r\n")
            self.assertEqual(len(set(found)), len(found))
            for one in found:
                self.assertRegex(one, r"\A[a-z]{1,8}\Z")
