"""An account as a client of NOTIFY sees it, in the client's names: their own, or what somebody else opened.

All methods but those that say so run in the lane of the account.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from mailnode.imap.lookout import Lookout, Sight, sight_of
from mailnode.imap.places import Place, Places
from mailnode.store.acl import ALL, NO_RIGHTS, Rights
from mailnode.store.errors import NoRight, NoSuchMailbox
from mailnode.store.glance import THE_ACCOUNT, Census, Entry
from mailnode.store.mailbox import Mailbox
from mailnode.store.values import Name

_SEEN = "lr"  # what all events ask for (RFC 5465 section 5)
_SHARED = "/shared/"


class Outlook:
    """What is seen of one account; `root` is its place, `prefix` what stands before its names."""

    def __init__(self, root: Place, places: Places, lookout: Lookout) -> None:
        self.root = root
        self.subscribed_of_others: frozenset[Name] = frozenset()  # of the last census of one's own account
        self.shut: frozenset[Name] = frozenset()  # what may be known of and not read, as of the last census
        self._prefix = places.shown(root)
        self._places = places
        self._lookout = lookout
        self._rights: Mapping[Name, Rights] = {}

    # Names; in any thread

    def shown(self, name: Name) -> Name:
        """The client's name for one of the account's mailboxes; THE_ACCOUNT stays what it is."""
        return THE_ACCOUNT if name == THE_ACCOUNT else self._prefix + name

    def hidden(self, name: Name) -> Name:
        """The account's name for what the client calls so."""
        return name[len(self._prefix) :]

    # What there is

    def begin(self, names: Iterable[Name]) -> None:
        """The client is about to see these: what happens to them from here on is announced."""
        self._lookout.begin([self.hidden(name) for name in names])

    def census(self, subscribed: frozenset[Name] | None = None) -> Census:
        """What the client may know of. Raises OSError.

        Which names are subscribed stands in the client's own account; for another one they have to be given.
        """
        found = self._lookout.census()
        if not self.root.reader:
            return self._own(found)
        self._rights = self.root.account.store.sharing.shown_to(self.root.reader)
        known = {name: guid for name, guid in found.guids.items() if self._may(name, "l")}
        self.shut = frozenset(self.shown(name) for name in known if not self._may(name, _SEEN))
        guids = frozenset(known.values())
        entries: dict[Entry, int] = {
            (guid, entry): value
            for (guid, entry), value in found.entries.items()
            if guid in guids and entry.startswith(_SHARED)
        }
        here = frozenset(name for name in subscribed or () if name[: len(self._prefix)] == self._prefix)
        return Census({self.shown(name): guid for name, guid in known.items()}, here, entries)

    def _own(self, found: Census) -> Census:
        if not self._places.there() or not any(map(self._places.are_others, found.subscribed)):
            self.subscribed_of_others = frozenset()
            return found
        subscribed = frozenset(map(self._places.read, found.subscribed))
        self.subscribed_of_others = frozenset(filter(self._places.are_others, subscribed))
        return Census(found.guids, subscribed - self.subscribed_of_others, found.entries)

    def may_read(self, name: Name) -> bool:
        """Whether the client may hear of messages in a mailbox, as of the last census."""
        return self._may(self.hidden(name), _SEEN)

    def _may(self, name: Name, needed: str) -> bool:
        rights = self._rights.get(name, NO_RIGHTS) if self.root.reader else ALL
        return rights.issuperset(needed)

    def special_uses(self) -> Mapping[Name, tuple[str, ...]]:
        """What mailboxes are for; that is their owner's affair."""
        return {} if self.root.reader else self.root.account.store.annotations.special_uses()

    # Messages

    def sight(self, name: Name) -> Sight:
        """A mailbox as it is now. Raises NoSuchMailbox, OSError."""
        return self.seen(self._mailbox(name))

    def seen(self, mailbox: Mailbox) -> Sight:
        r"""A mailbox as it was when it was last looked at; each reader of others' has their own \Seen."""
        return sight_of(mailbox) if self.root.reader else self._lookout.seen(mailbox)

    def has_changed(self, name: Name, since: Sight) -> bool:
        """Whether messages that were there at that moment have other flags."""
        mailbox = self._mailbox(name)
        known = mailbox.uids[: bisect_left(mailbox.uids, since.uid_next)]
        return any(message.modseq > since.highest_modseq for message in mailbox.each(known))

    def _mailbox(self, name: Name) -> Mailbox:
        place = Place(self.root.account, self.hidden(name), self.root.reader)
        try:
            return place.mailbox(_SEEN)
        except NoRight:
            raise NoSuchMailbox(name) from None
