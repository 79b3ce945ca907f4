"""Where mail for another host goes (RFC 5321 section 5.1; vectors B6, O5, N1, N3)."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.live import Live
from mailnode.config import Config, Mailboxes
from mailnode.config_sending import Relay
from mailnode.delivery.destination import (
    ADDRESSES,
    HOSTS,
    Destination,
    Destinations,
    Host,
    Login,
    NoDestination,
)
from mailnode.delivery.tls_policy import Level, TlsPolicy
from mailnode.net.blocking import InlineExecutor
from mailnode.net.resolver import Kind
from mailnode.runtime import Runtime
from mailnode.wire.address import parse_address
from mailnode.wire.mta_sts import StsPolicy
from tests.net.zone import Zone

OURS = "198.51.101.1"
GOOD, BAD, OTHER = (f"3 1 1 {octet * 32}" for octet in ("ab", "cd", "ef"))
Records = Mapping[tuple[str, Kind], Sequence[str]]

# The addresses for documentation are not public ones; these belong to nobody in particular.
ZONE: dict[tuple[str, Kind], Sequence[str]] = {
    ("plain.example", "MX"): ["20 b.plain.example.", "10 a.plain.example."],
    ("a.plain.example", "A"): ["9.0.0.1", "9.0.0.2", "9.0.0.3"],
    ("a.plain.example", "AAAA"): ["2a00::1"],
    ("b.plain.example", "A"): ["9.0.0.9"],
    ("alone.example", "A"): [f"9.1.0.{n}" for n in range(1, 9)],
    ("alone.example", "AAAA"): ["2a00::1:1", "2a00::1:2"],
    ("null.example", "MX"): ["0 ."],
    ("null-and-more.example", "MX"): ["0 .", "10 b.plain.example."],
    ("cname.example", "CNAME"): ["plain.example"],
    ("mx-alias.example", "MX"): ["10 one.example.", "20 two.example."],
    ("one.example", "CNAME"): ["b.plain.example"],
    ("two.example", "CNAME"): ["one.example"],
    ("mx-aliases.example", "MX"): ["20 two.example."],
    ("loop.example", "CNAME"): ["loop.example"],
    ("mx-loop.example", "MX"): ["10 loop.example."],
    ("literal.example", "MX"): ["5 9.9.9.9", "10 2a00::9", "20 b.plain.example."],
    ("literals.example", "MX"): ["5 9.9.9.9."],
    ("odd.example", "MX"): ["5 x\\013\\010y.example.", "6 *.example.", "20 b.plain.example."],
    ("fails.example", "MX"): Zone.FAILS,
    ("broken.example", "A"): Zone.FAILS,
    ("broken.example", "AAAA"): Zone.FAILS,
    ("half.example", "A"): ["9.0.0.4"],
    ("half.example", "AAAA"): Zone.FAILS,
    ("mx-broken.example", "MX"): ["10 broken.example."],
    ("mx-broken-first.example", "MX"): ["10 broken.example.", "20 b.plain.example."],
    ("mx-nowhere.example", "MX"): ["10 nowhere.example."],
    ("empty.example", "TXT"): ["nothing else"],
    ("self-first.example", "MX"): ["10 mx.office.example.", "20 b.plain.example."],
    ("self-equal.example", "MX"): ["10 mx.office.example.", "10 b.plain.example."],
    ("self-last.example", "MX"): ["20 mx.office.example.", "20 x.example.", "10 b.plain.example."],
    ("self-address.example", "MX"): ["20 me.example.", "20 a.plain.example.", "10 b.plain.example."],
    ("me.example", "A"): ["9.9.9.9", OURS],
    ("loopback.example", "MX"): ["10 lo.example."],
    ("lo.example", "A"): ["127.0.0.3"],
    ("loopback6.example", "AAAA"): ["::1"],
    ("mapped.example", "AAAA"): ["::ffff:127.0.0.1"],
    ("zero.example", "A"): ["0.0.0.0"],
    ("private.example", "A"): ["10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1"],
    ("private.example", "AAAA"): ["fd00::1", "fe80::1", "::ffff:10.0.0.1", "ff02::1"],
    ("some-private.example", "A"): ["10.0.0.1", "9.0.0.5"],
    ("thousand.example", "MX"): [f"{n % 7} h{n}.example." for n in range(1000)],
    ("signed.example!", "MX"): ["10 s1.example.", "20 s2.example.", "30 s3.example.", "40 b.plain.example."],
    ("s1.example!", "A"): ["9.2.0.1"],
    ("_25._tcp.s1.example!", "TLSA"): [GOOD, "1 0 1 00", "3 1 1 abc0"],
    ("s2.example!", "A"): ["9.2.0.2"],
    ("_25._tcp.s2.example!", "TLSA"): ["3 1 1", "9 1 1 " + "00" * 32],
    ("s3.example!", "A"): ["9.2.0.3"],
    ("signed-broken.example!", "MX"): ["10 s4.example.", "20 s3.example."],
    ("s4.example!", "A"): ["9.2.0.4"],
    ("_25._tcp.s4.example!", "TLSA"): Zone.FAILS,
    ("signed-only-broken.example!", "MX"): ["10 s4.example."],
    ("unsigned.example", "MX"): ["10 s1.example."],
    ("signed-alias.example!", "MX"): ["10 s5.example."],
    ("s5.example!", "CNAME"): ["s6.example"],
    ("s6.example!", "A"): ["9.2.0.6"],
    ("_25._tcp.s5.example!", "TLSA"): [OTHER],
    ("_25._tcp.s6.example!", "TLSA"): [GOOD],
    ("signed-alone.example!", "A"): ["9.2.0.7"],
    ("_25._tcp.signed-alone.example!", "TLSA"): [GOOD],
    ("unsigned-tlsa.example!", "MX"): ["10 s8.example."],
    ("s8.example!", "A"): ["9.2.0.8"],
    ("_25._tcp.s8.example", "TLSA"): [GOOD],
    ("relay.example", "A"): ["10.0.0.25"],
    ("relay.example", "MX"): ["10 b.plain.example."],
}
ZONE |= {(f"h{n}.example", "A"): [f"9.3.{n >> 8}.{n & 255}"] for n in range(1000)}

B = [("b.plain.example", ("9.0.0.9",))]
FOUND: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "plain.example": [("a.plain.example", ("2a00::1", "9.0.0.1")), *B],
    "cname.example": [("a.plain.example", ("2a00::1", "9.0.0.1")), *B],
    "alone.example": [("alone.example", ("2a00::1:1", "9.1.0.1", "2a00::1:2", "9.1.0.2", "9.1.0.3"))],
    "null-and-more.example": B,
    "mx-alias.example": [("one.example", ("9.0.0.9",))],
    "literal.example": B,
    "odd.example": B,
    "half.example": [("half.example", ("9.0.0.4",))],
    "mx-broken-first.example": B,
    "self-last.example": B,
    "self-address.example": B,
    "some-private.example": [("some-private.example", ("9.0.0.5",))],
    "[9.9.9.9]": [("[9.9.9.9]", ("9.9.9.9",))],
    "[ipv6:2a00::9]": [("[ipv6:2a00::9]", ("2a00::9",))],
}
NOWHERE = {
    "null.example": "5.1.10",
    "missing.example": "5.1.2",
    "fails.example": "4.4.3",
    "broken.example": "4.4.3",
    "mx-broken.example": "4.4.3",
    "loop.example": "4.4.3",
    "mx-loop.example": "4.4.3",
    "mx-aliases.example": "5.4.4",
    "mx-nowhere.example": "5.4.4",
    "empty.example": "5.4.4",
    "literals.example": "5.4.4",
    "self-first.example": "5.4.6",
    "self-equal.example": "5.4.6",
    "loopback.example": "5.4.6",
    "loopback6.example": "5.4.6",
    "mapped.example": "5.4.6",
    "zero.example": "5.4.6",
    "private.example": "5.1.2",
    "signed-only-broken.example": "4.4.3",
    "[127.0.0.1]": "5.4.6",
    f"[{OURS}]": "5.4.6",
    "[10.0.0.1]": "5.1.2",
    "[ipv6:fe80::1]": "5.1.2",
    "[x-tag:anything]": "5.1.3",
}


@dataclass
class Policies:
    """MTA-STS policies by domain."""

    known: dict[str, StsPolicy] = field(default_factory=dict)

    asked: list[str] = field(default_factory=list)

    async def policy(self, domain: str) -> StsPolicy | None:
        self.asked.append(domain)
        return self.known.get(domain)


class DestinationTestCase(SynchronousTestCase):
    """Finds destinations in ZONE, as mx.office.example with the address OURS."""

    def setUp(self) -> None:
        self.zone = Zone(ZONE)
        self.policies = Policies()
        self.routes: dict[str, Relay] = {}
        self.sender_routes: dict[str, Relay] = {}
        self.kept: tuple[str, ...] = ()
        self.random = random.Random(1)

    def finding(self, domain: str, sender: str = "", **wanted: bool) -> "Deferred[Destination]":
        config = Config(
            hostname="mx.office.example",
            domains=("office.example",),
            on_demand=dict.fromkeys(self.kept, ()),
            routes=self.routes,
            sender_routes=self.sender_routes,
        )
        runtime = Runtime(Clock(), self.random, InlineExecutor())
        known = (OURS, "127.0.0.1", "127.0.0.3", "::1", "::ffff:127.0.0.1", "0.0.0.0")
        live = Live(config, Mailboxes())
        finder = Destinations(live, runtime, self.zone, self.policies, ours=lambda one: one in known)
        who = parse_address(sender) if sender else None
        return Deferred.fromCoroutine(finder.find(domain, sender=who, **wanted))

    def find(self, domain: str, sender: str = "", **wanted: bool) -> Destination:
        return self.successResultOf(self.finding(domain, sender, **wanted))

    def nothing(self, domain: str, *, require_tls: bool = False) -> NoDestination:
        failure = self.failureResultOf(self.finding(domain, require_tls=require_tls), NoDestination)
        error = failure.value
        assert isinstance(error, NoDestination)
        self.assertRegex(str(error), r"\A[ -~]{1,200}\Z")
        return error


class ByDns(DestinationTestCase):
    """Without a route the DNS says it."""

    def test_found(self) -> None:
        """Hosts come by preference, with their public addresses, both families in turn."""
        for domain, hosts in FOUND.items():
            found = self.find(domain)
            self.assertEqual([(one.name, one.addresses) for one in found.hosts], hosts, domain)
            self.assertEqual({one.port for one in found.hosts}, {25})
            self.assertEqual((found.key, found.login), (domain, None))

    def test_nowhere(self) -> None:
        """Each reason has its status; what could be otherwise a minute later is temporary."""
        for domain, status in NOWHERE.items():
            error = self.nothing(domain)
            self.assertEqual(error.status, status, domain)
            self.assertEqual(error.permanent, status.startswith("5"))

    def test_equals_are_shuffled(self) -> None:
        """Hosts of one preference have no order of their own (RFC 5321 section 5.1)."""
        firsts = {self.find("thousand.example").hosts[0].name for _ in range(20)}
        self.assertGreater(len(firsts), 5)
        for name in firsts:
            self.assertEqual(int(name[1:].partition(".")[0]) % 7, 0)

    def test_thousand_hosts(self) -> None:
        """A few hosts are looked up, whatever a zone has, and five addresses tried (O5)."""
        found = self.find("thousand.example")
        self.assertEqual(sum(len(one.addresses) for one in found.hosts), ADDRESSES)
        self.assertLessEqual(len(self.zone.asked), 1 + 2 * HOSTS)

    def test_endless_zone(self) -> None:
        """A zone whose hosts are nowhere does not keep us busy (N1)."""
        self.zone.records["far.example", "MX"] = [f"10 far{n}.example." for n in range(1000)]
        self.assertEqual(self.nothing("far.example").status, "5.4.4")
        self.assertLessEqual(len(self.zone.asked), 60)

    def test_notes(self) -> None:
        """What was passed over is told, and why."""
        notes = "\n".join(self.find("literal.example").notes)
        self.assertIn("MX 5 9.9.9.9: no host name, passed over", notes)
        self.assertIn("MX 20 b.plain.example: 9.0.0.9; TLS where offered", notes)
        self.assertIn("mx.office.example is this host", "\n".join(self.nothing("self-equal.example").notes))

    @settings(deadline=None, max_examples=100)
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 3),
                st.sampled_from(
                    ("mx.office.example", "me.example", "lo.example", "a.plain.example", "b.plain.example")
                ),
            ),
            min_size=1,
            max_size=8,
        )
    )
    def test_never_ourselves(self, records: list[tuple[int, str]]) -> None:
        """Whatever the records are, nobody as good as this host, or worse, is tried (B6)."""
        self.setUp()
        self.zone.records["any.example", "MX"] = [f"{preference} {name}." for preference, name in records]
        ours = {"mx.office.example", "me.example", "lo.example"}
        limit = min((preference for preference, name in records if name in ours), default=99)
        try:
            found = self.successResultOf(self.finding("any.example")).hosts
        except self.failureException:
            self.assertFalse([1 for preference, _ in records if preference < limit])
            return
        self.assertTrue(all(one.preference < limit for one in found))
        self.assertEqual([one.preference for one in found], sorted(one.preference for one in found))


class ByRoute(DestinationTestCase):
    """The configuration wins."""

    def test_routes(self) -> None:
        """A domain's own route, else that for everything; the host's MX is not asked for."""
        self.routes = {
            "plain.example": Relay("relay.example", 587, "required", "office", "/secret"),
            "*": Relay("192.168.1.1", 2525, "none"),
        }
        found = self.find("plain.example")
        self.assertEqual((found.key, found.login), ("relay.example:587", Login("office", "/secret")))
        (host,) = found.hosts
        self.assertEqual((host.name, host.addresses, host.port), ("relay.example", ("10.0.0.25",), 587))
        self.assertIs(host.tls.level, Level.VERIFIED)
        for domain in ("missing.example", "null.example", "[127.0.0.1]"):
            found = self.find(domain)
            self.assertEqual((found.key, found.login), ("192.168.1.1:2525", None))
            self.assertEqual(found.hosts, (Host("192.168.1.1", ("192.168.1.1",), 2525, found.hosts[0].tls),))
            self.assertIs(found.hosts[0].tls.level, Level.CLEAR)
        self.assertEqual({kind for _, kind in self.zone.asked}, {"A", "AAAA"})

    def test_by_sender(self) -> None:
        """A domain's own route, then the sender's, that of the sender's domain, that for everything."""
        self.routes = {"plain.example": Relay("192.0.2.1"), "*": Relay("192.0.2.2")}
        self.sender_routes = {"anna@a.example": Relay("192.0.2.3"), "@a.example": Relay("192.0.2.4")}
        for domain, sender, host in (
            ("plain.example", "anna@a.example", "192.0.2.1"),
            ("alone.example", "Anna@A.example", "192.0.2.3"),
            ("alone.example", "ben@a.example", "192.0.2.4"),
            ("alone.example", "anna@b.example", "192.0.2.2"),
            ("alone.example", "", "192.0.2.2"),
        ):
            self.assertEqual(self.find(domain, sender).hosts[0].name, host, (domain, sender))

    def test_login_by_sender(self) -> None:
        """Two logins at one host are two destinations for connections, whatever their key is."""
        self.sender_routes = {
            f"{name}@a.example": Relay("192.0.2.3", 25, "required", name, "/x") for name in ("anna", "ben")
        }
        anna, ben = (self.find("alone.example", sender) for sender in self.sender_routes)
        self.assertEqual((anna.login, ben.login), (Login("anna", "/x"), Login("ben", "/x")))

    def test_certificate(self) -> None:
        """A host may want to see a certificate and no password."""
        self.routes = {"*": Relay("192.0.2.1", 25, "required", certificate="/c", key="/k")}
        self.assertEqual(self.find("plain.example").login, Login(certificate="/c", key="/k"))

    def test_kept(self) -> None:
        """What is kept until it is called for waits, goes to better hosts, or by a route of its own."""
        waiting = ("self-first.example", "null.example", "missing.example")
        self.kept = (*waiting, "self-last.example", "plain.example")
        self.routes = {"*": Relay("192.0.2.2"), "plain.example": Relay("192.0.2.1")}
        for domain in waiting:
            nothing = self.nothing(domain)
            self.assertEqual((nothing.status, nothing.permanent), ("4.4.4", False))
        self.assertEqual(self.find("self-last.example").hosts[0].name, "b.plain.example")
        self.assertEqual(self.find("plain.example", "x@y.example").hosts[0].name, "192.0.2.1")

    def test_relay_that_cannot_be_found(self) -> None:
        """It is a matter of the configuration, so mail waits."""
        for host in ("missing.example", "broken.example", "empty.example"):
            self.routes = {"*": Relay(host)}
            self.assertEqual(self.nothing("plain.example").status, "4.4.4")


