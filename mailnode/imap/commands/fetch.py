"""FETCH and UID FETCH (RFC 3501 sections 6.4.5 and 6.4.8)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import tee

from mailnode.imap import fetch_items
from mailnode.imap.fetch_items import FLAGS, UID, Attribute, Item, Text
from mailnode.imap.replies import Refused, Reply, no, ok
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.imap.subject import Subject
from mailnode.store.errors import NoSuchMessage
from mailnode.store.values import SEEN
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.sequence import Positions, SequenceSet

BATCH = 100  # messages that are marked as seen at once, before their texts are sent
ROWS = 16384  # octets of prepared answers that are handed on at once


@dataclass(frozen=True, slots=True)
class Fetch:
    """Messages and what of them."""

    messages: SequenceSet
    items: tuple[Item, ...]
    by_uid: bool

    @property
    def is_prepared(self) -> bool:
        """Whether no message file has to be opened."""
        return not self.sees and all(isinstance(item, Attribute) or item.is_prepared for item in self.items)

    @property
    def sees(self) -> bool:
        r"""Whether the client will have read the message, so that it gets \Seen."""
        return any(not isinstance(item, Attribute) and not item.peek for item in self.items)


def parse(args: Cursor) -> Fetch:
    """fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att ... ")")"""
    fetch = Fetch(args.sp().sequence_set(), fetch_items.parse(args.sp()), by_uid=False)
    args.end()
    return fetch


def parse_uid(args: Cursor) -> Fetch:
    """uid = "UID" SP fetch: the UID is always among the items."""
    fetch = Fetch(args.sp().sequence_set(), fetch_items.parse(args.sp()), by_uid=True)
    args.end()
    return fetch if UID in fetch.items else Fetch(fetch.messages, (UID, *fetch.items), by_uid=True)


async def run(session: Session, fetch: Fetch) -> Reply:
    """One FETCH response for each message; those that are gone are left out, and the NO says so."""
    view = session.view
    view.utf8 = session.utf8
    answers = Answers(view, fetch, view.positions(fetch.messages, by_uid=fetch.by_uid))
    await session.send(answers.chunks())
    if answers.newly_seen:
        session.announce(view.mailbox.name)
    if answers.refused is not None:
        raise answers.refused
    if answers.unreadable:
        return no("Some messages cannot be read now; try again later", b"UNAVAILABLE")
    if answers.gone and not fetch.by_uid:
        return no("Some of the messages are gone", b"EXPUNGEISSUED")
    return ok("Fetched")


@dataclass(slots=True)
class Answers:
    """The FETCH responses, made in the account's lane while they are sent; the counts are true at the end."""

    view: Selected
    fetch: Fetch
    positions: Positions
    gone: int = 0
    unreadable: int = 0
    newly_seen: int = 0
    refused: Refused | None = None  # of a message that was left out
    _changed: set[int] = field(default_factory=set)

    def chunks(self) -> Iterator[bytes]:
        """All responses."""
        if self.fetch.is_prepared:
            for span in self.positions:
                yield from self._prepared(span)
            return
        sees = self.fetch.sees and not self.view.read_only
        for span in self.positions:
            for start in range(span.start, span.stop, BATCH):
                batch = range(start, min(start + BATCH, span.stop))
                if sees:
                    self._mark_seen(batch)
                for position in batch:
                    yield from self._response(position)

    def _prepared(self, span: range) -> Iterator[bytes]:
        """The responses for a stretch of messages, many at once; one that fails is left out."""
        at = span.start
        ready: list[bytes] = []
        size = 0
        while at < span.stop:
            try:
                for row in zip(*self._columns(range(at, span.stop)), strict=False):
                    at += 1
                    response = b"* %d FETCH (%b)\r\n" % (at, b" ".join(row))
                    ready.append(response)
                    size += len(response)
                    if size >= ROWS:
                        yield b"".join(ready)
                        ready.clear()
                        size = 0
            except NoSuchMessage:
                self.gone += 1
                at += 1
            except OSError:
                self.unreadable += 1
                at += 1
        yield b"".join(ready)

    def _columns(self, span: range) -> list[Iterator[bytes]]:
        messages = tee(self.view.messages(span), len(self.fetch.items))
        items = [item for item in self.fetch.items if isinstance(item, Attribute | Text)]
        return [item.column(self.view, some) for item, some in zip(items, messages, strict=True)]

    def _mark_seen(self, batch: range) -> None:
        mailbox = self.view.mailbox
        uids = self.view.uids[batch.start : batch.stop]
        unseen = [uid for uid in uids if (one := mailbox.get(uid)) and SEEN not in one.flags]
        self._changed.clear()
        if unseen:
            try:
                self._changed.update(mailbox.set_flags(unseen, "add", frozenset((SEEN,))))
            except OSError:
                self.unreadable += 1
        self.newly_seen += len(self._changed)

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
            ready = b"* %d FETCH (" % subject.number
            for item in items:
                if isinstance(item, bytes):
                    ready += item + b" "
                else:
                    yield ready
                    yield from item
                    ready = b" "
            yield ready[:-1] + b")\r\n"

    def _items(self, subject: Subject) -> tuple[Item, ...]:
        if subject.uid not in self._changed:
            return self.fetch.items
        return self.fetch.items if FLAGS in self.fetch.items else (*self.fetch.items, FLAGS)
