"""One mailbox as sessions see it: changing its messages durably (store.reading reads them).

All methods run in the account's lane; store.synchronised says what the object stands for.
"""

import errno
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import Literal, Protocol, TypeVar

from mailnode.store import filenames, identity
from mailnode.store.acl import ALL, Rights
from mailnode.store.directory import CUR, NEW
from mailnode.store.draft import Arriving, Draft
from mailnode.store.errors import InUse, NoSuchMailbox, NoSuchMessage, TooManyKeywords
from mailnode.store.folder import Place
from mailnode.store.keeping import Shelf
from mailnode.store.keywords import NAME_LIMIT
from mailnode.store.messages import Message
from mailnode.store.reading import Reading
from mailnode.store.uidlist import Record
from mailnode.store.usage import NOTHING, Usage
from mailnode.store.values import DELETED, NO_FLAGS, Flags
from mailnode.values import frozen

Mode = Literal["add", "remove", "replace"]

C = TypeVar("C", bound="Copied")

_TRIES = 20  # how often a file that another program renames under our hands is looked for again


def _in_cur(info: str) -> Place:
    return False, filenames.suffix_of(info)


class Copied(Protocol):
    """What is asked of a message of which a copy is made."""

    @property
    def base(self) -> str: ...
    @property
    def flags(self) -> Flags: ...


@frozen
class Linked:
    """A message of another account on its way in: a link to its file, which nobody else knows, at `path`."""

    path: str
    base: str
    flags: Flags
    guid: str
    octets: int


class Mailbox(Reading):
    """An open mailbox; one object for all sessions of the process."""

    rights: Rights = ALL  # of who looks at it: its owner
    key_resets = 0  # how often its key for URLs was replaced, by sessions of this process

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
        """Move new/ to cur/, as SELECT does; gives the UIDs that no session had claimed, as of the last look.

        It is no loss if a power cut puts the files back into new/, so nobody waits for the disk. Where there
        is nothing to move, nobody waits for the lock either.
        """
        if self._in_new():
            with self._changing():
                if in_new := self._in_new():
                    self._each(in_new, self._claim, durable=False)
                    self._remember(in_new, [])
        claimed = set(self._messages.recent)
        self._messages.recent.clear()
        return claimed

    def _in_new(self) -> list[Message]:
        return [one for one in self._messages.each(sorted(self._messages.recent)) if one.place[0]]

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
                self._messages.flag(message, new)

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

    def _arrived(self, found: list[tuple[str, Place]], *, claimed: bool = False) -> list[int]:
        """Messages that were put here by us, listed already; gives their UIDs."""
        admitted = self._admit(found)
        uids = [message.uid for message in admitted]
        if not claimed:
            self._messages.recent.update(uids)
        self._remember(admitted, [])
        return uids

    def append(self, draft: Draft, flags: Flags = NO_FLAGS, internal_date: float | None = None) -> int:
        """Put one finished message here; see append_all."""
        return self.append_all([Arriving(draft, flags, internal_date)])[0]

    def append_all(
        self, arriving: Sequence[Arriving], *, freed: Usage = NOTHING, claimed: bool = False
    ) -> list[int]:
        r"""Put finished messages here, durably, all of them or none; gives their UIDs in order.

        The drafts are used up, or aborted on error. What will be `freed` at once needs no room under the
        quota. What is `claimed` is \Recent to the session that brings it, and to no other: it need not lie in
        new/ for a moment. Raises OverQuota, TooManyKeywords.
        """
        drafts = [one.draft for one in arriving]
        octets = sum(draft.octets_on_disk for draft in drafts)
        more = Usage(max(0, octets - freed.octets), max(0, len(drafts) - freed.messages))
        try:
            with self._context.room(more):
                finished = [one.draft.finish(one.internal_date) for one in arriving]
                with self._changing():
                    self._known_spelling(NO_FLAGS.union(*(one.flags for one in arriving)), may_add=True)
                    places = [self._place_of_new(one.flags, claimed=claimed) for one in arriving]
                    found = [(base, place) for (_, base), place in zip(finished, places, strict=True)]
                    self._put([path for path, _ in finished], found)
                    for draft in drafts:
                        draft.consumed()
                    return self._arrived(found, claimed=claimed)
        finally:
            for draft in drafts:
                draft.abort()

    def _place_of_new(self, flags: Flags, *, claimed: bool) -> Place:
        spelt = frozenset(map(self._folder.keywords.canonical, flags))
        return _in_cur(self._folder.keywords.info(spelt, "")) if spelt or claimed else (True, "")

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
