"""EXPUNGE (RFC 3501 section 6.4.3) and UID EXPUNGE (RFC 4315 section 2.1)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from twisted.python.failure import Failure

from mailnode.imap import message_limit
from mailnode.imap.noted import Names, names_of, tell_expunged
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


async def remove_deleted(
    session: Session, view: Selected, uids: SequenceSet | None = None, *, silent: bool = False
) -> int:
    r"""Remove the messages that have \Deleted, of those that the client knows: all, or those in `uids`.

    Gives how many. Unless it is to be silent, all that has changed is told in the same job.
    """
    removal = Removal(session, view, uids)
    session.progress.measure = lambda: (removal.count, removal.found)
    try:
        if silent:
            await session.send(removal.chunks(), of=view.place.account)
        else:
            await session.answer(removal.chunks())
    finally:
        for removed, names in removal.gone:
            tell_expunged(session, view.place, removed, names)
        if removal.gone:
            session.announce(view.place, [uid for removed, _ in removal.gone for uid in removed])
    return removal.count


@dataclass(slots=True)
class Removal:
    """The work, in the account's lane, a batch at a time; `gone` has the UIDs of each, and their names."""

    session: Session
    view: Selected
    uids: SequenceSet | None
    found: int = 0
    count: int = 0
    gone: list[tuple[list[int], Names]] = field(default_factory=list)

    def chunks(self) -> Iterator[bytes]:
        """Nothing, after each batch, so that others have their turn."""
        doomed = self._doomed()
        self.found = len(doomed)
        mailbox = self.view.mailbox
        for start in range(0, len(doomed), BATCH):
            batch = doomed[start : start + BATCH]
            names = names_of(mailbox, batch)
            removed = mailbox.expunge(batch, having=DELETED)
            if removed:
                self.gone.append((removed, names))
                self.count += len(removed)
                self.view.did(removed, self.session.interest)
            yield b""

    def _doomed(self) -> list[int]:
        view = self.view
        known = view.uids if self.uids is None else view.named(self.uids, by_uid=True)
        view.mailbox.refresh()
        if not view.mailbox.status().deleted:
            return []
        doomed = [uid for uid in known if (one := view.mailbox.get(uid)) and DELETED in one.flags]
        return doomed if self.uids is None else message_limit.newest_uids(self.session, doomed)
