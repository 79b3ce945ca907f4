"""MOVE and UID MOVE (RFC 6851)."""

from mailnode.imap import message_limit, transfers
from mailnode.imap.commands.copy import Copy, copy_uid
from mailnode.imap.commands.expunge import after_expunge
from mailnode.imap.noted import names_of, tell_copied
from mailnode.imap.replies import Reply, no_target, ok
from mailnode.imap.session import Session
from mailnode.store.errors import NoSuchMailbox


async def run(session: Session, move: Copy) -> Reply:
    """Each is moved or stays; what could not be removed here is not left there either.

    COPYUID comes before the EXPUNGE responses (section 4.3), as a client could not use it afterwards.
    """
    session.require_writable()
    view = session.view
    uids = message_limit.newest_uids(session, view.named(move.messages, by_uid=move.by_uid))
    place, target = await session.target(move.mailbox)
    if not uids:
        return ok("There was nothing to move")
    names = await session.lane(names_of, view.mailbox, uids, of=view.place.account)
    try:
        moved = await transfers.move(session, uids, place, target)
    except NoSuchMailbox:  # should it be the selected one that is gone, the client hears BYE instead
        raise no_target() from None
    session.status(ok("Moved", copy_uid(target, moved)))
    session.announce(place, [made for _, made in moved])
    session.announce(view.place, [gone for gone, _ in moved])
    tell_copied(session, place, moved, names, moved=True)
    return await after_expunge(session, "Moved")
