"""Sorted results that a client follows (RFC 5267 section 4.3): ADDTO and REMOVEFROM with their places.

The order of two messages never changes, as nothing that they are sorted by does; so a message that is new to
the results finds its place among them by halves, and no keys are kept.
"""

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

from mailnode.imap.contexts import Context
from mailnode.imap.criteria import CRITERIA, RELEVANCY, Criterion
from mailnode.imap.matching import Matching
from mailnode.imap.results import Response
from mailnode.store.errors import NoSuchMessage


def can_follow(criteria: Sequence[Criterion]) -> bool:
    """Whether the order hangs on nothing that may change, as the relevancy of a message does."""
    return all(criterion.name != RELEVANCY for criterion in criteria)


class SortedContext(Context):
    """A SORT that is followed."""

    def __init__(
        self,
        matching: Matching,
        response: Response,
        criteria: Sequence[Criterion],
        items: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(matching, response, items)
        self._criteria = criteria
        self._order = array("I")  # UIDs of the results, as the client has them

    def found_in_order(self, positions: Sequence[int]) -> None:
        """These are the messages that match, sorted."""
        self.found(sorted(positions))
        self._order = array("I", (self._view.uids[position] for position in positions))

    def _add(self, uid: int) -> bool:
        """What cannot be sorted now is asked again with the next look."""
        try:
            self._key(uid)
        except NoSuchMessage:
            return False
        except OSError:
            self._matching.unreadable += 1
            return False
        return super()._add(uid)

    def _told(self, item: bytes, uids: "array[int]") -> Iterator[bytes]:
        """ret-data-addto = "ADDTO" SP "(" context-position SP sequence-set *(...) ")", and REMOVEFROM."""
        before = b"%b %b (" % (self._response.start, item)
        for uid in uids:
            place = self._removed(uid) if item == b"REMOVEFROM" else self._inserted(uid)
            number = uid if self._response.by_uid else self._number(uid)
            yield b"%b%d %d" % (before, place + 1, number)
            before = b" "
        if uids:
            yield b")\r\n"

    def _removed(self, uid: int) -> int:
        place = self._order.index(uid)
        del self._order[place]
        return place

    def _inserted(self, uid: int) -> int:
        key = self._key_if_known(uid)
        first, end = 0, len(self._order)
        while first < end and key is not None:
            middle = at = (first + end) // 2
            while at < end and (other := self._key_if_known(self._order[at])) is None:
                at += 1  # it is gone, which the client has not heard of so far
            if at < end and other is not None and self._is_before(other, self._order[at], key, uid):
                first = at + 1
            else:
                end = middle
        self._order.insert(first, uid)
        return first

    def _key(self, uid: int) -> list[Any]:
        return [CRITERIA[one.name](self._view.mailbox, (uid,))[0] for one in self._criteria]

    def _key_if_known(self, uid: int) -> list[Any] | None:
        try:
            return self._key(uid)
        except (NoSuchMessage, OSError):
            return None

    def _is_before(self, one: list[Any], uid: int, other: list[Any], other_uid: int) -> bool:
        for criterion, mine, yours in zip(self._criteria, one, other, strict=True):
            if mine != yours:
                return bool((mine < yours) is not criterion.reverse)
        return uid < other_uid
