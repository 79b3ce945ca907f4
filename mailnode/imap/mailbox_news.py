"""What is told of messages in mailboxes that are not selected: STATUS responses (RFC 5465 section 5).

All of it runs in the account's lane.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from mailnode.imap import names
from mailnode.imap.events import FLAG_CHANGE, MESSAGE_NEW, Wanted
from mailnode.imap.lookout import EMPTY, Sight
from mailnode.imap.outlook import Outlook
from mailnode.imap.selected import uses_modseqs
from mailnode.imap.session import Session
from mailnode.store.errors import NoSuchMailbox
from mailnode.store.glance import Census
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import INBOX, Name

MOST = 1000  # mailboxes that a session may watch; each is opened once to begin with

_COUNTS = ("MESSAGES", "UIDNEXT", "UIDVALIDITY")
_ITEMS: Mapping[str, Callable[[Sight], int]] = {
    "MESSAGES": lambda sight: sight.messages,
    "UIDNEXT": lambda sight: sight.uid_next,
    "UIDVALIDITY": lambda sight: sight.uid_validity,
    "UNSEEN": lambda sight: sight.unseen,
    "HIGHESTMODSEQ": lambda sight: sight.highest_modseq,
}


class TooMany(Exception):
    """More mailboxes are to be watched than may be."""


class WatchedMailboxes:
    """Those in which messages are watched, as they were told last."""

    def __init__(self, session: Session, wanted: Wanted, outlook: Outlook) -> None:
        self._session = session
        self._wanted = wanted
        self._outlook = outlook
        self._census = Census()
        self._known: dict[Name, Sight] = {}
        self._unseen: set[Name] = set()

    @property
    def names(self) -> list[Name]:
        """All of them; also outside the lane."""
        return list(self._known)

    def __contains__(self, name: Name) -> bool:
        """Whether this is one of them; also outside the lane."""
        return name in self._known

    def take_unseen(self) -> set[Name]:
        """Those that are still to be looked at."""
        unseen, self._unseen = self._unseen, set()
        return unseen

    # Which they are

    def choose(self, census: Census) -> Iterator[Name]:
        """Watch what is meant; gives each name once it is watched. Raises TooMany.

        A mailbox that was not there before has nothing in it that the client knows of. One that was is taken
        as it is: nothing has happened in it that was wanted.
        """
        before, self._census = self._census, census
        meant = self._meant(census)
        old_names = {guid: name for name, guid in before.guids.items() if guid}
        there: set[Name] = set()
        for name in meant:
            old = old_names.get(census.guids[name], name)
            if name not in self._known and old in self._known:
                self._known[name] = self._known.pop(old)
                self._unseen.add(name)  # what happened before it was renamed was told of another name
            elif name not in self._known:
                self._known[name] = EMPTY  # so that what is announced from here on is heard
                (self._unseen if before.guids and old not in before.guids else there).add(name)
        for name in self._known.keys() - set(meant):
            del self._known[name]
        self._outlook.begin(meant)
        for name in meant:
            if name in there:
                self._see(name)
            yield name

    def _meant(self, census: Census) -> list[Name]:
        separator = self._session.config.store.separator
        found = [
            name
            for name in census.guids
            if self._wanted.of(MESSAGE_NEW, name, census.subscribed)
            and self._outlook.may_read(name)
            and names.shown(name, separator) is not None
        ]
        if len(found) > MOST:
            raise TooMany
        return sorted(found, key=lambda name: (name != INBOX, name))

    def _see(self, name: Name) -> None:
        try:
            self._known[name] = self._outlook.sight(name)
        except (NoSuchMailbox, OSError):
            self._unseen.add(name)

    # What is told

    def first(self, name: Name) -> bytes:
        """The STATUS response of a mailbox that is watched from here on (section 3.1)."""
        items = (*_COUNTS, "UNSEEN", "HIGHESTMODSEQ") if self._flags(name) else _COUNTS
        return b"" if name in self._unseen else self._status(name, items)

    def follow(self, mailbox: Mailbox) -> None:
        """The client knows all of this mailbox, as it was when it was last looked at."""
        name = self._outlook.shown(mailbox.name)
        if name in self._known:
            self._known[name] = self._outlook.seen(mailbox)

    def look(self, name: Name, own: Collection[int]) -> bytes:
        """A STATUS response of what is different, but for the UIDs that the client has put there itself.

        Nothing for a mailbox that has gone, which is told otherwise. Raises OSError.
        """
        before = self._known.get(name)
        if before is None:
            return b""
        try:
            after = self._known[name] = self._outlook.sight(name)
        except NoSuchMailbox:
            return b""
        items = [] if self._is_own(name, before, own) else list(self._items(before, after, self._flags(name)))
        return self._status(name, items) if items else b""

    def _is_own(self, name: Name, before: Sight, own: Collection[int]) -> bool:
        """Whether nothing has changed but what this session has added."""
        after = self._known[name]
        fresh = sum(uid >= before.uid_next for uid in own)
        expected = before.uid_validity, before.uid_next + fresh, before.messages + fresh
        if not fresh or (after.uid_validity, after.uid_next, after.messages) != expected:
            return False
        return not self._flags(name) or not self._outlook.has_changed(name, before)

    def _flags(self, name: Name) -> bool:
        return self._wanted.of(FLAG_CHANGE, name, self._census.subscribed)

    def _items(self, before: Sight, after: Sight, flags: bool) -> Iterable[str]:
        """Nothing where the client wants to hear, or could hear, of no change (section 5.1)."""
        modseqs = uses_modseqs(self._session.enabled)
        seen = before is not EMPTY
        validity = before.uid_validity if seen else after.uid_validity
        counts = validity, before.uid_next, before.messages
        if counts != (after.uid_validity, after.uid_next, after.messages):
            yield from _COUNTS
        elif seen and flags and (before.unseen != after.unseen or (modseqs and before != after)):
            yield "UIDVALIDITY"
        else:
            return
        if flags:
            yield "UNSEEN"
        if modseqs:
            yield "HIGHESTMODSEQ"

    def _status(self, name: Name, items: Iterable[str]) -> bytes:
        sight = self._known[name]
        said = b" ".join(b"%b %d" % (item.encode("ascii"), _ITEMS[item](sight)) for item in items)
        return b"* STATUS %b (%b)\r\n" % (self._session.wire_name(name), said)
