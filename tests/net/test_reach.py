"""Whose an address is (vector B6)."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.reach import interleaved, is_ours, is_public

PUBLIC = ("9.9.9.9", "2a00::1", "::ffff:9.9.9.9")
NOT_PUBLIC = (
    *("10.0.0.1", "172.16.0.1", "192.168.0.1", "127.0.0.1", "0.0.0.0", "169.254.169.254", "100.64.0.1"),
    *("192.0.2.1", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fd00::1"),
    *("ff02::1", "ff0e::1", "2001:db8::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "", "localhost", "x"),
)


class ReachTests(SynchronousTestCase):
    """is_public, is_ours, interleaved"""

    def test_public(self) -> None:
        """Only addresses of single hosts on the Internet are public."""
        self.assertEqual([one for one in PUBLIC if not is_public(one)], [])
        self.assertEqual([one for one in NOT_PUBLIC if is_public(one)], [])

    def test_ours(self) -> None:
        """Loopback and the unspecified addresses are this machine, in any form; foreign ones are not."""
        for address in ("127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1"):
            self.assertTrue(is_ours(address), address)
        for address in ("9.9.9.9", "192.0.2.1", "2001:db8::1", "localhost", ""):
            self.assertFalse(is_ours(address), address)

    @settings(deadline=None, max_examples=100)
    @given(st.lists(st.ip_addresses().map(str)))
    def test_interleaved(self, addresses: list[str]) -> None:
        """All stay, in the order of their family, and families take turns while both last."""
        found = interleaved(addresses)
        six, four = ([one for one in found if (":" in one) is is_six] for is_six in (True, False))
        self.assertEqual(six, [one for one in addresses if ":" in one])
        self.assertEqual(four, [one for one in addresses if ":" not in one])
        turns = [":" in one for one in found[: 2 * min(len(six), len(four))]]
        self.assertEqual(turns, [True, False] * (len(turns) // 2))
