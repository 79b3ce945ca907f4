"""One mailbox as sessions see it: messages by UID, their flags, and what changed since.

All methods run in the account's lane. `uids` is replaced, never changed in place: a session that keeps the
reference has its own unchanging view, shared with all sessions that have seen the same.
"""

import contextlib
import errno
import sqlite3
from array import array
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mailnode.message.rendered import Rendered, render
from mailnode.store import filenames
from mailnode.store.body import Body
from mailnode.store.context import Context
from mailnode.store.draft import Draft
from mailnode.store.errors import NoSuchMailbox, NoSuchMessage
from mailnode.store.folder import CUR, NEW, Folder, Place
from mailnode.store.index import UNKNOWN, Row
from mailnode.store.uidlist import Record
from mailnode.store.values import NO_FLAGS, SEEN, Flags, Name

Mode = Literal["add", "remove", "replace"]

_DEAD_LINES = 64
_CHANGES_KEPT = 1024


@dataclass(slots=True)
class Message:
    """What is known of one message. `modseq` grows with each change of its flags."""

    uid: int
    base: str
    place: Place
    flags: Flags
    modseq: int
    octets: int = UNKNOWN
    internal_date: float = UNKNOWN

    @property
    def recent(self) -> bool:
        """Whether it still lies in new/."""
        return self.place[0]

    @property
    def info(self) -> str:
        """The flag letters in its name; a name in new/ has none."""
        return _info(self.place)


def _info(place: Place) -> str:
    return "" if place[0] else filenames.info_of(place[1])


def _in_cur(info: str) -> Place:
    return False, filenames.suffix_of(info)


@dataclass(frozen=True, slots=True)
class Status:
    """What STATUS and STAT ask for."""

    messages: int
    recent: int
    uid_next: int
    uid_validity: int
    unseen: int


def _uid_array(uids: Iterable[int] = ()) -> "array[int]":
    return array("I", uids)


