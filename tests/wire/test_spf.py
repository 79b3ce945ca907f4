"""The grammar of SPF records, and macros (RFC 7208 sections 4.6, 5, 7 and 12)."""

from ipaddress import IPv4Network, IPv6Network, ip_address

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.spf import (
    NAME_LIMIT,
    RECORD_LIMIT,
    Directive,
    DomainSpec,
    Macro,
    is_domain,
    is_record,
    parse_record,
)

GOOD = (
    ("-all", Directive("-all", "fail", "all")),
    ("ALL", Directive("ALL", "pass", "all")),
    ("a", Directive("a", "pass", "a")),
    ("~A/24//64", Directive("~A/24//64", "softfail", "a", prefix4=24, prefix6=64)),
    ("mx/0", Directive("mx/0", "pass", "mx", prefix4=0)),
    ("mx//0", Directive("mx//0", "pass", "mx", prefix6=0)),
    ("a:x.example/8", Directive("a:x.example/8", "pass", "a", DomainSpec(("x.example",)), prefix4=8)),
    ("a:x/9.example.", Directive("a:x/9.example.", "pass", "a", DomainSpec(("x/9.example.",)))),
    ("?ptr", Directive("?ptr", "neutral", "ptr")),
    ("ip4:192.0.2.9/24", Directive("ip4:192.0.2.9/24", "pass", "ip4", network=IPv4Network("192.0.2.0/24"))),
    ("ip4:1.2.3.4/0", Directive("ip4:1.2.3.4/0", "pass", "ip4", network=IPv4Network("0.0.0.0/0"))),
    ("IP6:2001:db8::1", Directive("IP6:2001:db8::1", "pass", "ip6", network=IPv6Network("2001:db8::1"))),
    ("ip6:::1.2.3.4/96", Directive("ip6:::1.2.3.4/96", "pass", "ip6", network=IPv6Network("::/96"))),
    (
        "exists:%{L1R+-}%_.%%%{D}",
        Directive(
            "exists:%{L1R+-}%_.%%%{D}",
            "pass",
            "exists",
            DomainSpec(
                (Macro("l", 1, True, "+-", True), " ", ".", "%", Macro("d", escaped=True)),
            ),
        ),
    ),
)
BAD = (
    *("all:", "all/8", "all.", "-all=x", "--all", "!all", "moo", "a.example", "a:", "include"),
    *("include:", "include:x", "include:x.example/24", "include:x.1", "include:x.e-"),
    *("include:x.example..", "exists", "a/33", "a//129", "a/08", "a/ 8", "a/+8", "a///8", "a/8/8"),
    *("a//8/8", "ptr/0", "mx:/8", "ptr:", "ip4", "ip4:", "ip4:1.2.3", "ip4:1.2.3.4/33"),
    *("ip4:1.2.3.4//8", "ip4:1.2.3.04", "ip4:::1", "ip4:9", "ip6:1.2.3.4", "ip6:::1/129"),
    *("ip6:::1%eth0", "ip6:::1/64//64", "ip6:::g", "ip4:1.2.3.4:25", "exists:%", "exists:%{d"),
    *("exists:%{}", "exists:%{x}", "exists:%{dr2}", "exists:%{d0}", "exists:%{d00}", "exists:%(d)"),
    *("exists:%{d}.", "exists:%{d}example", "exists:%{c}", "exists:%{T}", "exists:%{r}"),
    *("exists:%{dxyz}", "exists:x\x07.example", "exists:x\t.example", "redirect=", "redirect=x"),
    *("exp=", "redirect=a.example REDIRECT=a.example", "exp=a.example exp=a.example", "x=%{"),
    *("x=%{d0}", "redirect:x.y"),
)
VALUES = {"d": "mail.example.com", "l": "strong-bad", "s": "strong-bad@mail.example.com", "h": "a/b"}
EXPANDED = (
    # From section 7.4, and some more.
    ("%{s}", "strong-bad@mail.example.com"),
    ("%{d4}", "mail.example.com"),
    ("%{d2}", "example.com"),
    ("%{d1}", "com"),
    ("%{dr}", "com.example.mail"),
    ("%{d2r}", "example.mail"),
    ("%{l}", "strong-bad"),
    ("%{l-}", "strong.bad"),
    ("%{lr-}", "bad.strong"),
    ("%{l1r-}", "strong"),
    ("%{s+-}", "strong.bad@mail.example.com"),
    ("%{H}.%{S}", "a%2Fb.strong-bad%40mail.example.com"),
    ("%{d" + "9" * 5000 + "}", "mail.example.com"),
    ("%{d0002}", "example.com"),
    ("x%_%%%-.example.", "x %%20.example"),
)
PIECES = st.one_of(
    st.sampled_from(
        ["v=spf1", "a", "mx", "ptr", "all", "include", "exists", "ip4", "ip6", "redirect=", "exp=", "x="]
    ),
    st.sampled_from(
        [" ", ":", "/", "//", ".", "%", "%{", "}", "-", "24", "0", "1.2.3.4", "::1", "example.com"]
    ),
    st.sampled_from(["%{i}", "%{dr}", "%{l1r+-}", "%%", "%_", "%{p}"]),
    st.text(max_size=4),
)


