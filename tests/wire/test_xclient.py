"""mailnode.wire.xclient: the attributes of XCLIENT."""

from ipaddress import IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.xclient import ATTRIBUTES, parse_xclient

GOOD = (
    (b"ADDR=192.0.2.1", {"ADDR": "192.0.2.1"}),
    (b"addr=IPV6:2001:DB8::1", {"ADDR": "2001:db8::1"}),
    (b"ADDR=ipv6:::ffff:192.0.2.1", {"ADDR": "::ffff:c000:201"}),
    (b"ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL]", {"ADDR": "", "NAME": ""}),
    (b"NAME=[unavailable] PORT=[UNAVAILABLE]  HELO=[UNAVAILABLE]", {"NAME": "", "PORT": "", "HELO": ""}),
    (b"NAME=mx.client.example. PORT=025", {"NAME": "mx.client.example.", "PORT": "25"}),
    (b"PROTO=esmtp HELO=[192.0.2.1]", {"PROTO": "ESMTP", "HELO": "[192.0.2.1]"}),
    (b"HELO=client+2Eexample", {"HELO": "client.example"}),
    (b"DESTADDR=198.51.100.2 DESTPORT=65535", {"DESTADDR": "198.51.100.2", "DESTPORT": "65535"}),
)
BAD = (
    *(b"", b" ", b"ADDR", b"ADDR=", b"=192.0.2.1", b"LOGIN=anna", b"SOURCE=LOCAL", b"\xff=1"),
    *(b"ADDR=2001:db8::1", b"ADDR=IPV6:192.0.2.1", b"ADDR=IPV6:fe80::1%eth0", b"ADDR=192.0.2.256"),
    *(b"ADDR=localhost", b"ADDR=192.0.2.1 ADDR=192.0.2.1", b"ADDR=192.0.2.1,PORT=1", b"ADDR=+zz"),
    *(b"PORT=65536", b"PORT=-1", b"PORT=+1", b"PORT=x", b"PORT=+2B1", b"DESTPORT="),
    *(b"PROTO=LMTP", b"PROTO=[UNAVAILABLE]", b"PROTO=", b"NAME=a..b", b"NAME=" + b"a" * 64, b"NAME=a+20b"),
    *(b"NAME=+C3+BC.example", b"HELO=a+0D+0AMAIL", b"HELO=a+20b", b"HELO=" + b"a" * 256, b"HELO="),
    b"NAME=" + b"a." * 128,
)


class Attributes(SynchronousTestCase):
    """parse_xclient()"""

    def test_good(self) -> None:
        """Names and marks in any letters, values in xtext, and "" for what is not known."""
        for argument, said in GOOD:
            self.assertEqual(parse_xclient(argument), said, argument)

    def test_bad(self) -> None:
        """What is malformed, repeated or no attribute is refused, and so is a login without password."""
        for argument in BAD:
            self.assertRaises(BadSyntax, parse_xclient, argument)

    @given(
        st.binary(max_size=80) | st.from_regex(rb"(NAME|ADDR|HELO|PORT|PROTO)=[!-~]{0,60}", fullmatch=True)
    )
    @settings(deadline=None, max_examples=300)
    def test_anything(self, argument: bytes) -> None:
        """Any octets are attributes or BadSyntax; a value that comes out is one printable ASCII word."""
        try:
            said = parse_xclient(argument)
        except BadSyntax as wrong:
            self.assertTrue(str(wrong).isascii() and str(wrong).isprintable())
            return
        self.assertLessEqual(said.keys(), ATTRIBUTES.keys())
        for value in said.values():
            self.assertTrue(value.isascii() and value.isprintable() and " " not in value)

    @given(st.ip_addresses())
    @settings(deadline=None, max_examples=100)
    def test_addresses(self, address: object) -> None:
        """Every address comes out as it was written."""
        prefix = "IPV6:" * isinstance(address, IPv6Address)
        self.assertEqual(parse_xclient(f"ADDR={prefix}{address}".encode()), {"ADDR": str(address)})
