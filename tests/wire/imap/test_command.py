"""Commands from lines and literals."""

from twisted.trial.unittest import SynchronousTestCase

from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.command import HUGE, Announced, Assembler, announcement, tag_of


class AnnouncementTests(SynchronousTestCase):
    """`{n}` and `{n+}` at the end of a line."""

    def test_table(self) -> None:
        """Digits alone, in braces, at the very end (I3); a number no machine has is huge, not an error."""
        for line, wanted in (
            (b"a X {5}", Announced(5, True)),
            (b"a X {5+}", Announced(5, False)),
            (b"{0}", Announced(0, True)),
            (b"{0000000000000000000000005}", Announced(5, True)),
            (b"{18446744073709551616}", Announced(HUGE, True)),
            (b"{" + b"9" * 5000 + b"+}", Announced(HUGE, False)),
            (b"a X {{5}", Announced(5, True)),
            (b"{-1}", None),
            (b"{1_000}", None),
            (b"{ 5}", None),
            (b"{5}x", None),
            (b"{5-}", None),
            (b"{}", None),
            (b"{+}", None),
            (b"5}", None),
            (b"", None),
        ):
            self.assertEqual(announcement(line), wanted, line[:40])

    def test_many_braces(self) -> None:
        """64 KiB of opening braces cost linear time."""
        self.assertIsNone(announcement(b"{1" * 32768))


class TagTests(SynchronousTestCase):
    """The tag in the first octets of a line."""

    def test_table(self) -> None:
        """Only a tag that is whole is one."""
        for start, tag in (
            (b"a SEARCH", b"a"),
            (b"A001 ", b"A001"),
            (b"A001", b"*"),
            (b" a", b"*"),
            (b"a+ NOOP", b"*"),
            (b"(a NOOP", b"*"),
            (b"\xff NOOP", b"*"),
            (b"", b"*"),
        ):
            self.assertEqual(tag_of(start), tag, start)


class AssemblerTests(SynchronousTestCase):
    """RFC 3501 section 2.2.1."""

    def test_one_line(self) -> None:
        """Tag, name in capitals, and the rest."""
        command = Assembler()
        self.assertIsNone(command.line(b"a1 uid  FETCH".replace(b"  ", b" ") + b" 1 (UID)"))
        command.begin()
        self.assertEqual((command.tag, command.name), (b"a1", "UID FETCH"))
        self.assertEqual(command.arguments().sp().number(), 1)

    def test_literals(self) -> None:
        """Lines and literals in turn become one command."""
        command = Assembler()
        self.assertEqual(command.line(b"a LOGIN {2}"), Announced(2, True))
        command.begin()
        command.literal(b"me")
        self.assertEqual(command.line(b" {6+}"), Announced(6, False))
        command.literal(b"se ret")
        self.assertIsNone(command.line(b""))
        args = command.arguments()
        self.assertEqual((args.sp().astring(), args.sp().astring()), (b"me", b"se ret"))
        args.end()
        self.assertEqual(command.literal_octets, 8)

    def test_refused(self) -> None:
        """Without a tag the answer is untagged, without a name it has the tag."""
        for line, tag in (
            (b"", b"*"),
            (b" NOOP", b"*"),
            (b"a+ NOOP", b"*"),
            (b"\x16\x03\x01", b"*"),
            (b"a" * 200 + b" NOOP", b"*"),
            (b"a", b"a"),
            (b"a ", b"a"),
            (b"a  NOOP", b"a"),
            (b"a UID", b"a"),
            (b"a (NOOP)", b"a"),
            (b"a \xc3\xa9", b"a"),
        ):
            command = Assembler()
            command.line(line)
            self.assertRaises(BadSyntax, command.begin)
            self.assertEqual(command.tag, tag, line)
