"""What differs between two looks at an account: mailboxes, subscriptions, annotations."""

from collections.abc import Iterator, Mapping

from mailnode.store.glance import Census
from mailnode.store.values import Name
from mailnode.values import frozen


@frozen
class Changes:
    """Names that were made, or are gone, or stand for another mailbox; those that are new, by the old ones.

    `entries` has the annotations that are others, of mailboxes that are still there; None is the server.
    """

    affected: frozenset[Name]
    renamed: Mapping[Name, Name]
    subscriptions: frozenset[Name]
    entries: Mapping[Name | None, list[str]]


def compare(before: Census, after: Census) -> Changes:
    """The differences."""
    renamed = dict(_renamed(before, after))
    moved = {*renamed, *renamed.values()}
    changed = before.guids.keys() ^ after.guids.keys()
    again = {
        name
        for name in before.guids.keys() & after.guids.keys()
        if before.guids[name] and after.guids[name] and before.guids[name] != after.guids[name]
    }
    return Changes(
        affected=frozenset(changed.union(again) - moved),
        renamed={new: old for new, old in renamed.items() if not _with_parent(new, old, renamed)},
        subscriptions=before.subscribed ^ after.subscribed,
        entries=_entries(before, after),
    )


def _renamed(before: Census, after: Census) -> Iterator[tuple[Name, Name]]:
    """Each new name with the old one of the same mailbox."""
    gone = {guid: name for name, guid in before.guids.items() if guid and name not in after.guids}
    for name, guid in sorted(after.guids.items()):
        if name not in before.guids and (old := gone.pop(guid, None)) is not None:
            yield name, old


def _with_parent(new: Name, old: Name, renamed: Mapping[Name, Name]) -> bool:
    """Whether it was renamed because a mailbox above it was."""
    above = range(1, min(len(new), len(old)))
    return any(new[-depth:] == old[-depth:] and renamed.get(new[:-depth]) == old[:-depth] for depth in above)


def _entries(before: Census, after: Census) -> dict[Name | None, list[str]]:
    names: dict[str | None, Name | None] = {guid: name for name, guid in after.guids.items() if guid}
    names[None] = None
    found: dict[Name | None, list[str]] = {}
    for (guid, entry), _ in sorted(before.entries.items() ^ after.entries.items(), key=repr):
        if guid in names and entry not in (entries := found.setdefault(names[guid], [])):
            entries.append(entry)
    return found
