r"""REPLACE and UID REPLACE (RFC 8508): a message comes in the place of another, in one step for the client.

On the disk the new message is durable before the old one goes: a power cut between the two leaves both. When
the old one cannot be removed, the new one is taken back.
"""

from dataclasses import dataclass

from mailnode.events.life import Expunged
from mailnode.imap.append_data import read_message
from mailnode.imap.commands.append import appended
from mailnode.imap.incoming import Incoming
from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.session import Session
from mailnode.store.errors import NoSuchMessage, StoreError
from mailnode.store.mailbox import Mailbox
from mailnode.wire.imap import sequence
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class Replace:
    """Which message, and where the new one goes; that is still to be read, from `args` on."""

    message: SequenceSet
    mailbox: str
    args: Cursor
    by_uid: bool


def parse(args: Cursor) -> Replace:
    """replace = "REPLACE" SP seq-number SP mailbox append-message"""
    return Replace(_seq_number(args.sp()), args.sp().mailbox(), args, by_uid=False)


def parse_uid(args: Cursor) -> Replace:
    """uid = "UID" SP replace"""
    return Replace(_seq_number(args.sp()), args.sp().mailbox(), args, by_uid=True)


def reads(args: Cursor) -> bool:
    """Whether the literal announced at the end is for the command to read; the first may be the mailbox."""
    _seq_number(args.sp())
    return not args.sp().at_awaited()


def _seq_number(args: Cursor) -> SequenceSet:
    """seq-number = nz-number / "*" """
    return sequence.parse(b"*" if args.accept(b"*") else b"%d" % args.nz_number())


async def run(session: Session, replace: Replace) -> Reply:
    """APPENDUID comes untagged, before the client hears that the old message is gone (section 4.3)."""
    session.require_writable()
    mailbox = session.view.mailbox
    uid = _only(session.view.named(replace.message, by_uid=replace.by_uid))
    freed = await session.lane(mailbox.usage_of, uid)
    incoming = Incoming(session, replace.args, replace.mailbox, freed=freed)
    try:
        await read_message(incoming)
        incoming.args.end()
        validity, uids = await session.lane(_replace, incoming, mailbox, uid)
    except BaseException:
        await session.lane(incoming.abort)
        raise
    session.status(ok("Replacement message ready", appended(validity, uids)))
    name = mailbox.name
    session.shared.bus.publish(Expunged(session.connection.id, session.account.address, str(name), 1))
    session.announce(incoming.name, uids)
    session.announce(name, [uid])
    return ok("Replaced")


def _only(uids: list[int]) -> int:
    if not uids:
        raise Refused(b"NONEXISTENT", "There is no such message")
    return uids[0]


def _replace(incoming: Incoming, mailbox: Mailbox, uid: int) -> tuple[int, list[int]]:
    """UIDVALIDITY of the target, and the UID of the new message; in the lane."""
    mailbox.sync()
    if mailbox.get(uid) is None:
        raise NoSuchMessage(uid)
    validity, uids = incoming.put()
    try:
        mailbox.expunge([uid])
    except (OSError, StoreError):
        if mailbox.is_there(uid):
            incoming.store.mailbox(incoming.name).expunge(uids)
            raise
    return validity, uids
