"""How each host is to be encrypted to: what the facts become."""

from twisted.trial.unittest import SynchronousTestCase

from mailnode.config_sending import Relay
from mailnode.delivery.tls_policy import (
    Level,
    TlsPolicy,
    of_dane,
    of_route,
    of_sts,
    requiring_tls,
    without_policy,
)
from mailnode.net.identity import Identity
from mailnode.net.resolver import Tlsa
from mailnode.wire.mta_sts import StsPolicy

GOOD, BAD = Tlsa(3, 1, 1, bytes(32)), Tlsa(3, 1, 1, bytes(19))
ENFORCE, TESTING = (StsPolicy(mode, 1, ("mx.a.example",)) for mode in ("enforce", "testing"))
WORDS: dict[str, TlsPolicy] = {
    "no TLS": of_route(Relay("r.example", tls="none")),
    "TLS where offered": without_policy("a.example"),
    "TLS needed, certificate verified": of_route(Relay("r.example", tls="required")),
    "TLS needed, certificate not verified": of_dane("a.example", "mx.a.example", (), [BAD]),
    "TLS needed, certificate verified by DANE": of_dane("a.example", "mx.a.example", (), [BAD, GOOD]),
    "TLS needed, certificate verified by MTA-STS": of_sts("a.example", "mx.a.example", ENFORCE),
    "TLS where offered (MTA-STS: testing)": of_sts("a.example", "mx.a.example", TESTING),
}


class PolicyTests(SynchronousTestCase):
    """TlsPolicy"""

    def test_words(self) -> None:
        """Each policy has words of its own."""
        for words, policy in WORDS.items():
            self.assertEqual(str(policy), words)
            self.assertEqual(policy.strict, "certificate verified" in words)

    def test_identity(self) -> None:
        """A route's host, and one that MTA-STS names, must have a certificate for its own name."""
        self.assertEqual(of_route(Relay("r.example", tls="required")).identity, Identity(("r.example",)))
        self.assertIsNone(of_route(Relay("r.example")).identity)
        self.assertEqual(of_sts("a.example", "mx.a.example", TESTING).identity, Identity(("mx.a.example",)))
        self.assertEqual(of_sts("a.example", "b.a.example", TESTING).identity, Identity(()))
        dane = of_dane("a.example", "mx.a.example", ("mx.a.example", "a.example"), [BAD, GOOD])
        self.assertEqual(dane.identity, Identity(("mx.a.example", "a.example"), (GOOD,)))

    def test_reports(self) -> None:
        """Reports tell what the domain has published, as it did; nobody gets one about our own routes."""
        self.assertIsNone(of_route(Relay("r.example")).published)
        dane = of_dane("a.example", "mx.a.example", (), [BAD]).published
        assert dane is not None
        self.assertEqual(dane.strings, (f"3 1 1 {'00' * 19}",))
        sts = of_sts("a.example", "mx.a.example", ENFORCE).published
        assert sts is not None
        self.assertEqual((sts.strings, sts.hosts), (ENFORCE.lines, ENFORCE.mx))

    def test_requiring(self) -> None:
        """REQUIRETLS makes a certificate needed where the name is proven, and leaves no host where not."""
        plain, unusable = without_policy("a.example"), of_dane("a.example", "mx.a.example", (), [BAD])
        for policy in (plain, unusable):
            self.assertIsNone(requiring_tls(policy, "mx.a.example", proven=False))
            needed = requiring_tls(policy, "mx.a.example", proven=True)
            assert needed is not None
            self.assertEqual((needed.level, needed.identity), (Level.VERIFIED, Identity(("mx.a.example",))))
            self.assertEqual(needed.published, policy.published)
        strict = of_sts("a.example", "mx.a.example", ENFORCE)
        self.assertIs(requiring_tls(strict, "mx.a.example", proven=False), strict)
