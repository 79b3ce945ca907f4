"""Keeping one mailbox in step with its folder on disk: what is new, what has changed, what is gone.

All methods run in the account's lane. `uids` is replaced, never changed in place: a session that keeps the
reference has its own unchanging view, shared with all sessions that have seen the same.

The object stands for one folder with one UIDVALIDITY. When the folder is removed, made again or renamed
over, or its uid list is replaced by another, every method raises NoSuchMailbox, before anything is read or
changed under UIDs that mean something else now; the account then opens a new object.
"""

import contextlib
import stat
from array import array
from collections.abc import Container, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

from mailnode.store import filenames, homes, identity
from mailnode.store.answers import Answers
from mailnode.store.cache import FolderCache, Remembered
from mailnode.store.context import Context
from mailnode.store.derived import Derived
from mailnode.store.directory import CUR, NEW
from mailnode.store.download import UNSEEN, Download
from mailnode.store.errors import NoSuchMailbox
from mailnode.store.folder import Folder, Place, make_folder
from mailnode.store.index import UNKNOWN, Row
from mailnode.store.messages import Message, Messages
from mailnode.store.text_cache import FolderText
from mailnode.store.uidlist import Record
from mailnode.store.values import Flags, Name
from mailnode.store.vanished import Vanished
from mailnode.values import frozen, replace
from mailnode.wire.uidl import DEFAULT, default_id, names_copies_alike, unique_id

_DEAD_LINES = 64
_MANY = 256  # names that are new, from which on it is sooner to look at all there are than at each


@frozen
class Status:
    """What STATUS asks for."""

    mailbox_id: str
    messages: int
    recent: int
    uid_next: int
    uid_validity: int
    unseen: int
    highest_modseq: int
    deleted: int

    def of_reader(self, *, unseen: int) -> "Status":
        r"""The same for somebody with a \Seen of their own, to whom nothing is \Recent."""
        return replace(self, unseen=unseen, recent=0)


