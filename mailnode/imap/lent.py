"""All that others have opened to the client, for commands that look at many mailboxes."""

from collections.abc import Mapping

from twisted.python.failure import Failure

from mailnode.imap.places import Place
from mailnode.imap.session import Session
from mailnode.store.acl import Rights
from mailnode.store.values import Name
from mailnode.values import frozen, replace


@frozen
class Lent:
    """A mailbox of somebody else, and what the client may do with it."""

    place: Place
    rights: Rights

    @property
    def listed(self) -> bool:
        """Whether the client may know of it."""
        return "l" in self.rights


async def of_others(session: Session) -> Mapping[Name, Lent]:
    """By the client's names. Who cannot be asked now is left out: that is nobody else's fault."""
    found: dict[Name, Lent] = {}
    for root in await roots(session):
        try:
            shown = await session.lane(root.account.store.sharing.shown_to, root.reader, of=root.account)
        except OSError:
            session.connection.log.bug("mailboxes of others cannot be listed", Failure())
            continue
        for name, rights in shown.items():
            place = Place(root.account, name, root.reader)
            found[session.places.shown(place)] = Lent(place, rights)
    return found


async def of_removed(session: Session) -> Mapping[Name, Lent]:
    """The mailboxes from which something was removed that can be recovered, by the client's names.

    None where they cannot be looked at now: that is no reason to list nothing.
    """

    def found() -> dict[Name, Lent]:
        if not session.places.has_removed():
            return {}
        root = session.places.removed()
        shown = root.account.store.sharing.shown_to(root.reader)
        places = {replace(root, name=name): rights for name, rights in shown.items()}
        return {session.places.shown(place): Lent(place, rights) for place, rights in places.items()}

    try:
        return await session.lane(found)
    except OSError:
        session.connection.log.bug("removed messages cannot be listed", Failure())
        return {}


async def roots(session: Session) -> list[Place]:
    """The accounts of those who may have opened something, without a mailbox's name."""
    if not session.places.word:
        return []
    try:
        return await session.lane(session.places.roots)
    except OSError:
        session.connection.log.bug("it cannot be read who shares mailboxes", Failure())
        return []
