r"""LIST (RFC 3501 section 6.3.8, RFC 9051 section 6.3.9), extended as RFC 5258 has it.

Return options: SUBSCRIBED and CHILDREN (RFC 5258), STATUS (RFC 5819), SPECIAL-USE (RFC 6154), MYRIGHTS
(RFC 8440) and METADATA (RFC 9590). The attributes of children and of special use are in every answer: there
are clients that use them and do not ask.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from itertools import groupby
from typing import Any

from mailnode.auth.realm import MailAccount
from mailnode.imap.commands import acl, arguments, metadata, status
from mailnode.imap.lent import Lent, of_others, of_removed
from mailnode.imap.listed_metadata import Notes
from mailnode.imap.listing import ALL, Found, Patterns, Selection, Tree, response
from mailnode.imap.places import Place
from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.session import Session
from mailnode.message.slices import Steps
from mailnode.store.acl import ALL as EVERY_RIGHT
from mailnode.store.errors import NoSuchMailbox, StoreError
from mailnode.store.values import Name
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

PATTERNS = 50  # in one command

_SELECTION_OPTIONS = ("SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE")
_CHILD_INFO = b'"CHILDINFO" ("SUBSCRIBED")'  # the one base option there is


def _status_items(args: Cursor) -> list[str]:
    """status-option = "STATUS" SP "(" status-att *(SP status-att) ")" """
    return args.sp().list_of(status.item)


RETURN_OPTIONS: Mapping[str, Callable[[Cursor], Any]] = {
    "SUBSCRIBED": arguments.flag,
    "CHILDREN": arguments.flag,
    "SPECIAL-USE": arguments.flag,
    "METADATA": metadata.parse_entries,
    "MYRIGHTS": arguments.flag,
    "STATUS": _status_items,
}


@frozen
class List:
    """A reference and patterns, what is selected and what is returned; options make it extended."""

    reference: str
    patterns: tuple[str, ...]
    selection: Selection = ALL
    returned: Mapping[str, Any] = field(default_factory=dict)
    extended: bool = False


def parse(args: Cursor) -> List:
    """list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]"""
    selects = args.sp().at(b"(")
    selection = _selection(args) if selects else ALL
    reference = args.sp().mailbox() if selects else args.mailbox()
    several = args.sp().at(b"(")
    patterns = args.list_of(Cursor.list_mailbox) if several else [args.list_mailbox()]
    returns = args.accept(b" ")
    returned = _returned(args) if returns else {}
    args.end()
    if len(patterns) > PATTERNS:
        raise Refused(b"LIMIT", f"There may be {PATTERNS} patterns")
    return List(reference, tuple(patterns), selection, returned, selects or several or returns)


def _selection(args: Cursor) -> Selection:
    """list-select-opts = "(" [list-select-opt *(SP list-select-opt)] ")", with a base option to
    RECURSIVEMATCH; one that stands there twice counts once"""
    chosen = set(args.list_of(Cursor.keyword, empty=True))
    if not chosen.issubset(_SELECTION_OPTIONS):
        raise BadSyntax("There is no such selection option")
    if "RECURSIVEMATCH" in chosen and "SUBSCRIBED" not in chosen:
        raise BadSyntax("RECURSIVEMATCH needs another option to go with, such as SUBSCRIBED")
    return Selection(
        subscribed="SUBSCRIBED" in chosen,
        special_use="SPECIAL-USE" in chosen,
        recursive="RECURSIVEMATCH" in chosen,
    )


def _returned(args: Cursor) -> dict[str, Any]:
    """list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"; the same of two counts
    once"""
    if args.keyword() != "RETURN":
        raise BadSyntax("RETURN expected")
    found: dict[str, Any] = {}

    def option(args: Cursor) -> None:
        name = args.keyword()
        if name not in RETURN_OPTIONS:
            raise BadSyntax("There is no such return option")
        found[name] = RETURN_OPTIONS[name](args)

    args.sp().list_of(option, empty=True)
    return found


async def run(session: Session, parsed: List) -> Reply:
    """An empty pattern asks for the separator and the root, which has no name; if extended, for nothing."""
    separator = session.config.store.separator
    if not parsed.extended and not parsed.patterns[0]:
        session.untagged(response(["\\Noselect"], b'""', separator))
        return ok("Listed")
    wanted = [parsed.reference + one for one in parsed.patterns if one]
    patterns = Patterns(wanted, separator)
    lent = await of_others(session)
    if parsed.selection.subscribed or _name_removed(session, wanted):
        lent = {**lent, **await of_removed(session)}
    answer = _Answer(session, parsed, separator, lent)
    tree, listed = await session.lane(answer.find, patterns)
    for account, some in groupby(listed, key=answer.account):
        await session.send(answer.lines(tree, some), of=account)
    return ok("Listed")


def _name_removed(session: Session, patterns: Iterable[str]) -> bool:
    """Whether a pattern names removed messages: who asks for all mailboxes would fetch them once more."""
    word = session.places.word_of_removed
    return bool(word) and any(one.startswith(word) for one in patterns)


class _Answer:
    """The responses to one LIST, made in the lanes of the accounts whose mailboxes they are about."""

    def __init__(self, session: Session, parsed: List, separator: str, lent: Mapping[Name, Lent]) -> None:
        self._session = session
        self._lent = lent
        self._selection = parsed.selection
        self._items: list[str] = parsed.returned.get("STATUS", [])
        self._entries: tuple[str, ...] = parsed.returned.get("METADATA", ())
        self._notes: Notes | None = None
        self._my_rights = "MYRIGHTS" in parsed.returned
        self._subscribed = parsed.selection.subscribed or "SUBSCRIBED" in parsed.returned
        self._separator = separator
        modern = parsed.extended or "IMAP4rev2" in session.enabled
        self._absent = "\\NonExistent" if modern else "\\Noselect"

    def find(self, patterns: Patterns) -> tuple[Tree, list[Found]]:
        """The names to be listed; in the lane of the client's account."""
        tree = self._tree()
        if self._entries:
            self._notes = Notes(self._session, self._lent, self._entries)
        return tree, list(tree.select(patterns, self._selection))

    def account(self, found: Found) -> MailAccount | None:
        """Whose mailbox it is; None for the client's own."""
        lent = self._lent.get(found.name)
        return None if lent is None else lent.place.account

    def lines(self, tree: Tree, listed: Iterable[Found]) -> Iterator[bytes]:
        """A LIST response for each name, and after it what else was asked for."""
        for found in listed:
            yield from self._responses(tree, found)

    def _tree(self) -> Tree:
        store, places = self._session.account.store, self._session.places
        subscribed = map(places.read, store.subscriptions()) if self._subscribed else ()
        others = (name for name, lent in self._lent.items() if lent.listed)
        return Tree(
            frozenset((*store.names(), *others)), frozenset(subscribed), store.annotations.special_uses()
        )

    def _responses(self, tree: Tree, found: Found) -> Iterator[bytes]:
        """What cannot be selected has no STATUS, and what only has inferiors that were asked for has none."""
        attributes = tree.attributes(found.name, absent=self._absent)
        counted = b""
        if self._items and found.selected and found.name in tree.existing:
            try:
                counted = yield from self._counted(found.name)
            except NoSuchMailbox:  # somebody has removed it meanwhile
                attributes.insert(0, "\\Noselect")
        lent = self._lent.get(found.name)
        if lent is not None and lent.listed and "r" not in lent.rights:
            attributes.insert(0, "\\Noselect")
        if self._subscribed and found.name in tree.subscribed:
            attributes.insert(0, "\\Subscribed")
        extended = _CHILD_INFO if found.child_info else b""
        mailbox = self._session.wire_name(found.name)
        yield b"* " + response(attributes, mailbox, self._separator, extended) + b"\r\n" + counted
        if not found.selected or found.name not in tree.existing:
            return
        if self._notes is not None:
            yield from self._notes.response(found.name, mailbox, tree.uses.get(found.name, ()))
        if self._my_rights:
            yield b"* " + acl.my_rights(mailbox, EVERY_RIGHT if lent is None else lent.rights) + b"\r\n"

    def _counted(self, name: Name) -> Steps[bytes]:
        """A STATUS response; nothing where it cannot be had (RFC 5819 section 2 lets it drop)."""
        try:
            lent = self._lent.get(name)
            place = Place(self._session.account, name) if lent is None else lent.place
            return (yield from status.response(self._session, place, self._items))
        except NoSuchMailbox:
            raise
        except (OSError, StoreError):
            return b""
