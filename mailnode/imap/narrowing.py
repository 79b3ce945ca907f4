"""What the text index says, asked once for each needle of a command.

A search key says with it which messages can match at all, so that the others are not even looked at; and
where that is not known, as under NOT, a message that cannot hold a needle is not opened for it. Of texts the
index mostly knows which messages hold a needle, and these are not looked at either.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from heapq import merge
from itertools import groupby
from typing import NamedTuple, Protocol, TypeAlias

from mailnode.imap.needles import Needle
from mailnode.store.text_words import Where

LOOKUPS = 16  # in one command; further needles narrow nothing

# UIDs that can match, ascending, in four octets each, as there may be very many; None: every message.
Possible: TypeAlias = "array[int] | None"


class Texts(NamedTuple):
    """Messages by UID, ascending: those that hold a needle, those that may, and both; all others do not."""

    sure: "array[int]"
    perhaps: "array[int]"
    possible: "array[int]"


class Index(Protocol):
    """Who knows: store.reading.Reading."""

    def candidates(self, needle: str) -> Possible:
        """The messages that may hold a folded string anywhere."""
        ...

    def found(self, needle: str, where: Where) -> "tuple[array[int], array[int]] | None":
        """The messages whose texts hold it, and those that have to be asked; None: every one has to be."""
        ...


class Narrowing:
    """What is known for needles."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._known: dict[str, Possible] = {}
        self._texts: dict[Needle, Texts | None] = {}

    @property
    def _room(self) -> bool:
        return len(self._known) + len(self._texts) < LOOKUPS

    def candidates(self, needle: str) -> Possible:
        """The messages that may hold the needle anywhere."""
        if needle not in self._known and self._room:
            self._known[needle] = self._index.candidates(needle)
        return self._known.get(needle)

    def texts(self, needle: Needle) -> Texts | None:
        """The messages whose texts hold a needle; None where nothing is known."""
        return self._texts[needle] if self.looks_for(needle) else None

    def looks_for(self, needle: Needle) -> bool:
        """Whether it is one of the first needles of the command, for which there are lookups."""
        if needle not in self._texts and self._room:
            self._texts[needle] = self._found(needle)
        return needle in self._texts

    def _found(self, needle: Needle) -> Texts | None:
        found = self._index.found(needle.text, Where.TEXT if needle.in_header else Where.BODY)
        if found is None:
            return None
        sure, perhaps = found
        return Texts(sure, perhaps, array("I", merge(sure, perhaps)) if sure and perhaps else sure or perhaps)

    def may_hold(self, uid: int, needle: str) -> bool:
        """Whether this message may hold it anywhere."""
        candidates = self.candidates(needle)
        return candidates is None or _is_among(uid, candidates)

    def texts_may_hold(self, uid: int, needle: Needle) -> bool:
        """Whether its texts may."""
        texts = self.texts(needle)
        return texts is None or _is_among(uid, texts.possible)


def _is_among(uid: int, uids: "array[int]") -> bool:
    place = bisect_left(uids, uid)
    return place < len(uids) and uids[place] == uid


def between(uids: "array[int]", first: int, last: int) -> AbstractSet[int]:
    """Those of some UIDs, which ascend, that are in a range."""
    return frozenset(uids[bisect_left(uids, first) : bisect_right(uids, last)])


def all_of(possible: Iterable[Possible]) -> Possible:
    """What can match all of several keys."""
    known = sorted((one for one in possible if one is not None), key=len)
    if len(known) < 2:
        return known[0] if known else None
    found = set(known[0])
    for other in known[1:]:
        found.intersection_update(other)
    return array("I", sorted(found))


def any_of(possible: Iterable[Possible]) -> Possible:
    """What can match one of several keys."""
    known: list[array[int]] = []
    for one in possible:
        if one is None:
            return None
        known.append(one)
    return array("I", (uid for uid, _ in groupby(merge(*known))))
