"""NOTIFY (RFC 5465): of which events a client wants to hear, in which mailboxes, at any time."""

from contextlib import suppress
from typing import Any

from mailnode.imap import fetch_items, interest, scopes
from mailnode.imap.events import EVENTS, FLAG_CHANGE, MESSAGE_EVENTS, MESSAGE_EXPUNGE, MESSAGE_NEW, Group
from mailnode.imap.fetch_items import MODSEQ
from mailnode.imap.interest import Interest
from mailnode.imap.mailbox_news import TooMany
from mailnode.imap.news import News, begin
from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.scopes import SELECTED, Scope
from mailnode.imap.session import Session
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

GROUPS = 50  # in one command
NAMES = 1000  # in all of them
LETTERS = 32768  # of all names

_DELAYED = "SELECTED-DELAYED"


@frozen
class Notify:
    """What is wanted of the selected mailbox, and of others; `status` asks for how they are now."""

    selected: Interest = interest.NOTHING
    groups: tuple[Group, ...] = ()
    status: bool = False
    refusal: Refused | None = None


NONE = Notify()


def parse(args: Cursor) -> Notify:
    """notify = "NOTIFY" SP (notify-set / notify-none)

    notify-set = "SET" [status-indicator] SP event-groups  ;  status-indicator = SP "STATUS"
    notify-none = "NONE"
    """
    if args.sp().accept_keyword("NONE"):
        args.end()
        return NONE
    if not args.accept_keyword("SET"):
        raise BadSyntax("SET or NONE expected")
    status = args.sp().accept_keyword("STATUS")
    reading = _Reading()
    reading.group(args.sp() if status else args)
    while args.accept(b" "):
        reading.group(args)
    args.end()
    return reading.result(status=status)


class _Reading:
    """The groups of one command, while they are read."""

    def __init__(self) -> None:
        self._selected: Interest | None = None
        self._groups: list[Group] = []
        self._supported = True

    def group(self, args: Cursor) -> None:
        """event-group = "(" filter-mailboxes SP events ")" """
        args.expect(b"(")
        scope = Scope(_DELAYED) if args.accept_keyword(_DELAYED) else scopes.parse(args)
        selected = scope.kind in (SELECTED, _DELAYED)
        events, items = self._events(args.sp(), items_allowed=selected)
        args.expect(b")")
        if not selected:
            self._groups.append(Group(scope, events))
            return
        if self._selected is not None:
            raise BadSyntax("The selected mailbox stands there twice")
        if not events <= MESSAGE_EVENTS:
            raise BadSyntax("The selected mailbox has only events of messages")
        self._selected = Interest(
            messages=MESSAGE_NEW in events,
            flags=FLAG_CHANGE in events,
            delayed=scope.kind == _DELAYED,
            items=items,
        )

    def _events(self, args: Cursor, *, items_allowed: bool) -> tuple[frozenset[str], tuple[Any, ...]]:
        """events = ( "(" event *(SP event) ")" ) / "NONE" """
        if args.accept_keyword("NONE"):
            return frozenset(), ()
        items: dict[Any, None] = {}

        def event(args: Cursor) -> str:
            """message-event = ( "MessageNew" [SP "(" fetch-att *(SP fetch-att) ")" ] ) / ..."""
            name = args.atom().decode("ascii").upper()
            if name == MESSAGE_NEW and args.at(b" ("):
                if not items_allowed:
                    raise BadSyntax("Items are told of messages in the selected mailbox only")
                items.update(dict.fromkeys(fetch_items.parse_kept(args.sp())))
            return name

        found = frozenset(args.list_of(event))
        self._supported = self._supported and found <= EVENTS.keys()
        if (MESSAGE_NEW in found) is not (MESSAGE_EXPUNGE in found):
            raise BadSyntax("MessageNew and MessageExpunge go together")
        if FLAG_CHANGE in found and MESSAGE_NEW not in found:
            raise BadSyntax("FlagChange needs MessageNew and MessageExpunge")
        return found & EVENTS.keys(), tuple(items)

    def result(self, *, status: bool) -> Notify:
        """All of it, or why it cannot be."""
        names = [name for group in self._groups for name in group.scope.mailboxes]
        refusal = None
        if not self._supported:
            code = b"BADEVENT (%b)" % " ".join(EVENTS.values()).encode("ascii")
            refusal = Refused(code, "Not all of these events are known here")
        elif len(self._groups) > GROUPS or len(names) > NAMES or sum(map(len, names)) > LETTERS:
            refusal = _too_much()
        groups = tuple(group for group in self._groups if group.events)
        return Notify(self._selected or interest.NOTHING, groups, status, refusal)


def _too_much() -> Refused:
    return Refused(b"NOTIFICATIONOVERFLOW", "There are too many mailboxes to be watched")


async def run(session: Session, notify: Notify) -> Reply:
    """What was asked for before holds until all of this is done.

    All that has changed in the selected mailbox until now is told once more, whatever is wanted of it later
    (section 3.1): so SET with NONE keeps a mailbox as it is at this moment.
    """
    if notify.refusal is not None:
        raise notify.refusal
    if notify is NONE:
        session.report_by(None)
        session.interest = interest.NOTHING
        return ok("You will hear of nothing")
    try:
        await begin(session, News(session, notify.groups, at_once=True), status=notify.status)
    except TooMany:
        raise _too_much() from None
    if MODSEQ in notify.selected.items:
        session.use_modseqs()
    session.interest = Interest(delayed=notify.selected.delayed, items=notify.selected.items)
    try:
        with suppress(OSError):  # what cannot be looked at now is looked at with the next occasion
            await session.flush()
    finally:
        session.interest = notify.selected
    return ok("You will hear of it")