class GrammarTests(SynchronousTestCase):
    """parse_record"""

    def test_directives(self) -> None:
        """Each mechanism, with and without what may follow it (sections 5 and 12)."""
        for text, directive in GOOD:
            self.assertEqual(parse_record(f"v=spf1 {text}").directives, (directive,), text)
        everything = parse_record("V=SPF1   " + "  ".join(text for text, _ in GOOD) + "  ")
        self.assertEqual(everything.directives, tuple(directive for _, directive in GOOD))

    def test_modifiers(self) -> None:
        """redirect is found anywhere and in any letters; others need good macros only (section 6)."""
        record = parse_record("v=spf1 ReDirect=_spf.%{d} exp=x.example u=%{c}:%{t}/ a.b_c-d= all")
        self.assertEqual(record.redirect, DomainSpec(("_spf.", Macro("d"))))
        self.assertEqual([one.mechanism for one in record.directives], ["all"])
        self.assertIsNone(parse_record("v=spf1").redirect)

    def test_mistakes(self) -> None:
        """A mistake anywhere makes the whole record wrong (section 4.6)."""
        for text in BAD:
            with self.assertRaises(BadSyntax, msg=text) as caught:
                parse_record(f"v=spf1 ip4:192.0.2.1 {text} ?all")
            self.assertTrue(str(caught.exception).isprintable(), text)
        for text in ("v=spf1 a:\xe9.example", "v=spf1 " + "a " * (RECORD_LIMIT // 2)):
            self.assertRaises(BadSyntax, parse_record, text)

    def test_which_are_records(self) -> None:
        """The version stands alone or before a space (section 4.5)."""
        for text in ("v=spf1", "V=Spf1 ", "v=spf1 moo"):
            self.assertTrue(is_record(text), text)
        for text in ("v=spf10", "v=spf1\t-all", " v=spf1", "v=spf1\n", "spf2.0/pra", ""):
            self.assertFalse(is_record(text), text)

    def test_which_are_domains(self) -> None:
        """Several labels that are not empty, of 63 octets and 253 in all (section 4.3)."""
        for name in ("a.b", "a" * 63 + ".b", "_spf.x y.example", "a:b/c.example"):
            self.assertTrue(is_domain(name), name)
        for name in ("", "a", "a.b.", ".a.b", "a..b", "a" * 64 + ".b", "a\n.b", "\xe9.b", "a." * 126 + "bc"):
            self.assertFalse(is_domain(name), name)

    @given(st.lists(PIECES, max_size=20).map("".join))
    @settings(max_examples=200, deadline=None)
    def test_any_text(self, text: str) -> None:
        """Any text is a record or BadSyntax with a printable reason, and all its names have an end."""
        try:
            record = parse_record("v=spf1 " + text)
        except BadSyntax as error:
            self.assertTrue(str(error).isprintable())
            return
        specs = [one.spec for one in record.directives if one.spec] + [record.redirect]
        for spec in filter(None, specs):
            self.assertLessEqual(len(spec.expand(dict.fromkeys("slodiphv", "a-b@" * 100))), NAME_LIMIT)


class MacroTests(SynchronousTestCase):
    """DomainSpec.expand, Directive.covers"""

    def expanded(self, text: str) -> str:
        """The name that a term is about."""
        spec = parse_record(f"v=spf1 exists:{text}").directives[0].spec
        assert spec is not None
        return spec.expand(VALUES)

    def test_expansion(self) -> None:
        """Parts, their order and number, and escapes (section 7.3)."""
        for text, name in EXPANDED:
            self.assertEqual(self.expanded(text), name, text)

    def test_long_names(self) -> None:
        """Labels at the left go, one by one, until 253 characters are left (section 7.3)."""
        long = ".".join(["b" * 49] * 5) + ".c"
        self.assertEqual(self.expanded(f"a.{long}"), f"a.{long}")
        self.assertEqual(self.expanded(f"aa.{long}"), long)
        self.assertEqual(self.expanded(f"aa.{long}."), long)
        self.assertEqual(self.expanded("%{s}." * 1000 + "example"), self.expanded("%{s}." * 30 + "example"))
        self.assertEqual(self.expanded("x" * 300 + "%{d}"), "example.com")

    def test_networks(self) -> None:
        """The length that counts is that of the kind of the address."""
        directive = parse_record("v=spf1 a/24//64").directives[0]
        for address, host, covered in (
            ("192.0.2.1", "192.0.2.255", True),
            ("192.0.3.1", "192.0.2.255", False),
            ("2001:db8::1", "2001:db8::ffff", True),
            ("2001:db8:0:1::1", "2001:db8::ffff", False),
            ("192.0.2.1", "2001:db8::1", False),
        ):
            self.assertEqual(directive.covers(ip_address(address), ip_address(host)), covered, address)
