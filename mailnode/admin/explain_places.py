"""Follows a message through mailboxes by events: by its name, and by UIDs where none was written down.

A UID means something in one mailbox; which one the message has there is known from events that name it, and
goes on through a new name of the mailbox. A mailbox that is deleted takes along what is in it at that moment.
"""

from collections.abc import Collection, Iterator

from mailnode.events.journal import Row
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import sequence

MAILBOXES = ("MailboxDeleted", "MailboxRenamed")
_LARGEST = 2**32

Place = tuple[str, str]  # address and mailbox
Spot = tuple[Place, int]  # a place and a UID there


def followed(rows: list[Row], names: Collection[str]) -> list[Row]:
    """Those events, of these in the order of time, that are about files with these names.

    Where they are delivered to is among the events, and not among what comes out.
    """
    spots = _spots(rows, names)
    where: set[Place] = set()
    found = []
    for row in rows:
        here = _place(row)
        if row["event"] == "Delivered":
            where.add(here)
            continue
        if row["event"] in MAILBOXES:
            inside = {
                one for one in where if one == here or (row["event"] == "MailboxRenamed" and _in(one, here))
            }
            if not inside:
                continue
            where -= inside
            if row["event"] == "MailboxRenamed":
                where |= {_renamed(one, row) for one in inside}
        elif not _touches(row, names, spots):
            continue
        elif row["event"] in ("Copied", "Moved"):
            where.add(_target(row))
        if row["event"] in ("Moved", "Expunged"):
            where.discard(here)
        found.append(row)
    return found


def _spots(rows: list[Row], names: Collection[str]) -> set[Spot]:
    """All places and UIDs that files with these names ever had, as far as it was written down."""
    spots: set[Spot] = set()
    for row in rows:
        if row["event"] == "MailboxRenamed":
            here = _place(row)
            spots |= {(_renamed(place, row), uid) for place, uid in spots if _in(place, here)}
        elif "uids" in row:
            spots.update(spot for name, *both in _named(row) if name in names for spot in both)
    return spots


def _place(row: Row) -> Place:
    return str(row.get("address")), str(row.get("mailbox"))


def _target(row: Row) -> Place:
    return str(row.get("to_address")), str(row.get("to_mailbox"))


def _in(place: Place, outer: Place) -> bool:
    """Whether a mailbox is another one, or an inferior of it."""
    return place == outer or (place[0] == outer[0] and place[1].startswith(outer[1] + "/"))


def _renamed(place: Place, row: Row) -> Place:
    return place[0], str(row.get("to_mailbox")) + place[1][len(str(row.get("mailbox"))) :]


def _named(row: Row) -> Iterator[tuple[str, Spot] | tuple[str, Spot, Spot]]:
    """Each message of a deed with its name: where it was, and where its copy is."""
    here = _uids(row.get("uids"))
    there = _uids(row.get("to_uids"))
    for number, name in enumerate(row["names"][: len(here)]):
        spot = _place(row), here[number]
        if number < len(there):
            yield str(name), spot, (_target(row), there[number])
        else:
            yield str(name), spot


def _touches(row: Row, names: Collection[str], spots: Collection[Spot]) -> bool:
    if row["names"]:
        return any(name in names for name in row["names"])
    wanted = [uid for place, uid in spots if place == _place(row)]
    return any(uid in span for span in _spans(row.get("uids")) for uid in wanted)


def _spans(text: object) -> list[range]:
    try:
        return sequence.parse(str(text).encode("ascii", "replace")).spans(_LARGEST) if text else []
    except BadSyntax:
        return []


def _uids(text: object) -> list[int]:
    """The UIDs of a set in the order in which they are written."""
    found: list[int] = []
    for part in str(text).split(",") if text else ():
        for span in _spans(part):
            found += span
    return found
