"""What messages are sorted by (RFC 5256, RFC 5957, RFC 6203): for each criterion, something that compares.

All of it is prepared, in memory, or in an inode: no message is opened for it that was read before.
"""

import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

from mailnode.imap.selected import Selected
from mailnode.message import ordering
from mailnode.message.ordering import Text
from mailnode.message.slices import Steps, arranged
from mailnode.store.errors import NoSuchMessage, Unread
from mailnode.store.mailbox import Mailbox
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

RELEVANCY = "RELEVANCY"  # the search tells it
_PASSING = (RELEVANCY, "SIZE")  # a size that a name has stated wrongly is put right when the message is read
TURN = 128  # messages that are looked at between two chances for others to have their turn

# Of messages in order of UID. Raises NoSuchMessage, OSError or Unread where one of several has none.
Values = Callable[[Mailbox, Sequence[int]], list[Any]]


def orderings(mailbox: Mailbox, uids: Sequence[int]) -> list[bytes]:
    """What is prepared of messages; a single one is read where it has to be."""
    found = mailbox.orderings(uids)
    known = [one for one in found if one is not None]
    if len(known) == len(found):
        return known
    if len(uids) > 1:
        raise Unread
    return [mailbox.rendered(uids[0]).ordering]


def arrived(mailbox: Mailbox, uids: Sequence[int]) -> list[int]:
    """INTERNALDATE in whole seconds, which is what a client can see of it."""
    return list(map(math.floor, mailbox.internal_dates(uids)))


def sent(mailbox: Mailbox, uids: Sequence[int]) -> list[int]:
    """The sent date (RFC 5256 section 2.2) in seconds since the epoch."""
    return [
        arrived(mailbox, (uid,))[0] if stated is None else stated
        for uid, stated in zip(uids, map(ordering.sent, orderings(mailbox, uids)), strict=True)
    ]


def _text(text: Text) -> Values:
    return lambda mailbox, uids: [ordering.text_key(one, text) for one in orderings(mailbox, uids)]


def _sizes(mailbox: Mailbox, uids: Sequence[int]) -> list[int]:
    return mailbox.sizes(uids)


CRITERIA: Mapping[str, Values] = {
    "ARRIVAL": arrived,
    "CC": _text(Text.CC),
    "DATE": sent,
    "DISPLAYFROM": _text(Text.DISPLAYFROM),
    "DISPLAYTO": _text(Text.DISPLAYTO),
    "FROM": _text(Text.FROM),
    "SIZE": _sizes,
    "SUBJECT": _text(Text.SUBJECT),
    "TO": _text(Text.TO),
}


@frozen
class Criterion:
    """What to sort by, and whether from the last to the first."""

    name: str
    reverse: bool = False


def parse(args: Cursor) -> tuple[Criterion, ...]:
    """sort-criteria = "(" sort-criterion *(SP sort-criterion) ")"

    Where one stands twice, the second time it would find nothing left to sort.
    """
    by_name: dict[str, Criterion] = {}
    for criterion in args.list_of(_criterion):
        by_name.setdefault(criterion.name, criterion)
    return tuple(by_name.values())


def _criterion(args: Cursor) -> Criterion:
    """sort-criterion = ["REVERSE" SP] sort-key"""
    reverse = args.accept_keyword("REVERSE")
    name = (args.sp() if reverse else args).keyword()
    if name not in CRITERIA and name != RELEVANCY:
        raise BadSyntax("There is no such sort key")
    return Criterion(name, reverse)


@dataclass(slots=True)
class Columns:
    """What is known of messages of a view, in columns; those that are gone, or cannot be read, are left out.

    `positions` are those that are there, `unreadable` counts those of which nothing is known.
    """

    view: Selected
    values: Sequence[Values]
    positions: "array[int]" = field(default_factory=lambda: array("I"))
    unreadable: int = 0

    def read(self, positions: "array[int]") -> Iterator[list[list[Any]]]:
        """Some rows of all columns at a time; the positions ascend."""
        for start in range(0, len(positions), TURN):
            some = positions[start : start + TURN]
            try:
                yield self._rows(some)
            except (NoSuchMessage, OSError, Unread):
                yield from self._one_by_one(some)

    def _rows(self, positions: "array[int]") -> list[list[Any]]:
        uids = list(map(self.view.uids.__getitem__, positions))
        rows = [values(self.view.mailbox, uids) for values in self.values]
        self.positions.extend(positions)
        return rows

    def _one_by_one(self, positions: "array[int]") -> Iterator[list[list[Any]]]:
        for position in positions:
            try:
                yield self._rows(array("I", (position,)))
            except NoSuchMessage:
                continue
            except OSError:
                self.unreadable += 1


@dataclass(slots=True)
class Sorting:
    """Sorts messages of a view in the account's lane; `unreadable` counts those of which nothing is known."""

    view: Selected
    criteria: tuple[Criterion, ...]
    unreadable: int = 0

    def order(self, positions: "array[int]", scores: "array[int]") -> "Steps[tuple[array[int], array[int]]]":
        """The positions, which ascend, in the order that is asked for, without those that are gone.

        Scores, if there are any, are those of the positions, and are given in the same order.
        """
        lasting = not scores and all(one.name not in _PASSING for one in self.criteria)
        known = self.view.derived(self.criteria) if lasting else None
        if known is not None:
            return _those(known, positions, len(self.view.uids)), array("B")
        read = Columns(self.view, [CRITERIA[one.name] for one in self.criteria if one.name != RELEVANCY])
        columns: list[list[Any]] = [[] for _ in read.values]
        for rows in read.read(positions):
            for column, values in zip(columns, rows, strict=True):
                column += values
            yield b""
        self.unreadable += read.unreadable
        kept_scores = array("B")
        if scores:
            by_position = dict(zip(positions, scores, strict=True))
            kept_scores.extend(map(by_position.__getitem__, read.positions))
        order = list(range(len(read.positions)))
        for criterion in reversed(self.criteria):  # the last first: what is sorted stays so where it can
            if criterion.name == RELEVANCY:  # the highest first (RFC 6203 section 6)
                order = yield from arranged(order, kept_scores.__getitem__, reverse=not criterion.reverse)
            else:
                order = yield from arranged(order, columns.pop().__getitem__, reverse=criterion.reverse)
        ordered_scores = array("B", map(kept_scores.__getitem__, order) if kept_scores else ())
        found = array("I", map(read.positions.__getitem__, order))
        if lasting and self.view.is_all(read.positions):
            self.view.keep_derived(self.criteria, found)
        return found, ordered_scores


def _those(ordered: "array[int]", positions: "array[int]", count: int) -> "array[int]":
    """Those of all `count` positions that are wanted, in their order."""
    if len(positions) == len(ordered):
        return ordered
    wanted = bytearray(count)
    for position in positions:
        wanted[position] = True
    return array("I", compress(ordered, map(wanted.__getitem__, ordered)))
