r"""A mailbox as somebody sees it who is not its owner: with their rights, and their own \Seen.

It has the words of Mailbox, and may stand wherever one may. Other flags are those of everybody. The
modification sequence of a message is that of its last change in the eyes of this reader, so it grows when
they read it; all come from one counter, that of the mailbox, so HIGHESTMODSEQ is above them. Nobody else
hears of what one reader has read; only the owner's own \Seen is told to readers as a change that changes
nothing. \Recent is the owner's. What the reader has no right to is left out, or raises NoRight. All methods
run in the lane of the owner's account.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any

from mailnode.message.rendered import Rendered
from mailnode.message.text import Searchable
from mailnode.store.acl import Rights, may_set
from mailnode.store.body import Body
from mailnode.store.draft import Arriving
from mailnode.store.errors import NoRight, NoSuchMailbox, StoreError
from mailnode.store.mailbox import Linked, Mailbox, Mode
from mailnode.store.messages import Message, Several
from mailnode.store.prepared_tables import Prepared
from mailnode.store.seen import SeenFile
from mailnode.store.synchronised import Status
from mailnode.store.text_words import Where
from mailnode.store.uidlist import Record
from mailnode.store.usage import NOTHING, Usage
from mailnode.store.values import DELETED, SEEN, Flags
from mailnode.values import replace

_READ = frozenset((SEEN,))


class Borrowed(Mailbox):
    """For who has the `needed` rights; what others they have is asked whenever the mailbox is looked at.

    Raises NoSuchMailbox where the needed ones are missing, then or later.
    """

    def __init__(
        self, mailbox: Mailbox, reader: str, seen: SeenFile, granted: Callable[[], Rights], needed: str
    ) -> None:
        # Nothing of Mailbox itself is set up: what is not said here fails.
        self.name = mailbox.name
        self.derived = mailbox.derived
        self.looked = False
        self._lent = mailbox
        self._reader = reader
        self._file = seen
        self._granted = granted
        self._needed = needed
        self._look()

    # Looking at the disk

    def sync(self) -> None:
        """Look at the disk, and at the rights."""
        self._lent.sync()
        self._look()
        self.looked = True

    @property
    def is_still(self) -> bool:
        """Never: the rights, and what the reader has seen, are looked at each time."""
        return False

    def _look(self) -> None:
        self.rights = self._granted()
        if not self.rights.issuperset(self._needed):
            raise NoSuchMailbox(self.name)
        self._file.load()
        self._seen = self._file.of(self._reader)
        self._lent.outdo(self._file.newest)

    def claim_recent(self) -> set[int]:
        r"""\Recent stays for the owner."""
        return set()

    # Facts

    @property
    def uids(self) -> "array[int]":
        return self._lent.uids

    @property
    def highest_modseq(self) -> int:
        return self._lent.highest_modseq

    @property
    def uid_validity(self) -> int:
        return self._lent.uid_validity

    @property
    def uid_next(self) -> int:
        return self._lent.uid_next

    @property
    def now(self) -> float:
        return self._lent.now

    @property
    def directories(self) -> tuple[str, str]:
        return self._lent.directories

    @property
    def guid(self) -> str:
        return self._lent.guid

    @property
    def keywords_full(self) -> bool:
        return self._lent.keywords_full

    def keywords(self) -> list[str]:
        return self._lent.keywords()

    def expunged(self, since: int) -> list[range] | None:
        return self._lent.expunged(since)

    def status(self) -> Status:
        counts = self._lent.status()
        seen = sum(len(self._within(span)) for span in self._seen.spans)
        return counts.of_reader(unseen=len(self.uids) - seen)

    def first_unseen(self) -> int | None:
        unseen = (uid for uid in self.uids if (one := self.get(uid)) and SEEN not in one.flags)
        return next(unseen, None)

    @property
    def recent(self) -> AbstractSet[int]:
        return frozenset()

    # Messages

    def get(self, uid: int) -> Message | None:
        message = self._lent.get(uid)
        return message and self._as_seen(message)

    def each(self, uids: Iterable[int]) -> list[Message]:
        return list(map(self._as_seen, self._lent.each(uids)))

    def _as_seen(self, message: Message) -> Message:
        r"""The message, or a copy with what this reader knows of it."""
        seen = message.uid in self._seen
        modseq = max(message.modseq, self._seen.modseq(message.uid))
        if (SEEN in message.flags) is seen and modseq == message.modseq:
            return message
        flags = message.flags | _READ if seen else message.flags - _READ
        return Message(
            message.uid,
            message.base,
            message.place,
            flags,
            modseq,
            octets=message.octets,
            internal_date=message.internal_date,
        )

    def changes(self, since: int) -> list[int]:
        mine = {uid for span in self._seen.changed(since) for uid in self._within(span)}
        return sorted(mine.union(self._lent.changes(since)))

    def _within(self, span: range) -> "array[int]":
        return self.uids[bisect_left(self.uids, span.start) : bisect_left(self.uids, span.stop)]

    def body(self, uid: int) -> Body:
        return self._lent.body(uid)

    def small(self, uid: int) -> bytes:
        return self._lent.small(uid)

    def octets(self, uid: int) -> int:
        return self._lent.octets(uid)

    def sizes(self, uids: Sequence[int]) -> list[int]:
        return self._lent.sizes(uids)

    def ascii_headers(self, uids: Sequence[int]) -> list[bool]:
        return self._lent.ascii_headers(uids)

    def internal_dates(self, uids: Sequence[int]) -> list[float]:
        return self._lent.internal_dates(uids)

    def record(self, uid: int) -> Record:
        return self._lent.record(uid)

    def internal_date(self, uid: int) -> float:
        return self._lent.internal_date(uid)

    def rendered(self, uid: int) -> Rendered:
        return self._lent.rendered(uid)

    def candidates(self, needle: str) -> "array[int] | None":
        return self._lent.candidates(needle)

    def found(self, needle: str, where: Where) -> "tuple[array[int], array[int]] | None":
        return self._lent.found(needle, where)

    def text(self, uid: int) -> Searchable | None:
        return self._lent.text(uid)

    def keep_texts(self) -> None:
        self._lent.keep_texts()

    def texts_holding(self, uids: Sequence[int], needle: str, *, in_header: bool) -> list[bool | None]:
        return self._lent.texts_holding(uids, needle, in_header=in_header)

    def prepared(self, uid: int, what: Prepared) -> Any:
        return self._lent.prepared(uid, what)

    def column(self, some: Several, what: Prepared) -> Sequence[Any]:
        return self._lent.column(some, what)

    def fields(self, some: Several, names: Sequence[bytes]) -> Sequence[bytes | None]:
        return self._lent.fields(some, names)

    def orderings(self, uids: Sequence[int]) -> list[bytes | None]:
        return self._lent.orderings(uids)

    def headers(self, uids: Sequence[int]) -> list[bytes | None]:
        return self._lent.headers(uids)

    def holding(self, uids: Sequence[int], name: bytes, needle: bytes) -> list[int | None]:
        return self._lent.holding(uids, name, needle)

    def days(self, uids: Sequence[int]) -> list[int | None]:
        return self._lent.days(uids)

    def ready(self, uid: int, what: Prepared) -> Any | None:
        return self._lent.ready(uid, what)

    def deleted_octets(self) -> int:
        return self._lent.deleted_octets()

    def usage_of(self, uid: int) -> Usage:
        return self._lent.usage_of(uid)

    # Changing

    def set_flags(
        self,
        uids: Iterable[int],
        mode: Mode,
        flags: Flags,
        *,
        unless: Callable[[Message], bool] = lambda message: False,
    ) -> dict[int, int]:
        """Change those flags that the reader may change, and leave the others as they are."""
        with self._lent._changing():
            self.sync()
            found = [one for uid in dict.fromkeys(uids) if (one := self.get(uid)) and not unless(one)]
            before = {one.uid: one.modseq for one in found}
            changed = self._set_shared([one.uid for one in found], mode, flags)
            if may_set(self.rights, SEEN) and (mode == "replace" or SEEN in flags):
                wanted = SEEN in flags and mode != "remove"
                differing = [one.uid for one in found if (SEEN in one.flags) is not wanted]
                self._set_seen(differing, seen=wanted)
                changed.update(differing)
            return {uid: before[uid] for uid in sorted(changed)}

    def _set_shared(self, uids: Iterable[int], mode: Mode, flags: Flags) -> set[int]:
        """The flags of everybody; gives the UIDs of messages that have other ones now."""
        mine = self._kept(flags)
        if mode != "replace":
            return set(self._lent.set_flags(uids, mode, mine)) if mine else set()
        alike: dict[Flags, list[int]] = {}
        for uid in uids:
            message = self._lent.get(uid)
            if message is not None:
                kept = frozenset(
                    flag for flag in message.flags if flag == SEEN or not may_set(self.rights, flag)
                )
                alike.setdefault(kept, []).append(uid)
        changed: set[int] = set()
        for kept, some in alike.items():
            changed.update(self._lent.set_flags(some, "replace", kept | mine))
        return changed

    def _set_seen(self, uids: Sequence[int], *, seen: bool) -> None:
        if uids:
            self._file.change(self._reader, self._lent.advance(), sorted(uids), seen=seen)
            self._seen = self._file.of(self._reader)

    def expunge(self, uids: Iterable[int], *, having: str | None = None, keep: bool = True) -> list[int]:
        r"""Remove messages for good; where they need not have \Deleted, the right to set it is needed too."""
        self.sync()
        if not self.rights.issuperset("e" if having == DELETED else "te"):
            raise NoRight
        return self._lent.expunge(uids, having=having, keep=keep)

    def take_back(self, uids: Sequence[int]) -> None:
        self._lent.take_back(uids)

    def copy(self, uids: Sequence[int], target: Mailbox, *, moving: bool = False) -> list[tuple[int, int]]:
        """Messages of others go through store.transfer."""
        raise NotImplementedError

    def move(self, uids: Sequence[int], target: Mailbox) -> list[tuple[int, int]]:
        """Messages of others go through store.transfer."""
        raise NotImplementedError

    def is_there(self, uid: int) -> bool:
        return self._lent.is_there(uid)

    def linked(self, uids: Sequence[int], link: Callable[[str], str]) -> list[Linked]:
        """Messages with a further name for each file, and the flags that they have for this reader."""
        seen = self._seen
        return [
            replace(one, flags=one.flags | _READ if uid in seen else one.flags - _READ)
            for uid, one in zip(uids, self._lent.linked(uids, link), strict=True)
        ]

    def append_all(
        self, arriving: Sequence[Arriving], *, freed: Usage = NOTHING, claimed: bool = False
    ) -> list[int]:
        """Put finished messages here, with those flags that the reader may set. They are nobody's claim."""
        self._look()
        kept = [Arriving(one.draft, self._kept(one.flags), one.internal_date) for one in arriving]
        uids = self._lent.append_all(kept, freed=freed)
        self._mark_read(uids, arriving)
        return uids

    def link_all(self, linked: Sequence[Linked], *, freed: Usage = NOTHING) -> list[int]:
        """Put messages here, with those flags that the reader may set."""
        self._look()
        kept = [replace(one, flags=self._kept(one.flags)) for one in linked]
        uids = self._lent.link_all(kept, freed=freed)
        self._mark_read(uids, linked)
        return uids

    def _kept(self, flags: Flags) -> Flags:
        return frozenset(flag for flag in flags - _READ if may_set(self.rights, flag))

    def _mark_read(self, uids: Sequence[int], arrived: Sequence[Arriving | Linked]) -> None:
        """The messages are here, whatever becomes of this."""
        read = [uid for uid, one in zip(uids, arrived, strict=True) if SEEN in one.flags]
        if read and may_set(self.rights, SEEN):
            with suppress(OSError, StoreError), self._lent._changing():
                self._set_seen(read, seen=True)
