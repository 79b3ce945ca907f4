"""FETCH and UID FETCH (RFC 3501 sections 6.4.5, 6.4.8), with modifiers.

RFC 4466 section 2.4; of what has changed (RFC 7162 section 3.1.4), and a range of it (RFC 9394 section 3.3).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from mailnode.imap import fetch_items, message_limit, resync, uidonly
from mailnode.imap.binary_items import Binary
from mailnode.imap.commands import arguments
from mailnode.imap.fetch_items import FLAGS, MODSEQ, UID, Attribute, Item, Text
from mailnode.imap.noted import Marked
from mailnode.imap.replies import Refused, Reply, no, ok
from mailnode.imap.rows import Rows
from mailnode.imap.selected import Selected, uses_modseqs
from mailnode.imap.session import Session
from mailnode.imap.subject import Subject
from mailnode.store.acl import may_set
from mailnode.store.blocks import whole
from mailnode.store.errors import NoSuchMessage, Unread
from mailnode.store.values import SEEN
from mailnode.values import frozen, replace
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import partial
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.partial import Partial
from mailnode.wire.imap.sequence import Positions, SequenceSet, runs

BATCH = 128  # messages that are marked as seen at once, before their texts are sent
_TEXTS = 128  # of one message that may be asked for: those of a short one are held together
_FEW = 4  # messages that are asked for one by one
FEWER = 16  # among which one may be that delays no more than these
_LONG = 16  # of so many or fewer that are asked together each may be long
PIECE = 262144  # octets that are handed on at once


@frozen
class Fetch:
    """Messages, what of them, and which of them only."""

    messages: SequenceSet
    items: tuple[Item, ...]
    by_uid: bool
    changed_since: int | None = None
    vanished: bool = False  # the UIDs of what was expunged since are told too
    partial: Partial | None = None
    uid_implied: bool = False  # the first item, for which the client did not ask

    @property
    def together(self) -> int:
        """How many messages are asked at once: fewer, where much is asked of each."""
        texts = sum(isinstance(item, Text) for item in self.items)
        return min(item.together for item in self.items) // max(1, texts)

    @property
    def sees(self) -> bool:
        r"""Whether the client will have read the message, so that it gets \Seen."""
        return any(not isinstance(item, Attribute) and not item.peek for item in self.items)


# What may follow the items in parentheses, and how its value is read (RFC 4466 section 2.4).
MODIFIERS: Mapping[str, Callable[[Cursor], Any]] = {
    "CHANGEDSINCE": lambda args: args.sp().modseq(),
    "VANISHED": arguments.flag,
    "PARTIAL": partial.parse,
}


def parse(args: Cursor) -> Fetch:
    """fetch = "FETCH" SP sequence-set SP ("ALL" / ... / fetch-att) [SP "(" fetch-modifier ... ")"]"""
    return _parse(args, by_uid=False)


def parse_uid(args: Cursor) -> Fetch:
    """uid = "UID" SP fetch: the UID is always among the items, the first of them."""
    return _parse(args, by_uid=True)


def _parse(args: Cursor, *, by_uid: bool) -> Fetch:
    messages = args.sp().sequence_set()
    items = fetch_items.parse(args.sp())
    modifiers = arguments.options(args, MODIFIERS) if args.accept(b" ") else {}
    args.end()
    since, vanished = modifiers.get("CHANGEDSINCE"), "VANISHED" in modifiers
    if vanished and (since is None or not by_uid):
        raise BadSyntax("VANISHED belongs to UID FETCH with CHANGEDSINCE")
    wanted = modifiers.get("PARTIAL")
    if wanted is not None and not by_uid:
        raise BadSyntax("PARTIAL belongs to UID FETCH")
    implied = (UID,) if by_uid else ()
    asked = items if since is None else (*items, MODSEQ)
    together = tuple(dict.fromkeys((*implied, *asked)))
    return Fetch(messages, together, by_uid, since, vanished, wanted, by_uid and UID not in items)


async def run(session: Session, fetch: Fetch) -> Reply:
    """One FETCH response for each message; those that are gone are left out, and the NO says so."""
    view = session.view
    view.utf8 = session.utf8
    account = view.place.account
    if sum(isinstance(item, Text | Binary) for item in fetch.items) > _TEXTS:
        raise Refused(b"LIMIT", f"A FETCH has at most {_TEXTS} texts of each message")
    if fetch.vanished and "QRESYNC" not in session.enabled:
        raise BadSyntax("QRESYNC has to be enabled first")
    if MODSEQ in fetch.items:
        session.use_modseqs()
    if fetch.uid_implied and uidonly.is_on(session.enabled):
        fetch = replace(fetch, items=fetch.items[1:])
    positions = view.positions(fetch.messages, by_uid=fetch.by_uid)
    if fetch.partial is not None:  # before CHANGEDSINCE (RFC 9394 section 3.4)
        positions = message_limit.all_or_none(session, fetch.partial.cut(positions))
    if fetch.changed_since is not None:
        positions = await session.lane(_changed, view, positions, fetch.changed_since, of=account)
    if fetch.vanished:
        asked = iter(fetch.messages.spans(view.mailbox.uid_next - 1))
        await session.send(resync.vanished(view, asked, fetch.changed_since or 0), of=account)
    answers = Answers(view, fetch, message_limit.newest(session, positions))
    try:
        await session.answer(answers.chunks())
    finally:
        if answers.marked.uids:
            session.announce(view.place)
            answers.marked.tell(session, view.place, "add", frozenset((SEEN,)))
    if answers.refused is not None:
        raise answers.refused
    if answers.unreadable:
        return no("Some messages cannot be read now; try again later", b"UNAVAILABLE")
    if answers.gone and not fetch.by_uid:
        return no("Some of the messages are gone", b"EXPUNGEISSUED")
    return ok("Fetched")


def introduce(view: Selected, items: Sequence[Item], positions: range) -> Iterator[bytes]:
    """FETCH responses for messages that are new; what cannot be read is left out.

    Who knows modification sequences gets those too, as with any FETCH that nobody has asked for (RFC 7162
    section 3.2.4).
    """
    told = tuple(dict.fromkeys((*items, *_implied(view.enabled))))
    answers = Answers(view, Fetch(SequenceSet(()), told, by_uid=False), [positions])
    yield from answers.chunks()
    view.newly_seen |= bool(answers.marked.uids)


def _implied(enabled: AbstractSet[str]) -> tuple[Item, ...]:
    """What goes with the flags that a client hears of without having asked."""
    modseqs = uses_modseqs(enabled)
    named = not uidonly.is_on(enabled) and (modseqs or "IMAP4rev2" in enabled)
    return (UID,) * named + (MODSEQ,) * modseqs


def _changed(view: Selected, positions: Positions, since: int) -> Positions:
    return list(runs(view.changed(positions, since)))


@dataclass(slots=True)
class Answers:
    """The FETCH responses, made in the account's lane while they are sent; the counts are true at the end."""

    view: Selected
    fetch: Fetch
    positions: Positions
    gone: int = 0
    unreadable: int = 0
    marked: Marked = field(default_factory=Marked)  # as seen
    refused: Refused | None = None  # of a message that was left out
    _changed: set[int] = field(default_factory=set)

    def chunks(self) -> Iterator[bytes]:
        """All responses."""
        sees = self.fetch.sees and not self.view.read_only and may_set(self.view.mailbox.rights, SEEN)
        together = self.fetch.together
        most = BATCH if sees else max(BATCH, together)
        for span in self.positions:
            start = span.start
            while start < span.stop:
                batch = self._stretch(start, min(start + most, span.stop))
                start = batch.stop
                if sees:
                    self._mark_seen(batch)
                alone = len(batch) <= _FEW or together <= 1 or self._changed
                yield from self._one_by_one(batch) if alone else self._together(batch, together)

    def _stretch(self, start: int, stop: int) -> range:
        """Positions from `start` to `stop`, or a little less: what the store keeps together."""
        return range(start, whole(self.view.uids, start, stop))

    def _one_by_one(self, positions: range) -> Iterator[bytes]:
        for position in positions:
            yield from self._response(position)

    def _together(self, batch: range, together: int) -> Iterator[bytes]:
        """The responses for some neighbours, many at once where that can be."""
        at = batch.start
        while at < batch.stop:
            some = self._stretch(at, min(at + together, batch.stop))
            yield from self._at_once(some) if together > _LONG else self._one_after_the_other(some)
            at = some.stop

    def _at_once(self, positions: range) -> Iterator[bytes]:
        """The responses for some neighbours; where not all can be asked together, for fewer of them."""
        try:
            joined = self._rows(positions).together()
        except (NoSuchMessage, OSError, Unread):
            for start in range(positions.start, positions.stop, FEWER):
                some = range(start, min(start + FEWER, positions.stop))
                yield from self._at_once(some) if some != positions else self._one_by_one(some)
            return
        for start in range(0, len(joined), PIECE):
            yield joined[start : start + PIECE]

    def _one_after_the_other(self, positions: range) -> Iterator[bytes]:
        """The same where they are long: each is read when the one before it has been handed on."""
        at = positions.start
        while at < positions.stop:
            try:
                for row in self._rows(range(at, positions.stop)):
                    at += 1
                    yield row
            except (NoSuchMessage, OSError, Unread):
                yield from self._response(at)
                at += 1

    def _rows(self, positions: range) -> Rows:
        """The responses for some neighbours."""
        some = self.view.neighbours(positions)
        if uidonly.is_on(self.view.enabled):
            rows = Rows(b"* %d UIDFETCH (", some.uids)
        else:
            rows = Rows(b"* %d FETCH (", range(positions.start + 1, positions.stop + 1))
        for item in self.fetch.items:
            if isinstance(item, Attribute | Text):  # no other can be got together
                rows.add(item.label, item.form, item.columns(self.view, some))
        return rows

    def _mark_seen(self, batch: range) -> None:
        mailbox = self.view.mailbox
        uids = self.view.uids[batch.start : batch.stop]
        self._changed.clear()
        try:
            mailbox.sync()  # another process may have made them unseen
            unseen = [uid for uid in uids if (one := mailbox.get(uid)) and SEEN not in one.flags]
            if unseen:
                self._changed.update(mailbox.set_flags(unseen, "add", frozenset((SEEN,))))
        except OSError:
            self.unreadable += 1
        self.marked.add(mailbox, self._changed)

    def _response(self, position: int) -> Iterator[bytes]:
        """message-data = nz-number SP "FETCH" SP msg-att"""
        try:
            subject = Subject(self.view, position, reading=self.view.reading)
        except NoSuchMessage:
            self.gone += 1
            return
        with subject:
            try:
                items = [item(subject) for item in self._items(subject)]
            except NoSuchMessage:
                self.gone += 1
                return
            except OSError:
                self.unreadable += 1
                return
            except Refused as refused:
                self.refused = refused
                return
            if subject.uid in self._changed:
                self.view.client_knows(subject.message)
            ready: list[bytes] = []
            before = uidonly.fetch_start(self.view.enabled, subject.number, subject.uid)
            for item in items:
                if isinstance(item, bytes):
                    ready.append(item)
                else:
                    yield before + b" ".join([*ready, b""])
                    yield from item
                    before = b""
                    ready = [b""]
            yield b"%b%b)\r\n" % (before, b" ".join(ready))

    def _items(self, subject: Subject) -> tuple[Item, ...]:
        if subject.uid not in self._changed:
            return self.fetch.items
        return tuple(dict.fromkeys((*self.fetch.items, FLAGS, *_implied(self.view.enabled))))
