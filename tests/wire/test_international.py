"""Internationalised addresses: one key for all spellings, and no address that shows what it is not."""

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.address import Address, is_domain, parse_address, parse_path
from mailnode.wire.errors import BadSyntax
from mailnode.wire.international import a_labels, check_local_part, folded, u_labels

TWINS = {  # a key, and spellings of its address
    "j\u00fcrgen@xn--bcher-kva.example": (
        "J\u00fcrgen@B\u00fccher.Example",
        "Ju\u0308rgen@bu\u0308cher.example.",
        "J\u00dcRGEN@XN--BCHER-KVA.example",
    ),
    "\u00fc@x.example": ('"\u00fc"@x.example', "\u00dc@X.example", "U\u0308@x.example"),
    "\u00e5@x.example": ("\u212b@x.example", "\u00c5@x.example", "a\u030a@x.example"),
    "\u7528\u6237@xn--r8jz45g.example": ("\u7528\u6237@\u4f8b\u3048.example",),
    "stra\u00dfe@xn--strae-oqa.example": ("Stra\u00dfe@stra\u00dfe.example",),
    "\u05d0@xn--4db.example": ("\u05d0@\u05d0.example",),
}
BAD = (  # R33, in the domain and in the local part
    *("u\uff20x.example", "u\uff20@x.example", "u\ufe6bv@x.example", "u@x\u3002example", "u@x\uff0eexample"),
    *(
        "u@x\uff61example",
        "u.v\u3002w@x.example",
        "u\uff0ev@x.example",
        "u@x\u200d.example",
        "u@\u200dx.example",
    ),
    *(
        "u@x\u202ey.example",
        "u\u202ev@x.example",
        "u\u2066v@x.example",
        "u\u200fv@x.example",
        "u\u00adv@x.example",
    ),
    *(
        "u@\u00e4\0.example",
        "\u00e4\0@x.example",
        "u\u0085v@x.example",
        "u\u3000v@x.example",
        "u\u2028v@x.example",
    ),
    *("u@\uff58.example", "u@\u2665.example", "u@\u0378.example", "u@\U000e0041.example", "u@\u212a.\u3002"),
    *(
        "u@-\u00e4.example",
        "u@\u00e4-.example",
        "u@ab--\u00e4.example",
        "u@\u00e4..example",
        "u@.\u00e4",
        "u@\u00e4_b",
    ),
    *("u@xn--\u00e4.example", "u@\u0308a.example", "u@" + "\u00e4" * 64, "u@" + "\u4f8b." * 63 + "\u4f8b"),
    *("u@\u05d0a.example", "u@\ud800.example", "\ud800@x.example", "\ufeffu@x.example", "u\u200bv@x.example"),
)
LETTERS = st.characters(min_codepoint=0x80, exclude_categories=("Cs", "Cc", "Cf", "Zs", "Zl", "Zp", "Cn"))


class International(SynchronousTestCase):
    """RFC 6531 section 3.3"""

    def test_twins(self) -> None:
        """However an address is written, it has one key; a key is its own."""
        for key, spellings in TWINS.items():
            for text in spellings:
                self.assertEqual(parse_address(text, utf8=True).key, key, ascii(text))
                self.assertEqual(
                    parse_path(f"<{text}>".encode(), utf8=True)[0], parse_address(text, utf8=True)
                )
            self.assertEqual(parse_address(key, utf8=True).key, key)

    def test_strangers(self) -> None:
        """Letters that only look alike make other addresses."""
        self.assertNotEqual(Address("\u0430dmin", "x").key, Address("admin", "x").key)
        self.assertNotEqual(Address("\uff41dmin", "x").key, Address("admin", "x").key)
        self.assertNotEqual(a_labels("stra\u00dfe.example"), a_labels("strasse.example"))

    def test_bad(self) -> None:
        """R33: what shows another address than it is, or has no A-label, is no address."""
        for text in BAD:
            self.assertRaises(BadSyntax, parse_address, text, utf8=True)
            data = b"<" + text.encode("utf-8", "surrogatepass") + b">"
            self.assertRaises(BadSyntax, parse_path, data, utf8=True)

    def test_complaints(self) -> None:
        """The text names what cannot be seen, in ASCII."""
        wrong = self.assertRaises(BadSyntax, parse_address, "a\u202eb@x.example", utf8=True)
        self.assertEqual(str(wrong), "The local part of the address holds U+202E")

    def test_joiners(self) -> None:
        """Scripts that need joiners have them; in domains IDNA says where."""
        check_local_part("\u0915\u094d\u200d\u0937")
        self.assertTrue(is_domain("\u0915\u094d\u200d\u0937.example"))
        self.assertFalse(is_domain("a\u200db.example"))

    def test_u_labels(self) -> None:
        """A-labels are shown as what they stand for; what stands for nothing stays."""
        for text, shown in (
            ("xn--bcher-kva.example", "b\u00fccher.example"),
            ("XN--BCHER-KVA.Example", "b\u00fccher.example"),
            ("Mail.Example", "Mail.Example"),
            ("xn--\u00fc.example", "xn--\u00fc.example"),
            ("xn--a.example", "xn--a.example"),
            ("xn--abc-.example", "xn--abc-.example"),
            ("xn--99999999.example", "xn--99999999.example"),
            ("[xn--a:b]", "[xn--a:b]"),
        ):
            self.assertEqual(u_labels(text), shown)
        self.assertEqual(str(Address("u", "xn--bcher-kva.example").shown), "u@b\u00fccher.example")

    @settings(deadline=None, max_examples=300, derandomize=True)
    @given(st.text(max_size=12))
    def test_folding(self, text: str) -> None:
        """Folding twice changes nothing; canonical equivalents fold to one text."""
        once = folded(text)
        self.assertEqual(folded(once), once)
        self.assertEqual(folded(unicodedata.normalize("NFD", text)), once)

    @settings(deadline=None, max_examples=300, derandomize=True)
    @given(st.text(LETTERS | st.sampled_from("az-."), min_size=1, max_size=12))
    def test_domains(self, text: str) -> None:
        """A domain that is taken has an ASCII key that is a domain, its own key, and that of its NFD."""
        if not is_domain(text):
            return
        key = a_labels(text)
        self.assertTrue(key.isascii() and is_domain(key), key)
        self.assertEqual(a_labels(key), key)
        self.assertEqual(a_labels(unicodedata.normalize("NFD", text)), key)
        self.assertEqual(a_labels(u_labels(key)), key)

    @settings(deadline=None, max_examples=300, derandomize=True)
    @given(st.text(max_size=20), st.text(max_size=20))
    def test_anything(self, local: str, domain: str) -> None:
        """Any text is an address with a key, or BadSyntax."""
        try:
            address = parse_address(f"{local}@{domain}", utf8=True)
        except BadSyntax:
            return
        self.assertEqual(parse_address(str(address), utf8=True).key, address.key)
