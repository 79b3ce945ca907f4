"""What the text index rules out, asked once for each needle of a command.

A search key says with it which messages can match at all, so that the others are not even looked at; and
where that is not known, as under NOT, a message that cannot hold a needle is not opened for it.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from heapq import merge
from itertools import groupby
from typing import TypeAlias

LOOKUPS = 16  # in one command; further needles narrow nothing

# UIDs that can match, ascending, in four octets each, as there may be very many; None: every message.
Possible: TypeAlias = "array[int] | None"


class Narrowing:
    """The candidates for needles; `ask` gives the UIDs of those messages that may hold a folded string."""

    def __init__(self, ask: Callable[[str], Possible]) -> None:
        self._ask = ask
        self._known: dict[str, Possible] = {}

    def candidates(self, needle: str) -> Possible:
        """The messages that may hold the needle."""
        return self._known[needle] if self.looks_for(needle) else None

    def looks_for(self, needle: str) -> bool:
        """Whether it is one of the first needles of the command, for which there are lookups."""
        if needle not in self._known and len(self._known) < LOOKUPS:
            self._known[needle] = self._ask(needle)
        return needle in self._known

    def among(self, uids: Sequence[int], needle: str) -> AbstractSet[int]:
        """Those of some messages, in order of UID, that may hold the needle; perhaps with others between."""
        candidates = self.candidates(needle)
        if candidates is None or not uids:
            return frozenset(uids)
        return frozenset(candidates[bisect_left(candidates, uids[0]) : bisect_right(candidates, uids[-1])])

    def may_hold(self, uid: int, needle: str) -> bool:
        """Whether this message may."""
        candidates = self.candidates(needle)
        if candidates is None:
            return True
        place = bisect_left(candidates, uid)
        return place < len(candidates) and candidates[place] == uid


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
