"""What the account's cache knows of one folder; every failure in it is only a gap.

SQLite may be deleted, broken, locked or out of disk: then nothing is known, nothing is kept, and mail is
served all the same.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from mailnode.message.rendered import Rendered
from mailnode.store.blocks import Names, Text
from mailnode.store.context import Context
from mailnode.store.index import UNKNOWN, FolderRow, Index, Row
from mailnode.store.prepared_tables import NO_ROWS, Answer, Column, Prepared, Window
from mailnode.store.vanished import Vanished
from mailnode.values import frozen

T = TypeVar("T")


@frozen
class Remembered:
    """A folder: `rows` by UID; `vanished` is None where expunges were not told from the beginning."""

    uid_next: int
    modseq: int
    rows: dict[int, Row]
    vanished: Vanished | None


class FolderCache:
    """The cache of the folder with this G and UIDVALIDITY."""

    def __init__(self, context: Context, guid: str, validity: int) -> None:
        self._context = context
        self._guid = guid
        self._validity = validity

    def _tried(self, work: Callable[[Index, FolderRow], T], otherwise: T) -> T:
        for _ in range(2):
            try:
                index = self._context.index()
                return work(index, index.folder(self._guid, self._validity))
            except (sqlite3.OperationalError, OSError):
                self._context.close()  # locked, or out of disk: it may be all right later
                return otherwise
            except (sqlite3.Error, ValueError):
                self._context.discard_index()  # and begin an empty one
        return otherwise

    def open(self) -> Remembered | None:
        """The folder as it was remembered.

        None when the cache cannot be seen now. What it knows is then not known; nothing must be told to it
        by who opened the folder without it, or it would seem to have known that always.
        """

        def work(index: Index, folder: FolderRow) -> Remembered:
            return _remembered(index, folder, index.rows(folder.id))

        return self._tried(work, None)

    def modseq(self) -> int:
        """The modification sequence that was last told to it, by whatever process."""
        return self._tried(lambda index, folder: folder.modseq, 0)

    def news(self, since: int, uids: Iterable[int]) -> Remembered | None:
        """What other processes have told it after modification sequence `since`; None if that is nothing.

        `rows` are of those of the `uids` that it knows, `vanished` has what came after `since`.
        """

        def work(index: Index, folder: FolderRow) -> Remembered | None:
            if folder.modseq <= since:
                return None
            return _remembered(index, folder, index.rows_of(folder.id, uids), since)

        return self._tried(work, None)

    def know_vanished(self, since: int) -> None:
        """From this modification sequence on, all expunges will be told."""
        self._tried(lambda index, folder: index.know_vanished(folder.id, since), None)

    def save(
        self, *, uid_next: int, modseq: int, changed: Iterable[Row], gone: Iterable[int], vanished: Vanished
    ) -> bool:
        """Remember what changed, and the UIDs that are gone; whether that was possible."""
        rows, uids = list(changed), list(gone)

        def work(index: Index, folder: FolderRow) -> bool:
            index.save(folder, uid_next=uid_next, modseq=modseq, changed=rows, gone=uids, vanished=vanished)
            return True

        return self._tried(work, False)

    def learn(self, rows: list[Row]) -> None:
        """Remember sizes and dates of messages; what their flags are another process may know better."""
        self._tried(lambda index, folder: index.learn(folder.id, rows), None)

    def rendered(self, uid: int, base: str) -> Rendered | None:
        """Prepared answers for the message that has this UID and base name."""
        return self._tried(lambda index, folder: index.rendered(folder.id, uid, base), None)

    def prepared(self, uid: int, what: Prepared, rows: int) -> Window:
        """One of the prepared answers of `uid` and some neighbours, of at most so many `rows`."""
        nothing = Window(uid, uid, {})
        return self._tried(lambda index, folder: index.prepared(folder.id, uid, what, rows), nothing)

    def texts(self, what: Text, first: int, last: int, wanted: Names) -> Sequence[bytes] | None:
        """One of the texts of these messages, empty where they stand apart; None where one is not known."""
        return self._tried(lambda index, folder: index.texts(folder.id, what, first, last, wanted), None)

    def column(self, what: Prepared, first: int, last: int) -> Column:
        """What stands in the rows of the messages from one UID to another, but for long ones.

        Of the texts: what stands apart of them.
        """
        return self._tried(lambda index, folder: index.column(folder.id, what, first, last), NO_ROWS)

    def orderings(self, first: int, last: int) -> Column:
        """What SORT and THREAD compare of the messages from one UID to another."""
        return self._tried(lambda index, folder: index.orderings(folder.id, first, last), NO_ROWS)

    def holding(self, name: bytes, needle: bytes, uids: Sequence[int]) -> Column:
        """Whether the needle stands in a text that SEARCH compares, of messages in order of UID."""
        return self._tried(lambda index, folder: index.holding(folder.id, name, needle, uids), NO_ROWS)

    def days(self, uids: Sequence[int]) -> Column:
        """The days on which they were sent."""
        return self._tried(lambda index, folder: index.days(folder.id, uids), NO_ROWS)

    def save_rendered(self, answers: list[tuple[int, str, Rendered]]) -> None:
        """Keep prepared answers of messages, each with its UID and base name."""
        self._tried(lambda index, folder: index.save_rendered(folder.id, answers), None)

    def save_answers(self, what: Answer, answers: list[tuple[int, str, bytes]]) -> None:
        """Keep one answer of messages alone: UID, base name, answer."""
        self._tried(lambda index, folder: index.save_answers(folder.id, what, answers), None)


def _remembered(index: Index, folder: FolderRow, rows: Iterable[Row], since: int = 0) -> Remembered:
    vanished = None
    if folder.vanished_since != UNKNOWN:
        vanished = Vanished(folder.vanished_since, index.vanished(folder.id, since))
    return Remembered(folder.uid_next, folder.modseq, {row.uid: row for row in rows}, vanished)
