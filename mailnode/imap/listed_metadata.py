"""Annotations of all mailboxes that a LIST command gives (LIST-METADATA, RFC 9590).

Section 3: behind the LIST response of each mailbox comes METADATA with the entries that were asked for, as
GETMETADATA of that mailbox would have it; a server may split it in several. An entry that is not there is NIL
(section 4). A name that is no mailbox, or is listed only for what is below it, has none (section 4), nor has
one whose annotations cannot be looked up, for which the command does not fail (section 3): so it is with one
that has gone meanwhile, and one of others whose annotations the client may not read.
"""

from collections.abc import Iterator, Mapping

from mailnode.auth.realm import MailAccount
from mailnode.imap import annotated
from mailnode.imap.commands import metadata
from mailnode.imap.lent import Lent
from mailnode.imap.session import Session
from mailnode.store.annotations import Snapshot
from mailnode.store.errors import StoreError
from mailnode.store.special_use import Uses
from mailnode.store.values import Name


class Notes:
    """The METADATA responses of one LIST. It begins in the lane of the client's own account.

    Each file of annotations is read once, when the first mailbox of its account is listed.
    """

    def __init__(self, session: Session, lent: Mapping[Name, Lent], entries: tuple[str, ...]) -> None:
        self._session = session
        self._lent = lent
        self._entries = entries
        self._own: Snapshot = session.account.store.annotations.snapshot()
        self._there: tuple[MailAccount, Snapshot] | None = None

    def response(self, name: Name, mailbox: bytes, uses: Uses) -> Iterator[bytes]:
        """METADATA of a mailbox, or nothing; in the lane of its account."""
        try:
            found = self._found(name, uses)
        except (OSError, StoreError):
            return
        yield from metadata.response(mailbox, {entry: found.get(entry) for entry in self._entries})

    def _found(self, name: Name, uses: Uses) -> dict[str, bytes]:
        lent = self._lent.get(name)
        if lent is None:
            return self._own.of(self._session.account.store.annotations.guid(name), uses)
        place = lent.place
        annotated.check(place)
        guid = place.account.store.annotations.guid(place.name)
        return annotated.merged(self._own.of(guid), self._of(place.account).of(guid))

    def _of(self, account: MailAccount) -> Snapshot:
        """What is annotated by somebody else."""
        if self._there is None or self._there[0] is not account:
            self._there = account, account.store.annotations.snapshot()
        return self._there[1]
