"""One session's maildrop: INBOX as it was at login (RFC 1939 sections 4 to 6).

The numbers, sizes and unique-ids of a session never change. A message that somebody removes meanwhile (over
IMAP, with another program, or in a session that shares the maildrop) keeps its number and can no longer be
read: no number ever means another message. RETR does not set \\Seen: what a person has read is known to
IMAP clients, not to a download.

What goes over the wire is the message with CRLF at the end of every line (docs/store.md, "Line ends"): a
bare LF, which only IMAP APPEND can bring, gets its CR, since many clients take it for a line end and would
see the end of the message where there is none. Without UTF8 a header that is not ASCII is replaced by a
surrogate (RFC 6856 section 2.1). Sizes count what RETR sends, without dot-stuffing.

All that opens files runs in the account's lane; present() only asks what is known.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import field
from operator import attrgetter
from typing import NamedTuple
from weakref import WeakKeyDictionary

from mailnode.fs import Lock
from mailnode.store.account import Account
from mailnode.store.body import Body
from mailnode.store.download import NONE
from mailnode.store.errors import NoSuchMessage
from mailnode.store.mailbox import Mailbox
from mailnode.store.messages import Message
from mailnode.store.uidlist import UidList
from mailnode.store.values import INBOX
from mailnode.values import frozen
from mailnode.wire.dot import Encoder


class Entry(NamedTuple):
    """A message of the maildrop. A named tuple: there may be hundreds of thousands."""

    message: Message
    octets: int
    uidl: str
    surrogate: bool  # whether its header is replaced for this session
    place: int | None  # in the order of the server before us


@frozen
class View:
    """All messages of a mailbox at one moment, in the order of their numbers, and the octets of all.

    `listings` is for what is made of all of them: made once for all sessions.
    """

    entries: tuple[Entry, ...]
    octets: int
    listings: dict[str, bytes] = field(default_factory=dict)


class _Known(NamedTuple):
    """A view, and what it was made of."""

    uids: "array[int]"
    table: UidList
    kind: tuple[bool, str, int]
    view: View


class Views:
    """The last view of each open mailbox: sessions that find the same messages there share it."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Mailbox, _Known] = WeakKeyDictionary()

    def of(self, mailbox: Mailbox, *, utf8: bool) -> View:
        """What a session in UTF-8 mode, or another, finds there now."""
        table, corrections = mailbox.edition
        kind = utf8, mailbox.uidl_format, corrections
        known = self._known.get(mailbox)
        entries: tuple[Entry, ...] = ()
        if known is not None and known.kind == kind and known.table is table:
            if known.uids is mailbox.uids:
                return known.view
            entries = known.view.entries
        uids = mailbox.uids
        entries = _entries(mailbox, entries, utf8=utf8)
        view = View(entries, sum([entry.octets for entry in entries]))
        self._known[mailbox] = _Known(uids, table, kind, view)
        return view


