"""COPY and UID COPY (RFC 3501 sections 6.4.7 and 6.4.8) with COPYUID (RFC 4315 section 3)."""

from mailnode.imap import message_limit
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.imap.transfers import transfer
from mailnode.values import frozen
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.sequence import SequenceSet


@frozen
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
    uids = session.view.named(copy.messages, by_uid=copy.by_uid)
    message_limit.require_savable(session, uids)
    copied = await transfer(session, uids, copy.mailbox)
    return ok("Copied", copied) if uids else ok("There was nothing to copy")
