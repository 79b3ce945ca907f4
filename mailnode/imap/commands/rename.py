"""RENAME (RFC 3501 section 6.3.5)."""

from dataclasses import dataclass

from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.store.values import INBOX
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
    session.announce(old)
    return ok("Renamed")
