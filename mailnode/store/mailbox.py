"""One mailbox as sessions see it: messages by UID, their flags, and what changed since.

All methods run in the account's lane. `uids` is replaced, never changed in place: a session that keeps the
reference has its own unchanging view, shared with all sessions that have seen the same.

The object stands for one folder with one UIDVALIDITY. When the folder is removed, made again or renamed
over, or its uid list is replaced by another, every method raises NoSuchMailbox, before anything is read or
changed under UIDs that mean something else now; the account then opens a new object.
"""

import contextlib
import errno
import stat
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mailnode.message.rendered import Rendered
from mailnode.message.text import searchable
from mailnode.store import filenames, homes
from mailnode.store.answers import Answers
from mailnode.store.body import Body
from mailnode.store.cache import FolderCache
from mailnode.store.context import Context
from mailnode.store.directory import CUR, NEW
from mailnode.store.draft import Draft
from mailnode.store.errors import InUse, NoSuchMailbox, NoSuchMessage, TooManyKeywords
from mailnode.store.folder import Folder, Place, make_folder
from mailnode.store.index import UNKNOWN, Prepared, Row
from mailnode.store.keywords import NAME_LIMIT
from mailnode.store.messages import Message, Messages
from mailnode.store.preparing import Piece, prepare_some
from mailnode.store.text_cache import FolderText
from mailnode.store.uidlist import Record
from mailnode.store.usage import NOTHING, Usage
from mailnode.store.values import NO_FLAGS, SEEN, Flags, Name

Mode = Literal["add", "remove", "replace"]

_DEAD_LINES = 64
_TRIES = 20  # how often a file that another program renames under our hands is looked for again


@dataclass(frozen=True, slots=True)
class Status:
    """What STATUS asks for."""

    messages: int
    recent: int
    uid_next: int
    uid_validity: int
    unseen: int


def _in_cur(info: str) -> Place:
    return False, filenames.suffix_of(info)


