"""One mailbox as sessions see it: reading its messages, and changing them durably.

All methods run in the account's lane; store.synchronised says what the object stands for.
"""

import errno
import itertools
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal, Protocol, TypeVar

from mailnode.message.rendered import Rendered
from mailnode.message.text import searchable
from mailnode.message.wire_form import to_wire
from mailnode.store import filenames, identity
from mailnode.store.acl import ALL, Rights
from mailnode.store.body import SMALL, Body
from mailnode.store.directory import CUR, NEW
from mailnode.store.download import Download, measure
from mailnode.store.draft import Arriving, Draft
from mailnode.store.errors import InUse, NoSuchMailbox, NoSuchMessage, TooManyKeywords, Unread
from mailnode.store.folder import Place
from mailnode.store.index import UNKNOWN
from mailnode.store.keeping import Shelf
from mailnode.store.keywords import NAME_LIMIT
from mailnode.store.messages import Message
from mailnode.store.prepared_tables import Prepared
from mailnode.store.preparing import Piece, prepare_some
from mailnode.store.synchronised import Synchronised
from mailnode.store.uidlist import Record, UidList
from mailnode.store.usage import NOTHING, Usage
from mailnode.store.values import DELETED, NO_FLAGS, Flags
from mailnode.wire.uidl import default_id, is_unique_id, unique_id

Mode = Literal["add", "remove", "replace"]

C = TypeVar("C", bound="Copied")

_FEW_BETWEEN = 4  # messages for each that is asked for, which may be looked at for nothing
_TRIES = 20  # how often a file that another program renames under our hands is looked for again


def _in_cur(info: str) -> Place:
    return False, filenames.suffix_of(info)


class Copied(Protocol):
    """What is asked of a message of which a copy is made."""

    @property
    def base(self) -> str: ...
    @property
    def flags(self) -> Flags: ...


@dataclass(frozen=True, slots=True)
class Linked:
    """A message of another account on its way in: a link to its file, which nobody else knows, at `path`."""

    path: str
    base: str
    flags: Flags
    guid: str
    octets: int


