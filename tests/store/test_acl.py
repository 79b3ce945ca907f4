"""The file that says who may do what with a mailbox, in Dovecot's form."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.store import acl
from mailnode.store.acl import ALL, ANYONE, AUTHENTICATED, USER, Acl, Entry, may_set
from mailnode.store.values import ANSWERED, DELETED, SEEN

BEN = USER + "ben@example.org"
WHO = st.sampled_from((ANYONE, AUTHENTICATED, BEN, "user=a b", 'group=x"y\\', "group-override=g", "owner"))
RIGHTS = st.frozensets(st.sampled_from(acl.STANDARD))


def rights(text: str, address: str = "ben@example.org") -> str:
    """What a file grants somebody."""
    return "".join(sorted(acl.parse(text.encode()).rights(address)))


class FileTests(SynchronousTestCase):
    """The file as text."""

    @given(st.lists(st.builds(Entry, WHO, RIGHTS, st.booleans()), unique_by=lambda entry: entry.place))
    def test_round_trip(self, entries: list[Entry]) -> None:
        """What is written is read again."""
        self.assertEqual(acl.parse(Acl(tuple(entries)).encode()).entries, entries)

    @given(st.binary())
    def test_any_file_is_read(self, data: bytes) -> None:
        """Whatever stands there nothing is raised, and what was read and written is read alike."""
        found = acl.parse(data)
        self.assertLessEqual(found.rights("ben@example.org"), ALL)
        self.assertEqual(acl.parse(found.encode()).encode(), found.encode())

    def test_dovecots_form(self) -> None:
        """Letters, names behind a colon, quotes, comments; what means nothing stays as it is."""
        text = (
            b"# by hand\n\nuser=ben@example.org lrw :custom other\n-user=ben@example.org w\n"
            b'"group=the team" lr\nwhoever lrs\nanyone lr?\nanonymous l\nbroken\xff line\n'
        )
        found = acl.parse(text)
        self.assertEqual(found.encode(), text.replace(b"anonymous l", b"anyone l"))
        self.assertEqual(found.get(BEN, negative=False), Entry(BEN, frozenset("lrw"), named="custom other"))
        group = Entry("group=the team", frozenset("lr"))
        self.assertEqual(found.get("group=the team", negative=False), group)
        self.assertEqual(rights(text.decode("latin-1")), "lr")

    def test_lines_for_one(self) -> None:
        """Two lines for somebody are one; their name has no case."""
        self.assertEqual(rights("user=Ben@Example.org l\nanyone s\nuser=ben@example.org r\n"), "lr")

    def test_changes(self) -> None:
        """A line is put in its place, at the end, or taken out; others stay."""
        first, other = Entry(ANYONE, frozenset("l")), Entry(BEN, frozenset("r"), negative=True)
        found = Acl((first, b"# note")).with_entry(other).with_entry(Entry(ANYONE, frozenset("lr")))
        self.assertEqual(found.encode(), b"anyone lr\n# note\n-user=ben@example.org r\n")
        self.assertEqual(found.without(BEN, negative=False), found)
        self.assertEqual(found.without(ANYONE, negative=False).lines, (b"# note", other))


class RightsTests(SynchronousTestCase):
    """What somebody may do."""

    def test_the_most_specific_line_counts(self) -> None:
        """As in Dovecot: a line for a person takes the place of one for all, also where it grants nothing."""
        self.assertEqual(rights(""), "")
        self.assertEqual(rights("anyone lrs\n"), "lrs")
        self.assertEqual(rights("anyone lrs\nauthenticated lr\n"), "lr")
        self.assertEqual(rights("user=ben@example.org l\nanyone lrs\n"), "l")
        self.assertEqual(rights("anyone lrs\nuser=ben@example.org\n"), "")
        self.assertEqual(rights("anyone lrs\nuser=ben@example.org\n", "carl@example.org"), "lrs")

    def test_negative_rights_are_taken(self) -> None:
        """From what is granted, wherever it comes from."""
        self.assertEqual(rights("anyone lrs\n-user=ben@example.org s\n"), "lr")
        self.assertEqual(rights("-anyone s\nuser=ben@example.org lrs\n"), "lr")
        self.assertEqual(rights("-anyone s\n-user=ben@example.org r\nuser=ben@example.org lrs\n"), "ls")

    def test_nobody_is_in_a_group_or_an_owner(self) -> None:
        """Lines for groups and for the owner grant others nothing."""
        self.assertEqual(
            rights("group=ben@example.org lrs\ngroup-override=x lrs\nowner lrs\nben@example.org l\n"), ""
        )

    def test_guests(self) -> None:
        """All to whom anything is granted."""
        found = acl.parse(b"user=a@x lr\nuser=b@x\n-user=c@x l\nauthenticated l\nowner lr\ngroup=g lr\n")
        self.assertEqual(found.guests(), {"a@x", ANYONE})

    def test_flags(self) -> None:
        """RFC 4314 section 4: of each flag one right says whether it may be changed."""
        for right, flag in (("s", SEEN), ("t", DELETED), ("w", ANSWERED), ("w", "$Hello")):
            self.assertTrue(may_set(frozenset(right), flag))
            self.assertFalse(may_set(ALL - {right}, flag))