class Mailbox:
    """An open mailbox; one object for all sessions of the process."""

    def __init__(self, context: Context, name: Name, path: str) -> None:
        self.name = name
        self.uids: array[int] = _uid_array()
        self.highest_modseq = 0
        self._context = context
        self._folder = Folder(context, path)
        self._messages: dict[int, Message] = {}
        self._by_base: dict[str, Message] = {}
        self._changed: list[tuple[int, int]] = []  # (modseq, uid), ascending
        self._row: int | None = None
        self._cached: dict[int, Row] = {}

    # Facts

    @property
    def uid_validity(self) -> int:
        """UIDVALIDITY (RFC 3501 section 2.3.1.1)."""
        return self._folder.list.validity

    @property
    def uid_next(self) -> int:
        """UIDNEXT: never falls, and is greater than any UID given so far."""
        return self._folder.list.next_uid

    @property
    def guid(self) -> str:
        """What names the folder for ever, through renames."""
        return self._folder.list.guid

    def get(self, uid: int) -> Message | None:
        """The message with this UID, or None when there is none (any more)."""
        return self._messages.get(uid)

    def keywords(self) -> list[str]:
        """The keywords this mailbox knows, by their numbers."""
        return [name for _, name in sorted(self._folder.keywords.names.items())]

    @property
    def keywords_full(self) -> bool:
        """Whether no new keyword can be stored."""
        return self._folder.keywords.full

    def changes(self, since: int) -> list[int]:
        """UIDs of messages that are new or have other flags after modseq `since`, ascending."""
        found: set[int] = set()
        for modseq, uid in reversed(self._changed):
            if modseq <= since:
                break
            found.add(uid)
        return sorted(uid for uid in found if uid in self._messages)

    def status(self) -> Status:
        """Counts, as of the last sync."""
        messages = self._messages.values()
        return Status(
            messages=len(messages),
            recent=sum(message.recent for message in messages),
            uid_next=self.uid_next,
            uid_validity=self.uid_validity,
            unseen=sum(SEEN not in message.flags for message in messages),
        )

    # Looking at the disk

    def sync(self) -> None:
        """Look at the disk; afterwards everything here is true.

        New files get UIDs, durably, before this returns. A message counts as gone only after a second look.
        """
        try:
            if self._row is not None and self._folder.unchanged():
                return
            with self._folder.lock():
                self._synchronise()
        except OSError as error:
            self._folder.forget()
            if error.errno != errno.ENOENT or self._context.files.stat(self._folder.path) is not None:
                raise
            raise NoSuchMailbox(self.name) from None

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock over a change, with everything looked at; after an error nothing is believed."""
        with self._folder.lock():
            self.sync()
            try:
                yield
            except BaseException:
                self._folder.forget()
                raise

    def _synchronise(self) -> None:
        self._folder.load()
        first = self._row is None
        if first:
            self._open_cache()
        places, stable = self._folder.look()
        expected = self._cached_bases() if first else self._by_base.keys()
        if not places.keys() >= expected:
            second, stable = self._folder.look(again=True)
            places = {**places, **second} if not stable else second
        self._give_names(places)
        touched = self._note_changes(places)
        gone = self._note_gone(places) if stable else []
        touched += self._note_new(places)
        if self._too_many_dead():
            self._folder.list.keep_only(self._by_base)
            self._folder.rewrite_list()
        if touched or gone or first:
            self._remember(touched, gone)

    def _open_cache(self) -> None:
        folder = self._folder
        if not folder.list.sound:
            folder.rewrite_list()
        try:
            row = self._context.index().folder(self.guid, self.uid_validity)
            self._cached = {cached.uid: cached for cached in self._context.index().rows(row.id)}
        except sqlite3.Error:
            self._context.discard_index()
            row = self._context.index().folder(self.guid, self.uid_validity)
        self._row = row.id
        self.highest_modseq = row.modseq
        if row.uid_next > folder.list.next_uid:
            folder.list.next_uid = row.uid_next

    def _cached_bases(self) -> set[str]:
        return {row.base for row in self._cached.values()}

    def _tick(self) -> int:
        """A new modification sequence: from the clock, so that a lost cache never makes it fall."""
        self.highest_modseq = max(self.highest_modseq + 1, int(self._context.now() * 1_000_000))
        return self.highest_modseq

    def _note_changes(self, places: dict[str, Place]) -> list[Message]:
        moved = [
            message
            for base, message in self._by_base.items()
            if (place := places.get(base)) and place != message.place
        ]
        modseq = self._tick() if moved else 0
        for message in moved:
            message.place = places[message.base]
            flags = self._flags(message.place)
            if flags != message.flags:
                message.flags = flags
                self._log_change(message, modseq)
        return moved

    def _flags(self, place: Place) -> Flags:
        return self._folder.keywords.flags(_info(place))

    def _log_change(self, message: Message, modseq: int) -> None:
        message.modseq = modseq
        self._changed.append((modseq, message.uid))
        if len(self._changed) > 2 * len(self._messages) + _CHANGES_KEPT:
            self._changed = sorted((one.modseq, one.uid) for one in self._messages.values())

    def _note_gone(self, places: dict[str, Place]) -> list[int]:
        return self._forget([message for base, message in self._by_base.items() if base not in places])

    def _forget(self, messages: list[Message]) -> list[int]:
        if messages:
            self._tick()
            for message in messages:
                del self._messages[message.uid]
                del self._by_base[message.base]
                self._folder.list.records.pop(message.base, None)
            self.uids = _uid_array(uid for uid in self.uids if uid in self._messages)
        return [message.uid for message in messages]

    def _give_names(self, places: dict[str, Place]) -> None:
        """Write down a name for every keyword letter that stands in a file name without having one."""
        keywords = self._folder.keywords
        unnamed = keywords.unnamed(set(map(_info, set(places.values()))))
        for number in sorted(unnamed):
            keywords.add(number, f"unknown-{number}")
        if unnamed:
            self._folder.write_keywords()

    def _note_new(self, places: dict[str, Place]) -> list[Message]:
        records = self._folder.list.records
        fresh = [base for base in places if base not in self._by_base]
        unlisted = sorted((base for base in fresh if base not in records), key=filenames.arrival_order)
        unlisted = [base for base in unlisted if self._is_file(base, places[base])]
        self._list_new(unlisted, places)
        return self._admit([(base, places[base]) for base in fresh if base in records])

    def _is_file(self, base: str, place: Place) -> bool:
        """Whether it is a regular file; symlinks, FIFOs and directories get no UID."""
        with contextlib.suppress(OSError), self._context.files.open(self._folder.file_path(base, place)):
            return True
        return False

    def _list_new(self, bases: list[str], places: dict[str, Place]) -> None:
        first = self.uid_next
        records = [Record(uid, base) for uid, base in enumerate(bases, first)]
        if records:
            for directory in {NEW if places[base][0] else CUR for base in bases}:
                self._context.files.sync_directory(f"{self._folder.path}/{directory}")
        if records or not self._folder.list.sound:
            self._folder.add_records(records)

    def _admit(self, found: list[tuple[str, Place]]) -> list[Message]:
        """Take listed files in as messages."""
        if not found:
            return []
        records = self._folder.list.records
        modseq = 0
        admitted = []
        for base, place in found:
            uid = records[base].uid
            cached = self._cached.pop(uid, None)
            message = Message(uid, base, place, self._flags(place), 0)
            if cached is not None and cached.base == base:
                message.octets, message.internal_date = cached.octets, cached.internal_date
                message.modseq = cached.modseq
            if cached is None or cached.base != base or cached.info != _info(place):
                modseq = modseq or self._tick()
                message.modseq = modseq
            self._messages[uid] = self._by_base[base] = message
            admitted.append(message)
        admitted.sort(key=lambda message: message.uid)
        self._changed.extend(
            (message.modseq, message.uid) for message in admitted if message.modseq == modseq
        )
        newest = self.uids[-1] if self.uids else 0
        if admitted[0].uid > newest:
            self.uids = self.uids + _uid_array(message.uid for message in admitted)
        else:
            merged = self.uids.tolist()
            for message in admitted:
                insort(merged, message.uid)
            self.uids = _uid_array(merged)
        return admitted

    def _too_many_dead(self) -> bool:
        live = len(self._by_base)
        return not self._folder.list.sound or len(self._folder.list.records) - live > live // 3 + _DEAD_LINES

    def _remember(self, touched: Iterable[Message], gone: Iterable[int]) -> None:
        """Tell the cache; an error there costs speed, nothing else."""
        assert self._row is not None
        gone = [*gone, *(uid for uid in self._cached if uid not in self._messages)]
        self._cached.clear()
        rows = (
            Row(one.uid, one.base, one.info, one.modseq, one.octets, one.internal_date) for one in touched
        )
        try:
            self._context.index().save(
                self._row, uid_next=self.uid_next, modseq=self.highest_modseq, changed=rows, gone=gone
            )
        except sqlite3.Error:
            self._context.discard_index()
            self._row = None

    # Reading

    def _listed(self, uid: int) -> Message:
        message = self._messages.get(uid)
        if message is None:
            raise NoSuchMessage(uid)
        return message

    def body(self, uid: int) -> Body:
        """Open a message. Raises NoSuchMessage when it has gone."""
        message = self._listed(uid)
        on_disk, on_wire = filenames.sizes(message.base)
        verbatim = on_disk is not None and on_disk == on_wire
        for again in (False, True):
            try:
                return Body(self._context.files.open(self._path(message)), verbatim=verbatim)
            except FileNotFoundError:
                if again:
                    break
                self.sync()  # another program renamed or removed it
                message = self._listed(uid)
        raise NoSuchMessage(uid)

    def _path(self, message: Message) -> str:
        return self._folder.file_path(message.base, message.place)

    def octets(self, uid: int) -> int:
        """RFC822.SIZE: the size of the wire form, exactly."""
        message = self._listed(uid)
        if message.octets == UNKNOWN:
            record = self._folder.list.records.get(message.base)
            stated = record.field("W") if record else None
            on_wire = filenames.sizes(message.base)[1]
            if on_wire is not None:
                message.octets = on_wire
            elif stated is not None and stated.isascii() and stated.isdigit():
                message.octets = int(stated[:15])
            else:
                with self.body(uid) as body:
                    message.octets = body.octets()
                self._remember([message], [])
        return message.octets

    def internal_date(self, uid: int) -> float:
        """INTERNALDATE in seconds since the epoch: the file's modification time."""
        message = self._listed(uid)
        if message.internal_date == UNKNOWN:
            facts = self._context.files.stat(self._path(message))
            if facts is None:
                with self.body(uid) as body:
                    facts = body.stat()
            message.internal_date = facts.st_mtime
        return message.internal_date

    def uidl(self, uid: int) -> str:
        """The POP3 unique-id: the P of the uid list's line, or Dovecot's default of UID and UIDVALIDITY."""
        record = self._folder.list.records.get(self._listed(uid).base)
        stated = record.field("P") if record else None
        return stated or f"{uid:08x}{self.uid_validity:08x}"

    def rendered(self, uid: int) -> Rendered:
        """The prepared answers for a message, from the cache or made now."""
        message = self._listed(uid)
        assert self._row is not None
        try:
            found = self._context.index().rendered(self._row, uid)
        except (sqlite3.Error, ValueError):
            found = None
        if found is None:
            with self.body(uid) as body:
                found = render(body.data, body.verbatim)
            with contextlib.suppress(sqlite3.Error):
                self._context.index().save_rendered(self._row, uid, found)
        message.octets = found.octets
        return found

    # Changing

    def _rename(self, message: Message, place: Place) -> bool:
        """Give a message another name; False when its file has gone."""
        old = message.place
        try:
            self._context.files.rename(self._path(message), self._folder.file_path(message.base, place))
        except FileNotFoundError:
            return False
        message.place = place
        self._folder.moved(message.base, old, place)
        return True

    def _sync_directories(self, *names: str) -> None:
        for name in names:
            self._context.files.sync_directory(f"{self._folder.path}/{name}")

    def claim_recent(self) -> set[int]:
        """Move new/ to cur/, as SELECT does; gives the UIDs that were in new/."""
        with self._changing():
            recent = [message for message in self._messages.values() if message.recent]
            if not recent:
                return set()
            with self._folder.own_change():
                claimed = [message for message in recent if self._rename(message, _in_cur(""))]
                self._sync_directories(CUR, NEW)
            self._remember(claimed, [])
            return {message.uid for message in claimed}

    def set_flags(self, uids: Iterable[int], mode: Mode, flags: Flags) -> list[int]:
        """Change flags durably; gives the UIDs whose flags are others than before.

        Messages that have gone are passed over. Raises TooManyKeywords, and then changes nothing.
        """
        change: dict[Mode, Callable[[Flags], Flags]] = {
            "add": lambda old: old | flags,
            "remove": lambda old: old - flags,
            "replace": lambda _: flags,
        }
        with self._changing():
            flags = self._known_spelling(flags, may_add=mode != "remove")
            wanted = [message for uid in uids if (message := self._messages.get(uid))]
            changes = [(one, new) for one in wanted if (new := change[mode](one.flags)) != one.flags]
            if not changes:
                return []
            modseq = self._tick()
            done = []
            with self._folder.own_change():
                for message, new in changes:
                    if self._rename(message, _in_cur(self._folder.keywords.info(new, message.info))):
                        message.flags = new
                        self._log_change(message, modseq)
                        done.append(message)
                self._sync_directories(CUR, NEW)
            self._remember(done, [])
            if len(done) != len(changes):
                self._folder.forget()  # another program renamed or removed some meanwhile
                self.sync()
            return [message.uid for message in done]

    def _known_spelling(self, flags: Flags, *, may_add: bool) -> Flags:
        """The flags as this folder spells them; new keywords get their letters, durably."""
        keywords = self._folder.keywords
        missing = keywords.missing(flags)
        if missing and may_add:
            keywords.give_letters(missing, {one.info for one in self._messages.values()})
            self._folder.write_keywords()
        return frozenset(keywords.canonical(flag) for flag in flags)

    def expunge(self, uids: Iterable[int]) -> list[int]:
        """Remove messages for good, durably; gives the UIDs that were removed now."""
        with self._changing():
            doomed = [message for uid in uids if (message := self._messages.get(uid))]
            if not doomed:
                return []
            with self._folder.own_change():
                for message in doomed:
                    self._context.files.unlink(self._path(message), missing_ok=True)
                    self._folder.moved(message.base, message.place, None)
                self._sync_directories(CUR, NEW)
            gone = self._forget(doomed)
            self._remember([], gone)
            return gone

    def copy(self, uids: Sequence[int], target: "Mailbox") -> list[tuple[int, int]]:
        """Copy messages by hard link; gives (UID here, UID there) in order. All of them, or none.

        Flags and INTERNALDATE are kept. Raises NoSuchMessage when one has gone meanwhile.
        """
        self.sync()
        sources = [self._listed(uid) for uid in uids]
        with target._changing():
            made = target._link_all([(self._path(one), one) for one in sources], self._guid_of)
            return [(one.uid, uid) for one, uid in zip(sources, made, strict=True)]

    def _guid_of(self, message: Message) -> str:
        record = self._folder.list.records.get(message.base)
        return (record.field("G") if record else None) or message.base

    def _link_all(self, sources: list[tuple[str, Message]], guid_of: Callable[[Message], str]) -> list[int]:
        wanted: Flags = NO_FLAGS.union(*(message.flags for _, message in sources))
        self._known_spelling(wanted, may_add=True)
        records: list[Record] = []
        places: list[Place] = []
        paths: list[str] = []
        try:
            with self._folder.own_change():
                for path, message in sources:
                    record = self._new_record(self.uid_next + len(records), message.base, guid_of(message))
                    flags = frozenset(map(self._folder.keywords.canonical, message.flags))
                    place = _in_cur(self._folder.keywords.info(flags, ""))
                    linked = self._folder.file_path(record.base, place)
                    self._link(path, linked)
                    paths.append(linked)
                    self._folder.moved(record.base, None, place)
                    self._folder.list.records[record.base] = record
                    records.append(record)
                    places.append(place)
                self._sync_directories(CUR)
            self._folder.add_records(records)
        except BaseException:
            for path in paths:
                self._context.files.unlink(path, missing_ok=True)
            raise
        admitted = self._admit([(record.base, place) for record, place in zip(records, places, strict=True)])
        self._remember(admitted, [])
        return [record.uid for record in records]

    def _link(self, source: str, target: str) -> None:
        try:
            self._context.files.link(source, target)
        except FileNotFoundError:
            raise NoSuchMessage from None

    def _new_record(self, uid: int, base: str, guid: str) -> Record:
        """A line for a copy: under the same base where that is free here, else under a new one with its G."""
        if base not in self._folder.list.records and base not in self._by_base:
            return Record(uid, base, () if guid == base else ("G" + guid,))
        sizes = base.partition(",")
        return Record(uid, self._context.names.next() + "".join(sizes[1:]), ("G" + guid,))

    def append(self, draft: Draft, flags: Flags = NO_FLAGS, internal_date: float | None = None) -> int:
        """Put a finished message here, durably; gives its UID. The draft is used up, or aborted on error."""
        try:
            path, base = draft.finish(internal_date)
            with self._changing():
                flags = self._known_spelling(flags, may_add=True)
                place = _in_cur(self._folder.keywords.info(flags, "")) if flags else (True, "")
                uid = self._place(path, base, place)
                draft.consumed()
                return uid
        finally:
            draft.abort()

    def _place(self, path: str, base: str, place: Place) -> int:
        """Move a finished file in here and give it a UID; on any error it is not here."""
        target = self._folder.file_path(base, place)
        try:
            with self._folder.own_change():
                self._context.files.rename(path, target)
                self._sync_directories(NEW if place[0] else CUR)
                self._folder.moved(base, None, place)
            self._folder.add_records([Record(self.uid_next, base)])
        except BaseException:
            self._context.files.unlink(target, missing_ok=True)
            raise
        admitted = self._admit([(base, place)])
        self._remember(admitted, [])
        return admitted[0].uid
