"""Messages of a view, remembered while the view changes: the saved result of a SEARCH, or a set in its keys.

UIDs are kept as runs of messages that stand side by side. A view only loses messages, and gets others behind
all that it has, so nothing ever comes between the first and the last of a run. A run costs eight octets,
however many messages are in it.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from mailnode.wire.imap.sequence import joined


class Runs:
    """A set of messages; it does not change."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, spans: Iterable[range] = (), uids: Sequence[int] = ()) -> None:
        """The messages at ascending, disjoint spans of positions."""
        self._firsts = array("I")
        self._lasts = array("I")
        for span in spans:
            self._firsts.append(uids[span.start])
            self._lasts.append(uids[span.stop - 1])

    @classmethod
    def at(cls, positions: Iterable[int], uids: Sequence[int]) -> "Runs":
        """The messages at these positions, which ascend."""
        return cls(joined(range(one, one + 1) for one in positions), uids)

    def __len__(self) -> int:
        """How many runs there are."""
        return len(self._firsts)

    def __contains__(self, uid: int) -> bool:
        return self.span(uid, uid)

    def span(self, first: int, last: int) -> bool:
        """Whether all messages of the view from one UID to another are in one of its runs."""
        index = bisect_right(self._firsts, first) - 1
        return index >= 0 and last <= self._lasts[index]

    def positions(self, uids: Sequence[int]) -> Iterator[range]:
        """Where those of them stand that are still there, ascending and disjoint."""
        for first, last in zip(self._firsts, self._lasts, strict=True):
            span = range(bisect_left(uids, first), bisect_right(uids, last))
            if span:
                yield span


NONE = Runs()