class Encryption(DestinationTestCase):
    """DANE, MTA-STS and REQUIRETLS."""

    def levels(self, domain: str, *, require_tls: bool = False) -> list[tuple[str, Level, str]]:
        """Name, level and kind of policy of each host."""
        hosts = self.find(domain, require_tls=require_tls).hosts
        return [(one.name, one.tls.level, one.tls.published.type) for one in hosts if one.tls.published]

    def test_dane(self) -> None:
        """With usable TLSA records the host proves itself; with only bad ones it has TLS (RFC 7672; N3)."""
        self.assertEqual(
            self.levels("signed.example"),
            [
                ("s1.example", Level.VERIFIED, "tlsa"),
                ("s2.example", Level.ENCRYPTED, "tlsa"),
                ("s3.example", Level.OPPORTUNISTIC, "no-policy-found"),
                ("b.plain.example", Level.OPPORTUNISTIC, "no-policy-found"),
            ],
        )
        identity = self.find("signed.example").hosts[0].tls.identity
        assert identity is not None
        self.assertEqual([str(one) for one in identity.associations], [GOOD])
        self.assertEqual(identity.names, ("s1.example", "signed.example"))

    def test_dane_names(self) -> None:
        """Where the host is an alias the records of its true name count; a domain may be its own host."""
        for domain, base in (("signed-alias.example", "s6.example"), ("signed-alone.example",) * 2):
            (host,) = self.find(domain).hosts
            assert host.tls.published is not None and host.tls.identity is not None
            self.assertEqual(host.tls.published.hosts, (base,))
            self.assertEqual([str(one) for one in host.tls.identity.associations], [GOOD])

    def test_no_dane_without_dnssec(self) -> None:
        """Where the MX records or the TLSA records are not secure there is no DANE (N3)."""
        for domain in ("unsigned.example", "unsigned-tlsa.example"):
            self.assertEqual({level for _, level, _ in self.levels(domain)}, {Level.OPPORTUNISTIC})
        self.assertNotIn(("_25._tcp.s1.example", "TLSA"), self.zone.asked)

    def test_required_by_route(self) -> None:
        """A route without a host says how to encrypt; who is verified is no matter of a DNS that may lie."""
        self.routes = {"*": Relay(tls="required")}
        for domain, names in (
            ("plain.example", ("a.plain.example", "plain.example")),
            ("alone.example", ("alone.example", "alone.example")),
            ("literal.example", ("literal.example",)),
            ("self-last.example", ("self-last.example",)),
        ):
            host = self.find(domain).hosts[0]
            assert host.tls.identity is not None
            self.assertIs(host.tls.level, Level.VERIFIED)
            self.assertEqual(set(host.tls.identity.names), set(names), domain)
        self.assertEqual(self.find("plain.example", require_tls=True).hosts[0].tls.level, Level.VERIFIED)

    def test_required_by_route_too(self) -> None:
        """DANE is as strict already; a name that DNSSEC proves counts; without TLS is without."""
        self.routes = {"*": Relay(tls="required")}
        kinds = [(name, kind) for name, _, kind in self.levels("signed.example")]
        self.assertEqual(kinds[0], ("s1.example", "tlsa"))
        for host in self.find("signed.example").hosts[1:]:
            assert host.tls.identity is not None
            self.assertEqual(host.tls.identity.names, (host.name, "signed.example"))
        self.routes = {"*": Relay(tls="none")}
        levels = {host.tls.level for host in self.find("plain.example").hosts}
        self.assertEqual(levels, {Level.CLEAR})

    def test_hidden_tlsa(self) -> None:
        """A host whose TLSA records cannot be had is not used now (RFC 7672 section 2.1.2)."""
        self.assertEqual([name for name, _, _ in self.levels("signed-broken.example")], ["s3.example"])

    def test_sts(self) -> None:
        """An enforced policy leaves the hosts it names; a policy in testing leaves all."""
        policy = StsPolicy("enforce", 86400, ("b.plain.example",))
        self.policies.known = {"plain.example": policy, "alone.example": policy}
        self.assertEqual(self.levels("plain.example"), [("b.plain.example", Level.VERIFIED, "sts")])
        (host,) = self.find("plain.example").hosts
        assert host.tls.identity is not None
        self.assertEqual(host.tls.identity.names, ("b.plain.example",))
        self.assertEqual(self.nothing("alone.example").status, "4.7.5")
        self.policies.known = {"plain.example": StsPolicy("testing", 86400, ("b.plain.example",))}
        named = [(name, tls.identity and tls.identity.names) for name, tls in self.tls("plain.example")]
        self.assertEqual(named, [("a.plain.example", ()), ("b.plain.example", ("b.plain.example",))])
        self.policies.known = {"plain.example": StsPolicy("none", 86400)}
        self.assertEqual({kind for _, _, kind in self.levels("plain.example")}, {"no-policy-found"})

    def tls(self, domain: str) -> list[tuple[str, TlsPolicy]]:
        return [(one.name, one.tls) for one in self.find(domain).hosts]

    def test_dane_and_sts(self) -> None:
        """DANE says how a certificate is verified, where both are there (RFC 8461 section 2)."""
        self.policies.known = {"signed.example": StsPolicy("enforce", 86400, ("s1.example", "s3.example"))}
        self.assertEqual(
            self.levels("signed.example"),
            [("s1.example", Level.VERIFIED, "tlsa"), ("s3.example", Level.VERIFIED, "sts")],
        )

    def test_tls_optional(self) -> None:
        """B10: a report on TLS is held up by no policy, and counted nowhere (RFC 8460 section 3)."""
        self.policies.known = {"signed.example": StsPolicy("enforce", 86400, ("s9.example",))}
        self.assertEqual(self.nothing("signed.example").status, "4.7.5")
        self.zone.asked.clear()
        self.policies.asked.clear()
        for domain in ("signed.example", "signed-only-broken.example", "plain.example"):
            found = self.find(domain, tls_optional=True)
            self.assertEqual({one.tls for one in found.hosts}, {TlsPolicy(Level.OPPORTUNISTIC)})
            self.assertEqual(found.key, f"{domain} tls optional")
        self.assertEqual(self.policies.asked, [])
        self.assertNotIn("TLSA", {kind for _, kind in self.zone.asked})
        for relay in (Relay("relay.example", tls="required"), Relay(tls="required")):
            self.routes = {"*": relay}  # the administrator's wish holds for reports too
            levels = {one.tls.level for one in self.find("plain.example", tls_optional=True).hosts}
            self.assertEqual(levels, {Level.VERIFIED})

    def test_require_tls(self) -> None:
        """Only hosts whose names are proven take such a message, each with a certificate (RFC 8689)."""
        self.assertEqual(self.nothing("plain.example", require_tls=True).status, "5.7.10")
        self.policies.known = {"plain.example": StsPolicy("testing", 86400, ("b.plain.example",))}
        self.assertEqual(
            self.levels("plain.example", require_tls=True), [("b.plain.example", Level.VERIFIED, "sts")]
        )
        found = self.find("signed.example", require_tls=True)
        self.assertEqual({one.tls.level for one in found.hosts}, {Level.VERIFIED})
        self.assertEqual(found.key, "signed.example requiretls")
        self.assertEqual(self.nothing("[9.9.9.9]", require_tls=True).status, "5.7.10")
        for tls, enough in (("required", True), ("opportunistic", False), ("none", False)):
            self.routes = {"*": Relay("relay.example", tls=tls)}  # type: ignore[arg-type]
            if enough:
                self.assertTrue(self.find("plain.example", require_tls=True).hosts)
            else:
                self.assertEqual(self.nothing("plain.example", require_tls=True).status, "5.7.10")
