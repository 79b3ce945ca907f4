"""Which mailboxes are meant."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap import names, scopes
from mailnode.imap.scopes import Scope
from mailnode.store.values import Name
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

LEVELS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(tuple)


class FakeAccount:
    """Mailboxes and subscriptions."""

    def __init__(self, existing: list[Name], subscribed: list[Name]) -> None:
        self.existing = existing
        self.subscribed = subscribed

    def names(self) -> list[Name]:
        """All."""
        return sorted(self.existing)

    def subscriptions(self) -> list[Name]:
        """Of these and others."""
        return self.subscribed


class ScopeTests(SynchronousTestCase):
    """RFC 7377 section 2.2."""

    @settings(deadline=None, max_examples=300)
    @given(
        st.sets(LEVELS),
        st.lists(LEVELS),
        st.lists(st.tuples(st.sampled_from(sorted((*scopes.NAMED, *scopes.GROUPS, "SELECTED"))), LEVELS)),
        st.none() | LEVELS,
    )
    def test_resolve(
        self,
        existing: set[Name],
        subscribed: list[Name],
        asked: list[tuple[str, Name]],
        selected: Name | None,
    ) -> None:
        """Each existing mailbox that any of the scopes means, once."""
        wanted = set()
        for kind, root in asked:
            for name in existing:
                below = name[: len(root)] == root
                if (
                    kind in ("INBOXES", "PERSONAL")
                    or (kind == "SUBSCRIBED" and name in subscribed)
                    or (kind == "SELECTED" and name == selected)
                    or (kind == "MAILBOXES" and name == root)
                    or (kind == "SUBTREE" and below)
                    or (kind == "SUBTREE-ONE" and below and len(name) <= len(root) + 1)
                ):
                    wanted.add(name)
        meant = [Scope(kind, ("/".join(root),) if kind in scopes.NAMED else ()) for kind, root in asked]
        found = scopes.resolve(
            meant, FakeAccount(list(existing), subscribed), selected, lambda text: names.levels(text, "/")
        )
        self.assertEqual(list(found), sorted(wanted))

    def test_parse(self) -> None:
        """Names stand alone or in a list; without one there is no mailbox to be meant."""
        self.assertEqual(scopes.parse(Cursor([b"Subtree a/b x"])), Scope("SUBTREE", ("a/b",)))
        self.assertEqual(scopes.parse(Cursor([b'mailboxes (a "b c")'])), Scope("MAILBOXES", ("a", "b c")))
        for text in (b"", b"subtree", b"subtree ", b"mailboxes ()", b"mailboxes (a", b"selected-delayed"):
            with self.assertRaises(BadSyntax, msg=repr(text)):
                scopes.parse(Cursor([text]))

    def test_many_names_take_no_time(self) -> None:
        """The cost does not grow with names times mailboxes."""
        existing = [("a", str(number)) for number in range(5000)]
        asked = [Scope("SUBTREE", (f"b/{number}",)) for number in range(10_000)]
        found = scopes.resolve(asked, FakeAccount(existing, []), None, lambda text: tuple(text.split("/")))
        self.assertEqual(list(found), [])
