"""MTA-STS records and policies (RFC 8461 section 3; vector N4)."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.mta_sts import LONGEST, POLICY_LIMIT, StsPolicy, parse_policy, parse_record

RECORDS: tuple[tuple[tuple[str, ...], str | None], ...] = (
    (("v=STSv1; id=20160831085700Z;",), "20160831085700Z"),
    (("v=STSv1;id=1",), "1"),
    (("v=STSv1 ; x=y; id=a1 ;",), "a1"),
    (("v=spf1 -all", "v=STSv1; id=1;"), "1"),
    (("v=STSv1; id=1;", "v=STSv1; id=1;"), None),
    ((), None),
    (("v=STSv2; id=1;",), None),
    (("v=stsv1; id=1;",), None),
    (("id=1; v=STSv1;",), None),
    (("v=STSv1;",), None),
    (("v=STSv1; id=;",), None),
    (("v=STSv1; id=a-b;",), None),
    (("v=STSv1; id=" + "a" * 33,), None),
    (("v=STSv1; id=1; id=2;",), None),
    (("v=STSv1; id=\u0661;",), None),
)
GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: Mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"
BAD = (
    b"",
    b"\xff",
    b"<html>\n",
    GOOD.replace(b"STSv1", b"STSv2"),
    GOOD.replace(b"version", b"versions"),
    GOOD.replace(b"enforce", b"Enforce"),
    GOOD.replace(b"mode: enforce", b""),
    GOOD.replace(b"max_age: 604800", b""),
    *(GOOD.replace(b"604800", age) for age in (b"", b"-1", b"1e5", b" 1_0", b"99999999999", b"x")),
    b"version: STSv1\nmode: testing\nmax_age: 1\n",
    *(GOOD.replace(b"*.example", host) for host in (b"a.*", b"**.example", b"", b"-x", b"x y", b"[1.2.3.4]")),
    GOOD + b"x" * POLICY_LIMIT,
    GOOD + b"mx: x.example\n" * 300,
    GOOD + b"no field\n",
)


class RecordTests(SynchronousTestCase):
    """The TXT record."""

    def test_each(self) -> None:
        """There is an id, or there is no policy."""
        for texts, found in RECORDS:
            self.assertEqual(parse_record(texts), found, texts)

    @settings(deadline=None, max_examples=100)
    @given(st.lists(st.text() | st.text().map("v=STSv1;".__add__), max_size=3))
    def test_any(self, texts: list[str]) -> None:
        """Whatever stands there, it is an id of letters and digits, or none."""
        self.assertRegex(parse_record(texts) or "none", r"\A[A-Za-z0-9]{1,32}\Z")


class PolicyTests(SynchronousTestCase):
    """The policy."""

    def test_good(self) -> None:
        """Fields, in any order, with LF or CRLF; what is not known is passed over."""
        expected = StsPolicy("enforce", 604800, ("mail.example.com", "*.example.net"))
        self.assertEqual(parse_policy(GOOD), expected)
        self.assertEqual(parse_policy(GOOD.replace(b"\r", b"")), expected)
        self.assertEqual(parse_policy(b"x_new: \xc3\xbc\n\n" + GOOD + b"mode: none\nmax_age:9 \n"), expected)
        self.assertEqual(parse_policy("\r\n".join(expected.lines).encode()), expected)
        self.assertEqual(parse_policy(b"version:STSv1\nmode:none\nmax_age:0"), StsPolicy("none", 0))

    def test_longest(self) -> None:
        """No policy holds for more than a year."""
        self.assertEqual(parse_policy(GOOD.replace(b"604800", b"9999999999")).max_age, LONGEST)

    def test_bad(self) -> None:
        """What is none is refused as a whole (N4)."""
        for data in BAD:
            self.assertRaises(BadSyntax, parse_policy, data)

    def test_names(self) -> None:
        """A host is named as it is, or by a wildcard that stands for one label (section 4.1)."""
        policy = parse_policy(GOOD)
        for host in ("mail.example.com", "MAIL.example.com", "a.example.net"):
            self.assertTrue(policy.names(host), host)
        for host in (
            "example.com",
            "a.mail.example.com",
            "example.net",
            "a.b.example.net",
            "",
            "*.example.com",
        ):
            self.assertFalse(policy.names(host), host)

    @settings(deadline=None, max_examples=200)
    @given(
        st.binary(max_size=300)
        | st.lists(
            st.sampled_from(
                (*GOOD.splitlines(), b"mode: none", b"mx: a", b"mx:", b"max_age: 1", b":", b"x:y")
            ),
            max_size=8,
        ).map(b"\n".join)
    )
    def test_any(self, data: bytes) -> None:
        """What is taken says again what it said."""
        try:
            policy = parse_policy(data)
        except BadSyntax:
            return
        self.assertEqual(parse_policy("\n".join(policy.lines).encode()), policy)
