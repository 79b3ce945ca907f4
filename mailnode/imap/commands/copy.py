"""COPY and UID COPY (RFC 3501 sections 6.4.7 and 6.4.8) with COPYUID (RFC 4315 section 3)."""

from dataclasses import dataclass

from mailnode.imap import message_limit, transfers
from mailnode.imap.noted import names_of, tell_copied
from mailnode.imap.replies import Reply, no_target, ok
from mailnode.imap.session import Session
from mailnode.store.errors import NoSuchMailbox
from mailnode.store.mailbox import Mailbox
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.sequence import SequenceSet, encode


@dataclass(frozen=True, slots=True)
class Copy:
    """Messages and where to."""

    messages: SequenceSet
    mailbox: str
    by_uid: bool


def parse(args: Cursor) -> Copy:
    """copy = "COPY" SP sequence-set SP mailbox"""
    return _parse(args, by_uid=False)


def parse_uid(args: Cursor) -> Copy:
    """uid = "UID" SP copy"""
    return _parse(args, by_uid=True)


def _parse(args: Cursor, *, by_uid: bool) -> Copy:
    copy = Copy(args.sp().sequence_set(), args.sp().mailbox(), by_uid)
    args.end()
    return copy


async def run(session: Session, copy: Copy) -> Reply:
    """All of the messages, or none. UIDs that nobody has are passed over."""
    view = session.view
    uids = view.named(copy.messages, by_uid=copy.by_uid)
    message_limit.require_savable(session, uids)
    place, target = await session.target(copy.mailbox)
    if not uids:
        return ok("There was nothing to copy")
    names = await session.lane(names_of, view.mailbox, uids, of=view.place.account)
    try:
        copied = await transfers.copy(session, uids, place, target)
    except NoSuchMailbox:  # should it be the selected one that is gone, the client hears BYE instead
        raise no_target() from None
    session.announce(place, [made for _, made in copied])
    tell_copied(session, place, copied, names)
    return ok("Copied", copy_uid(target, copied))


def copy_uid(target: Mailbox, copied: list[tuple[int, int]]) -> bytes:
    """resp-code-copy = "COPYUID" SP nz-number SP uid-set SP uid-set (RFC 4315 section 3).

    Who may not read the target learns nothing of it.
    """
    if "r" not in target.rights:
        return b""
    sources, made = zip(*copied, strict=True)
    return b"COPYUID %d %s %s" % (target.uid_validity, encode(sources), encode(made))
