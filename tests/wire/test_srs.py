"""The Sender Rewriting Scheme: there and back, and nobody's forgeries."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.address import Address, parse_address
from mailnode.wire.errors import BadSyntax
from mailnode.wire.srs import VALID_DAYS, Srs

DAY = 86400.0
HERE, THERE, LAST = "here.example", "there.example", "last.example"
SENDERS = (
    "anna@elsewhere.example",
    "Anna.B+tag@Elsewhere.example",
    '"an na"@elsewhere.example',
    "a=b=c@elsewhere.example",
    "srs@elsewhere.example",
    "anna@[192.0.2.1]",
    "j\u00fcrgen@b\u00fccher.example",
)


class Rewriting(SynchronousTestCase):
    """Hosts that send on, with clocks of their own."""

    def setUp(self) -> None:
        self.seconds = 20_000 * DAY
        self.srs, self.other = (Srs(key, lambda: self.seconds) for key in (b"one", b"another"))

    def test_there_and_back(self) -> None:
        """The way back leads to the sender, as an address that is one in every session."""
        for text in SENDERS:
            sender = parse_address(text, utf8=True)
            rewritten = parse_address(str(self.srs.rewritten(sender, HERE)), utf8=True)
            self.assertEqual(rewritten.domain, HERE)
            self.assertTrue(rewritten.local.startswith("SRS0="))
            original = self.srs.original(rewritten.local)
            assert original is not None
            self.assertEqual(original.key, sender.key)
            self.assertEqual(original.local, sender.local)

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=60))
    def test_any_local_part(self, local: str) -> None:
        """Quoted ones too, but those that look rewritten already."""
        seconds = 20_000 * DAY
        srs = Srs(b"key", lambda: seconds)
        if local[:3].upper() != "SRS":
            self.assertEqual(
                srs.original(srs.rewritten(Address(local, "x.example"), HERE).local),
                Address(local, "x.example"),
            )

    def test_forwarded_again(self) -> None:
        """What was rewritten elsewhere goes straight back there, however many hosts are between."""
        sender = parse_address("anna@elsewhere.example")
        first = self.other.rewritten(sender, THERE)
        second = self.srs.rewritten(first, HERE)
        self.assertTrue(second.local.startswith("SRS1="))
        third = self.other.rewritten(second, LAST)
        self.assertTrue(third.local.startswith("SRS1="))
        self.assertEqual(self.srs.original(second.local), first)
        self.assertEqual(self.other.original(third.local), first)
        self.assertEqual(self.other.original(first.local), sender)

    def test_any_letters(self) -> None:
        """Some hosts change a local part to small letters, or to capital ones."""
        local = self.srs.rewritten(parse_address("anna@elsewhere.example"), HERE).local
        for written in (local.lower(), local.upper()):
            original = self.srs.original(written)
            assert original is not None
            self.assertEqual(original.key, "anna@elsewhere.example")

    def test_forged(self) -> None:
        """A way back that was not made here leads to nobody."""
        local = self.srs.rewritten(parse_address("anna@elsewhere.example"), HERE).local
        again = self.srs.rewritten(self.other.rewritten(parse_address("a@b.example"), THERE), HERE).local
        for forged in (
            local.replace("anna", "bob"),
            local.replace("elsewhere", "nowhere"),
            local[:5] + ("A" if local[5] != "A" else "B") + local[6:],
            self.other.rewritten(parse_address("anna@elsewhere.example"), HERE).local,
            again.replace(THERE, "third.example"),
            again.replace("b.example", "c.example"),
            "SRS0=",
            "SRS0=x",
            "SRS1=x=y==z",
            "SRS0=ABCDEFGH=AA=x=y",
            "SRS1=ABCDEFGH=AA=x=y",
            "SRS0=\u00e4bcdefgh=AA=x=y",
        ):
            self.assertRaises(BadSyntax, self.srs.original, forged)

    def test_others_names(self) -> None:
        """What was never rewritten."""
        for local in ("anna", "srs", "SRS0", "srs0x", "anna=b.example", "SRS2=x", ""):
            self.assertIsNone(self.srs.original(local))

    def test_too_old(self) -> None:
        """It holds for three weeks, over the end of the count of days, and with a clock that goes back."""
        for start in (20_000, 20_479, 20_480, 21_503):
            self.seconds = start * DAY
            local = self.srs.rewritten(parse_address("anna@elsewhere.example"), HERE).local
            for days in (0, -1, VALID_DAYS, VALID_DAYS + 1, -2):
                self.seconds = (start + days) * DAY
                if -1 <= days <= VALID_DAYS:
                    self.assertIsNotNone(self.srs.original(local), (start, days))
                else:
                    self.assertRaises(BadSyntax, self.srs.original, local)

    def test_too_long(self) -> None:
        """What would not fit into any session stays as it is."""
        sender = Address("a" * 250, "elsewhere.example")
        self.assertEqual(self.srs.rewritten(sender, HERE), sender)
