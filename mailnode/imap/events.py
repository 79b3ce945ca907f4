"""Events of which a client wants to hear, and of which mailboxes (RFC 5465 sections 5 and 6)."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

from mailnode.imap.scopes import Meant, Scope
from mailnode.store.values import Name
from mailnode.values import frozen

MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE = "MESSAGENEW", "MESSAGEEXPUNGE", "FLAGCHANGE"
MAILBOX_NAME, SUBSCRIPTION_CHANGE = "MAILBOXNAME", "SUBSCRIPTIONCHANGE"
MAILBOX_METADATA_CHANGE, SERVER_METADATA_CHANGE = "MAILBOXMETADATACHANGE", "SERVERMETADATACHANGE"

# As the RFC spells them. AnnotationChange is not among them, as messages have no annotations here.
EVENTS = {
    MESSAGE_NEW: "MessageNew",
    MESSAGE_EXPUNGE: "MessageExpunge",
    FLAG_CHANGE: "FlagChange",
    MAILBOX_NAME: "MailboxName",
    SUBSCRIPTION_CHANGE: "SubscriptionChange",
    MAILBOX_METADATA_CHANGE: "MailboxMetadataChange",
    SERVER_METADATA_CHANGE: "ServerMetadataChange",
}
MESSAGE_EVENTS = frozenset((MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE))


@frozen
class Group:
    """event-group = "(" filter-mailboxes SP events ")", of mailboxes that are not selected"""

    scope: Scope
    events: frozenset[str]


class Wanted:
    """All groups together: they add up (section 6)."""

    def __init__(
        self, groups: Iterable[Group], levels: Callable[[str], Name], others: Callable[[Name], bool]
    ) -> None:
        scopes: dict[str, list[Scope]] = {}
        for group in groups:
            for event in group.events:
                scopes.setdefault(event, []).append(group.scope)
        self._meant = {event: Meant(some, levels, others) for event, some in scopes.items()}

    def __contains__(self, event: str) -> bool:
        """Whether this is wanted of any mailbox."""
        return event in self._meant

    def __bool__(self) -> bool:
        """Whether anything is."""
        return bool(self._meant)

    @property
    def reaches_others(self) -> bool:
        """Whether mailboxes that others have opened may be meant."""
        return any(meant.reaches_others for meant in self._meant.values())

    def any_of(self, name: Name, subscribed: AbstractSet[Name]) -> bool:
        """Whether any event is wanted of a mailbox, where those are subscribed."""
        return any(meant.covers(name, subscribed) for meant in self._meant.values())

    def of(self, event: str, name: Name, subscribed: AbstractSet[Name]) -> bool:
        """Whether this event is wanted of a mailbox, where those are subscribed."""
        return event in self._meant and self._meant[event].covers(name, subscribed)
