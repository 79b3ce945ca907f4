"""What messages are sorted by (RFC 5256, RFC 5957, RFC 6203): for each criterion, something that compares.

All of it is prepared, in memory, or in an inode: no message is opened for it that was read before.
"""

import math
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mailnode.imap.selected import Selected
from mailnode.message import ordering
from mailnode.message.ordering import Text
from mailnode.message.slices import Steps, arranged
from mailnode.store.errors import NoSuchMessage
from mailnode.store.mailbox import Mailbox
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

RELEVANCY = "RELEVANCY"  # the search tells it
TURNS = 64  # messages between two chances for others to have their turn

Value = Callable[[Mailbox, int], Any]


def arrived(mailbox: Mailbox, uid: int) -> int:
    """INTERNALDATE in whole seconds, which is what a client can see of it."""
    return math.floor(mailbox.internal_date(uid))


def sent(mailbox: Mailbox, uid: int) -> int:
    """The sent date (RFC 5256 section 2.2) in seconds since the epoch."""
    stated = ordering.sent(mailbox.prepared(uid, "ordering"))
    return arrived(mailbox, uid) if stated is None else stated


def _text(text: Text) -> Value:
    return lambda mailbox, uid: ordering.text_key(mailbox.prepared(uid, "ordering"), text)


CRITERIA: Mapping[str, Value] = {
    "ARRIVAL": arrived,
    "CC": _text(Text.CC),
    "DATE": sent,
    "DISPLAYFROM": _text(Text.DISPLAYFROM),
    "DISPLAYTO": _text(Text.DISPLAYTO),
    "FROM": _text(Text.FROM),
    "SIZE": Mailbox.octets,
    "SUBJECT": _text(Text.SUBJECT),
    "TO": _text(Text.TO),
}


@dataclass(frozen=True, slots=True)
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
class Sorting:
    """Sorts messages of a view in the account's lane; `unreadable` counts those of which nothing is known."""

    view: Selected
    criteria: tuple[Criterion, ...]
    unreadable: int = 0

    def order(self, positions: "array[int]", scores: "array[int]") -> "Steps[tuple[array[int], array[int]]]":
        """The positions, which ascend, in the order that is asked for, without those that are gone.

        Scores, if there are any, are those of the positions, and are given in the same order.
        """
        values = [CRITERIA[criterion.name] for criterion in self.criteria if criterion.name != RELEVANCY]
        columns: list[list[Any]] = [[] for _ in values]
        kept, kept_scores = array("I"), array("B")
        for turn, position in enumerate(positions):
            row = self._row(values, position)
            if row is not None:
                kept.append(position)
                kept_scores.extend(scores[turn : turn + 1])
                for column, value in zip(columns, row, strict=True):
                    column.append(value)
            if not turn % TURNS:
                yield b""
        order = list(range(len(kept)))
        for criterion in reversed(self.criteria):  # the last first: what is sorted stays so where it can
            if criterion.name == RELEVANCY:  # the highest first (RFC 6203 section 6)
                order = yield from arranged(order, kept_scores.__getitem__, reverse=not criterion.reverse)
            else:
                order = yield from arranged(order, columns.pop().__getitem__, reverse=criterion.reverse)
        ordered_scores = array("B", map(kept_scores.__getitem__, order) if kept_scores else ())
        return array("I", map(kept.__getitem__, order)), ordered_scores

    def _row(self, values: list[Value], position: int) -> list[Any] | None:
        uid = self.view.uids[position]
        try:
            return [value(self.view.mailbox, uid) for value in values]
        except NoSuchMessage:
            return None
        except OSError:
            self.unreadable += 1
            return None