class Synchronised:
    """The messages as they are on the disk, with what the caches know of them."""

    def __init__(self, context: Context, name: Name, path: str) -> None:
        self.name = name
        self.derived = Derived()
        self.looked = False  # set by sync(); who wants to know whether there was a look unsets it before
        self._context = context
        self._folder = Folder(context, path)
        self._messages = Messages()
        self._identity: tuple[int, str] | None = None  # UIDVALIDITY and G, once it is open
        self._cache = FolderCache(context, "", 0)
        self._answers = Answers(self._cache)
        self._text = FolderText(context, "", 0)
        self._remembered: dict[int, Row] = {}  # of messages that were not seen yet
        self._blind = False  # whether the cache could not be seen when the folder was opened
        self._vanished = Vanished()
        self._dead: set[str] = set()  # base names of which a line may still stand in the uid list
        paths = dict.fromkeys((f"{path}/{NEW}", f"{path}/{CUR}", path, context.root))
        self._watch = context.stillness.of(*paths)

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
    def now(self) -> float:
        """This moment, by the clock that times messages, in seconds since the epoch."""
        return self._context.now()

    @property
    def recent(self) -> AbstractSet[int]:
        """The UIDs that no session has claimed so far."""
        return self._messages.recent

    @property
    def directories(self) -> tuple[str, str]:
        """The paths where its messages lie."""
        return f"{self._folder.path}/{NEW}", f"{self._folder.path}/{CUR}"

    @property
    def directory(self) -> str:
        """The folder's path."""
        return self._folder.path

    @property
    def guid(self) -> str:
        """What names the folder for ever, through renames."""
        return self._folder.list.guid

    @property
    def mailbox_id(self) -> str:
        """MAILBOXID (RFC 8474 section 4)."""
        return identity.mailbox_id(self.guid, self.uid_validity)

    def get(self, uid: int) -> Message | None:
        """The message with this UID, or None when there is none (any more)."""
        return self._messages.get(uid)

    def each(self, uids: Iterable[int]) -> list[Message]:
        """The messages with these UIDs, in their order. Raises NoSuchMessage where one has gone."""
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

    def expunged(self, since: int) -> list[range] | None:
        """The UIDs that vanished after modseq `since`, as ascending ranges; None where that is not known."""
        return self._vanished.after(since)

    def status(self) -> Status:
        """Counts, as of the last sync."""
        unseen, deleted = self._messages.counted()
        return Status(
            mailbox_id=self.mailbox_id,
            messages=len(self._messages),
            recent=len(self._messages.recent),
            uid_next=self.uid_next,
            uid_validity=self.uid_validity,
            unseen=unseen,
            highest_modseq=self.highest_modseq,
            deleted=deleted,
        )

    def first_unseen(self) -> int | None:
        r"""The lowest UID of a message without \Seen, as of the last sync."""
        return self._messages.first_unseen()

    @property
    def is_counted(self) -> bool:
        """Whether status() tells what was counted before, however many messages there are."""
        return self._messages.is_counted

    @property
    def knows_first_unseen(self) -> bool:
        """The same of first_unseen()."""
        return self._messages.knows_first_unseen

    # Looking at the disk

    def sync(self) -> None:
        """Look at the disk; afterwards everything here is true.

        New files get UIDs, durably, before this returns. A message counts as gone only after a second look,
        or where the process that has removed it says so.
        """
        with self._existing():
            self._answers.save()
            self.looked = True
            try:
                self._look()
            except FileNotFoundError:
                if not self._context.files.is_directory(self._folder.path):
                    raise
                # Somebody has removed empty directories, or a backup has left them out.
                make_folder(self._context, self._folder.path)
                self._folder.forget()
                self._look()

    def refresh(self) -> None:
        """The same, unless it is certain that it would find nothing."""
        if not self.is_still:
            self.sync()

    @property
    def is_still(self) -> bool:
        """Whether nothing has changed on the disk since the last look, for certain.

        May be asked on the reactor's thread too, while nothing runs in the lane.
        """
        return self._folder.believed and self._watch.is_still(self._context.now())

    def _look(self) -> None:
        now, watched = self._context.now(), self._watch.holds
        if self._identity is None or not self._folder.unchanged():
            with self._folder.lock():
                self._synchronise()
        elif watched:
            self._watch.vouch(now)
        elif self._folder.believed:
            self._watch.begin(self._context.now)  # what stood still now may do so when it is looked at again

    @contextlib.contextmanager
    def _existing(self) -> Iterator[None]:
        """After an error nothing is believed; that the folder is not there any more is NoSuchMailbox."""
        try:
            yield
        except FileNotFoundError:
            self._forget_looks()
            if self._context.files.stat(self._folder.path) is not None:
                raise
            raise NoSuchMailbox(self.name) from None
        except BaseException:
            self._forget_looks()
            raise

    def _forget_looks(self) -> None:
        self._folder.forget()
        self.looked = False

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock over a change, with everything looked at."""
        with self._existing(), self._folder.lock():
            self.sync()
            if not self._blind:
                self.outdo(self._cache.modseq())
            yield

    def _synchronise(self) -> None:
        folder = self._folder
        opening = self._identity is None
        is_read = folder.load()
        is_other = is_read and not opening  # it may even be that of another mailbox
        if is_other and self._identity != (self.uid_validity, self.guid):
            raise NoSuchMailbox(self.name)
        if is_read or folder.renamed_keywords:
            folder.examine_all()
        if opening:
            self._open()
        stable = folder.look()
        places = folder.found()
        heard_gone = set() if opening or self._blind else self._catch_up(places)
        missing = still_missing = self._missing()
        if missing and not self._are_among(missing, heard_gone):
            stable = folder.look_for_missing()
            still_missing = self._missing()
            places = folder.found()
        if is_other and not self._is_still_true(places):
            raise NoSuchMailbox(self.name)
        gone_twice = missing & still_missing if stable else set()
        self._give_names(places)
        touched = self._note_changes(places)
        gone = self._forget(
            [one for base in gone_twice if (one := self._messages.called(base))], but=heard_gone
        )
        buried = self._bury(gone_twice)
        if not opening:  # another process may have told of them between our looks
            self._vanish([uid for uid in buried if uid not in heard_gone])
            gone += buried
        touched += self._note_new(places)
        gone += self._lose()
        if stable and self._too_many_dead():
            self._folder.rewrite_list()
            self._dead.clear()
        if touched or gone or opening:
            self._remember(touched, gone)
        folder.examined(but=still_missing - gone_twice)

    def _missing(self) -> set[str]:
        """The bases of messages that were there, or are listed, and that the last look did not see."""
        differing = self._folder.differing()
        records = self._folder.list.records
        if self._folder.all_differ:
            expected = records.keys() | {row.base for row in self._remembered.values()}
            return (expected | self._messages.bases) - differing.keys()
        return {base for base, place in differing.items() if place is None and base in records}

    def _are_among(self, bases: set[str], uids: AbstractSet[int]) -> bool:
        """Whether all of these messages are known here and have these UIDs."""
        return bool(uids) and all((one := self._messages.called(base)) and one.uid in uids for base in bases)

    def _bury(self, bases: set[str]) -> list[int]:
        """Lines of messages that went before we came: a file that comes back is another message.

        Gives their UIDs, but for what was buried before, and what is lost (_lose).
        """
        records = self._folder.list.records
        buried = [record for base in bases if (record := records.pop(base, None)) is not None]
        fresh = [one.uid for one in buried if one.base not in self._dead and one.uid not in self._remembered]
        self._dead.update(record.base for record in buried)
        return fresh

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
        remembered = remembered or Remembered(1, 0, {}, None)
        self._messages.modseq, self._remembered = remembered.modseq, remembered.rows
        if self._blind:
            self._text.stay_apart()
        else:
            self._text.open()
        # A power cut may have taken the end of the cache, and with it a sequence that a client has seen, or
        # what became of messages that have come and gone: the UIDs of these show it.
        lagged = remembered.uid_next < folder.list.next_uid
        if lagged or not self._messages.modseq or self._context.first_time(self.guid):
            self._messages.tick(max(self._context.now(), folder.newest_change()))
        if lagged or remembered.vanished is None:
            self._vanished = Vanished(self.highest_modseq)
            if not self._blind:
                self._cache.know_vanished(self.highest_modseq)
        else:
            self._vanished = remembered.vanished
        if remembered.uid_next > folder.list.next_uid:
            folder.list.next_uid = remembered.uid_next
            folder.rewrite_list()

    def _is_still_true(self, places: Container[str]) -> bool:
        """Whether the uid list just read says of our messages what it said before.

        It says nothing of those that another process has expunged since: they are not there any more.
        """
        records = self._folder.list.records
        return all(
            record.uid == message.uid
            if (record := records.get(message.base)) is not None
            else message.base not in places
            for message in self._messages
        )

    def outdo(self, modseq: int) -> None:
        """The mailbox's modification sequence is not below one that somebody has been told."""
        self._messages.modseq = max(self.highest_modseq, modseq)

    def advance(self) -> int:
        """A new modification sequence, for a change that only one reader sees."""
        modseq = self._tick()
        self._remember([], [])
        return modseq

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

    def _catch_up(self, places: dict[str, Place]) -> set[int]:
        """See as of when other processes have found changes; gives the UIDs of what they found gone.

        All take them from one counter, that of the cache: who holds the folder's lock has caught up with it.
        """
        records = self._folder.list.records
        uids = [record.uid for base in places if (record := records.get(base)) is not None]
        news = self._cache.news(self.highest_modseq, uids)
        if news is None:
            return set()
        self._messages.modseq = news.modseq
        self._remembered.update(news.rows)
        if news.vanished is None:
            self._vanished = Vanished(news.modseq)
            return set()
        return self._vanished.hear(news.vanished)

    def _note_changes(self, places: dict[str, Place]) -> list[Message]:
        """Gives the messages of which the cache has not heard."""
        known, renamed = self._messages.called, self._folder.renamed_keywords
        moved = [
            one
            for base, place in places.items()
            if (one := known(base)) is not None and (renamed or place != one.place)
        ]
        fresh = []
        logged: list[tuple[int, Message]] = []
        for message in moved:
            if message.place[0] and not places[message.base][0]:
                self._messages.recent.discard(message.uid)  # somebody else has claimed it
            message.place = places[message.base]
            flags, row = self._flags(message.place), self._remembered.pop(message.uid, None)
            noted = 0 if row is None or row[1:3] != (message.base, message.info) else row.modseq
            if noted <= message.modseq:
                noted = 0
                fresh.append(message)
            if flags != message.flags:
                self._messages.flag(message, flags)
                logged.append((noted, message))
        modseq = self._tick() if any(not noted for noted, _ in logged) else 0
        for noted, message in sorted(logged, key=lambda one: (one[0] or modseq, one[1].uid)):
            self._messages.log(message, noted or modseq)
        self._folder.renamed_keywords = False
        return fresh

    def _forget(self, messages: list[Message], *, but: AbstractSet[int] = frozenset()) -> list[int]:
        """Let go of messages; those of `but` have vanished as of a sequence that was noted already."""
        for message in messages:
            self._folder.list.records.pop(message.base, None)
            self._dead.add(message.base)
        gone = self._messages.forget(messages)
        self._vanish([uid for uid in gone if uid not in but])
        return gone

    def _lose(self) -> list[int]:
        """Messages that went while nobody looked; one missed in a restless folder is left for later.

        Gone from its UID is also a message that by hand was given another one, but where a line now gives the
        old one to a message that was missed.
        """
        records, remembered = self._folder.list.records, self._remembered
        lost = [uid for uid, row in remembered.items() if row.base not in records]
        moved = {
            uid for uid, row in remembered.items() if row.base in records and records[row.base].uid != uid
        }
        if moved:
            lost += sorted(moved.difference(record.uid for record in records.values()))
        for uid in lost:
            del self._remembered[uid]
        self._vanish(lost)
        return lost

    def _vanish(self, uids: list[int]) -> None:
        """These UIDs are gone as of a modification sequence of their own (RFC 7162 section 3.2)."""
        if uids:
            self._vanished.add(self._tick(), uids)

    def _note_new(self, places: dict[str, Place]) -> list[Message]:
        records = self._folder.list.records
        known = self._messages.bases
        fresh = [base for base in places if base not in known]
        unlisted = self._files([base for base in fresh if base not in records], places)
        self._list_new(filenames.by_arrival(unlisted), places)
        return self._admit([(base, places[base]) for base in fresh if base in records])

    def _files(self, bases: list[str], places: dict[str, Place]) -> list[str]:
        """Those of them that are regular files; symlinks, FIFOs and directories get no UID."""
        regular: dict[bool, AbstractSet[str]] = {}
        if len(bases) >= _MANY:
            new, cur = map(self._context.files.regular, self.directories)
            regular = {True: new, False: cur}
        return [
            base
            for base in bases
            for new, suffix in (places[base],)
            if f"{base}{suffix}" in regular.get(new, ()) or self._is_file(base, (new, suffix))
        ]

    def _is_file(self, base: str, place: Place) -> bool:
        facts = self._context.files.stat(self._folder.file_path(base, place))
        return facts is not None and stat.S_ISREG(facts.st_mode)

    def _list_new(self, bases: list[str], places: dict[str, Place]) -> None:
        for directory in {NEW if places[base][0] else CUR for base in bases}:
            self._context.files.sync_directory(f"{self._folder.path}/{directory}")
        if bases or not self._folder.list.sound:
            self._folder.add_records(
                [self._record(uid, base) for uid, base in enumerate(bases, self.uid_next)]
            )

    def _record(self, uid: int, base: str, fields: tuple[str, ...] = ()) -> Record:
        """The line of a new message; with its unique-id, where that is of a form that may be changed back."""
        record = Record(uid, base, fields)
        template = self._context.uidl()
        if template == DEFAULT:
            return record
        copied = record.field("G") is not None and names_copies_alike(template)
        made = default_id(uid, self.uid_validity) if copied else self._made_uidl(record)
        return record._replace(fields=(*fields, "P" + made))

    def _made_uidl(self, record: Record) -> str:
        template = self._context.uidl()
        if template == DEFAULT:
            return default_id(record.uid, self.uid_validity)
        return unique_id(
            template,
            uid=record.uid,
            validity=self.uid_validity,
            base=record.base,
            guid=record.field("G") or record.base,
        )

    def _admit(self, found: list[tuple[str, Place]]) -> list[Message]:
        """Take listed files in as messages; gives those that the cache does not know as they are."""
        records, remembered = self._folder.list.records, self._remembered
        admitted = []
        flags = {place: self._flags(place) for place in {place for _, place in found}}
        unknown = []  # to the cache
        strange = []  # of which the cache knows nothing at all
        for base, place in found:
            uid = records[base].uid
            message = Message(uid, base, place, flags[place], 0)
            admitted.append(message)
            if place[0]:
                self._messages.recent.add(uid)
            row = remembered.pop(uid, None)
            if row is not None and row.base == base:
                message.octets, message.internal_date, message.modseq = row[4], row[5], row[3]
                message.download = Download(row[6], row[7]) if row[6] != UNKNOWN else None
                if row.info == message.info:
                    continue
            else:
                strange.append(uid)
            unknown.append(message)
        self._text.distrust(strange)
        self._messages.admit(admitted)
        if unknown:
            self._messages.log_all(unknown, self._tick())
        return unknown

    def _too_many_dead(self) -> bool:
        live = len(self._messages)
        return not self._folder.list.sound or self._folder.lines - live > live // 3 + _DEAD_LINES

    def _remember(self, touched: Iterable[Message], gone: Sequence[int]) -> None:
        """Tell the caches. What could not be kept of expunges nobody is told any more."""
        if self._blind:
            return
        self._text.drop(gone)
        if not self._cache.save(
            uid_next=self.uid_next,
            modseq=self.highest_modseq,
            changed=map(_row, touched),
            gone=gone,
            vanished=self._vanished,
        ):
            self._vanished = Vanished(self.highest_modseq)

    def _remember_sizes(self, messages: Iterable[Message]) -> None:
        """Tell the cache what was found out about messages that never changes."""
        if not self._blind:
            self._cache.learn(list(map(_row, messages)))


def _row(message: Message) -> Row:
    download = message.download or UNSEEN
    return Row(
        message.uid,
        message.base,
        message.info,
        message.modseq,
        message.octets,
        message.internal_date,
        download.octets,
        download.with_surrogate,
    )
