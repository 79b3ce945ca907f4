"""CLOSE (RFC 3501 section 6.4.2) and UNSELECT (RFC 3691)."""

from mailnode.imap.commands.expunge import remove_deleted
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session


async def close(session: Session, _: None) -> Reply:
    """Expunges without a word, unless the mailbox was opened read-only; then unselects."""
    view, session.selected = session.view, None
    if not view.read_only:
        await remove_deleted(session, view)
    return ok("Closed")


async def unselect(session: Session, _: None) -> Reply:
    """The same, and nothing is expunged."""
    session.selected = None
    return ok("Unselected")
