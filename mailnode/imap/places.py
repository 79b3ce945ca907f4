"""Where a mailbox is that the client names: in their own account, or in that of somebody who shares it.

Mailboxes of others stand in a namespace of their own (RFC 2342), `Shared/<owner>/<mailbox>`. The owner is
named by the local part of their address, or by the whole of it where the domain is another one than the
client's. Where "." separates the levels, ":" stands for the dots of an address, which cannot hold it. What
others have not opened to the client is not there: it is told so before the other account is touched, and in
the same words.

What the client has removed lately stands in a third one, `Recovered/<mailbox>`, as if it were shared by
another account (store.removed), which has the lane of the client's own.
"""

from mailnode.auth.live import Live
from mailnode.auth.neighbours import Neighbours
from mailnode.auth.realm import MailAccount
from mailnode.config_rules import split_address
from mailnode.events.feed import MailboxKey
from mailnode.store.acl import ALL, Rights
from mailnode.store.errors import NoRight, NoSuchMailbox
from mailnode.store.mailbox import Mailbox
from mailnode.store.names import normal
from mailnode.store.values import Name
from mailnode.values import frozen, replace

_DOT = ":"  # for a dot of an address, where it would separate levels


@frozen
class Place:
    """Where a mailbox is, or might be. `reader` is the address of who looks, "" for the owner.

    The methods run in the lane of the account, but at_hand().
    """

    account: MailAccount
    name: Name
    reader: str = ""

    @property
    def key(self) -> MailboxKey:
        """Its name in the change feed."""
        return self.account.key(self.name)

    def mailbox(self, needed: str = "r") -> Mailbox:
        """The mailbox, for who has the needed rights. Raises NoSuchMailbox, NoRight."""
        store = self.account.store
        return store.sharing.open(self.name, self.reader, needed) if self.reader else store.mailbox(self.name)

    def at_hand(self) -> Mailbox | None:
        """The owner's mailbox, where it is open, and nothing runs that could change it, or has changed it.

        Asked on the reactor's thread; what is read of it in the same turn is true. None where a look in the
        lane has to tell.
        """
        if self.reader or not self.account.lane.is_idle:
            return None
        return self.account.store.at_hand(self.name)

    def check(self, needed: str = "", *, any_of: str = "") -> None:
        """Raise NoSuchMailbox or NoRight for who lacks rights; the owner has them all, there or not."""
        if self.reader:
            self.account.store.sharing.check(self.name, self.reader, needed, any_of=any_of)

    def check_new(self) -> None:
        """Raise NoRight for who must not make a mailbox here, or must not know that there is one already."""
        if self.reader:
            sharing = self.account.store.sharing
            sharing.check_parent(self.name, self.reader)
            if sharing.is_hidden(self.name, self.reader):
                raise NoRight

    def rights(self) -> Rights:
        """What whoever looks may do here."""
        return self.account.store.sharing.rights(self.name, self.reader) if self.reader else ALL


class Places:
    """Those of one client."""

    def __init__(self, account: MailAccount, live: Live, neighbours: Neighbours) -> None:
        self._account = account
        self._live = live
        self._neighbours = neighbours
        self._domain = split_address(account.address)[1]
        self._clashes: dict[str, bool] = {}
        self._removed: MailAccount | None = None

    @property
    def word(self) -> str:
        """The first level of the names of others' mailboxes; "" where there are none."""
        return self._live.config.store.shared_namespace

    @property
    def word_of_removed(self) -> str:
        """The first level of the names of mailboxes with removed messages; "" where none can be seen."""
        store = self._live.config.store
        return store.recovered_namespace if store.recover_days else ""

    def are_others(self, name: Name) -> bool:
        """Whether a name is in the namespace of others' mailboxes."""
        return bool(self.word) and name[:1] == (self.word,)

    def is_removed(self, name: Name) -> bool:
        """Whether a name is in the namespace of removed messages."""
        return bool(self.word_of_removed) and name[:1] == (self.word_of_removed,)

    def is_elsewhere(self, name: Name) -> bool:
        """Whether a name may mean another mailbox than one of the client's own."""
        return self.are_others(name) or self.is_removed(name)

    def name(self, name: Name) -> Name:
        """The name as it is compared: INBOX in capitals, also that of others."""
        if self.is_removed(name):
            return name[:1] + normal(name[1:])
        return name[:2] + normal(name[2:]) if self.are_others(name) else name

    def shown(self, place: Place) -> Name:
        """By what name the client knows a mailbox."""
        if not place.reader:
            return place.name
        if place.account is self._removed:
            return self._live.config.store.recovered_namespace, *place.name
        local, domain = split_address(place.account.address)
        owner = local if domain == self._domain else place.account.address
        if self._live.config.store.separator == ".":
            owner = owner.replace(".", _DOT)
        return self.word, owner, *place.name

    # The rest is for the lane of the client's own account

    def there(self) -> bool:
        """Whether there is the namespace; who has a mailbox of that name goes without, and loses nothing."""
        return self._is_free(self.word)

    def has_removed(self) -> bool:
        """Whether there is the namespace of removed messages, likewise."""
        return self._is_free(self.word_of_removed)

    def _is_free(self, word: str) -> bool:
        if word and word not in self._clashes:
            self._clashes[word] = any(name[0] == word for name in self._account.store.names())
        return bool(word) and not self._clashes[word]

    def find(self, name: Name) -> Place:
        """Where a mailbox is, that need not exist. Raises NoSuchMailbox for what nobody has opened."""
        if self.is_removed(name) and self.has_removed():
            if len(name) > 1:
                return replace(self.removed(), name=name[1:])
        elif not self.are_others(name) or not self.there():
            return Place(self._account, name)
        else:
            for place in self.roots():
                if name[:2] == self.shown(place) and len(name) > 2:
                    return Place(place.account, name[2:], place.reader)
        raise NoSuchMailbox(name)

    def removed(self) -> Place:
        """The account of what the client has removed, without a mailbox's name."""
        if self._removed is None:
            own = self._account
            self._removed = MailAccount(own.address, own.store.recovered, own.lane)
        return Place(self._removed, (), self._account.address)

    def roots(self) -> list[Place]:
        """The accounts of those who may have opened something, without a mailbox's name."""
        address = self._account.address
        owners = self._neighbours.open_to(address) if self.word else []
        return [Place(owner, (), address) for owner in owners] if owners and self.there() else []

    # As names stand in the file of subscriptions, where no level has a dot

    def stored(self, name: Name) -> Name:
        """The name that stands for one of the client's."""
        return self._with_owner(name, ".", _DOT)

    def read(self, name: Name) -> Name:
        """The client's name that it stands for."""
        return self._with_owner(name, _DOT, ".") if self._live.config.store.separator != "." else name

    def _with_owner(self, name: Name, old: str, new: str) -> Name:
        if len(name) < 2 or not self.are_others(name):
            return name
        return name[0], name[1].replace(old, new), *name[2:]