class Maildrop:
    """The messages of a session by number, from 1 on, and those marked as deleted."""

    def __init__(self, mailbox: Mailbox, view: View, lock: Lock | None) -> None:
        self.entries = view.entries
        self.listings = view.listings
        self.deleted: set[int] = set()
        self._octets = view.octets
        self._all_octets = view.octets
        self._mailbox = mailbox
        self._lock = lock

    def __len__(self) -> int:
        return len(self.entries) - len(self.deleted)

    def listed(self) -> Iterator[tuple[int, Entry]]:
        """Number and entry of each message that is not marked as deleted."""
        for number, entry in enumerate(self.entries, 1):
            if number not in self.deleted:
                yield number, entry

    def entry(self, number: int) -> Entry:
        """The message of a number. Raises NoSuchMessage, also when it is marked as deleted."""
        if number in self.deleted or not 0 < number <= len(self.entries):
            raise NoSuchMessage(number)
        return self.entries[number - 1]

    def octets(self) -> int:
        """The size of all messages that are not marked as deleted."""
        return self._octets

    def mark(self, number: int) -> None:
        """Mark a message as deleted. Raises NoSuchMessage."""
        self._octets -= self.entry(number).octets
        self.deleted.add(number)

    def take_off_marks(self) -> None:
        """No message is marked any more."""
        self.deleted.clear()
        self._octets = self._all_octets

    def body(self, number: int) -> Body:
        """Open a message, to be closed by the caller. Raises NoSuchMessage, also when it has gone."""
        return self._mailbox.body(self.present(number).message.uid)

    def stored(self, number: int) -> bytes:
        """A small message as it lies on the disk. Raises Unread for a larger one, and as body()."""
        return self._mailbox.stored(self.present(number).message.uid)

    def present(self, number: int) -> Entry:
        """The same as entry(), and raises NoSuchMessage for what is known to have gone meanwhile."""
        entry = self.entry(number)
        if not self._is_there(entry):
            raise NoSuchMessage(number)
        return entry

    def holds(self, number: int) -> bool:
        """Whether present() gives the message of a number that there is."""
        return number not in self.deleted and self._is_there(self.entries[number - 1])

    def _is_there(self, entry: Entry) -> bool:
        """Whether the UID still means the same file; a lost uid list would give it to another."""
        message = entry.message
        found = self._mailbox.get(message.uid)
        return found is message or (found is not None and found.base == message.base)

    def update(self) -> list[Message]:
        """Remove what is marked as deleted, for good; gives what was removed now."""
        self._mailbox.sync()
        doomed = [self.entries[number - 1] for number in sorted(self.deleted)]
        messages = {one.message.uid: one.message for one in doomed if self._is_there(one)}
        return [messages[uid] for uid in self._mailbox.expunge(messages)]

    def close(self) -> None:
        """Let the next session in; may be called twice.

        Closing a file that nobody has written to waits for no disk, so this needs no lane.
        """
        if self._lock is not None:
            self._lock.release()


def _entries(mailbox: Mailbox, known: tuple[Entry, ...], *, utf8: bool) -> tuple[Entry, ...]:
    """All messages that are there now, for a session in UTF-8 mode or not; known ones as they are known."""
    found = {entry.message.uid: entry for entry in known if mailbox.get(entry.message.uid) is entry.message}
    uidls = {entry.uidl for entry in found.values()}
    for message, download in mailbox.downloads(uid for uid in mailbox.uids if uid not in found):
        replaced = not utf8 and download.with_surrogate != NONE
        octets = download.with_surrogate if replaced else download.octets
        record = mailbox.record(message.uid)
        uidl = next(one for one in mailbox.uidls(record) if one not in uidls)
        uidls.add(uidl)
        found[message.uid] = Entry(message, octets, uidl, replaced, mailbox.download_place(record))
    placed = sorted([one for one in found.values() if one.place is not None], key=attrgetter("place"))
    return (*placed, *[one for one in found.values() if one.place is None]) if placed else (*found.values(),)


def open_maildrop(store: Account, views: Views, *, utf8: bool = False, shared: bool = False) -> Maildrop:
    """Look at the maildrop, and lock it if it is not shared. Raises InUse, OSError.

    `utf8` tells whether the session is in UTF-8 mode.
    """
    lock = None if shared else store.try_lock_maildrop()
    try:
        mailbox = store.mailbox(INBOX)
        return Maildrop(mailbox, views.of(mailbox, utf8=utf8), lock)
    except BaseException:
        if lock is not None:
            lock.release()
        raise


def top(chunks: Iterable[bytes], count: int) -> Iterator[bytes]:
    """The header, the blank line and `count` lines of the body; of chunks whose every LF follows a CR."""
    passed = b"\n"  # the end of what has gone by: as if a line had ended before the first
    in_header = True
    for chunk in chunks:
        start = 0
        if in_header:
            joined = passed + chunk
            blank = joined.find(b"\n\r\n")
            if blank < 0:
                passed = joined[-2:]
                yield chunk
                continue
            in_header = False
            start = blank + 3 - len(passed)
        ends = chunk.count(b"\n", start)
        if ends >= count:
            yield chunk[: _after_lines(chunk, start, count)]
            return
        count -= ends
        yield chunk


def _after_lines(chunk: bytes, start: int, count: int) -> int:
    for _ in range(count):
        start = chunk.index(b"\n", start) + 1
    return start


def dotted(first: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A multi-line response (RFC 1939 section 3): its first line, the stuffed text, and the dot.

    The first line comes with the first chunk, and not at all where that fails.
    """
    encoder = Encoder()
    for chunk in chunks:
        yield first + encoder.feed(chunk)
        first = b""
    yield first + encoder.finish()
