"""MOVE and UID MOVE (RFC 6851)."""

from mailnode.imap import message_limit
from mailnode.imap.commands.copy import Copy
from mailnode.imap.commands.expunge import after_expunge
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.imap.transfers import transfer


async def run(session: Session, move: Copy) -> Reply:
    """Each is moved or stays; what could not be removed here is not left there either.

    COPYUID comes before the EXPUNGE responses (section 4.3), as a client could not use it afterwards.
    """
    session.require_writable()
    uids = message_limit.newest_uids(session, session.view.named(move.messages, by_uid=move.by_uid))
    await transfer(session, uids, move.mailbox, moving=True)
    return await after_expunge(session, "Moved") if uids else ok("There was nothing to move")
