"""LIST patterns."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.imap.listpattern import ListPattern


class ListPatternTests(SynchronousTestCase):
    """RFC 3501 section 6.3.8."""

    def test_table(self) -> None:
        """`*` crosses levels, `%` does not, all else stands for itself."""
        for pattern, name, wanted in (
            ("*", "", True),
            ("*", "a/b", True),
            ("%", "a", True),
            ("%", "a/b", False),
            ("a/%", "a/b", True),
            ("a/%", "a/b/c", False),
            ("%/%", "a/b", True),
            ("a*c", "a/b/c", True),
            ("a%c", "a/c", False),
            ("%*", "a/b", True),
            ("", "", True),
            ("", "a", False),
            ("a.b", "axb", False),
            ("[ab]", "a", False),
        ):
            self.assertIs(ListPattern(pattern, "/").matches(name), wanted, (pattern, name))

    def test_inbox_in_any_case(self) -> None:
        """The letters named caseless match in either case, those after them do not."""
        pattern = ListPattern("iNbOx/A%", "/")
        self.assertTrue(pattern.matches("INBOX/Ab", caseless=5))
        self.assertFalse(pattern.matches("INBOX/ab", caseless=5))

    def test_no_backtracking(self) -> None:
        """Many wildcards on a long name cost no more than few (I7)."""
        pattern = ListPattern("*%" * 5000 + "*a*a*a*a*a*a*a*a*a*b", "/")
        self.assertFalse(pattern.matches("a" * 2000))

    @settings(deadline=None, max_examples=300)
    @given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=8))
    def test_as_a_regular_expression(self, pattern: str, name: str) -> None:
        """The same names match as with the obvious regular expression."""
        parts = {"*": ".*", "%": "[^/]*"}
        expression = "".join(parts.get(letter) or re.escape(letter) for letter in pattern)
        wanted = re.fullmatch(expression, name) is not None
        self.assertIs(ListPattern(pattern, "/").matches(name), wanted)
