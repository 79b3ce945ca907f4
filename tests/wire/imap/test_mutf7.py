"""Modified UTF-7."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import mutf7

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


class Mutf7Tests(SynchronousTestCase):
    """RFC 3501 section 5.1.3."""

    def test_examples(self) -> None:
        """The RFC's examples and their kin go both ways."""
        for name, wire in (
            ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("a&b", b"a&-b"),
            ("Entwürfe", b"Entw&APw-rfe"),
            ("\U0001f4ec", b"&2D3c7A-"),
            ("", b""),
        ):
            self.assertEqual(mutf7.encode(name), wire)
            self.assertEqual(mutf7.decode(wire), name)

    def test_only_the_canonical_form(self) -> None:
        """Encoded ASCII, open shifts, lone surrogates, padding and neighbouring shifts are refused (I15)."""
        wrong = (
            b"&AC4ALg-/x",
            b"&AC8-",
            b"&AEE-",
            b"&",
            b"&AA",
            b"&AA-",
            b"&2AA-",
            b"&ZeVnLIqe",
            b"&AEk-NBOX",
        )
        for wire in (
            *wrong,
            b"&AOk-&AOk-",
            b"&AOk=-",
            b"&AOl-",
            b"\xc3\xa9",
            b"a\nb",
            b"&A!Ok-",
            b"&&-",
            b"&*-",
        ):
            with self.assertRaises(BadSyntax, msg=repr(wire)):
                mutf7.decode(wire)

    @settings(deadline=None, max_examples=200)
    @given(TEXTS)
    def test_round_trip(self, name: str) -> None:
        """Every text has a wire form in printable ASCII that means it again."""
        wire = mutf7.encode(name)
        self.assertTrue(all(0x20 <= octet < 0x7F for octet in wire))
        self.assertEqual(mutf7.decode(wire), name)

    @settings(deadline=None, max_examples=200)
    @given(st.text("&-AOk8,+é x").map(str.encode))
    def test_no_second_spelling(self, wire: bytes) -> None:
        """What decodes is what encode() writes, and nothing but BadSyntax is raised."""
        try:
            name = mutf7.decode(wire)
        except BadSyntax:
            return
        self.assertEqual(mutf7.encode(name), wire)
