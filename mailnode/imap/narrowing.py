"""What the text index rules out, asked once for each needle of a command.

A search key says with it which messages can match at all, so that the others are not even looked at; and
where that is not known, as under NOT, a message that cannot hold a needle is not opened for it.
"""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

LOOKUPS = 32  # in one command; further needles narrow nothing

Possible = AbstractSet[int] | None  # UIDs that can match; None: every message


class Narrowing:
    """The candidates for needles; `ask` gives the UIDs of those messages that may hold a folded string."""

    def __init__(self, ask: Callable[[str], Possible]) -> None:
        self._ask = ask
        self._known: dict[str, Possible] = {}

    def candidates(self, needle: str) -> Possible:
        """The messages that may hold the needle."""
        if needle not in self._known:
            self._known[needle] = self._ask(needle) if len(self._known) < LOOKUPS else None
        return self._known[needle]

    def may_hold(self, uid: int, needle: str) -> bool:
        """Whether this message may."""
        candidates = self.candidates(needle)
        return candidates is None or uid in candidates


def all_of(possible: Iterable[Possible]) -> Possible:
    """What can match all of several keys."""
    known = [one for one in possible if one is not None]
    return frozenset.intersection(*map(frozenset, known)) if known else None


def any_of(possible: Iterable[Possible]) -> Possible:
    """What can match one of several keys."""
    found: set[int] = set()
    for one in possible:
        if one is None:
            return None
        found |= one
    return found
