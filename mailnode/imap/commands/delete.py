"""DELETE (RFC 3501 section 6.3.4)."""

from mailnode.events.deeds import MailboxDeleted
from mailnode.imap.noted import shown
from mailnode.imap.old_name import tell_old_name
from mailnode.imap.own import Deleted
from mailnode.imap.places import Place
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session


async def run(session: Session, text: str) -> Reply:
    """Inferiors stay, and their parent is then a name that cannot be selected."""
    place = await session.place(text)
    await session.lane(_delete, place, of=place.account)
    if session.selected is not None and session.selected.place == place:
        session.selected = None
    name = session.places.shown(place)
    event = MailboxDeleted(session.connection.id, place.account.address, shown(place.name))
    session.shared.bus.publish(event)
    tell_old_name(session, text, name, ["\\NonExistent"])
    session.announce(place)
    session.announce_account(place.account, Deleted(name))
    return ok("Deleted")


def _delete(place: Place) -> None:
    place.check("x")
    place.account.store.delete(place.name)
