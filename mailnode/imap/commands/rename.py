"""RENAME (RFC 3501 section 6.3.5)."""

from dataclasses import dataclass

from mailnode.imap.old_name import tell_old_name
from mailnode.imap.own import Renamed
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.store.values import INBOX, Name
from mailnode.wire.imap.cursor import Cursor


@dataclass(frozen=True, slots=True)
class Rename:
    """Two names."""

    old: str
    new: str


def parse(args: Cursor) -> Rename:
    """rename = "RENAME" SP mailbox SP mailbox"""
    rename = Rename(args.sp().mailbox(), args.sp().mailbox())
    args.end()
    return rename


async def run(session: Session, rename: Rename) -> Reply:
    """INBOX gives its messages to the new mailbox and stays; a selected mailbox is followed."""
    old, new = session.name(rename.old), session.name(rename.new)
    store = session.account.store
    await session.lane(store.rename, old, new)
    view = session.selected
    if view is not None and old != INBOX and view.mailbox.name[: len(old)] == old:
        view.mailbox = await session.lane(store.mailbox, new + view.mailbox.name[len(old) :])
    _tell_names(session, rename, old, new)
    session.announce(old)
    session.announce_account(Renamed(old, new))
    return ok("Renamed")


def _tell_names(session: Session, rename: Rename, old: Name, new: Name) -> None:
    """OLDNAME where either name is written otherwise here: the old one as it was said (RFC 9051 6.3.6)."""
    separator = session.config.store.separator
    if (rename.old, rename.new) != (separator.join(old), separator.join(new)):
        tell_old_name(session, rename.old, new)
