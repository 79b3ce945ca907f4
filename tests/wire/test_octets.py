"""Counting octets."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.octets import occurrences


class OccurrencesTests(SynchronousTestCase):
    @given(st.lists(st.sampled_from((b"\r", b"\n", b"\0", b"x" * 70))), st.sampled_from((b"\n", b"\0")))
    def test_occurrences(self, parts: list[bytes], one: bytes) -> None:
        """As many as bytes.count() finds."""
        octets = b"".join(parts)
        self.assertEqual(occurrences(octets, one), octets.count(one))
