"""Which mailboxes a command is about: RFC 5465 section 6, as RFC 7377 section 2.2 uses it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from mailnode.imap.replies import Refused
from mailnode.store.account import Account
from mailnode.store.errors import StoreError
from mailnode.store.values import INBOX, Name
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

SELECTED = "SELECTED"
NO_OTHERS: Mapping[Name, bool] = {}


@frozen
class Scope:
    """A kind of mailboxes, and the names that belong to it."""

    kind: str
    mailboxes: tuple[str, ...] = ()


def parse(args: Cursor) -> Scope:
    """filter-mailboxes = filter-mailboxes-selected / filter-mailboxes-other

    filter-mailboxes-selected = "selected"
    filter-mailboxes-other = "inboxes" / "personal" / "subscribed" / ("subtree" SP one-or-more-mailbox) /
    ("mailboxes" SP one-or-more-mailbox) / ("subtree-one" SP one-or-more-mailbox)
    """
    kind = args.keyword()
    if kind in NAMED:
        return Scope(kind, tuple(_mailboxes(args.sp())))
    if kind != SELECTED and kind not in GROUPS:
        raise BadSyntax("There is no such set of mailboxes")
    return Scope(kind)


def _mailboxes(args: Cursor) -> list[str]:
    """one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")" """
    return args.list_of(Cursor.mailbox) if args.at(b"(") else [args.mailbox()]


def _itself(name: Name, roots: AbstractSet[Name]) -> bool:
    return name in roots


def _itself_or_child(name: Name, roots: AbstractSet[Name]) -> bool:
    return name in roots or name[:-1] in roots


def _itself_or_below(name: Name, roots: AbstractSet[Name]) -> bool:
    return any(name[:depth] in roots for depth in range(1, len(name) + 1))


# Whether a mailbox belongs to those that were named.
NAMED: Mapping[str, Callable[[Name, AbstractSet[Name]], bool]] = {
    "MAILBOXES": _itself,
    "SUBTREE": _itself_or_below,
    "SUBTREE-ONE": _itself_or_child,
}

# The mailboxes of a group, of all that exist. Inboxes cannot be told from the others, as any mailbox may be
# that of a subaddress: so they are all (RFC 5465 section 6.3).
GROUPS: Mapping[str, Callable[[Account, list[Name]], Iterable[Name]]] = {
    "INBOXES": lambda account, existing: existing,
    "PERSONAL": lambda account, existing: existing,
    "SUBSCRIBED": lambda account, existing: account.subscriptions(),
}


def resolve(
    scopes: Iterable[Scope],
    account: Account,
    selected: Name | None,
    levels: Callable[[str], Name],
    others: Mapping[Name, bool] = NO_OTHERS,
    read: Callable[[Name], Name] = lambda name: name,
) -> Iterator[Name]:
    """The existing mailboxes that are meant, each once, in the order of their names; in the account's lane.

    Names of mailboxes that do not exist are passed over. `levels` reads a name, and `read` one that stands in
    the subscriptions. Those of `others` are no inboxes and not personal. If the client must not know of one
    (False) it is searched only where it is named itself (RFC 7377 section 2.2).
    """
    existing = account.names()
    wanted: set[Name] = set()
    roots: dict[str, set[Name]] = {}
    for scope in scopes:
        if scope.kind in NAMED:
            roots.setdefault(scope.kind, set()).update(_known(scope.mailboxes, levels))
        elif scope.kind in GROUPS:
            wanted.update(map(read, GROUPS[scope.kind](account, existing)))
        elif selected is not None:
            wanted.add(selected)
    for name in sorted((*existing, *others), key=lambda name: (name != INBOX, name)):
        if others.get(name, True):
            meant = name in wanted or any(NAMED[kind](name, named) for kind, named in roots.items())
        else:
            meant = (name == selected and name in wanted) or name in roots.get("MAILBOXES", ())
        if meant:
            yield name


class Meant:
    """The names that some scopes mean, whether or not there are such mailboxes; SELECTED means none.

    Those for which `others` says so are not personal, and no inboxes.
    """

    def __init__(
        self, scopes: Collection[Scope], levels: Callable[[str], Name], others: Callable[[Name], bool]
    ) -> None:
        kinds = {scope.kind for scope in scopes}
        self._all = not kinds.isdisjoint(("PERSONAL", "INBOXES"))
        self._subscribed = "SUBSCRIBED" in kinds
        self._others = others
        self._roots: dict[str, set[Name]] = {}
        for scope in scopes:
            if scope.kind in NAMED:
                self._roots.setdefault(scope.kind, set()).update(_known(scope.mailboxes, levels))

    @property
    def reaches_others(self) -> bool:
        """Whether any of those for which `others` says so may be meant."""
        return self._subscribed or bool(self._roots)

    def covers(self, name: Name, subscribed: AbstractSet[Name]) -> bool:
        """Whether this is one of them, where those are subscribed."""
        if self._subscribed and name in subscribed:
            return True
        if self._all and not self._others(name):
            return True
        return any(NAMED[kind](name, roots) for kind, roots in self._roots.items())


def _known(mailboxes: Iterable[str], levels: Callable[[str], Name]) -> Iterator[Name]:
    for text in mailboxes:
        try:
            yield levels(text)
        except (Refused, StoreError):  # nothing can have such a name
            continue