class Mailbox:
    """An open mailbox; one object for all sessions of the process."""

    def __init__(self, context: Context, name: Name, path: str) -> None:
        self.name = name
        self._context = context
        self._folder = Folder(context, path)
        self._messages = Messages()
        self._identity: tuple[int, str] | None = None  # UIDVALIDITY and G, once it is open
        self._cache = FolderCache(context, "", 0)
        self._answers = Answers(self._cache)
        self._text = FolderText(context, "", 0)
        self._remembered: dict[int, Row] = {}  # of messages that were not seen yet
        self._blind = False  # whether the cache could not be seen when the folder was opened
        self._dead: set[str] = set()  # base names of which a line may still stand in the uid list

    # Facts

    @property
    def uids(self) -> "array[int]":
        """All UIDs, ascending."""
        return self._messages.uids

    @property
    def highest_modseq(self) -> int:
        """The modification sequence of the last change."""
        return self._messages.modseq

    @property
    def uid_validity(self) -> int:
        """UIDVALIDITY (RFC 3501 section 2.3.1.1)."""
        return self._folder.list.validity

    @property
    def uid_next(self) -> int:
        """UIDNEXT: never falls, and is greater than any UID given so far."""
        return self._folder.list.next_uid

    @property
    def directories(self) -> tuple[str, str]:
        """The paths where its messages lie."""
        return f"{self._folder.path}/{NEW}", f"{self._folder.path}/{CUR}"

    @property
    def guid(self) -> str:
        """What names the folder for ever, through renames."""
        return self._folder.list.guid

    def get(self, uid: int) -> Message | None:
        """The message with this UID, or None when there is none (any more)."""
        return self._messages.get(uid)

    def each(self, uids: Iterable[int]) -> Iterator[Message]:
        """The messages with these UIDs, one after the other. Raises NoSuchMessage at one that has gone."""
        return self._messages.each(uids)

    def keywords(self) -> list[str]:
        """The keywords this mailbox knows, by their numbers."""
        return [name for _, name in sorted(self._folder.keywords.names.items())]

    @property
    def keywords_full(self) -> bool:
        """Whether no new keyword can be stored."""
        return self._folder.keywords.full

    def changes(self, since: int) -> list[int]:
        """UIDs of messages that are new or have other flags after modseq `since`, ascending."""
        return self._messages.changes(since)

    def status(self) -> Status:
        """Counts, as of the last sync."""
        return Status(
            messages=len(self._messages),
            recent=sum(message.recent for message in self._messages),
            uid_next=self.uid_next,
            uid_validity=self.uid_validity,
            unseen=sum(SEEN not in message.flags for message in self._messages),
        )

    # Looking at the disk

    def sync(self) -> None:
        """Look at the disk; afterwards everything here is true.

        New files get UIDs, durably, before this returns. A message counts as gone only after a second look.
        """
        with self._existing():
            self.save_prepared()
            try:
                self._look()
            except FileNotFoundError:
                if not self._context.files.is_directory(self._folder.path):
                    raise
                # Somebody has removed empty directories, or a backup has left them out.
                make_folder(self._context, self._folder.path)
                self._folder.forget()
                self._look()

    def _look(self) -> None:
        if self._identity is None or not self._folder.unchanged():
            with self._folder.lock():
                self._synchronise()

    @contextlib.contextmanager
    def _existing(self) -> Iterator[None]:
        """After an error nothing is believed; that the folder is not there any more is NoSuchMailbox."""
        try:
            yield
        except FileNotFoundError:
            self._folder.forget()
            if self._context.files.stat(self._folder.path) is not None:
                raise
            raise NoSuchMailbox(self.name) from None
        except BaseException:
            self._folder.forget()
            raise

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock over a change, with everything looked at."""
        with self._existing(), self._folder.lock():
            self.sync()
            yield

    def _synchronise(self) -> None:
        folder = self._folder
        opening = self._identity is None
        if folder.load():
            folder.examine_all()
            if not opening and not self._is_still_ours():
                raise NoSuchMailbox(self.name)
        if folder.renamed_keywords:
            folder.examine_all()
        if opening:
            self._open()
        stable = folder.look()
        missing = self._missing()
        if missing:
            stable = folder.look_for_missing()
        gone_twice = missing & self._missing() if stable else set()
        doubtful = self._missing() - gone_twice
        places = {base: place for base, place in folder.differing().items() if place is not None}
        self._give_names(places)
        touched = self._note_changes(places)
        gone = self._forget([one for base in gone_twice if (one := self._messages.called(base))])
        self._bury(gone_twice)
        touched += self._note_new(places)
        if stable and self._too_many_dead():
            self._folder.rewrite_list()
            self._dead.clear()
        if touched or gone or opening:
            self._remember(touched, gone)
        folder.examined(but=doubtful)

    def _missing(self) -> set[str]:
        """The bases of messages that were there, or are listed, and that the last look did not see."""
        differing = self._folder.differing()
        if self._folder.all_differ:
            expected = self._folder.list.records.keys() | {row.base for row in self._remembered.values()}
            return (expected | self._messages.bases) - differing.keys()
        return {base for base, place in differing.items() if place is None and base in self._messages.bases}

    def _bury(self, bases: set[str]) -> None:
        """Lines of messages that went before we came: a file that comes back is another message."""
        for base in bases:
            if self._folder.list.records.pop(base, None) is not None:
                self._dead.add(base)

    def _open(self) -> None:
        folder = self._folder
        if not folder.list.guid or homes.is_copy(self._context, folder.path, self.guid):
            folder.list.guid = self._context.new_guid()
            folder.list.sound = False
        if not folder.list.sound:
            folder.rewrite_list()
        self._identity = (self.uid_validity, self.guid)
        home = homes.key_of(self._context, folder.path, self.guid)
        self._cache = FolderCache(self._context, home, self.uid_validity)
        self._answers = Answers(self._cache)
        self._text = FolderText(self._context, home, self.uid_validity)
        remembered = self._cache.open()
        self._blind = remembered is None
        uid_next, self._messages.modseq, self._remembered = remembered or (1, 0, {})
        if self._blind:
            self._text.stay_apart()
        else:
            self._text.open()
        if not self._messages.modseq or self._context.first_time(self.guid):
            # A power cut may have taken the end of the cache, and with it a sequence that a client has seen.
            self._messages.tick(max(self._context.now(), folder.newest_change()))
        if uid_next > folder.list.next_uid:
            folder.list.next_uid = uid_next
            folder.rewrite_list()

    def _is_still_ours(self) -> bool:
        """Whether the uid list just read is of this folder and says of our messages what it said before."""
        records = self._folder.list.records
        return self._identity == (self.uid_validity, self.guid) and all(
            (record := records.get(message.base)) is not None and record.uid == message.uid
            for message in self._messages
        )

    def _tick(self) -> int:
        return self._messages.tick(self._context.now())

    def _give_names(self, places: dict[str, Place]) -> None:
        """Write down a name for every keyword letter that stands in a file name without having one."""
        keywords = self._folder.keywords
        unnamed = keywords.unnamed({filenames.info_of(suffix) for _, suffix in set(places.values())})
        for number in sorted(unnamed):
            keywords.add(number, f"unknown-{number}")
        if unnamed:
            self._folder.write_keywords()

    def _flags(self, place: Place) -> Flags:
        return self._folder.keywords.flags(filenames.info_of(place[1]))

    def _note_changes(self, places: dict[str, Place]) -> list[Message]:
        known, renamed = self._messages.called, self._folder.renamed_keywords
        moved = [
            one
            for base, place in places.items()
            if (one := known(base)) is not None and (renamed or place != one.place)
        ]
        modseq = self._tick() if moved else 0
        for message in moved:
            if message.place[0] and not places[message.base][0]:
                message.recent = False  # somebody else has claimed it
            message.place = places[message.base]
            flags = self._flags(message.place)
            if flags != message.flags:
                message.flags = flags
                self._messages.log(message, modseq)
        self._folder.renamed_keywords = False
        return moved

    def _forget(self, messages: list[Message]) -> list[int]:
        if messages:
            self._tick()
        for message in messages:
            self._folder.list.records.pop(message.base, None)
            self._dead.add(message.base)
        return self._messages.forget(messages)

    def _note_new(self, places: dict[str, Place]) -> list[Message]:
        records = self._folder.list.records
        known = self._messages.bases
        fresh = [base for base in places if base not in known]
        unlisted = [base for base in fresh if base not in records and self._is_file(base, places[base])]
        self._list_new(filenames.by_arrival(unlisted), places)
        return self._admit([(base, places[base]) for base in fresh if base in records])

    def _is_file(self, base: str, place: Place) -> bool:
        """Whether it is a regular file; symlinks, FIFOs and directories get no UID."""
        facts = self._context.files.stat(self._folder.file_path(base, place))
        return facts is not None and stat.S_ISREG(facts.st_mode)

    def _list_new(self, bases: list[str], places: dict[str, Place]) -> None:
        for directory in {NEW if places[base][0] else CUR for base in bases}:
            self._context.files.sync_directory(f"{self._folder.path}/{directory}")
        if bases or not self._folder.list.sound:
            self._folder.add_records([Record(uid, base) for uid, base in enumerate(bases, self.uid_next)])

    def _admit(self, found: list[tuple[str, Place]]) -> list[Message]:
        """Take listed files in as messages; gives those that the cache does not know as they are."""
        records, remembered = self._folder.list.records, self._remembered
        admitted = []
        unknown = []  # to the cache
        strange = []  # of which the cache knows nothing at all
        for base, place in found:
            uid = records[base].uid
            message = Message(uid, base, place, self._flags(place), 0, recent=place[0])
            admitted.append(message)
            row = remembered.pop(uid, None)
            if row is not None and row.base == base:
                message.octets, message.internal_date, message.modseq = row[4], row[5], row[3]
                if row.info == message.info:
                    continue
            else:
                strange.append(uid)
            unknown.append(message)
        self._text.distrust(strange)
        self._messages.admit(admitted)
        modseq = self._tick() if unknown else 0
        for message in unknown:
            self._messages.log(message, modseq)
        return unknown

    def _too_many_dead(self) -> bool:
        live = len(self._messages)
        return not self._folder.list.sound or self._folder.lines - live > live // 3 + _DEAD_LINES

    def _remember(self, touched: Iterable[Message], gone: Iterable[int]) -> None:
        """Tell the cache."""
        forgotten = [*gone, *self._remembered]
        self._remembered.clear()
        if self._blind:
            return
        self._cache.save(
            uid_next=self.uid_next,
            modseq=self.highest_modseq,
            changed=(
                Row(one.uid, one.base, one.info, one.modseq, one.octets, one.internal_date) for one in touched
            ),
            gone=forgotten,
        )

    # Reading

    def _listed(self, uid: int) -> Message:
        message = self._messages.get(uid)
        if message is None:
            raise NoSuchMessage(uid)
        return message

    def _path(self, message: Message) -> str:
        return self._folder.file_path(message.base, message.place)

    def body(self, uid: int) -> Body:
        """Open a message. Raises NoSuchMessage when it has gone."""
        message = self._listed(uid)
        on_disk, on_wire = filenames.sizes(message.base)
        verbatim = on_disk is not None and on_disk == on_wire
        for _ in range(_TRIES):
            try:
                return Body(self._context.files.open(self._path(message)), verbatim=verbatim)
            except FileNotFoundError:
                self._folder.forget()  # another program renamed or removed it
                self.sync()
                message = self._listed(uid)
        raise NoSuchMessage(uid)

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
        """The POP3 unique-id: the P of the uid list's line, or Dovecot's default of UID and UIDVALIDITY.

        An empty P, as Dovecot writes it where its unique-ids are file names, stands for the base name.
        """
        message = self._listed(uid)
        record = self._folder.list.records.get(message.base)
        stated = record.field("P") if record else None
        if stated is None:
            return f"{uid:08x}{self.uid_validity:08x}"
        return stated or message.base

    def rendered(self, uid: int) -> Rendered:
        """The prepared answers for a message, from the cache or made now."""
        message = self._listed(uid)
        found = self._answers.known(message)
        if found is None:
            with self.body(uid) as body:
                found = self._answers.make(message, body)
        self._correct_octets(message, found)
        return found

    def _correct_octets(self, message: Message, found: Rendered) -> None:
        """The name or the uid list may say something untrue."""
        if found.octets != self.octets(message.uid):
            message.octets = found.octets
            self._remember([message], [])

    def searchable(self, uid: int, limit: int) -> str | None:
        """All that SEARCH compares of a message, folded; its answers are prepared by the way.

        None where it has more than `limit` characters, and where there is no text index. Raises NoSuchMessage
        and OSError.
        """
        message = self._listed(uid)
        if not self._text.wanted:
            self.prepared(uid, "octets")
            return None
        found = self._answers.known(message)
        with self.body(uid) as body:
            found = found or self._answers.make(message, body)
            text = searchable(body.data, found.parts, limit)
        self._correct_octets(message, found)
        return text

    def prepare_some(self, seconds: float) -> Piece:
        """Prepare answers and texts of messages that nobody has asked for yet, for about so long.

        Half of the time is for reading; writing down what came together takes as long.
        """
        until = self._context.now() + seconds / 2
        return prepare_some(self, self._text, lambda: self._context.now() >= until)

    def candidates(self, needle: str) -> "array[int] | None":
        """The UIDs of all messages that may hold a folded string, ascending; None for every one."""
        found = self._text.candidates(needle)
        if found is None:
            return None
        return found.uids + self.uids[bisect_right(self.uids, found.until) :]

    def save_prepared(self) -> None:
        """Put what was prepared lately into the cache."""
        self._answers.save()

    def prepared(self, uid: int, what: Prepared) -> Any:
        """One of the prepared answers (the fields of Rendered); messages are asked for in order of UID."""
        found = self._answers.one(self._listed(uid), what)
        return getattr(self.rendered(uid), what) if found is None else found

    # Changing

    def _sync_directories(self, *names: str) -> None:
        for name in names:
            self._context.files.sync_directory(f"{self._folder.path}/{name}")

    def _each(
        self, messages: list[Message], change: Callable[[Message], None], *, durable: bool = True
    ) -> list[Message]:
        """Change the file of each message, and make it durable; gives those that were still there.

        A file that is not where it was has been renamed by another program, or removed: it is looked for
        again, until it is changed or really gone. Raises InUse when that program does not leave off.
        """
        done: list[Message] = []
        for _ in range(_TRIES):
            missed = []
            with self._folder.own_change():
                for message in messages:
                    try:
                        change(message)
                        done.append(message)
                    except FileNotFoundError:
                        missed.append(message)
                if durable:
                    self._sync_directories(CUR, NEW)
            if not missed:
                return done
            self._folder.forget()
            self.sync()
            messages = [message for message in missed if self._messages.get(message.uid) is message]
        raise InUse("another program keeps renaming messages")

    def _rename(self, message: Message, place: Place) -> None:
        old = message.place
        self._context.files.rename(self._path(message), self._folder.file_path(message.base, place))
        message.place = place
        self._folder.moved(message.base, old, place)

    def claim_recent(self) -> set[int]:
        """Move new/ to cur/, as SELECT does; gives the UIDs that no session had claimed.

        It is no loss if a power cut puts the files back into new/, so nobody waits for the disk.
        """
        with self._changing():
            unclaimed = [message for message in self._messages if message.recent]
            in_new = [message for message in unclaimed if message.place[0]]
            if in_new:
                self._each(in_new, self._claim, durable=False)
                self._remember(in_new, [])
            for message in unclaimed:
                message.recent = False
            return {message.uid for message in unclaimed if self._messages.get(message.uid) is message}

    def _claim(self, message: Message) -> None:
        try:
            self._rename(message, _in_cur(message.info))
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:  # else no flags fit behind its name, and it stays in new/
                raise

    def set_flags(self, uids: Iterable[int], mode: Mode, flags: Flags) -> dict[int, int]:
        """Change flags durably; gives the UIDs whose flags are others now, and their modseqs before that.

        Messages that have gone are passed over. Raises TooManyKeywords, and then changes nothing.
        """
        with self._changing():
            flags = self._known_spelling(flags, may_add=mode != "remove")
            change: dict[Mode, Callable[[Flags], Flags]] = {
                "add": lambda old: old | flags,
                "remove": lambda old: old - flags,
                "replace": lambda _: flags,
            }
            wanted = [one for uid in dict.fromkeys(uids) if (one := self._messages.get(uid))]
            wanted = [one for one in wanted if change[mode](one.flags) != one.flags]
            if not wanted:
                return {}
            before = {one.uid: one.modseq for one in wanted}

            def rename(message: Message) -> None:
                new = change[mode](message.flags)
                self._rename(message, _in_cur(self._folder.keywords.info(new, message.info)))
                message.flags = new

            done = self._each(wanted, rename)
            modseq = self._tick()
            for message in done:
                self._messages.log(message, modseq)
            self._remember(done, [])
            return {message.uid: before[message.uid] for message in done}

    def _known_spelling(self, flags: Flags, *, may_add: bool) -> Flags:
        """The flags as this folder spells them; new keywords get their letters, durably."""
        keywords = self._folder.keywords
        missing = keywords.missing(flags)
        if missing and may_add:
            if any(len(name.encode()) > NAME_LIMIT for name in missing):
                raise TooManyKeywords("a keyword is too long")
            keywords.give_letters(missing, {message.info for message in self._messages})
            self._folder.write_keywords()
        return frozenset(keywords.canonical(flag) for flag in flags)

    def expunge(self, uids: Iterable[int], *, having: str | None = None) -> list[int]:
        """Remove messages for good, durably; gives the UIDs that were removed now.

        With `having`, only messages that carry this flag at that moment.
        """

        def remove(message: Message) -> None:
            if having is None or having in message.flags:
                self._context.files.unlink(self._path(message))
                self._folder.moved(message.base, message.place, None)

        with self._changing():
            doomed = [one for uid in dict.fromkeys(uids) if (one := self._messages.get(uid))]
            doomed = [one for one in doomed if having is None or having in one.flags]
            if not doomed:
                return []
            removed = [one for one in self._each(doomed, remove) if having is None or having in one.flags]
            # A look in between may have found some of them gone already.
            self._forget([one for one in removed if self._messages.get(one.uid) is one])
            gone = sorted(one.uid for one in removed)
            self._remember([], gone)
            return gone

    def copy(self, uids: Sequence[int], target: "Mailbox", *, moving: bool = False) -> list[tuple[int, int]]:
        """Copy messages by hard link; gives (UID here, UID there) in order. All of them, or none.

        Flags and INTERNALDATE are kept. Copies that are `moving` within one account, whose sources will be
        removed at once, need no room under its quota. Raises NoSuchMessage when one has gone meanwhile,
        OverQuota.
        """
        for attempt in range(_TRIES):
            self.sync()
            sources = [self._listed(uid) for uid in uids]
            more = NOTHING if moving else Usage(sum(map(self._octets_on_disk, sources)), len(sources))
            with target._context.room(more), target._changing():
                try:
                    made = target._link_all([(self._path(one), one) for one in sources], self._guid_of)
                except FileNotFoundError:
                    if attempt == _TRIES - 1:
                        raise NoSuchMessage from None
                    self._folder.forget()  # another program renamed or removed one
                    continue
                return [(one.uid, uid) for one, uid in zip(sources, made, strict=True)]
        raise NoSuchMessage

    def _octets_on_disk(self, message: Message) -> int:
        size = filenames.sizes(message.base)[0]
        if size is not None:
            return size
        facts = self._context.files.stat(self._path(message))
        return 0 if facts is None else facts.st_size

    def _guid_of(self, message: Message) -> str:
        record = self._folder.list.records.get(message.base)
        return (record.field("G") if record else None) or message.base

    def _link_all(self, sources: list[tuple[str, Message]], guid_of: Callable[[Message], str]) -> list[int]:
        self._known_spelling(NO_FLAGS.union(*(message.flags for _, message in sources)), may_add=True)
        made: list[tuple[Record, Place]] = []
        taken: set[str] = set()
        try:
            with self._folder.own_change():
                for path, message in sources:
                    base, fields = self._base_for_copy(message.base, guid_of(message), taken)
                    flags = frozenset(map(self._folder.keywords.canonical, message.flags))
                    place = _in_cur(self._folder.keywords.info(flags, ""))
                    self._context.files.link(path, self._folder.file_path(base, place))
                    self._folder.moved(base, None, place)
                    made.append((Record(self.uid_next + len(made), base, fields), place))
                    taken.add(base)
                self._sync_directories(CUR)
            self._folder.add_records([record for record, _ in made])
        except BaseException:
            for record, place in made:
                self._context.files.unlink(self._folder.file_path(record.base, place), missing_ok=True)
            self._folder.forget()
            raise
        return self._arrived([(record.base, place) for record, place in made])

    def _base_for_copy(self, base: str, guid: str, taken: set[str]) -> tuple[str, tuple[str, ...]]:
        """The same base where it is free here and no dead line could come back to life; else a new one."""
        records = self._folder.list.records
        if base not in records and base not in self._dead and base not in taken:
            return base, () if guid == base else ("G" + guid,)
        return filenames.with_sizes_of(base, self._context.names.next()), ("G" + guid,)

    def _arrived(self, found: list[tuple[str, Place]]) -> list[int]:
        """Messages that were put here by us, listed already; gives their UIDs."""
        admitted = self._admit(found)
        for message in admitted:
            message.recent = True
        self._remember(admitted, [])
        return [message.uid for message in admitted]

    def append(self, draft: Draft, flags: Flags = NO_FLAGS, internal_date: float | None = None) -> int:
        """Put a finished message here, durably; gives its UID. The draft is used up, or aborted on error.

        Raises OverQuota, TooManyKeywords.
        """
        try:
            with self._context.room(Usage(draft.octets_on_disk, 1)):
                path, base = draft.finish(internal_date)
                with self._changing():
                    flags = self._known_spelling(flags, may_add=True)
                    place = _in_cur(self._folder.keywords.info(flags, "")) if flags else (True, "")
                    self._put(path, base, place)
                    draft.consumed()
                    return self._arrived([(base, place)])[0]
        finally:
            draft.abort()

    def _put(self, path: str, base: str, place: Place) -> None:
        """Move a finished file in here and list it; on any error it is not here."""
        target = self._folder.file_path(base, place)
        try:
            with self._folder.own_change():
                self._context.files.rename(path, target)
                self._folder.moved(base, None, place)
                self._sync_directories(NEW if place[0] else CUR)
            self._folder.add_records([Record(self.uid_next, base)])
        except BaseException:
            self._context.files.unlink(target, missing_ok=True)
            raise
