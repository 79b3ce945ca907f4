"""Searches under a name: whatever stands in them, they end, and mean what they would in parentheses."""

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap.filters import FILTERS, PASSES, PRIVATE, SHARED, check, criteria
from mailnode.imap.replies import Refused
from mailnode.store.attributes import FILE_NAME
from mailnode.store.values import INBOX
from mailnode.wire.errors import BadSyntax
from tests.imap.test_session import MESSAGE, SessionCase
from tests.imap.world import Client

KEYS = ("ALL", "SEEN", "FLAGGED UNSEEN", "OR SEEN FLAGGED", "NOT SEEN", "1:3", "SUBJECT x", "FUZZY FLAGGED")


class FilterCase(SessionCase):
    """A mailbox with a few messages."""

    def setUp(self) -> None:
        super().setUp()
        self.me = self.client().login()
        for number, flags in enumerate((r"\Seen", r"\Flagged", r"\Seen \Flagged", "")):
            self.me.append(
                MESSAGE.replace(b": x", b": %d" % number if number % 2 else b": x"), flags=f"({flags})"
            )

    def keep(self, client: Client | None = None, **values: str) -> None:
        """Keep searches, past what a client may."""
        entries = {PRIVATE + name: value.encode() for name, value in values.items()}
        self.world.account().store.annotations.change(None, entries)

    def found(self, program: str) -> bytes:
        """What is answered."""
        return self.me.say(f"s SEARCH {program}")


class UseTests(FilterCase):
    """RFC 5466 section 3.1."""

    def test_as_in_parentheses(self) -> None:
        """Filters in filters, anywhere among other keys, find what the written-out search finds."""
        rng = random.Random(1)

        def grow(depth: int) -> tuple[str, str]:
            """A program with filters, and the same without."""
            kind = rng.choice(
                ("key", "key", "filter", "not", "or", "fuzzy", "all") if depth < 4 else ("key",)
            )
            if kind == "key":
                key = rng.choice(KEYS)
                return f"({key})", f"({key})"
            short, full = grow(depth + 1)
            if kind == "filter":
                name = f"f{rng.randrange(10**9)}"
                self.keep(**{name: short})
                return f"FILTER {name.upper()}", f"({full})"
            if kind in ("not", "fuzzy"):
                return f"{kind.upper()} {short}", f"{kind.upper()} {full}"
            other_short, other_full = grow(depth + 1)
            word = "OR " if kind == "or" else ""
            start, end = ("", "") if word else ("(", ")")
            return f"{start}{word}{short} {other_short}{end}", f"{start}{word}{full} {other_full}{end}"

        for _ in range(150):
            short, full = grow(0)
            expected = self.found(full)
            self.assertEqual(self.found(short), expected, (short, full))
            self.assertIn(b"s OK", expected)

    def test_private_before_shared(self) -> None:
        """A filter of one's own hides that of all, which somebody may have written into the file."""
        guid = self.world.account().store.mailbox(INBOX).guid
        key = f"shared/{guid}/vendor/vendor.dovecot/pvt/server/filters/values/"
        with open(f"{self.world.account().store.root}/{FILE_NAME}", "a", encoding="ascii") as file:
            file.write(f"{key}seen\nSEEN\n{key}mine\nSEEN\n")
        self.assertEqual(SHARED, "/shared/filters/values/")
        self.keep(mine="FLAGGED")
        self.assertEqual(self.found("FILTER seen"), b"* SEARCH 1 3\r\ns OK Searched\r\n")
        self.assertEqual(self.found("FILTER mine"), b"* SEARCH 2 3\r\ns OK Searched\r\n")

    def test_chains(self) -> None:
        """Filters reach some levels deep, and never in a circle."""
        self.keep(f0="SEEN", **{f"f{n}": f"FILTER f{n - 1}" for n in range(1, 10)})
        for depth in range(10):
            said = self.found(f"FILTER f{depth}")
            if depth < PASSES:
                self.assertIn(b"* SEARCH 1 3", said)
            else:
                self.assertEqual(
                    said, b"s NO [UNDEFINED-FILTER f%d] There is no such filter\r\n" % (depth - PASSES)
                )
        self.keep(circle="NOT FILTER Circle")
        self.assertIn(b"s NO [UNDEFINED-FILTER Circle]", self.found("FILTER CIRCLE"))

    def test_many(self) -> None:
        """A search that would be enormous is refused before it is."""
        self.keep(a=" ".join(["1:2"] * 300), b=" ".join(["FILTER a"] * 40))
        self.assertIn(b"s NO [LIMIT]", self.found("FILTER a FILTER a"))
        self.assertIn(b"s NO [LIMIT]", self.found("FILTER b"))
        self.assertIn(b"* SEARCH 1 2", self.found("FILTER a"))
        self.keep(c="ALL")
        self.assertIn(b"* SEARCH 1 2 3 4", self.found(" ".join(["FILTER c"] * FILTERS)))
        self.assertIn(b"s NO [LIMIT]", self.found(" ".join(["FILTER c"] * (FILTERS + 1))))

    def test_deep(self) -> None:
        """Nesting counts through filters."""
        deep = "(" * 60 + "SEEN" + ")" * 60
        self.keep(deep=deep, deeper="(" * 60 + "FILTER deep" + ")" * 60)
        self.assertIn(b"* SEARCH 1 3", self.found("FILTER deep"))
        self.assertIn(b"s NO [UNDEFINED-FILTER deep]", self.found("FILTER deeper"))

    def test_what_others_have_written(self) -> None:
        """A value that is no search is no filter, whatever it is."""
        for value in (
            "",
            " ",
            "SEEN ",
            "OR SEEN",
            "SEEN\r\nx LOGOUT",
            "FROM {9}\r\nx",
            "FROM \xff",
            "(",
            "UID",
        ):
            self.keep(odd=value)
            self.assertIn(b"s NO [UNDEFINED-FILTER odd]", self.found("FILTER odd"), value)

    def test_failed_search_saves_nothing(self) -> None:
        """NO empties the saved result (RFC 5182), BAD leaves it."""
        self.found("RETURN (SAVE) SEEN")
        self.assertIn(b"s BAD", self.found("RETURN (SAVE) CHARSET X FILTER none"))
        self.assertIn(b"* SEARCH 1 3", self.found("$"))
        self.assertIn(b"s NO", self.found("RETURN (SAVE) FILTER none"))
        self.assertIn(b"* SEARCH\r\n", self.found("$"))


class ValueTests(SynchronousTestCase):
    """What may be kept."""

    @given(st.binary() | st.text('SEN()OR NOT{}0123\r\n"\\$*:,').map(str.encode))
    def test_any_value(self, value: bytes) -> None:
        """Is a search or is refused."""
        try:
            criteria(value)
        except BadSyntax:
            with self.assertRaises(Refused):
                check("name", value)
        else:
            check("name", value)

    @given(st.text())
    def test_any_name(self, name: str) -> None:
        """Only what FILTER could say."""
        try:
            check(name, b"ALL")
        except Refused:
            return
        hole = criteria(b"FILTER " + name.encode("ascii")).holes[0]
        self.assertEqual(hole.name, name)

    def test_literals(self) -> None:
        """As in a command, also several."""
        self.assertEqual(criteria(b"OR FROM {3}\r\na\r\n SUBJECT {0}\r\n").count, 2)
        check("gone", None)
