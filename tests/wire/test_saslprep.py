"""mailnode.wire.saslprep: RFC 4013, with the examples of its section 3."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.saslprep import saslprep

PREPARED = (
    ("I\u00adX", "IX"),  # SOFT HYPHEN mapped to nothing
    ("user", "user"),
    ("USER", "USER"),
    ("\u00aa", "a"),  # output is NFKC
    ("\u2168", "IX"),
    ("a\u00a0b", "a b"),  # a blank of another kind is a blank
    ("u\u0308", "\u00fc"),
    ("\u06271\u0628", "\u06271\u0628"),
    ("\U0001f511", "\U0001f511"),  # younger than Unicode 3.2
    ("\uff21nna", "Anna"),
)

PROHIBITED = (
    "",
    "\u00ad",
    "a\x07",
    "\x7f",
    "\u06271",
    "\u0627a\u0628",
    "\ue000",
    "\ufffd",
    "\u200e",
    "\u2028",
)


class SaslPrep(SynchronousTestCase):
    """Names and passwords."""

    def test_prepared(self) -> None:
        """Mapped, normalised, and let through."""
        for text, prepared in PREPARED:
            self.assertEqual(saslprep(text), prepared, ascii(text))

    def test_prohibited(self) -> None:
        """Controls, private use, mixed directions, and nothing at all."""
        for text in PROHIBITED:
            self.assertRaises(BadSyntax, saslprep, text)

    @given(st.text(max_size=20))
    @settings(deadline=None, max_examples=200, derandomize=True)
    def test_any_text(self, text: str) -> None:
        """What has been prepared once is not changed by it again; ASCII is never changed."""
        try:
            prepared = saslprep(text)
        except BadSyntax:
            return
        if text.isascii():
            self.assertEqual(prepared, text)
        try:
            self.assertEqual(saslprep(prepared), prepared)
        except BadSyntax:
            self.assertFalse(text.isascii())
