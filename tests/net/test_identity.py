"""Who a server is, by its certificates: authorities, names, DANE (RFC 7672; vectors N3, T9)."""

from hashlib import sha512

from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL.crypto import X509, X509Store
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.identity import (
    EXPIRED,
    HOST_MISMATCH,
    NOT_TRUSTED,
    VALIDATION_FAILURE,
    Identity,
    is_usable,
    problem,
    system_roots,
)
from mailnode.net.resolver import Tlsa
from tests.net.authority import NOW, Issued, issue

ROOT = issue("root", authority=True)
MIDDLE = issue("middle", ROOT, authority=True)
LEAF = issue("leaf", MIDDLE, hosts=["mx.example", "*.wild.example"])
STRANGER = issue("stranger", issue("other root", authority=True), hosts=["mx.example"])
MX = Identity(("mx.example",))


def look(shown: Issued, expected: Identity, days: float = 0) -> str:
    """The problem with a server that shows a chain, days from now."""
    roots = X509Store()
    roots.add_cert(X509.from_cryptography(ROOT.certificate))
    return problem(shown.chain, expected, roots, NOW.timestamp() + days * 86400)


class Authorities(SynchronousTestCase):
    """Without associations authorities and names count."""

    def test_good(self) -> None:
        """A chain to a root, for the name, or one of the names; a wildcard is one label."""
        for name in ("mx.example", "MX.example", "a.wild.example"):
            self.assertEqual(look(LEAF, Identity((name,))), "", name)
        self.assertEqual(look(LEAF, Identity(("other.example", "mx.example"))), "")
        self.assertEqual(look(issue("x", ROOT, hosts=["mx.example"], uses=()), MX), "")

    def test_bad(self) -> None:
        """What is wrong has the word for it that reports have (T9)."""
        for name in ("other.example", "wild.example", "a.b.wild.example", "192.0.2.1", "", "x" * 300):
            self.assertEqual(look(LEAF, Identity((name,))), HOST_MISMATCH, name)
        self.assertEqual(look(LEAF, Identity(())), HOST_MISMATCH)
        self.assertEqual(look(issue("no names", ROOT), MX), HOST_MISMATCH)
        self.assertEqual(look(LEAF, MX, days=31), EXPIRED)
        self.assertEqual(look(LEAF, MX, days=-2), EXPIRED)
        self.assertEqual(look(STRANGER, MX), NOT_TRUSTED)
        self.assertEqual(look(issue("alone", hosts=["mx.example"]), MX), NOT_TRUSTED)
        mail_only = issue("x", ROOT, hosts=["mx.example"], uses=[ExtendedKeyUsageOID.EMAIL_PROTECTION])
        self.assertEqual(look(mail_only, MX), NOT_TRUSTED)
        by_a_leaf = issue("x", LEAF, hosts=["mx.example"])
        self.assertEqual(look(by_a_leaf, MX), NOT_TRUSTED)
        self.assertEqual(problem([], MX, X509Store(), 0), VALIDATION_FAILURE)

    def test_system_roots(self) -> None:
        """The machine's own authorities do not know ours."""
        self.assertEqual(problem(LEAF.chain, MX, system_roots(), NOW.timestamp()), NOT_TRUSTED)


class Associations(SynchronousTestCase):
    """DANE."""

    def test_server_itself(self) -> None:
        """Usage 3 fits by certificate or key, in any matching type; names, dates and roots do not count."""
        for selector in (0, 1):
            whole = STRANGER.selected(selector)
            for matching, data in ((0, whole), (1, STRANGER.digest(selector)), (2, sha512(whole).digest())):
                one = Tlsa(3, selector, matching, data)
                self.assertTrue(is_usable(one))
                self.assertEqual(look(STRANGER, Identity(("other.example",), (one,)), days=1000), "")
                self.assertEqual(look(LEAF, Identity(("mx.example",), (one,))), VALIDATION_FAILURE)

    def test_authority(self) -> None:
        """Usage 2 fits an authority that is shown, or in the record; then names and dates count."""
        shown, root = Tlsa(2, 1, 1, MIDDLE.digest(1)), Tlsa(2, 0, 0, ROOT.selected(0))
        other = Tlsa(2, 0, 1, STRANGER.digest(0))
        for one in (shown, root):
            self.assertEqual(look(LEAF, Identity(("mx.example",), (other, one))), "")
            self.assertEqual(look(LEAF, Identity(("other.example",), (one,))), HOST_MISMATCH)
            self.assertEqual(look(LEAF, Identity(("mx.example",), (one,)), days=31), EXPIRED)
            self.assertNotEqual(look(STRANGER, Identity(("mx.example",), (one,))), "")
        for one in (Tlsa(2, 1, 1, ROOT.digest(1)), Tlsa(2, 1, 1, LEAF.digest(1)), other):
            self.assertEqual(look(LEAF, Identity(("mx.example",), (one,))), VALIDATION_FAILURE)

    def test_forged_chain(self) -> None:
        """To show the authority's certificate is not enough: it must have signed."""
        forged = Issued(STRANGER.certificate, STRANGER.key, (MIDDLE, ROOT))
        one = Tlsa(2, 1, 1, MIDDLE.digest(1))
        self.assertEqual(look(forged, Identity(("mx.example",), (one,))), NOT_TRUSTED)

    def test_usable(self) -> None:
        """Lengths that cannot be, and usages that mean nothing for SMTP, are no associations (N3)."""
        for usage, selector, matching, length in (
            *((0, 1, 1, 32), (1, 1, 1, 32), (4, 1, 1, 32), (255, 1, 1, 32), (3, 2, 1, 32), (3, 1, 3, 32)),
            *((3, 1, 1, 0), (3, 1, 1, 3), (3, 1, 1, 19), (3, 1, 1, 33), (3, 1, 2, 32), (3, 1, 0, 0)),
            (3, 0, 0, 32),
        ):
            self.assertFalse(is_usable(Tlsa(usage, selector, matching, bytes(length))))

    @settings(deadline=None, max_examples=200)
    @given(
        st.integers(0, 5), st.integers(0, 3), st.integers(0, 4), st.binary(max_size=80) | st.just(bytes(32))
    )
    def test_garbage(self, usage: int, selector: int, matching: int, data: bytes) -> None:
        """No record that somebody made up fits, and none does harm."""
        one = Tlsa(usage, selector, matching, data)
        is_usable(one)
        self.assertNotEqual(look(LEAF, Identity(("mx.example",), (one,))), "")
