"""What a session has done itself: its client knows that, and need not be told (RFC 5465 section 5).

A session compares what there is with what its client knows. So a deed is done again to what the client
knows, and what differs then is of others, also where they have undone the deed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field

from mailnode.store.attributes import SPECIAL_USE
from mailnode.store.glance import Census, Entry
from mailnode.store.values import Name
from mailnode.values import frozen


@frozen
class Added:
    """Messages with these UIDs were added to a mailbox."""

    name: Name
    uids: frozenset[int]


@frozen
class Created:
    """A mailbox was made."""

    name: Name


@frozen
class Deleted:
    """A mailbox was removed."""

    name: Name


@frozen
class Renamed:
    """A mailbox has another name, and so have its inferiors."""

    old: Name
    new: Name


@frozen
class Subscribed:
    """A name was subscribed, or is not any more."""

    name: Name
    wanted: bool


@frozen
class Annotated:
    """Annotations of a mailbox, or of the server (None), were set; None stands for one taken out."""

    name: Name | None
    values: Mapping[str, bytes | None] = field(repr=False)


Deed = Added | Created | Deleted | Renamed | Subscribed | Annotated


def done(deeds: Iterable[Deed], known: Census, now: Census) -> Census:
    """What the client knows that knew `known`; of a mailbox that was made it knows all there is `now`."""
    guids, subscribed, entries = dict(known.guids), set(known.subscribed), dict(known.entries)
    for deed in deeds:
        match deed:
            case Created(name) | Renamed(old=("INBOX",), new=name):  # INBOX stays, and gives its messages
                guids[name] = ""
            case Deleted(name):
                guids.pop(name, None)
            case Renamed(old, new):
                for name in [name for name in guids if name[: len(old)] == old]:
                    guids[new + name[len(old) :]] = guids.pop(name)
            case Subscribed(name, wanted):
                (subscribed.add if wanted else subscribed.discard)(name)
            case Annotated(place, values):
                _annotate(entries, None if place is None else guids.get(place, ""), values, now)
    made = {name: now.guids.get(name, "") for name, guid in guids.items() if not guid}
    entries.update({entry: value for entry, value in now.entries.items() if entry[0] in made.values()})
    return Census({**guids, **made}, frozenset(subscribed), entries)


def _annotate(
    entries: dict[Entry, int], guid: str | None, values: Mapping[str, bytes | None], now: Census
) -> None:
    """A special use is kept in a form of its own."""
    for entry, value in values.items():
        found = None if value is None else hash(value)
        if entry == SPECIAL_USE:
            found = now.entries.get((guid, entry))
        if found is None:
            entries.pop((guid, entry), None)
        else:
            entries[guid, entry] = found
