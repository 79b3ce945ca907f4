"""EXPUNGE (RFC 3501 section 6.4.3) and UID EXPUNGE (RFC 4315 section 2.1)."""

from twisted.python.failure import Failure

from mailnode.imap import message_limit
from mailnode.imap.noted import names_of, tell_expunged
from mailnode.imap.replies import Reply, ok
from mailnode.imap.selected import Selected, uses_modseqs
from mailnode.imap.session import Session
from mailnode.store.errors import NoRight
from mailnode.store.values import DELETED
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.sequence import SequenceSet

BATCH = 1000


def parse(args: Cursor) -> SequenceSet | None:
    """expunge = "EXPUNGE" """
    args.end()
    return None


def parse_uid(args: Cursor) -> SequenceSet:
    """uid-expunge = "UID" SP "EXPUNGE" SP sequence-set"""
    uids = args.sp().sequence_set()
    args.end()
    return uids


async def run(session: Session, uids: SequenceSet | None) -> Reply:
    """The EXPUNGE responses are part of what is told after every command."""
    session.require_writable()
    if "e" not in session.view.mailbox.rights:
        raise NoRight
    count = await remove_deleted(session, session.view, uids)
    return await after_expunge(session, "Expunged") if count else ok("Nothing was to be expunged")


async def after_expunge(session: Session, text: str) -> Reply:
    """OK; who uses modification sequences gets the mailbox's, once all is told (RFC 7162 section 3.2.7)."""
    if not uses_modseqs(session.enabled):
        return ok(text)
    try:
        await session.flush()
    except OSError:  # what was done is done; the next look tells it
        session.connection.log.bug("mailbox cannot be read", Failure())
    return session.view.told(text)


async def remove_deleted(session: Session, view: Selected, uids: SequenceSet | None = None) -> int:
    r"""Remove the messages that have \Deleted, of those that the client knows: all, or those in `uids`.

    Gives how many.
    """
    mailbox, account = view.mailbox, view.place.account
    known = list(view.uids) if uids is None else view.named(uids, by_uid=True)

    def deleted() -> list[int]:
        mailbox.sync()
        return [uid for uid in known if (one := mailbox.get(uid)) and DELETED in one.flags]

    def remove(batch: list[int]) -> tuple[list[int], dict[int, str]]:
        names = names_of(mailbox, batch)
        return mailbox.expunge(batch, having=DELETED), names

    doomed = await session.lane(deleted, of=account)
    if uids is not None:
        doomed = message_limit.newest_uids(session, doomed)
    gone: list[int] = []
    session.progress.measure = lambda: (len(gone), len(doomed))
    for start in range(0, len(doomed), BATCH):
        removed, names = await session.lane(remove, doomed[start : start + BATCH], of=account)
        tell_expunged(session, view.place, removed, names)
        gone += removed
    if gone:
        session.announce(view.place, gone)
    return len(gone)
