"""mailnode.wire.uidl: formats of unique-ids, as other servers have them."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.uidl import DEFAULT, check_format, unique_id

# format, unique-id of UID 363 with UIDVALIDITY 80000000
FORMATS = (
    (DEFAULT, "0000016b04c4b400"),
    ("UID%u-%v", "UID363-80000000"),
    ("%v.%u", "80000000.363"),
    ("%u", "363"),
    ("%08Xv%08Xu", "04c4b4000000016b"),
    ("%f", "1.M2P3.host,S=4"),
    ("%Mf", hashlib.md5(b"1.M2P3.host,S=4", usedforsecurity=False).hexdigest()),
    ("%g", "guid"),
    ("%%%012u", "%000000000363"),
)
WRONG = ("", "%", "x", "%v", "%x%u", "%8u", "%u %v", "%u\xe9", "%Mv", "%099u", "%" * 3 + "u%")


def made(template: str, **facts: str) -> str:
    """A unique-id of the message of the table."""
    return unique_id(
        template, uid=363, validity=80000000, base=facts.get("base", "1.M2P3.host,S=4"), guid="guid"
    )


class Formats(SynchronousTestCase):
    """unique_id(), check_format()"""

    def test_formats(self) -> None:
        """What Dovecot's documentation says of other servers."""
        for template, wanted in FORMATS:
            check_format(template)
            self.assertEqual(made(template), wanted, template)

    def test_wrong(self) -> None:
        """What is no format, gives all messages one id, or one that is too long."""
        for template in WRONG:
            self.assertRaises(BadSyntax, check_format, template)

    def test_no_id(self) -> None:
        """A file name that cannot be an id is none; the default is taken then."""
        for base in ("a b", "\udcff", "é", ""):
            self.assertEqual(made("%f", base=base), "0000016b04c4b400")

    @given(st.text(alphabet="%0189XMuvfgx", max_size=12))
    def test_any(self, template: str) -> None:
        """Every format that passes gives ids of visible characters, and two messages two of them."""
        try:
            check_format(template)
        except BadSyntax:
            return
        one = unique_id(template, uid=1, validity=1, base="a", guid="a")
        other = unique_id(template, uid=2, validity=1, base="b", guid="b")
        self.assertNotEqual(one, other)
        for found in (one, other):
            self.assertRegex(found, r"^[!-~]{1,70}$")
