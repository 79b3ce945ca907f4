"""Addresses and paths (RFC 5321 sections 4.1.2 and 4.1.3)."""

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire import address as module
from mailnode.wire.address import (
    DOMAIN_LIMIT,
    LOCAL_LIMIT,
    Address,
    is_domain,
    literal,
    parse_address,
    parse_path,
)
from mailnode.wire.errors import BadSyntax

GOOD = {  # text: local part, domain, and the text that str() gives
    "u@other.example": ("u", "other.example", "u@other.example"),
    "A.b+c@X": ("A.b+c", "X", "A.b+c@X"),
    '"u"@x': ("u", "x", "u@x"),
    '"u v"@x': ("u v", "x", '"u v"@x'),
    '""@x': ("", "x", '""@x'),
    r'"\u\"\\"@x': ('u"\\', "x", r'"u\"\\"@x'),
    '"a@b"@x': ("a@b", "x", '"a@b"@x'),
    '".a"@x': (".a", "x", '".a"@x'),
    "u@x.": ("u", "x", "u@x"),
    "u@[192.0.2.1]": ("u", "[192.0.2.1]", "u@[192.0.2.1]"),
    "u@[IPv6:2001:db8::1]": ("u", "[IPv6:2001:db8::1]", "u@[IPv6:2001:db8::1]"),
    "u@[x-tag:anything!]": ("u", "[x-tag:anything!]", "u@[x-tag:anything!]"),
    "a" * LOCAL_LIMIT + "@x": ("a" * LOCAL_LIMIT, "x", "a" * LOCAL_LIMIT + "@x"),
}
BAD = (
    "", "@", "u", "u@", "@x", "u@x@y", "u@ x", "u @x", "u@x y", ".u@x", "u.@x", "u..v@x", "u@.x", "u@x..y",
    "u@-x", "u@x-", "u@x_y", "u@x..", '"u@x', 'u"@x', '"u"v@x', '"\n"@x', '"\\', "u@[", "u@[]", "u@[1.2.3]",
    "u@[1.2.3.256]", "u@[01.2.3.4]", "u@[IPv6:1]", "u@[IPv6:fe80::1%eth0]", "u@[192.0.2.1]x", "u@[a b:c]",
    "a" * (LOCAL_LIMIT + 1) + "@x", "u@" + "a" * 64, "u@" + "a." * 128 + "a", "u;v@x", "\u00fc@x",
    "u@\u00fc", "u\uff20x", "u@x\u3002y", "u\0@x", "u@x\0",
)  # fmt: skip
PATHS = {  # octets: the address and the rest, or None for "<>"
    b"<>": (None, b""),
    b"<> SIZE=1": (None, b" SIZE=1"),
    b"<u@x> SIZE=1": ("u@x", b" SIZE=1"),
    b"<u@x>>": ("u@x", b">"),
    b"<@a,@b.c:u@x>": ("u@x", b""),
    b"<@a:u@x>": ("u@x", b""),
    b"<PostMaster>": ("postmaster", b""),
    b'<">"@x>y': ('">"@x', b"y"),
    b'<"@a:b"@x>': ('"@a:b"@x', b""),
}
BAD_PATHS = (
    b"", b"u@x", b"<", b"<u@x", b"u@x>", b"<u>", b"< u@x>", b"<u@x >", b"<@a>", b"<@a:>", b"<@a,b:u@x>",
    b"<a:u@x>", b"<postmaster", b"<u@x,v@y>", b"<\xc3\xbc@x>", b"<\xc3(@x>", b"<u@x\0>", b"<u@x\r\n>",
)  # fmt: skip

