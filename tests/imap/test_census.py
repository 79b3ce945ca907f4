"""What a client is told of an account: what others have done, and nothing that it has done itself."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.imap.census_changes import Changes, compare
from mailnode.imap.own import Annotated, Created, Deed, Deleted, Renamed, Subscribed, done
from mailnode.store.attributes import SPECIAL_USE
from mailnode.store.glance import Census
from mailnode.store.values import INBOX, Name

NAMES = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map(tuple)
VALUES = st.dictionaries(st.sampled_from(("/private/x", "/shared/y", SPECIAL_USE)), st.none() | st.binary())
DEEDS = st.lists(
    st.builds(Created, NAMES)
    | st.builds(Deleted, NAMES)
    | st.builds(Renamed, NAMES | st.just(INBOX), NAMES)
    | st.builds(Subscribed, NAMES, st.booleans())
    | st.builds(Annotated, st.none() | NAMES, VALUES)
)


class Store:
    """An account in memory, in which things are done."""

    def __init__(self) -> None:
        self.made = 0
        self.guids: dict[Name, str] = {INBOX: "inbox"}
        self.subscribed: set[Name] = set()
        self.entries: dict[tuple[str | None, str], bytes] = {}

    def do(self, deed: Deed) -> bool:
        """Whether it could be done."""
        match deed:
            case Created(name):
                if name in self.guids:
                    return False
                self._make(name)
            case Deleted(name):
                return self.guids.pop(name, None) is not None
            case Renamed(old, new):
                moving = [name for name in self.guids if name[: len(old)] == old]
                taken = any(new + name[len(old) :] in self.guids for name in moving)
                if new in self.guids or taken or not moving or new[: len(old)] == old:
                    return False
                if old == INBOX:
                    self._make(new)
                    return True
                for name in moving:
                    self.guids[new + name[len(old) :]] = self.guids.pop(name)
            case Subscribed(name, wanted):
                (self.subscribed.add if wanted else self.subscribed.discard)(name)
            case Annotated(name, values):
                if name is not None and name not in self.guids:
                    return False
                for entry, value in values.items():
                    key = (None if name is None else self.guids[name], entry)
                    self.entries.pop(key, None)
                    if value is not None:
                        self.entries[key] = value
        return True

    def _make(self, name: Name) -> None:
        self.made += 1
        self.guids[name] = f"guid{self.made}"
        self.entries[f"guid{self.made}", SPECIAL_USE] = b"as made"

    def census(self) -> Census:
        """As Glance gives it."""
        entries = {key: hash(value) for key, value in self.entries.items()}
        return Census(dict(self.guids), frozenset(self.subscribed), entries)


class CensusTests(SynchronousTestCase):
    """imap.own and imap.census_changes"""

    @settings(deadline=None)
    @given(DEEDS, DEEDS)
    def test_own_deeds_are_no_news(self, before: list[Deed], own: list[Deed]) -> None:
        """Whatever was there."""
        store = Store()
        for deed in before:
            store.do(deed)
        known = store.census()
        deeds = [deed for deed in own if store.do(deed)]
        now = store.census()
        changes = compare(done(deeds, known, now), now)
        self.assertEqual((changes.affected, changes.renamed, changes.subscriptions), (set(), {}, set()))
        self.assertEqual(changes.entries, {})

    @settings(deadline=None)
    @given(DEEDS, DEEDS)
    def test_others_deeds_are(self, before: list[Deed], later: list[Deed]) -> None:
        """Who applies what is told to the names that it knew has those that there are."""
        store = Store()
        for deed in before:
            store.do(deed)
        known = store.census()
        for deed in later:
            store.do(deed)
        now = store.census()
        changes = compare(known, now)
        names = set(known.guids)
        for new, old in sorted(changes.renamed.items(), key=lambda pair: len(pair[1])):
            moved = {name for name in names if name[: len(old)] == old and name not in now.guids}
            names -= moved
            names |= {new + name[len(old) :] for name in moved}
        names = {
            name for name in names | changes.affected if name in now.guids or name not in changes.affected
        }
        self.assertEqual(names & now.guids.keys(), now.guids.keys())
        self.assertEqual(changes.subscriptions, known.subscribed ^ now.subscribed)

    def test_undone_by_others(self) -> None:
        """A client whose mailbox was removed at once hears that it is gone."""
        empty = Census({INBOX: "i"})
        changes = compare(done([Created(("a",))], empty, empty), empty)
        self.assertEqual(changes.affected, {("a",)})
        changes = compare(done([Subscribed(("a",), wanted=True)], empty, empty), empty)
        self.assertEqual(changes.subscriptions, {("a",)})
        changed = Census({INBOX: "i"}, entries={("i", "/private/x"): hash(b"other")})
        changes = compare(done([Annotated(INBOX, {"/private/x": b"mine"})], empty, changed), changed)
        self.assertEqual(changes.entries, {INBOX: ["/private/x"]})

    def test_renamed_with_inferiors(self) -> None:
        """One event for all of them; inferiors that went elsewhere have events of their own."""
        before = Census({("a",): "1", ("a", "b"): "2", ("a", "c"): "3"})
        after = Census({("x",): "1", ("x", "b"): "2", ("y",): "3"})
        expected = {("x",): ("a",), ("y",): ("a", "c")}
        self.assertEqual(compare(before, after), Changes(frozenset(), expected, frozenset(), {}))

    def test_nobody_names_it(self) -> None:
        """A mailbox that nothing names for ever was removed, and another one made."""
        changes = compare(Census({("a",): ""}), Census({("b",): ""}))
        self.assertEqual((changes.affected, changes.renamed), ({("a",), ("b",)}, {}))
        self.assertEqual(compare(Census({("a",): ""}), Census({("a",): "1"})).affected, set())
        self.assertEqual(compare(Census({("a",): "2"}), Census({("a",): "1"})).affected, {("a",)})
