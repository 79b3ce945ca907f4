"""The messages of one mailbox in memory: by UID, by base name, and what changed when."""

from array import array
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, KeysView
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

from mailnode.store import blocks, filenames
from mailnode.store.download import Download
from mailnode.store.errors import NoSuchMessage
from mailnode.store.folder import Place
from mailnode.store.index import UNKNOWN
from mailnode.store.values import DELETED, SEEN, Flags

_CHANGES_KEPT = 1024

_flags = attrgetter("flags")


@dataclass(slots=True)
class Message:
    r"""What is known of one message.

    `modseq` grows with each change of its flags.
    """

    uid: int
    base: str
    place: Place
    flags: Flags
    modseq: int
    octets: int = UNKNOWN
    internal_date: float = UNKNOWN
    download: Download | None = None  # what POP3 sends; None as long as nobody has looked

    @property
    def info(self) -> str:
        """The flag letters in its name."""
        return filenames.info_of(self.place[1])


class Several:
    """Some messages in order of UID, of which the same is asked."""

    def __init__(self, messages: list[Message], uids: "array[int] | None" = None) -> None:
        self.messages = messages
        self.uids = array("I", (one.uid for one in messages)) if uids is None else uids

    def __len__(self) -> int:
        return len(self.messages)

    @cached_property
    def names(self) -> blocks.Names:
        """What they are known by in the cache."""
        return blocks.names(self.uids, [message.base for message in self.messages])


class Messages:
    r"""The table. `uids` is replaced, never changed in place: a reference to it is an unchanging view.

    `recent` are the UIDs that no session which selected the mailbox read-write has claimed so far (\Recent of
    RFC 3501 section 2.3.2).
    """

    def __init__(self) -> None:
        self.uids = array("I")
        self.recent: set[int] = set()
        self.modseq = 0
        self._by_uid: dict[int, Message] = {}
        self._by_base: dict[str, Message] = {}
        self._counted: tuple[int, int] | None = None  # once somebody has asked
        self._first_unseen: tuple[int | None] | None = None  # likewise
        self._changed: list[tuple[int, int]] = []  # (modseq, uid), ascending

    def __len__(self) -> int:
        return len(self._by_uid)

    def __iter__(self) -> Iterator[Message]:
        return iter(self._by_uid.values())

    def get(self, uid: int) -> Message | None:
        """By UID."""
        return self._by_uid.get(uid)

    def each(self, uids: Iterable[int]) -> list[Message]:
        """The messages with these UIDs, in their order. Raises NoSuchMessage where one has gone."""
        try:
            return list(map(self._by_uid.__getitem__, uids))
        except KeyError as missing:
            raise NoSuchMessage(*missing.args) from None

    def called(self, base: str) -> Message | None:
        """By base name."""
        return self._by_base.get(base)

    @property
    def bases(self) -> KeysView[str]:
        """All base names."""
        return self._by_base.keys()

    def tick(self, now: float) -> int:
        """A new modification sequence: from the clock, so that a lost cache never makes it fall."""
        self.modseq = max(self.modseq + 1, int(now * 1_000_000))
        return self.modseq

    def log(self, message: Message, modseq: int) -> None:
        """A message is new or has other flags, as of `modseq`, which is the latest."""
        self.log_all((message,), modseq)

    def log_all(self, messages: Iterable[Message], modseq: int) -> None:
        """The same of several."""
        for message in messages:
            message.modseq = modseq
            self._changed.append((modseq, message.uid))
        if len(self._changed) > 2 * len(self._by_uid) + _CHANGES_KEPT:
            self._changed = sorted((one.modseq, one.uid) for one in self)

    def flag(self, message: Message, flags: Flags) -> None:
        """A message has these flags from now on."""
        message.flags = flags
        self._counted = self._first_unseen = None

    def counted(self) -> tuple[int, int]:
        r"""How many have no \Seen, and how many have \Deleted; clients ask for it again and again."""
        if self._counted is None:
            kinds = Counter(map(_flags, self)).items()
            unseen = sum(count for flags, count in kinds if SEEN not in flags)
            self._counted = unseen, sum(count for flags, count in kinds if DELETED in flags)
        return self._counted

    def first_unseen(self) -> int | None:
        r"""The lowest UID of a message without \Seen; that is asked for again and again, too."""
        if self._first_unseen is None:
            unseen = (uid for uid in self.uids if SEEN not in self._by_uid[uid].flags)
            self._first_unseen = (next(unseen, None),)
        return self._first_unseen[0]

    @property
    def is_counted(self) -> bool:
        """Whether counted() goes over no messages, as somebody has asked before."""
        return self._counted is not None

    @property
    def knows_first_unseen(self) -> bool:
        """The same of first_unseen()."""
        return self._first_unseen is not None

    def changes(self, since: int) -> list[int]:
        """UIDs of messages logged after `since`, ascending."""
        found: set[int] = set()
        for modseq, uid in reversed(self._changed):
            if modseq <= since:
                break
            found.add(uid)
        return sorted(uid for uid in found if uid in self._by_uid)

    def admit(self, messages: Iterable[Message]) -> None:
        """Take messages in."""
        arrived = sorted(messages, key=attrgetter("uid"))
        for message in arrived:
            self._by_uid[message.uid] = self._by_base[message.base] = message
        if not arrived:
            return
        self._counted = self._first_unseen = None
        if not self.uids or arrived[0].uid > self.uids[-1]:
            self.uids = self.uids + array("I", (message.uid for message in arrived))
            return
        merged = self.uids.tolist()
        for message in arrived:
            insort(merged, message.uid)
        self.uids = array("I", merged)

    def forget(self, messages: Iterable[Message]) -> list[int]:
        """Let go of messages that are gone; gives their UIDs."""
        gone = [message.uid for message in messages]
        for uid in gone:
            del self._by_base[self._by_uid.pop(uid).base]
        self.recent.difference_update(gone)
        if gone:
            self._counted = self._first_unseen = None
            self.uids = without(self.uids, (bisect_left(self.uids, uid) for uid in sorted(gone)))
        return gone


def without(uids: "array[int]", positions: Iterable[int]) -> "array[int]":
    """All UIDs but those at these positions, which ascend."""
    left = array("I")
    start = 0
    for position in positions:
        left += uids[start:position]
        start = position + 1
    return left + uids[start:]
