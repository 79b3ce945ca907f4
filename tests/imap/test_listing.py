"""Which names LIST gives."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap.listing import ALL, Patterns, Selection, Tree, above, response
from mailnode.store.values import INBOX, Name

_NAMES = st.frozensets(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(tuple), max_size=8)
_PATTERNS = st.lists(st.text("abc/%*", max_size=5), max_size=3)


def listed(tree: Tree, pattern: str, selection: Selection = ALL) -> list[Name]:
    """The names that a pattern gives."""
    return [found.name for found in tree.select(Patterns([pattern], "/"), selection)]


class TreeTests(SynchronousTestCase):
    """Tree.select() and Tree.attributes()."""

    def test_levels_are_listed_where_they_are_needed(self) -> None:
        r"""RFC 3501 section 6.3.4: a deleted parent is shown by % and not by *."""
        tree = Tree(frozenset((INBOX, ("foo", "bar"))))
        self.assertEqual(listed(tree, "*"), [INBOX, ("foo", "bar")])
        self.assertEqual(listed(tree, "%"), [INBOX, ("foo",)])

    def test_special_use_selects_what_exists(self) -> None:
        """RFC 6154 section 2: only mailboxes with such an attribute, and no level for their sake."""
        uses = {("Mail", "Sent"): ("\\Sent",), ("gone",): ("\\Junk",)}
        tree = Tree(frozenset((INBOX, ("Mail", "Sent"))), frozenset(), uses)
        self.assertEqual(listed(tree, "*", Selection(special_use=True)), [("Mail", "Sent")])
        self.assertEqual(listed(tree, "%", Selection(special_use=True)), [])

    def test_an_overlong_pattern_is_ignored(self) -> None:
        """RFC 5258 section 3: silently."""
        tree = Tree(frozenset((INBOX,)))
        self.assertEqual(listed(tree, "%" * 1000), [INBOX])
        self.assertEqual(listed(tree, "%" * 1001), [])

    def test_a_name_with_the_separator_in_a_level_is_not_listed(self) -> None:
        """Nobody could tell it from another one."""
        self.assertEqual(listed(Tree(frozenset((("a/b",),))), "*"), [])

    @given(_NAMES, _NAMES, _PATTERNS, st.booleans(), st.booleans())
    def test_rules_of_rfc_5258(
        self,
        existing: frozenset[Name],
        subscribed: frozenset[Name],
        patterns: list[str],
        sub: bool,
        deep: bool,
    ) -> None:
        """Section 3.3: each name once, every one that is selected, and of the others only useful ones."""
        tree = Tree(existing, subscribed)
        matches = Patterns(patterns, "/")
        selection = Selection(subscribed=sub, recursive=deep and sub)
        found = list(tree.select(matches, selection))
        names = [one.name for one in found]
        wanted = subscribed if sub else existing
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual({one.name for one in found if one.selected}, {n for n in wanted if matches(n)})
        for one in found:
            self.assertTrue(matches(one.name))
            below = [name for name in wanted if name[: len(one.name)] == one.name and name != one.name]
            self.assertEqual(one.child_info, selection.recursive and bool(below))
            if not one.selected:
                self.assertTrue(any(not matches(name) for name in below))
                self.assertTrue(selection.recursive or not sub)

    @given(_NAMES)
    def test_children(self, existing: frozenset[Name]) -> None:
        """RFC 3348: exactly one of the two attributes, and the right one."""
        tree = Tree(existing)
        for name in {*existing, *above(existing)}:
            said = tree.attributes(name, absent="\\Noselect")
            has = any(other[: len(name)] == name and other != name for other in existing)
            self.assertEqual(("\\HasChildren" in said, "\\HasNoChildren" in said), (has, not has))
            self.assertEqual("\\Noselect" in said, name not in existing)

    def test_response(self) -> None:
        """RFC 5258 section 6: mailbox-list."""
        self.assertEqual(
            response(["\\NonExistent"], b'"a b"', "/", b'"CHILDINFO" ("SUBSCRIBED")'),
            b'LIST (\\NonExistent) "/" "a b" ("CHILDINFO" ("SUBSCRIBED"))',
        )
