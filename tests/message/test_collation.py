"""i;unicode-casemap, and the keys that are compared by it."""

import unicodedata
from encodings.aliases import aliases

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.message.collation import KEY_OCTETS, blocks, collation_key, decoded, fold
from mailnode.message.encoded import decode_words, decode_words_strictly


def key(value: bytes) -> bytes:
    """What a header value is sorted by."""
    return collation_key(*decoded(value))


def as_defined(text: str) -> str:
    """RFC 5051 section 2, a character at a time, in the blocks that bound the work of decomposing."""
    return "".join(decomposed("".join(map(simple_title, block))) for block in blocks(text, 512))


def decomposed(text: str) -> str:
    """What decomposing leaves."""
    return unicodedata.normalize("NFKD", text)


def simple_title(character: str) -> str:
    """The simple titlecase mapping, which gives one character; those that have none stay."""
    return character.title() if len(character.title()) == 1 else character


long_runs = st.builds(
    lambda start, run, times: start + run * times,
    st.text(max_size=3),
    st.text("aß\u0301\u0323日", min_size=1, max_size=3),
    st.integers(300, 600),
)


class CollationTests(SynchronousTestCase):
    """fold(), decoded() and collation_key()"""

    def test_the_example_of_the_rfc(self) -> None:
        """RFC 5051 section 2: titlecase first, then decomposed until nothing is left to decompose."""
        self.assertEqual(fold("\u01c4"), "Dz\u030c")

    def test_every_character(self) -> None:
        """RFC 5051 section 2, one after the other."""
        characters = map(chr, range(0x110000))
        self.assertEqual([one for one in characters if fold(one) != decomposed(simple_title(one))], [])

    @settings(deadline=None)
    @given(st.text(st.characters() | st.sampled_from("aZ ßǆაﬁŉΐäé\u0301\u0323日й")) | long_runs)
    def test_every_text(self, text: str) -> None:
        """What a character becomes depends on its neighbours only as far as decomposing says."""
        self.assertEqual(fold(text), as_defined(text))

    def test_order(self) -> None:
        """RFC 5255 section 4.6: what is in no known charset comes last, in the order of its octets."""
        values = [
            b"",
            b"a",
            b"B",
            b"=?utf-8?q?=C3=84?=",
            "ä b".encode(),
            b"c",
            b"=?koi8-r?b?4czFy9PFyg==?=",
            b"=?utf-8?b?0YHQldCg0JPQldCZ?=",
            b"=?utf-8?b?0JLQsNGB0LjQu9C40P+5?=",
            b"=?utf-8?b?0MDQvdC00YDQtdC5?=",
        ]
        wanted = [0, 1, 3, 4, 2, 5, 6, 7, 9, 8]
        self.assertEqual(sorted(range(len(values)), key=lambda n: key(values[n])), [*wanted[:8], 8, 9])

    def test_unknown(self) -> None:
        """Octets of which nobody knows what they mean are themselves."""
        for value, octets in (
            (b"x \xe4", b"x \xe4"),
            (b"=?x-unknown?q?=E4?= x", b"\xe4 x"),
            (b"=?utf-8?q?=E4?=", b"\xe4"),
            (b"=?utf-7?q?+2AA-?=", b"+2AA-"),
        ):
            self.assertEqual(decoded(value), (octets.decode("latin-1"), False))
            self.assertEqual(key(value), b"\xff" + octets)

    def test_long(self) -> None:
        """A long key is cut; what differs behind the cut differs still."""
        one, other = collation_key("x" * 9000 + "a"), collation_key("x" * 9000 + "b")
        self.assertNotEqual(one, other)
        self.assertEqual((len(one), len(other)), (KEY_OCTETS, KEY_OCTETS))
        self.assertEqual(one, collation_key("X" * 9000 + "A"))

    @given(st.text(st.characters(exclude_categories=("Cs",))), st.text("aAäÄﬁ"))
    def test_same_as_search(self, text: str, other: str) -> None:
        """Two texts have the same key where SEARCH takes them for the same; the order is that of octets."""
        self.assertEqual(collation_key(text) == collation_key(other), fold(text) == fold(other))
        self.assertEqual(collation_key(text) < collation_key(other), fold(text) < fold(other))

    @given(st.sampled_from(sorted({*aliases.values(), "us-ascii", "utf-7"})), st.binary(max_size=20))
    def test_all_charsets(self, charset: str, octets: bytes) -> None:
        """Whatever the charset: a text that UTF-8 can carry, or UnicodeError; strictly is as ever, or not."""
        value = b"=?%s?q?%s?=" % (charset.encode(), b"".join(b"=%02X" % octet for octet in octets))
        try:
            text = decode_words_strictly(value)
        except UnicodeError:
            self.assertFalse(decoded(value)[1])
        else:
            self.assertEqual(text, decode_words(value))
            self.assertLess(collation_key(text), b"\xff")
