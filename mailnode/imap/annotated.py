"""Annotations of mailboxes as one client sees them (RFC 5464 section 3.3).

What is private of a mailbox of others stands with the client's own account, by the mailbox's GUID; what is
shared, with the mailbox. Who may not write into a mailbox does not set what is shared either.
"""

from collections.abc import Mapping

from mailnode.imap.places import Place
from mailnode.imap.session import Session
from mailnode.store.attributes import SPECIAL_USE
from mailnode.store.errors import NoRight

Values = Mapping[str, bytes | None]

_SHARED = "/shared/"
_ANY = "rswip"  # of which one is needed, and "l"


async def entries(session: Session, place: Place | None) -> dict[str, bytes]:
    """All of a mailbox, or of the server (None). Raises NoSuchMailbox, NoRight."""
    own = session.account.store.annotations
    if place is None or not place.reader:
        return await session.lane(own.entries, None if place is None else place.name)
    guid, there = await session.lane(_theirs, place, of=place.account)
    return merged(await session.lane(own.entries_of, guid), there)


def check(place: Place) -> None:
    """Raise NoSuchMailbox or NoRight for a mailbox of others whose annotations cannot be read."""
    place.check("l", any_of=_ANY)


def merged(own: dict[str, bytes], theirs: dict[str, bytes]) -> dict[str, bytes]:
    """What the client has noted of a mailbox of others, and what its owner shares."""
    return {**own, **{entry: value for entry, value in theirs.items() if _is_shared(entry)}}


def _theirs(place: Place) -> tuple[str, dict[str, bytes]]:
    """The GUID of a mailbox of others, and what its owner has noted of it."""
    check(place)
    notes = place.account.store.annotations
    return notes.guid(place.name), notes.entries(place.name)


def _is_shared(entry: str) -> bool:
    return entry.startswith(_SHARED)


async def change(session: Session, place: Place | None, values: Values) -> None:
    """Set all of these, or none; None takes an entry out."""
    own = session.account.store.annotations
    if place is None or not place.reader:
        await session.lane(own.change, None if place is None else place.name, values)
        return
    guid, _ = await session.lane(_theirs, place, of=place.account)
    shared = {entry: value for entry, value in values.items() if _is_shared(entry)}
    private = {entry: value for entry, value in values.items() if not _is_shared(entry)}
    if SPECIAL_USE in private:
        raise NoRight
    before = await session.lane(own.entries_of, guid)
    if private:
        await session.lane(own.change_of, guid, private)
    try:
        if shared:
            await session.lane(_change_shared, place, shared, of=place.account)
    except Exception:
        await session.lane(own.change_of, guid, {entry: before.get(entry) for entry in private})
        raise


def _change_shared(place: Place, values: Values) -> None:
    place.check("lw")
    place.account.store.annotations.change(place.name, values)
