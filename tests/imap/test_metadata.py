"""GETMETADATA and SETMETADATA: what dialogue files cannot say."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap.commands.metadata import Get, parse_get, parse_set
from mailnode.imap.replies import Refused
from mailnode.store.annotations import ENTRIES, ENTRY_OCTETS, VALUE_OCTETS
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.command import Assembler
from mailnode.wire.imap.cursor import Cursor
from tests.imap.world import World
from tests.scratch import room_of

_LEVELS = st.lists(st.sampled_from("ab"), min_size=1, max_size=4)


def name(levels: list[str]) -> str:
    """An entry."""
    return "/private/" + "/".join(levels)


class GrammarTests(SynchronousTestCase):
    """parse_get() and parse_set()."""

    def test_options_may_stand_in_either_place(self) -> None:
        """The grammar has them before the mailbox, the examples behind it."""
        wanted = Get("INBOX", ("/private/a", "/shared/b"), 1, 9)
        for text in (
            b" (DEPTH 1 MAXSIZE 9) INBOX (/private/A /shared/b)",
            b" INBOX (maxsize 9 depth 1) (/private/a /shared/b)",
            b" INBOX (MAXSIZE 9 DEPTH 1) /private/a /shared/b /private/a",
        ):
            self.assertEqual(parse_get(Cursor([text])), wanted)

    @given(st.binary(max_size=60))
    def test_anything(self, text: bytes) -> None:
        """Whatever comes, it is read or refused."""
        for parse in (parse_get, parse_set):
            try:
                parse(Cursor([b" INBOX (" + text]))
            except (BadSyntax, Refused):
                pass

    @given(_LEVELS, _LEVELS, st.sampled_from((0, 1, None)))
    def test_depth(self, above: list[str], below: list[str], depth: int | None) -> None:
        """Section 4.2.2: the entry, what is immediately below it, or everything below it."""
        inside = below[: len(above)] == above
        wanted = inside and (depth is None or len(below) - len(above) <= depth)
        self.assertEqual(Get("", (name(above),), depth).asks_for(name(below)), wanted)

    def test_too_many_entries(self) -> None:
        """A list is no longer than it need be."""
        entries = b" ".join(b"/private/%d" % n for n in range(101))
        with self.assertRaises(Refused):
            parse_get(Cursor([b" INBOX (" + entries + b")"]))

    def test_literal8(self) -> None:
        """Octets of any kind, NUL too, but in a literal8 only."""
        assembler = Assembler()
        assembler.line(b"a SETMETADATA INBOX (/private/a ~{3}")
        assembler.begin()
        assembler.literal(b"\0\r\n")
        assembler.line(b")")
        self.assertEqual(parse_set(assembler.arguments()).values, {"/private/a": b"\0\r\n"})


class SessionTests(SynchronousTestCase):
    """In a session."""

    def setUp(self) -> None:
        self.world = World(room_of(self))
        self.addCleanup(self.world.close)
        self.client = self.world.client().login()

    def set_value(self, entry: bytes, value: bytes) -> bytes:
        """SETMETADATA of one value."""
        size = len(value)
        return self.client.send(b"a SETMETADATA INBOX (%s ~{%d+}\r\n%s)\r\n" % (entry, size, value))

    def test_any_octets(self) -> None:
        """What holds NUL is told as literal8, what needs no literal in quotes."""
        self.assertIn(b"a OK", self.set_value(b"/private/a", b"\0\r\n\xff"))
        self.assertIn(
            b"(/private/a ~{4}\r\n\0\r\n\xff)\r\n", self.client.say("b GETMETADATA INBOX /private/a")
        )

    def test_limits(self) -> None:
        """The value, the name, and how many there are (section 4.3); I21."""
        self.assertIn(b"a OK", self.set_value(b"/private/a", b"x" * VALUE_OCTETS))
        answer = self.set_value(b"/private/a", b"x" * (VALUE_OCTETS + 1))
        self.assertIn(b"a NO [METADATA MAXSIZE %d]" % VALUE_OCTETS, answer)
        self.assertIn(b"a NO [LIMIT]", self.set_value(b"/private/" + b"a" * ENTRY_OCTETS, b"x"))
        for number in range(ENTRIES - 1):
            self.assertIn(b"a OK", self.set_value(b"/private/n%d" % number, b"x"))
        self.assertIn(b"a NO [METADATA TOOMANY]", self.set_value(b"/private/more", b"x"))

    def test_the_administrator(self) -> None:
        """/shared/admin is a URI of the configured postmaster."""
        self.world.live.config = self.world.config.__class__(
            hostname="mail.example.org", postmaster="anna smith@example.org", store=self.world.config.store
        )
        answer = self.client.say('a GETMETADATA "" /shared/admin')
        self.assertIn(b'(/shared/admin "mailto:anna%20smith@example.org")', answer)
