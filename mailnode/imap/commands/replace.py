r"""REPLACE and UID REPLACE (RFC 8508): a message comes in the place of another, in one step for the client.

On the disk the new message is durable before the old one goes: a power cut between the two leaves both. When
the old one cannot be removed, the new one is taken back.
"""

from mailnode.imap.append_data import read_message
from mailnode.imap.commands.append import appended
from mailnode.imap.incoming import Incoming
from mailnode.imap.noted import names_of, tell_expunged
from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.session import Session
from mailnode.store.errors import NoRight, NoSuchMessage, StoreError
from mailnode.store.mailbox import Mailbox
from mailnode.values import frozen
from mailnode.wire.imap import sequence
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.sequence import SequenceSet


@frozen
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
    view, mailbox = session.view, session.view.mailbox
    if not mailbox.rights.issuperset("te"):  # as STORE and EXPUNGE (section 4.1)
        raise NoRight
    uid = _only(session.view.named(replace.message, by_uid=replace.by_uid))
    freed = await session.lane(mailbox.usage_of, uid, of=view.place.account)
    names = await session.lane(names_of, mailbox, [uid], of=view.place.account)
    incoming = Incoming(session, replace.args, replace.mailbox, freed=freed, of=view.place.account)
    try:
        await read_message(incoming)
        incoming.args.end()
        if incoming.place.account is view.place.account:
            validity, uids = await session.lane(_replace, incoming, mailbox, uid, of=view.place.account)
        else:
            validity, uids = await _replace_afar(session, incoming, mailbox, uid)
    except BaseException:
        await incoming.forget()
        raise
    session.status(ok("Replacement message ready", appended(incoming, validity, uids)))
    tell_expunged(session, view.place, [uid], names)
    session.announce(incoming.place, uids)
    session.announce(view.place, [uid])
    return ok("Replaced")


def _only(uids: list[int]) -> int:
    if not uids:
        raise Refused(b"NONEXISTENT", "There is no such message")
    return uids[0]


def _replace(incoming: Incoming, mailbox: Mailbox, uid: int) -> tuple[int, list[int]]:
    """UIDVALIDITY of the target, and the UID of the new message; in the lane."""
    _require(mailbox, uid)
    validity, uids = incoming.put()
    try:
        mailbox.expunge([uid], keep=False)  # a version that another one stands for
    except (OSError, StoreError):
        if mailbox.is_there(uid):
            incoming.take_back(uids)
            raise
    return validity, uids


async def _replace_afar(
    session: Session, incoming: Incoming, mailbox: Mailbox, uid: int
) -> tuple[int, list[int]]:
    """The same where the new message goes to another account: each step in its lane."""
    account = session.view.place.account
    await session.lane(_require, mailbox, uid, of=account)
    validity, uids = await incoming.finish()
    try:
        await session.lane(lambda: mailbox.expunge([uid], keep=False), of=account)
    except (OSError, StoreError):
        if await session.lane(mailbox.is_there, uid, of=account):
            await session.lane(incoming.take_back, uids, of=incoming.place.account)
            raise
    return validity, uids


def _require(mailbox: Mailbox, uid: int) -> None:
    mailbox.sync()
    if mailbox.get(uid) is None:
        raise NoSuchMessage(uid)
