"""mailnode.wire.proxy: both versions of the PROXY header, and all that is none."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.proxy import HEAD, LINE, SIGNATURE, START, Relayed, block_size, parse_block, parse_line

GOOD_LINES = (
    (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25", Relayed("192.0.2.1", 56324, "198.51.100.2", 25)),
    (
        b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 0",
        Relayed("255.255.255.255", 65535, "255.255.255.255", 0),
    ),
    (b"PROXY TCP6 2001:DB8::1 ::1 1 993", Relayed("2001:db8::1", 1, "::1", 993)),
    (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 993", Relayed("::ffff:c000:201", 1, "::1", 993)),
    (b"PROXY UNKNOWN", Relayed()),
    (b"PROXY UNKNOWN " + b"f" * (LINE - 14), Relayed()),
)
BAD_LINES = (
    b"",
    b"PROXY",
    b"PROXY ",
    b"PROXY TCP4",
    b"PROXY UNKNOWNx",
    b"PROXY UNKNOWN " + b"f" * (LINE - 13),
    b"proxy TCP4 192.0.2.1 192.0.2.2 1 2",
    b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2",
    b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2",
    b"PROXY TCP4  192.0.2.1 192.0.2.2 1 2",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 ",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2",
    b"PROXY TCP4 192.0.2.01 192.0.2.2 1 2",
    b"PROXY TCP4 192.0.2 192.0.2.2 1 2",
    b"PROXY TCP4 192.0.2.256 192.0.2.2 1 2",
    b"PROXY TCP4 2001:db8::1 ::1 1 2",
    b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2",
    b"PROXY TCP6 fe80::1%eth0 ::1 1 2",
    b"PROXY TCP6 1::2::3 ::1 1 2",
    b"EHLO client.example",
)
PORTS = b"\xdc\x04\x00\x19"  # 56324, 25
TCP4 = IPv4Address("192.0.2.1").packed + IPv4Address("198.51.100.2").packed + PORTS
TCP6 = IPv6Address("2001:db8::1").packed + IPv6Address("::1").packed + PORTS
TLV = b"\x04\x00\x02ab"

# version and command, family, block: what is in it, or BadSyntax
BLOCKS = (
    (0x21, 0x11, TCP4, Relayed("192.0.2.1", 56324, "198.51.100.2", 25)),
    (0x21, 0x11, TCP4 + TLV, Relayed("192.0.2.1", 56324, "198.51.100.2", 25)),
    (0x21, 0x21, TCP6, Relayed("2001:db8::1", 56324, "::1", 25)),
    (0x21, 0x21, TCP6 + TLV * 3, Relayed("2001:db8::1", 56324, "::1", 25)),
    (0x21, 0x31, b"/a".ljust(108, b"\0") + b"/b".ljust(108, b"\0"), Relayed()),
    (0x21, 0x00, b"", Relayed()),
    (0x21, 0x00, TLV, Relayed()),
    (0x20, 0x00, b"", None),
    (0x20, 0x11, b"", None),
    (0x20, 0x11, TCP4 + TLV, None),
    (0x20, 0x77, b"?", None),
    (0x21, 0x11, TCP4[:-1], BadSyntax),
    (0x21, 0x21, TCP4, BadSyntax),
    (0x21, 0x31, b"/a", BadSyntax),
    (0x21, 0x12, TCP4, BadSyntax),
    (0x21, 0x10, TCP4, BadSyntax),
    (0x21, 0x01, b"", BadSyntax),
    (0x21, 0x41, TCP4, BadSyntax),
    (0x22, 0x11, TCP4, BadSyntax),
    (0x11, 0x11, TCP4, BadSyntax),
    (0x31, 0x11, TCP4, BadSyntax),
    (0x01, 0x11, TCP4, BadSyntax),
)

ports = st.integers(0, 65535)


class Lines(SynchronousTestCase):
    """Version 1"""

    def test_good(self) -> None:
        """TCP4, TCP6 and UNKNOWN, up to the longest line there may be."""
        for line, relayed in GOOD_LINES:
            self.assertEqual(parse_line(line), relayed, line)
            self.assertGreaterEqual(len(line + b"\r\n"), START)

    def test_bad(self) -> None:
        """Nothing is mended: not a blank, a leading zero, a scope, a letter in lower case."""
        for line in BAD_LINES:
            self.assertRaises(BadSyntax, parse_line, line)

    @given(st.data(), ports, ports)
    @settings(deadline=None, max_examples=100)
    def test_round_trip(self, data: st.DataObject, peer_port: int, local_port: int) -> None:
        """Whatever addresses and ports a proxy writes come out as they are; no line is too long for them."""
        version = data.draw(st.sampled_from((4, 6)))
        peer, local = data.draw(st.ip_addresses(v=version)), data.draw(st.ip_addresses(v=version))
        wide = [one.exploded if isinstance(one, IPv6Address) else str(one) for one in (peer, local)]
        line = f"PROXY TCP{version} {wide[0]} {wide[1]} {peer_port} {local_port}".encode()
        self.assertLessEqual(len(line), LINE)
        found = parse_line(line)
        self.assertEqual((ip_address(found.peer), ip_address(found.local)), (peer, local))
        self.assertEqual((found.peer_port, found.local_port), (peer_port, local_port))

    @given(st.binary(max_size=120) | st.from_regex(rb"PROXY (TCP[46]|UNKNOWN)[ -~]{0,100}", fullmatch=True))
    @settings(deadline=None, max_examples=300)
    def test_anything(self, line: bytes) -> None:
        """Any octets are a header or BadSyntax, never another error; an address that comes out is one."""
        try:
            found = parse_line(line)
        except BadSyntax:
            return
        self.assertTrue(line.startswith(b"PROXY "))
        for address in filter(None, (found.peer, found.local)):
            self.assertEqual(str(ip_address(address)), address)


class Blocks(SynchronousTestCase):
    """Version 2"""

    def test_rows(self) -> None:
        """Each command and family; TLVs are passed over, and everything that LOCAL brings."""
        for command, family, block, expected in BLOCKS:
            head = bytes((command, family)) + len(block).to_bytes(2, "big")
            self.assertEqual((len(head), block_size(head)), (HEAD, len(block)))
            if expected is BadSyntax:
                self.assertRaises(BadSyntax, parse_block, head, block)
            else:
                self.assertEqual(parse_block(head, block), expected, (command, family, block))

    def test_signature(self) -> None:
        """The signature is no line of version 1, and so long that no shorter header is taken for it."""
        self.assertRaises(BadSyntax, parse_line, SIGNATURE)
        self.assertEqual(START, 12)

    @given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300))
    @settings(deadline=None, max_examples=300)
    def test_anything(self, command: int, family: int, block: bytes) -> None:
        """Any octets are a header or BadSyntax; only version 2 with LOCAL or PROXY is ever taken."""
        head = bytes((command, family)) + len(block).to_bytes(2, "big")
        try:
            found = parse_block(head, block)
        except BadSyntax:
            return
        self.assertEqual(command, 0x20 if found is None else 0x21)
