"""Checks of hosts against records of domains (RFC 7208; vector N2)."""

import random
from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.checks.spf import QUERIES, REASON_LIMIT, SECONDS, Spf, SpfResult
from mailnode.net.blocking import InlineExecutor
from mailnode.net.resolver import Answer, Kind, Mx, NoRecords, Resolver
from mailnode.runtime import Runtime
from mailnode.wire.address import Address
from tests.net.test_resolver import Silent
from tests.net.zone import Zone

ANNA = Address("anna", "a.example")
CLIENT, CLIENT6 = "192.0.2.1", "2001:db8::1"
REVERSE = "1.2.0.192.in-addr.arpa"
Records = Mapping[tuple[str, Kind], Sequence[str]]


def hosts(number: int) -> list[str]:
    """So many mail exchangers; the last of them is the client."""
    return [f"{one} h{one}.example" for one in range(number)]


TEN_HOSTS: Records = {
    **{(f"h{one}.example", "A"): ["198.51.100.1"] for one in range(11)},
    ("h9.example", "A"): [CLIENT],
}
LONG = "a" * 40 + ("." + "a" * 40) * 10  # 450 characters
LONG_NAME = "a" * 40 + ("." + "a" * 40) * 4 + ".lp.example"

# Vector N2: the record of a.example, what else there is, the result, and how many questions are asked.
LIMITS: tuple[tuple[str, str, Records, str, int], ...] = (
    ("10 lookups", "a:h0.example " * 10 + "all", TEN_HOSTS, "pass", 11),
    ("2 void lookups", "a:n.example " * 2 + "ip4:192.0.2.1", {}, "pass", 3),
    ("11 lookups", "a:h0.example " * 11 + "all", TEN_HOSTS, "permerror", 11),
    ("10 lookups and redirect", "a:h0.example " * 10 + "redirect=b.example", TEN_HOSTS, "permerror", 11),
    ("3 void lookups", "a:n1.example a:n2.example a:n3.example all", {}, "permerror", 4),
    ("3 void lookups of mx, ptr, exists", "mx:n.example ptr exists:n.example all", {}, "permerror", 4),
    ("include loop", "include:a.example", {}, "permerror", 11),
    ("redirect loop", "redirect=a.example", {}, "permerror", 11),
    (
        "include of 2",
        "include:b.example",
        {("b.example", "TXT"): ["v=spf1 include:a.example"]},
        "permerror",
        11,
    ),
    (
        "exists by local part",
        "exists:%{l}.lp.example -all",
        {("anna.lp.example", "A"): ["127.0.0.2"]},
        "pass",
        2,
    ),
    ("ptr", "ptr -all", {(REVERSE, "PTR"): ["m.a.example"], ("m.a.example", "A"): [CLIENT]}, "pass", 3),
    (
        "ptr of others",
        "ptr -all",
        {(REVERSE, "PTR"): ["m.a.example"], ("m.a.example", "A"): ["192.0.2.9"]},
        "fail",
        3,
    ),
    ("mx with 10 hosts", "mx -all", {("a.example", "MX"): hosts(10), **TEN_HOSTS}, "pass", 12),
    ("mx with 11 hosts", "mx -all", {("a.example", "MX"): hosts(11), **TEN_HOSTS}, "permerror", 2),
    (
        "ptr with 11 names",
        "ptr -all",
        {(REVERSE, "PTR"): [f"n{one}.a.example" for one in range(11)]},
        "fail",
        12,
    ),
)


class Everything:
    """A resolver of a hostile zone: every name has the record, many hosts, names and addresses."""

    def __init__(self, record: str) -> None:
        self.asked = 0
        self._record = record

    async def query(self, name: str, kind: Kind) -> Answer:
        """As of a Resolver."""
        self.asked += 1
        if kind == "TXT":
            return Answer((self._record,))
        if kind == "MX":
            return Answer(tuple(Mx(one, f"h{one}.{name[-200:]}") for one in range(10)))
        if kind == "PTR":
            return Answer(tuple(f"p{one}.example\\032\x07" if one % 2 else f"p{one}.b" for one in range(99)))
        return Answer(("198.51.100.9" if kind == "A" else "2001:db8::9",))