class Mailbox(Synchronised):
    """An open mailbox; one object for all sessions of the process."""

    rights: Rights = ALL  # of who looks at it: its owner
    _corrections = 0

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
        verbatim = filenames.is_verbatim(message.base)
        for _ in range(_TRIES):
            try:
                return Body(self._context.files.open(self._path(message)), verbatim=verbatim)
            except FileNotFoundError:
                self._folder.forget()  # another program renamed or removed it
                self.sync()
                message = self._listed(uid)
        raise NoSuchMessage(uid)

    def small(self, uid: int) -> bytes:
        """The wire form of a small message. Raises Unread for a larger one, and NoSuchMessage."""
        message = self._listed(uid)
        try:
            data = self._context.files.read_small(self._path(message), SMALL)
        except FileNotFoundError:
            with self.body(uid) as body:  # which looks for it
                return body.text()
        if data is None:
            raise Unread
        return to_wire(data, filenames.is_verbatim(message.base))

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

    def sizes(self, uids: Sequence[int]) -> list[int]:
        """The same of many messages. Raises NoSuchMessage."""
        messages = self._messages.each(uids)
        return [self.octets(one.uid) if one.octets == UNKNOWN else one.octets for one in messages]

    def internal_dates(self, uids: Sequence[int]) -> list[float]:
        """INTERNALDATE of many messages. Raises NoSuchMessage."""
        messages = self._messages.each(uids)
        return [
            self.internal_date(one.uid) if one.internal_date == UNKNOWN else one.internal_date
            for one in messages
        ]

    def record(self, uid: int) -> Record:
        """What the uid list says of a message. Raises NoSuchMessage."""
        message = self._listed(uid)
        return self._folder.list.records.get(message.base) or Record(uid, message.base)

    def downloads(self, uids: Iterable[int]) -> list[tuple[Message, Download]]:
        """Those of these messages that are there, with what POP3 sends of each.

        A plain message says so in its name; any other is opened once, and what was found is remembered.
        """
        found: list[tuple[Message, Download]] = []
        looked: list[Message] = []
        try:
            for uid in uids:
                with suppress(NoSuchMessage):
                    message = self._listed(uid)
                    if message.download is None:
                        message.download = self._download(message)
                        looked.append(message)
                    found.append((message, message.download))
        finally:
            if looked:
                self._remember(looked, [])
        return found

    def _download(self, message: Message) -> Download:
        if filenames.is_plain(message.base):
            return Download(self.octets(message.uid))
        with self.body(message.uid) as body:
            return measure(body, self.octets(message.uid))

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

    def download_place(self, uid: int) -> int | None:
        """The O of the uid list's line: its place in the order of POP3, before all that have none."""
        record = self._folder.list.records.get(self._listed(uid).base)
        stated = record.field("O") if record else None
        return int(stated[:15]) if stated and stated.isascii() and stated.isdigit() else None

    @property
    def edition(self) -> tuple[UidList, int]:
        """Changes where what POP3 was told of messages that were there before may be wrong now."""
        return self._folder.list, self._corrections

    @property
    def uidl_format(self) -> str:
        """The format of the POP3 unique-ids that no line of the uid list states."""
        return self._context.uidl()

    def uidls(self, uid: int) -> Iterator[str]:
        """The POP3 unique-id: the P of the uid list's line, or as the configured format makes it.

        An empty P, as Dovecot writes it where its unique-ids are file names, stands for the base name. What
        follows is for a message whose unique-id is that of another: others that no two messages share, but
        by what somebody writes into the list.
        """
        record = self.record(uid)
        stated = record.field("P")
        found = self._made_uidl(record) if stated is None else stated or record.base
        if is_unique_id(found):
            yield found
        yield default_id(uid, self.uid_validity)
        for number in itertools.count():
            yield unique_id(
                "%Mf", uid=uid, validity=self.uid_validity, base=f"{record.base}{number}", guid=""
            )

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
            message.download = None
            self._corrections += 1
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

    def column(self, uids: Sequence[int], what: Prepared) -> Sequence[Any]:
        """One of the prepared answers of each of some neighbours, which are named in order of UID.

        Raises Unread where one of them has to be read first, or is long, and NoSuchMessage.
        """
        found = self._answers.column(list(self._messages.each(uids)), what)
        if found is None:
            raise Unread
        return found

    def fields(self, uids: Sequence[int], names: Sequence[bytes]) -> Sequence[bytes | None]:
        """The header fields of these names, of messages as column(); None for a header that is not ASCII."""
        found = self._answers.fields(list(self._messages.each(uids)), names)
        if found is None:
            raise Unread
        return found

    def orderings(self, uids: Sequence[int]) -> list[bytes | None]:
        """What SORT and THREAD compare of messages (message.ordering), which are named in order of UID.

        None for those that have to be read first: rendered() has it too. Of neighbours all comes with one
        look at the cache. Raises NoSuchMessage.
        """
        messages = list(self._messages.each(uids))
        between = bisect_right(self.uids, uids[-1]) - bisect_left(self.uids, uids[0]) if uids else 0
        parts = [messages] if between <= _FEW_BETWEEN * len(uids) else [[one] for one in messages]
        return [one for part in parts if part for one in self._answers.orderings(part)]

    def ready(self, uid: int, what: Prepared) -> Any | None:
        """The same, but None where the message would have to be read first."""
        return self._answers.ready(self._listed(uid), what)

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
                    # Of both: what was claimed may stand in new/ too after a power cut, until that is synced.
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

        It is no loss if a power cut puts the files back into new/, so nobody waits for the disk. Where there
        is nothing to claim, nobody waits for the lock either.
        """
        self.sync()
        if not self._messages.recent:
            return set()
        with self._changing():
            in_new = [one for one in self._messages.each(sorted(self._messages.recent)) if one.place[0]]
            if in_new:
                self._each(in_new, self._claim, durable=False)
                self._remember(in_new, [])
            claimed = set(self._messages.recent)
            self._messages.recent.clear()
            return claimed

    def _claim(self, message: Message) -> None:
        try:
            self._rename(message, _in_cur(message.info))
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:  # else no flags fit behind its name, and it stays in new/
                raise

    def set_flags(
        self,
        uids: Iterable[int],
        mode: Mode,
        flags: Flags,
        *,
        unless: Callable[[Message], bool] = lambda message: False,
    ) -> dict[int, int]:
        """Change flags durably; gives the UIDs whose flags are others now, and their modseqs before that.

        `unless` is asked of each message at that moment. Messages that have gone are passed over. Raises
        TooManyKeywords, and then changes nothing.
        """
        with self._changing():
            flags = self._known_spelling(flags, may_add=mode != "remove")
            change: dict[Mode, Callable[[Flags], Flags]] = {
                "add": lambda old: old | flags,
                "remove": lambda old: old - flags,
                "replace": lambda _: flags,
            }
            wanted = [one for uid in dict.fromkeys(uids) if (one := self._messages.get(uid))]
            wanted = [one for one in wanted if not unless(one) and change[mode](one.flags) != one.flags]
            if not wanted:
                return {}
            before = {one.uid: one.modseq for one in wanted}

            alike: dict[tuple[Flags, Place], tuple[Flags, Place]] = {}  # most have the same flags

            def rename(message: Message) -> None:
                old = message.flags, message.place
                if old not in alike:
                    new = change[mode](message.flags)
                    alike[old] = new, _in_cur(self._folder.keywords.info(new, message.info))
                new, place = alike[old]
                self._rename(message, place)
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

    def expunge(self, uids: Iterable[int], *, having: str | None = None, keep: bool = True) -> list[int]:
        """Remove messages for good, durably; gives the UIDs that were removed now.

        With `having`, only messages that carry this flag at that moment. Where the account has a Keeper they
        can be recovered for a while, unless they are not to be kept, as they are elsewhere.
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
            shelf = self._keep(doomed) if keep else None
            removed: list[Message] = []
            try:
                removed = [one for one in self._each(doomed, remove) if having is None or having in one.flags]
            finally:
                if shelf is not None and len(removed) != len(doomed):
                    self._keep_not(doomed, shelf)
            # A look in between may have found some of them gone already.
            self._forget([one for one in removed if self._messages.get(one.uid) is one])
            gone = sorted(one.uid for one in removed)
            self._remember([], gone)
            return gone

    def take_back(self, uids: Sequence[int]) -> None:
        """Remove messages that were put here a moment ago, because something else went wrong."""
        self.expunge(uids, keep=False)

    def _keep(self, messages: list[Message]) -> Shelf | None:
        """Give the messages names where they can be recovered; None where nothing is kept."""
        keeper = self._context.keeper
        if keeper is None or not keeper.wanted:
            return None

        def put(shelf: Shelf) -> None:
            shelf.learn(NO_FLAGS.union(*(one.flags for one in messages)))
            self._each(messages, lambda one: shelf.put(self._path(one), one.base, one.flags), durable=False)

        shelf = keeper.keep(self.name, put)
        keeper.keep_in_bounds()
        return shelf

    def _keep_not(self, messages: list[Message], shelf: Shelf) -> None:
        """Those that are still here need not be recoverable."""
        with suppress(OSError):
            files = self._context.files
            shelf.take_back([one.base for one in messages if files.stat(self._path(one)) is not None])

    def keep_all(self) -> Shelf | None:
        """Let all messages be recoverable, as the whole mailbox is about to be removed."""
        with self._changing():
            return self._keep(list(self._messages)) if self.uids else None

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

    def move(self, uids: Sequence[int], target: "Mailbox") -> list[tuple[int, int]]:
        """Copy messages, then remove them here; gives (UID here, UID there).

        Each is moved, or stays where it is; a power cut in between leaves a message in both, and so does an
        error when it cannot be seen what has become of it. Raises as copy() does, and OSError.
        """
        made = self.copy(uids, target, moving=True)
        try:
            self.expunge([here for here, _ in made], keep=False)
        except BaseException:
            left = {here for here, _ in made if self.is_there(here)}
            target.take_back([there for here, there in made if here in left])
            if left:
                raise
        return made

    def is_there(self, uid: int) -> bool:
        """Whether the file of a message is there at this moment, whatever was known of it. Raises OSError."""
        try:
            self.body(uid).close()
        except (NoSuchMessage, NoSuchMailbox):
            return False
        return True

    def deleted_octets(self) -> int:
        r"""Octets on the disk that removing all messages with \Deleted would free, as of the last sync."""
        return sum(self._octets_on_disk(one) for one in self._messages if DELETED in one.flags)

    def usage_of(self, uid: int) -> Usage:
        """What a message takes of the quota. Raises NoSuchMessage."""
        return Usage(self._octets_on_disk(self._listed(uid)), 1)

    def _octets_on_disk(self, message: Message) -> int:
        size = filenames.sizes(message.base)[0]
        if size is not None:
            return size
        facts = self._context.files.stat(self._path(message))
        return 0 if facts is None else facts.st_size

    def _guid_of(self, message: Message) -> str:
        return identity.guid_of(self.record(message.uid))

    def linked(self, uids: Sequence[int], link: Callable[[str], str]) -> list[Linked]:
        """Messages with a further name for each file, which `link` gives it. Raises NoSuchMessage.

        After an error the caller removes the names that were given.
        """
        found = []
        for uid in uids:
            message = self._listed(uid)
            for _ in range(_TRIES):
                try:
                    path = link(self._path(message))
                    break
                except FileNotFoundError:
                    self._folder.forget()  # another program renamed or removed it
                    self.sync()
                    message = self._listed(uid)
            else:
                raise NoSuchMessage(uid)
            octets = self._octets_on_disk(message)
            found.append(Linked(path, message.base, message.flags, self._guid_of(message), octets))
        return found

    def link_all(self, linked: Sequence[Linked], *, freed: Usage = NOTHING) -> list[int]:
        """Put messages here by hard link, durably, all of them or none; gives their UIDs in order.

        What will be `freed` at once needs no room under the quota. Raises OverQuota, TooManyKeywords.
        """
        octets = sum(one.octets for one in linked)
        more = Usage(max(0, octets - freed.octets), max(0, len(linked) - freed.messages))
        with self._context.room(more), self._changing():
            return self._link_all([(one.path, one) for one in linked], attrgetter("guid"))

    def _link_all(self, sources: Sequence[tuple[str, C]], guid_of: Callable[[C], str]) -> list[int]:
        self._known_spelling(NO_FLAGS.union(*(message.flags for _, message in sources)), may_add=True)
        made: list[tuple[Record, Place]] = []
        taken: set[str] = set()
        now = self._context.now()
        try:
            with self._folder.own_change():
                for path, message in sources:
                    base, fields = self._base_for_copy(message.base, guid_of(message), taken)
                    flags = frozenset(map(self._folder.keywords.canonical, message.flags))
                    place = _in_cur(self._folder.keywords.info(flags, ""))
                    self._context.files.link(path, self._folder.file_path(base, place))
                    self._folder.moved(base, None, place)
                    fields += identity.saved_now(base, now)
                    made.append((self._record(self.uid_next + len(made), base, fields), place))
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
        uids = [message.uid for message in admitted]
        self._messages.recent.update(uids)
        self._remember(admitted, [])
        return uids

    def append(self, draft: Draft, flags: Flags = NO_FLAGS, internal_date: float | None = None) -> int:
        """Put one finished message here; see append_all."""
        return self.append_all([Arriving(draft, flags, internal_date)])[0]

    def append_all(self, arriving: Sequence[Arriving], *, freed: Usage = NOTHING) -> list[int]:
        """Put finished messages here, durably, all of them or none; gives their UIDs in order.

        The drafts are used up, or aborted on error. What will be `freed` at once needs no room under the
        quota. Raises OverQuota, TooManyKeywords.
        """
        drafts = [one.draft for one in arriving]
        octets = sum(draft.octets_on_disk for draft in drafts)
        more = Usage(max(0, octets - freed.octets), max(0, len(drafts) - freed.messages))
        try:
            with self._context.room(more):
                finished = [one.draft.finish(one.internal_date) for one in arriving]
                with self._changing():
                    self._known_spelling(NO_FLAGS.union(*(one.flags for one in arriving)), may_add=True)
                    places = [self._place_of_new(one.flags) for one in arriving]
                    found = [(base, place) for (_, base), place in zip(finished, places, strict=True)]
                    self._put([path for path, _ in finished], found)
                    for draft in drafts:
                        draft.consumed()
                    return self._arrived(found)
        finally:
            for draft in drafts:
                draft.abort()

    def _place_of_new(self, flags: Flags) -> Place:
        spelt = frozenset(map(self._folder.keywords.canonical, flags))
        return _in_cur(self._folder.keywords.info(spelt, "")) if spelt else (True, "")

    def _put(self, paths: Sequence[str], found: Sequence[tuple[str, Place]]) -> None:
        """Move finished files in here and list them; on any error none of them is here."""
        targets = [self._folder.file_path(base, place) for base, place in found]
        try:
            with self._folder.own_change():
                for path, target, (base, place) in zip(paths, targets, found, strict=True):
                    self._context.files.rename(path, target)
                    self._folder.moved(base, None, place)
                self._sync_directories(*sorted({NEW if place[0] else CUR for _, place in found}))
            now = self._context.now()
            self._folder.add_records(
                [
                    self._record(uid, base, identity.saved_now(base, now))
                    for uid, (base, _) in enumerate(found, self.uid_next)
                ]
            )
        except BaseException:
            for target in targets:
                with suppress(OSError):
                    self._context.files.unlink(target, missing_ok=True)
            raise
