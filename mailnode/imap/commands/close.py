"""CLOSE (RFC 3501 section 6.4.2) and UNSELECT (RFC 3691)."""

import contextlib

from mailnode.imap.commands.expunge import remove_deleted
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.store.errors import NoSuchMailbox


async def close(session: Session, _: None) -> Reply:
    """Expunges without a word, unless the mailbox was opened read-only or the right is missing; unselects."""
    view, session.selected = session.view, None
    if not view.read_only and "e" in view.mailbox.rights:
        with contextlib.suppress(NoSuchMailbox):  # what is gone is closed; RFC 3501 knows no NO here
            await remove_deleted(session, view, silent=True)
    return ok("Closed")


async def unselect(session: Session, _: None) -> Reply:
    """The same, and nothing is expunged."""
    session.selected = None
    return ok("Unselected")
