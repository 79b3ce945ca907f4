"""RENAME (RFC 3501 section 6.3.5)."""

from mailnode.events.deeds import MailboxRenamed
from mailnode.imap.noted import shown
from mailnode.imap.old_name import tell_old_name
from mailnode.imap.own import Renamed
from mailnode.imap.places import Place
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.store.errors import NoRight, NoSuchMailbox
from mailnode.store.values import INBOX, Name
from mailnode.values import frozen, replace
from mailnode.wire.imap.cursor import Cursor


@frozen
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
    session.name(rename.new)  # that it cannot be one is said first
    old = await session.place(rename.old)
    if old.reader:
        await session.lane(_check_old, old, of=old.account)
    new = await _target(session, rename.new)
    if new.account is not old.account:
        raise NoRight
    await session.lane(_rename, old, new, of=old.account)
    event = MailboxRenamed(session.connection.id, old.account.address, shown(old.name), shown(new.name))
    session.shared.bus.publish(event)
    view = session.selected
    if view is not None and view.place.account is old.account and old.name != INBOX:
        name = view.mailbox.name
        if name[: len(old.name)] == old.name:
            moved = replace(view.place, name=new.name + name[len(old.name) :])
            await session.lane(view.follow, moved, of=old.account)
    names = session.places.shown(old), session.places.shown(new)
    _tell_names(session, rename, *names)
    session.announce(old)
    session.announce_account(old.account, Renamed(*names))
    return ok("Renamed")


def _check_old(old: Place) -> None:
    """The owner of INBOX may take its messages elsewhere, and nobody else."""
    old.check("x")
    if old.name == INBOX:
        raise NoRight


async def _target(session: Session, text: str) -> Place:
    """Below what nobody has opened nothing can be made, whether it is there or not."""
    try:
        return await session.place(text)
    except NoSuchMailbox:
        raise NoRight from None


def _rename(old: Place, new: Place) -> None:
    new.check_new()
    old.account.store.rename(old.name, new.name)


def _tell_names(session: Session, rename: Rename, old: Name, new: Name) -> None:
    """OLDNAME where either name is written otherwise here: the old one as it was said (RFC 9051 6.3.6)."""
    separator = session.config.store.separator
    if (rename.old, rename.new) != (separator.join(old), separator.join(new)):
        tell_old_name(session, rename.old, new)
