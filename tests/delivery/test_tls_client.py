"""TLS with a host, by its policy: no octet to the wrong one (RFC 7672, RFC 8461; vector T9)."""

from OpenSSL.crypto import X509, X509Store
from twisted.trial.unittest import SynchronousTestCase

from mailnode.config_sending import Relay
from mailnode.delivery.destination import Host
from mailnode.delivery.tls_client import outcome, tls_client
from mailnode.delivery.tls_policy import TlsOutcome, TlsPolicy, of_dane, of_route, of_sts, without_policy
from mailnode.net.identity import HOST_MISMATCH, VALIDATION_FAILURE
from mailnode.net.resolver import Tlsa
from mailnode.wire.mta_sts import StsPolicy
from tests.net.authority import NOW
from tests.net.test_tls_client import SERVER, Meeting

RIGHT, WRONG = Tlsa(3, 1, 1, SERVER.digest(1)), Tlsa(3, 1, 1, bytes(32))
ENFORCE, TESTING = (StsPolicy(mode, 1, ("*.example",)) for mode in ("enforce", "testing"))
ALL = b"early late "

# The policy, and the host: the problem, what the server hears, and the name it is told.
ROWS: tuple[tuple[TlsPolicy, str, str, bytes, bytes], ...] = (
    (without_policy("a.example"), "other.example", "", ALL, b"other.example"),
    (of_route(Relay("mx.example", tls="required")), "mx.example", "", ALL, b"mx.example"),
    (of_route(Relay("x.example", tls="required")), "x.example", HOST_MISMATCH, b"", b"x.example"),
    (of_route(Relay("192.0.2.1", tls="required")), "192.0.2.1", HOST_MISMATCH, b"", b""),
    (of_sts("a.example", "mx.example", ENFORCE), "mx.example", "", ALL, b"mx.example"),
    (of_sts("a.example", "x.example", ENFORCE), "x.example", HOST_MISMATCH, b"", b"x.example"),
    (of_sts("a.example", "x.example", TESTING), "x.example", HOST_MISMATCH, ALL, b"x.example"),
    (of_sts("a.example", "x.test", TESTING), "x.test", HOST_MISMATCH, ALL, b"x.test"),
    (of_dane("a.example", "base.example", (), [WRONG, RIGHT]), "x.example", "", ALL, b"base.example"),
    (of_dane("a.example", "x.example", (), [WRONG]), "x.example", VALIDATION_FAILURE, b"", b"x.example"),
    (of_dane("a.example", "x.example", (), [Tlsa(9, 9, 9, b"")]), "x.example", "", ALL, b"x.example"),
)


class ClientTests(SynchronousTestCase):
    """tls_client, with a server that has a certificate for mx.example by a known authority."""

    def test_each(self) -> None:
        """The policy decides what is wrong, and whether that is only counted."""
        roots = X509Store()
        roots.add_cert(X509.from_cryptography(SERVER.certificate))
        for tls, name, problem, heard, told in ROWS:
            client = tls_client(name, tls, roots, NOW.timestamp)
            meeting = Meeting(client)
            self.assertEqual(
                (client.problem, meeting.heard, meeting.name), (problem, heard, told), (tls, name)
            )

    def test_outcome(self) -> None:
        """What is counted names the policy, the host and both addresses; of our own routes nothing is."""
        policy = without_policy("a.example")
        host = Host("mx.example", ("192.0.2.1",), 25, policy)
        assert policy.published is not None
        self.assertEqual(
            outcome(host, "192.0.2.1", "starttls-not-supported", local_address="192.0.2.9"),
            TlsOutcome(policy.published, "mx.example", "192.0.2.1", "starttls-not-supported", "192.0.2.9"),
        )
        relay = Host("mx.example", ("192.0.2.1",), 25, of_route(Relay("mx.example")))
        self.assertIsNone(outcome(relay, "192.0.2.1", ""))
