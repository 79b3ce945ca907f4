"""What the name of a message file says of its octets."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.store.filenames import is_verbatim, sizes

PIECES = st.sampled_from(
    (",S=", ",W=", "12", "012", "7", "0", ",", "1.M2P3Q4.host", "S=12", "x", "9" * 15, "1" * 16)
)


class Verbatim(SynchronousTestCase):
    """is_verbatim()"""

    def test_table(self) -> None:
        """S equal to W, as numbers and wherever they stand, and nothing else."""
        for base, verbatim in (
            ("1.M2P3Q4.host,S=12,W=12", True),
            ("1.M2P3Q4.host,S=12,W=012", True),
            ("1.M2P3Q4.host,W=12,S=12", True),
            ("1.M2P3Q4.host,U=1,S=12,W=12,x", True),
            ("1.M2P3Q4.host,S=12,W=13", False),
            ("1.M2P3Q4.host,S=12", False),
            ("1.M2P3Q4.host,W=12", False),
            ("1.M2P3Q4.host", False),
            ("1.M2P3Q4.host,S=,W=", False),
        ):
            self.assertEqual(is_verbatim(base), verbatim, base)

    @settings(deadline=None, max_examples=500)
    @given(st.lists(PIECES, max_size=8).map("".join))
    def test_any_name(self, base: str) -> None:
        """It says what the sizes say."""
        on_disk, on_wire = sizes(base)
        self.assertEqual(is_verbatim(base), on_disk is not None and on_disk == on_wire)
