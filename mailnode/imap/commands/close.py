"""CLOSE (RFC 3501 section 6.4.2) and UNSELECT (RFC 3691)."""

import contextlib

from mailnode.imap.commands.expunge import remove_deleted
from mailnode.imap.replies import Reply, ok
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.store.errors import NoSuchMailbox


async def close(session: Session, _: None) -> Reply:
    """Expunges without a word, unless the mailbox was opened read-only or the right is missing; unselects."""
    view, session.selected = session.view, None
    if not view.read_only and "e" in view.mailbox.rights and not _has_nothing_deleted(view):
        with contextlib.suppress(NoSuchMailbox):  # what is gone is closed; RFC 3501 knows no NO here
            await remove_deleted(session, view, silent=True)
    return ok("Closed")


def _has_nothing_deleted(view: Selected) -> bool:
    r"""Whether it is certain, without a way to a thread and back, that no message has \Deleted."""
    mailbox = view.place.at_hand()
    return mailbox is view.mailbox and mailbox.is_counted and not mailbox.status().deleted


async def unselect(session: Session, _: None) -> Reply:
    """The same, and nothing is expunged."""
    session.selected = None
    return ok("Unselected")