COMPLAINTS = {  # what is wrong, and what is said of it
    b"<a..b@x.org>": "The local part of the address is wrong",
    b"<a.@x.org>": "The local part of the address is wrong",
    b"<.a@x.org>": "The local part of the address is wrong",
    b"<a b@x.org>": "The local part of the address is wrong",
    b'<"a"b@x.org>': "The local part of the address is wrong",
    b"<@x.org>": "The local part of the address is wrong",
    b"<a>": "The address has no domain",
    b"<a> AUTH=b@x.org": "The address has no domain",
    b"<a@>": "The domain of the address is wrong",
    b"<a@x..org>": "The domain of the address is wrong",
    b"<a@[1.2.3]>": "The address literal is wrong",
    b"<a@x.org": "The domain of the address is wrong, or the closing > is missing",
    b"<a@x@y>": "The domain of the address is wrong, or the closing > is missing",
}

LOCALS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
DOMAINS = st.lists(LABELS, min_size=1, max_size=5).map(".".join)


class Addresses(SynchronousTestCase):
    """Mailbox = Local-part "@" ( Domain / address-literal )"""

    def test_good(self) -> None:
        """Quoting is taken off, and put back where the grammar needs it."""
        for text, (local, domain, shown) in GOOD.items():
            address = parse_address(text)
            self.assertEqual((address.local, address.domain, str(address)), (local, domain, shown))

    def test_bad(self) -> None:
        """What is no address is BadSyntax, and never anything else (vectors R1 to R21, R33)."""
        for text in BAD:
            self.assertRaises(BadSyntax, parse_address, text)
            self.assertRaises(BadSyntax, parse_path, b"<" + text.encode() + b"> x" if text else b"")

    def test_utf8(self) -> None:
        """Other than ASCII is an address only where it was asked for (RFC 6531 section 3.3)."""
        self.assertEqual(parse_address("\u00fc@\u00e4.x", utf8=True), Address("\u00fc", "\u00e4.x"))
        self.assertEqual(parse_path("<\u00fc@x> y".encode(), utf8=True), (Address("\u00fc", "x"), b" y"))
        self.assertRaises(BadSyntax, parse_path, b"<\xc3(@x>", utf8=True)

    def test_key(self) -> None:
        """For look-ups every spelling of one address is the same."""
        keys = {parse_address(text).key for text in ("Anna@X.Example", '"anna"@x.example', "anna@x.example.")}
        self.assertEqual(keys, {"anna@x.example"})

    def test_paths(self) -> None:
        """Path = "<" [ A-d-l ":" ] Mailbox ">": the address, without its route, and what follows."""
        for data, (shown, rest) in PATHS.items():
            address, after = parse_path(data)
            self.assertEqual((None if address is None else str(address), after), (shown, rest), data)

    def test_bad_paths(self) -> None:
        """Anything else is BadSyntax."""
        for data in BAD_PATHS:
            self.assertRaises(BadSyntax, parse_path, data)

    def test_complaints(self) -> None:
        """The text says what is wrong."""
        for data, text in COMPLAINTS.items():
            self.assertEqual(str(self.assertRaises(BadSyntax, parse_path, data)), text, data)

    def test_domains(self) -> None:
        """Domain names have letters, digits and hyphens, and their lengths."""
        for text in ("x", "a-b.c", "a" * 63, ".".join(["a" * 63] * 3)):
            self.assertTrue(is_domain(text), text)
        for text in ("", ".", "x.", "-x", "a_b", "a" * 64, ".".join(["a" * 63] * 4) + "x", "a b", "a\n"):
            self.assertFalse(is_domain(text), text)
        self.assertFalse(is_domain("a." * (DOMAIN_LIMIT // 2) + "aa"))

    def test_literals(self) -> None:
        """The literal of an IP address (RFC 5321 section 4.1.3)."""
        self.assertEqual(
            (literal("192.0.2.1"), literal("2001:db8::1")), ("[192.0.2.1]", "[IPv6:2001:db8::1]")
        )

    @settings(deadline=None, max_examples=100)
    @given(LOCALS, DOMAINS)
    def test_round_trip(self, local: str, domain: str) -> None:
        """Every address that can be written is read back as itself, alone and in a path."""
        address = Address(local, domain)
        self.assertEqual(parse_address(str(address)), address)
        self.assertEqual(parse_path(f"<@route.example:{address}> X=y".encode()), (address, b" X=y"))

    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=60) | st.text('<>@,:."\\[]ua ', max_size=20).map(str.encode), st.booleans())
    def test_anything(self, data: bytes, utf8: bool) -> None:
        """Any octets are a path or BadSyntax; what is taken for a path can be written again."""
        try:
            address, _ = parse_path(data, utf8=utf8)
        except BadSyntax:
            return
        if address is not None and address.domain:
            self.assertEqual(parse_address(str(address), utf8=utf8), address)

    @settings(deadline=None, max_examples=200)
    @given(st.text(max_size=40) | st.text('@."\\[]:ua ', max_size=20), st.booleans())
    def test_any_text(self, text: str, utf8: bool) -> None:
        """Any text is an address or BadSyntax; an address has no control in it, and its lengths."""
        try:
            address = parse_address(text, utf8=utf8)
        except BadSyntax:
            return
        self.assertEqual(parse_address(str(address), utf8=utf8), address)
        self.assertFalse(any(ord(letter) < 32 or letter == "\x7f" for letter in str(address)))
        self.assertLessEqual(len(address.local.encode()), LOCAL_LIMIT)
        self.assertLessEqual(len(address.domain.encode()), DOMAIN_LIMIT)
        self.assertTrue(utf8 or text.isascii())

    @settings(deadline=None, max_examples=100)
    @given(LOCALS, DOMAINS)
    def test_quoting(self, local: str, domain: str) -> None:
        """However much of a local part is quoted, it is the same address, and has the same key."""
        quoted = '"' + "".join("\\" + letter for letter in local) + '"'
        address = parse_address(f"{quoted}@{domain}")
        self.assertEqual(address, Address(local, domain))
        self.assertEqual(parse_address(f"{quoted}@{domain.upper()}.").key, address.key)

    @settings(deadline=None, max_examples=100)
    @given(st.lists(DOMAINS, max_size=4), LOCALS, DOMAINS, st.binary(max_size=20))
    def test_routes(self, route: list[str], local: str, domain: str, rest: bytes) -> None:
        """A source route of any length is dropped, and every octet behind the path is given back."""
        hops = ",".join(f"@{hop}" for hop in route) + (":" if route else "")
        address = Address(local, domain)
        data = f"<{hops}{address}>".encode() + rest
        if rest.isascii():
            self.assertEqual(parse_path(data), (address, rest))

    @settings(deadline=None, max_examples=100)
    @given(st.ip_addresses(), LOCALS)
    def test_literal_round_trip(self, host: IPv4Address | IPv6Address, local: str) -> None:
        """The literal of every address is read back as it was written."""
        address = Address(local, literal(str(host)))
        self.assertEqual(parse_address(str(address)), address)

    @settings(deadline=None, max_examples=200)
    @given(
        st.lists(
            st.sampled_from(
                ["a", "b-", "@", ".", "x" * 63, "y" * 256, '"', "[1.2.3.4]", "@c:", "é", ">", "z.org"]
            ),
            max_size=8,
        ),
        st.sampled_from([b"", b" SIZE=1", b" \xff", b">"]),
    )
    def test_usual_paths(self, parts: list[str], rest: bytes) -> None:
        """Those that nearly everybody has are the same address as any other way."""
        data = f"<{''.join(parts)}>".encode() + rest
        try:
            expected: object = module._parse_path(data, utf8=True)
        except BadSyntax:
            expected = None
        try:
            found: object = parse_path(data, utf8=True)
        except BadSyntax:
            found = None
        self.assertEqual(found, expected)

    @settings(deadline=None, max_examples=200)
    @given(st.text(max_size=30) | st.text("aZ9-._\u00fc", max_size=70))
    def test_any_domain(self, text: str) -> None:
        """What is a domain name, is one in an address too, and nothing else is."""
        try:
            address = parse_address(f"u@{text}", utf8=True)
        except BadSyntax:
            self.assertFalse(is_domain(text))
            return
        if not address.domain.startswith("["):
            self.assertTrue(is_domain(text.removesuffix(".")))