class SpfTests(SynchronousTestCase):
    """Spf"""

    def setUp(self) -> None:
        self.clock = Clock()

    def begin(
        self, resolver: Resolver, sender: Address | None = ANNA, **client: str
    ) -> "Deferred[SpfResult]":
        """A check that may still wait for answers."""
        spf = Spf(Runtime(self.clock, random.Random(1), InlineExecutor()), resolver)
        work = spf.check(client.get("address", CLIENT), client.get("hello", "mx.b.example"), sender)
        return Deferred.fromCoroutine(work)

    def check(self, resolver: Resolver, sender: Address | None = ANNA, **client: str) -> SpfResult:
        """What a check says."""
        return self.successResultOf(self.begin(resolver, sender, **client))

    def test_limits(self) -> None:
        """N2: ten terms, two in vain, ten hosts; each row asks as often as it says."""
        for name, record, others, result, questions in LIMITS:
            zone = Zone({("a.example", "TXT"): [f"v=spf1 {record}"], **others})
            found = self.check(zone)
            self.assertEqual((found.result, len(zone.asked)), (result, questions), (name, found, zone.asked))

    def test_long_macro(self) -> None:
        """N2: of a name of 450 characters as much is asked as fits (section 7.3)."""
        zone = Zone({("a.example", "TXT"): ["v=spf1 exists:%{l}.lp.example -all"]})
        self.assertEqual(self.check(zone, Address(LONG, "a.example")).result, "fail")
        self.assertEqual(zone.asked[1:], [(LONG_NAME, "A")])

    def test_questions(self) -> None:
        """N2: a domain may have 60 questions asked, less than the RFC's limits leave room for."""
        for address, sign in ((CLIENT, "A"), (CLIENT6, "AAAA")):
            resolver = Everything("v=spf1 " + "mx " * 8 + "?all")
            found = self.check(resolver, address=address)
            self.assertEqual((found.result, resolver.asked), ("permerror", QUERIES), sign)

    def test_time(self) -> None:
        """All answers together have 20 seconds; then nobody could say, and nothing is left waiting."""
        silent = Silent()
        waiting = self.begin(silent)
        self.clock.advance(SECONDS - 0.1)
        self.assertNoResult(waiting)
        self.clock.advance(0.1)
        found = self.successResultOf(waiting)
        self.assertEqual(found, SpfResult("temperror", "a.example", "no answer in time"))
        self.assertEqual((silent.given_up, self.clock.getDelayedCalls()), (1, []))

    def test_time_behind_ptr(self) -> None:
        """A PTR record that does not come is passed over, but not beyond the time (section 5.5)."""
        zone, silent = (
            Zone({("a.example", "TXT"): ["v=spf1 ptr -all"], (REVERSE, "PTR"): Zone.FAILS}),
            Silent(),
        )
        self.assertEqual(self.check(zone).result, "fail")

        class Half:
            async def query(self, name: str, kind: Kind) -> Answer:
                return await (silent if kind == "PTR" else zone).query(name, kind)

        waiting = self.begin(Half())
        self.clock.advance(SECONDS)
        self.assertEqual(self.successResultOf(waiting).result, "temperror")

    def test_identity(self) -> None:
        """The domain of the reverse-path, and that of HELO where there is none (section 2.4)."""
        zone = Zone(
            {
                ("a.example", "TXT"): ["v=spf1 exists:%{l}.%{o}.%{h}.x.example -all"],
                ("mx.b.example", "TXT"): ["v=spf1 exists:%{s}.x.example -all"],
                ("anna.a.example.mx.b.example.x.example", "A"): ["127.0.0.2"],
                ("postmaster@mx.b.example.x.example", "A"): ["127.0.0.2"],
            }
        )
        for sender, hello, result, domain in (
            (ANNA, "MX.B.example", "pass", "a.example"),
            (Address("anna", "A.Example"), "mx.b.example", "pass", "a.example"),
            (None, "mx.b.example", "pass", "mx.b.example"),
            (Address("", "mx.b.example"), "x", "pass", "mx.b.example"),
            (Address("postmaster", ""), "mx.b.example", "pass", "mx.b.example"),
            (ANNA, "\x07 b\xe4r..", "fail", "a.example"),
            (None, "[192.0.2.1]", "none", "[192.0.2.1]"),
            (None, "\x1b[31m\r\n\u202e", "none", "?[31m???"),
            (None, "", "none", ""),
        ):
            found = self.check(zone, sender, hello=hello)
            self.assertEqual((found.result, found.domain), (result, domain), (sender, hello, found))

    def test_international(self) -> None:
        """Domains are asked for as A-labels; what asks for such a local part does not match (RFC 8616)."""
        zone = Zone(
            {
                ("xn--bcher-kva.example", "TXT"): ["v=spf1 exists:%{d}.x.example -all"],
                ("xn--bcher-kva.example.x.example", "A"): ["127.0.0.2"],
                ("a.example", "TXT"): [
                    "v=spf1 exists:%{l}.x.example include:%{S} ip4:192.0.2.1 redirect=%{l}.b"
                ],
            }
        )
        found = self.check(zone, Address("j\xf6rg", "B\xfccher.example"), hello="b\xfccher.example")
        self.assertEqual((found.result, found.domain), ("pass", "xn--bcher-kva.example"))
        zone.asked.clear()
        self.assertEqual(self.check(zone, Address("j\xf6rg", "a.example")).result, "pass")
        other = self.check(zone, Address("j\xf6rg", "a.example"), address="192.0.2.2")
        self.assertEqual(other.result, "neutral")
        self.assertEqual(zone.asked, [("a.example", "TXT")] * 2)

    def test_addresses(self) -> None:
        """IPv4, IPv6, one within the other, and none."""
        zone = Zone(
            {
                ("a.example", "TXT"): [
                    "v=spf1 ip4:192.0.2.1 ip6:2001:db8::/64 exists:%{ir}.%{v}.x.example -all"
                ],
                (".".join("3" + "0" * 23 + "8bd01002") + ".ip6.x.example", "A"): ["127.0.0.2"],
            }
        )
        for address, result in (
            (CLIENT, "pass"),
            ("192.0.2.2", "fail"),
            ("::ffff:192.0.2.1", "pass"),
            ("::ffff:192.0.2.2", "fail"),
            (CLIENT6, "pass"),
            ("2001:DB8::9%eth0", "pass"),
            ("2001:db8:1::1", "fail"),
            ("unix socket", "none"),
            ("", "none"),
        ):
            self.assertEqual(self.check(zone, address=address).result, result, address)

    def test_hosts_without_ipv6(self) -> None:
        """An mx of hosts without IPv6 is one term in vain, not as many as it has hosts (section 4.6.4)."""
        zone = Zone(
            {("a.example", "TXT"): ["v=spf1 mx -all"], ("a.example", "MX"): hosts(10), **TEN_HOSTS},
        )
        self.assertEqual(self.check(zone, address=CLIENT6).result, "fail")

    def test_records(self) -> None:
        """Two records, a wrong one and no record; servers that fail (sections 4.4 to 4.6, 5.2, 6.1)."""
        for records, others, result, reason in (
            (["x", "v=spf1 -all"], {}, "fail", "-all in the record of a.example"),
            (["v=spf1 -all", "v=spf1"], {}, "permerror", "a.example has 2 SPF records"),
            (
                ["v=spf1 a:%{x}"],
                {},
                "permerror",
                "the record of a.example is wrong: a:%{x}: wrong from %{x} on",
            ),
            (["v=spf10"], {}, "none", "a.example has no SPF record"),
            (["v=spf1"], {}, "neutral", "nothing in the record of a.example matches"),
            (Zone.FAILS, {}, "temperror", "SERVFAIL"),
            (["v=spf1 a:b.example"], {("b.example", "A"): Zone.FAILS}, "temperror", "SERVFAIL"),
            (["v=spf1 include:b.c"], {}, "permerror", "a.example includes b.c, which has no SPF record"),
            (["v=spf1 redirect=b.c"], {}, "permerror", "a.example redirects to b.c, which has no SPF record"),
            (
                ["v=spf1 REDIRECT=b.c"],
                {("b.c", "TXT"): ["v=spf1 ~all"]},
                "softfail",
                "~all in the record of b.c",
            ),
        ):
            found = self.check(Zone({("a.example", "TXT"): records, **others}))
            self.assertEqual(found, SpfResult(result, "a.example", reason))

    def test_validated_name(self) -> None:
        """The macro p is the domain, else a name within it, else any, else "unknown" (section 7.3)."""
        names = {
            ("b.c", "A"): [CLIENT],
            ("m.a.example", "A"): [CLIENT],
            ("a.example", "A"): [CLIENT],
            ("f.example", "A"): Zone.FAILS,
        }
        record = {
            ("s.example", "TXT"): ["v=spf1 redirect=A.Example"],
            ("a.example", "TXT"): ["v=spf1 exists:%{p}.%{p}.x -all"],
        }
        for found, name in (
            (["b.c", "m.a.example", "A.example"], "a.example"),
            (["f.example", "b.c", "m.a.example"], "m.a.example"),
            (["b.c", "b\\.c.a.example"], "b.c"),
            (["forged.a.example"], "unknown"),
        ):
            zone = Zone({**record, **names, (REVERSE, "PTR"): found})
            self.check(zone, Address("anna", "s.example"))
            self.assertEqual(zone.asked[-1], (f"{name}.{name}.x", "A"))
            self.assertEqual(len([kind for _, kind in zone.asked if kind == "PTR"]), 1)

    def test_backslash(self) -> None:
        """A backslash in a name is one, and begins no escape in what the resolver is asked."""
        zone = Zone({("a.example", "TXT"): ["v=spf1 exists:%{l}.x.example -all"]})
        self.check(zone, Address("a\\046b", "a.example"))
        self.assertEqual(zone.asked[-1], ("a\\\\046b.x.example", "A"))

    def test_own_mistakes(self) -> None:
        """What breaks here is logged, and is no reason to refuse mail."""

        class Broken:
            async def query(self, name: str, kind: Kind) -> Answer:
                raise ZeroDivisionError

        self.assertEqual(self.check(Broken()), SpfResult("temperror", "a.example", "the check failed"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_log_lines(self) -> None:
        """No record brings controls, or more than a line, into a log."""
        for record in ("v=spf1 \r\nX: y\x1b[2J", "v=spf1 a:\x00.\x85", "v=spf1 " + "%{" * 400, "v=spf1 \xff"):
            found = self.check(Zone({("a.example", "TXT"): [record]}))
            self.assertEqual(found.result, "permerror")
            self.assert_plain(found)

    def assert_plain(self, found: SpfResult) -> None:
        """Its texts are short, and nothing but what a printer prints."""
        for text in (found.reason, found.domain):
            self.assertRegex(text, r"\A[ -~]*\Z")
            self.assertLessEqual(len(text), REASON_LIMIT)

    @given(
        st.lists(
            st.one_of(
                st.sampled_from(
                    ["a", "mx", "ptr", "exists:%{p}.x.y", "include:%{l}.%{d}", "redirect=%{d2}.e"]
                ),
                st.sampled_from(
                    ["-all", "mx:%{i}.x.y/8", "a:%{S}.%{h}.b//9", "ip4:1.2.3.4/5", "x=%%", "exp=a.b"]
                ),
                st.text(max_size=9),
            ),
            max_size=14,
        ),
        st.text(max_size=20),
        st.text(max_size=20),
    )
    @settings(max_examples=200, deadline=None)
    def test_any_record(self, terms: list[str], local: str, hello: str) -> None:
        """Any record has a result, within 60 questions, and nothing is raised."""
        for address in (CLIENT, CLIENT6):
            resolver = Everything("v=spf1 " + " ".join(terms))
            found = self.check(resolver, Address(local, "a.example"), address=address, hello=hello)
            self.assertNotEqual(found.reason, "the check failed")
            self.assertLessEqual(resolver.asked, QUERIES)
            self.assert_plain(found)

    def test_nothing_there(self) -> None:
        """A name that exists without a record is as good as none."""

        class Empty:
            async def query(self, name: str, kind: Kind) -> Answer:
                raise NoRecords(name)

        self.assertEqual(self.check(Empty()).result, "none")
