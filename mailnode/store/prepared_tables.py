"""The prepared answers of messages in an account's cache, in tables of their own.

What clients ask of many messages at once stands in blocks (store.blocks) or in narrow rows, so that what is
long need not be passed over for it: what lists show, and what SEARCH, SORT and THREAD compare.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, Literal, NamedTuple

from mailnode.message.listed import listed
from mailnode.message.rendered import Rendered, dump_parts, load_parts
from mailnode.message.searched import FIELDS, searched
from mailnode.store import blocks
from mailnode.store.blocks import TEXTS, Entry, Names, Text
from mailnode.store.sql import Transaction, as_text, check
from mailnode.store.uidlist import UID_END
from mailnode.values import frozen

SCHEMA: Final = """
CREATE TABLE rendered (
    id INTEGER PRIMARY KEY, base TEXT NOT NULL, octets INTEGER, header BLOB, parts BLOB,
    envelope BLOB, bodystructure BLOB, preview BLOB, body BLOB
);
CREATE TABLE block (
    id INTEGER PRIMARY KEY, uids BLOB NOT NULL, bases BLOB NOT NULL,
    envelope BLOB, bodystructure BLOB, fields BLOB, preview BLOB, body BLOB
);
CREATE TABLE ordering (
    folder INTEGER NOT NULL, uid INTEGER NOT NULL, base TEXT NOT NULL, ordering BLOB,
    PRIMARY KEY (folder, uid)
) WITHOUT ROWID;
CREATE TABLE searched (
    folder INTEGER NOT NULL, uid INTEGER NOT NULL, base TEXT NOT NULL, day INTEGER NOT NULL,
    subject BLOB, "from" BLOB, "to" BLOB, cc BLOB, bcc BLOB,
    PRIMARY KEY (folder, uid)
) WITHOUT ROWID;
"""

Prepared = Literal["envelope", "body", "bodystructure", "header", "octets", "preview"]
Answer = Prepared | Literal["ordering"]  # all that is made of a message

_TEXTS: Final = ", ".join(TEXTS)
_RENDERED: Final = tuple(text for text in TEXTS if text != "fields")
_APART: Final = ", ".join(_RENDERED)

WINDOW_ROWS: Final = 256
WINDOW_OCTETS: Final = 262144
SHORT: Final = 16384  # octets of an answer that is read together with many others
_BETWEEN: Final = 4  # UIDs for each message that is asked for, whose rows may be passed over


@frozen
class Window:
    """One of the prepared answers, with its base, for the UIDs from `first` to `last` that have one."""

    first: int
    last: int
    answers: dict[int, tuple[str, Any]]


class Column(NamedTuple):
    """One answer of some messages, which are named by UID and base."""

    uids: tuple[int, ...]
    bases: tuple[str, ...]
    values: tuple[Any, ...]


NO_ROWS: Final = Column((), (), ())


def _id(folder: int, uid: int) -> int:
    """The key of what is kept of a message."""
    return folder << 32 | uid


def _block_id(folder: int, number: int) -> int:
    """The key of a block."""
    return folder << 32 - blocks.BITS | number


class PreparedTables:
    """The tables of an open cache file. A folder is named by its number there.

    What is read raises ValueError for a row that makes no sense.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def _transaction(self) -> Transaction:
        return Transaction(self._db)

    # Reading

    def rendered(self, folder: int, uid: int, base: str) -> Rendered | None:
        """The prepared answers for a message, or None."""
        found = self._db.execute(  # a header may stand there alone, without `octets`
            f"SELECT ordering, octets, header, parts, {_APART} FROM rendered"
            " JOIN ordering ON ordering.folder = ? AND ordering.uid = ? AND ordering.base = rendered.base"
            " WHERE id = ? AND rendered.base = ? AND octets IS NOT NULL",
            (folder, uid, _id(folder, uid), as_text(base)),
        ).fetchone()
        if found is None:
            return None
        ordering, octets, header, parts, *apart = found
        entry = self._entries(folder, blocks.number_of(uid)).get(uid)
        if entry is None or entry.base != base:
            return None
        known = dict(zip(TEXTS, entry.texts, strict=True))
        texts = {what: known[what] or other for what, other in zip(_RENDERED, apart, strict=True)}
        check((octets, ordering, header, parts, *texts.values()), (int, *[bytes] * (3 + len(texts))))
        return Rendered(
            ordering=ordering,
            octets=octets,
            header=header,
            parts=load_parts(parts),
            **texts,
        )

    def _entries(self, folder: int, number: int) -> dict[int, Entry]:
        """All that is in a block."""
        row = self._block(folder, number)
        return {} if row is None else blocks.unpacked(number, row)

    def _block(self, folder: int, number: int) -> Sequence[Any] | None:
        row: Sequence[Any] | None = self._db.execute(
            f"SELECT uids, bases, {_TEXTS} FROM block WHERE id = ?", (_block_id(folder, number),)
        ).fetchone()
        return row

    def prepared(self, folder: int, uid: int, what: Prepared, rows: int) -> Window:
        """One of the prepared answers of a message and of some neighbours.

        Of what is not in blocks: of the message and those after it, at most so many `rows`.
        """
        if what != "header" and what != "octets":
            uids = blocks.uids_of(blocks.number_of(uid))
            cells = (cell for row in self._blocks(folder, what, uid, uid) for cell in blocks.listed(row))
            return Window(uids[0], uids[-1], {one: (base, text) for (one, base), text in cells if text})
        answers: dict[int, tuple[str, Any]] = {}
        kind = int if what == "octets" else bytes
        octets = 0
        for found_id, base, value in self._db.execute(
            f"SELECT id, base, {what} FROM rendered"
            f" WHERE id BETWEEN ? AND ? AND {what} IS NOT NULL ORDER BY id",
            (_id(folder, uid), _id(folder, UID_END)),
        ):
            if type(value) is not kind:
                raise ValueError("a row of the cache makes no sense")
            last = found_id & UID_END
            answers[last] = base, value
            octets += len(value) if isinstance(value, bytes) else 0
            if len(answers) >= rows or octets >= WINDOW_OCTETS:
                return Window(uid, last, answers)
        return Window(uid, UID_END, answers)

    def texts(self, folder: int, what: Text, first: int, last: int, wanted: Names) -> Sequence[bytes] | None:
        """One text of messages from one UID to another, as blocks.chosen() gives them."""
        return blocks.chosen(self._blocks(folder, what, first, last), wanted)

    def _blocks(self, folder: int, what: Text, first: int, last: int) -> list[tuple[Any, ...]]:
        return self._db.execute(
            f"SELECT uids, bases, {what} FROM block WHERE id BETWEEN ? AND ? ORDER BY id",
            (
                _block_id(folder, blocks.number_of(first)),
                _block_id(folder, blocks.number_of(last)),
            ),
        ).fetchall()

    def column(self, folder: int, what: Prepared, first: int, last: int) -> Column:
        """What stands in the rows of messages from one UID to another, but for long ones.

        Of what is in blocks: what stands apart of them.
        """
        rows = self._db.execute(
            f"SELECT id & {UID_END}, base, {what} FROM rendered"
            f" WHERE id BETWEEN ? AND ? AND length({what}) <= {SHORT} ORDER BY id",
            (_id(folder, first), _id(folder, last)),
        ).fetchall()
        return _column(rows, int if what == "octets" else bytes)

    def orderings(self, folder: int, first: int, last: int) -> Column:
        """What SORT and THREAD compare of the messages from one UID to another."""
        rows = self._db.execute(
            "SELECT uid, base, ordering FROM ordering WHERE folder = ? AND uid BETWEEN ? AND ? ORDER BY uid",
            (folder, first, last),
        ).fetchall()
        return _column(rows, bytes)

    def holding(self, folder: int, name: bytes, needle: bytes, uids: Sequence[int]) -> Column:
        """Whether a text of message.searched has the needle in it, of messages in order of UID: 1 or 0.

        There may be others among them.
        """
        column = FIELDS[FIELDS.index(name)].decode("ascii")
        return self._searched(f'coalesce(instr("{column}", ?), 0) > 0', (needle, folder), uids)

    def days(self, folder: int, uids: Sequence[int]) -> Column:
        """The days of message.searched, likewise."""
        return self._searched("day", (folder,), uids)

    def _searched(self, what: str, values: tuple[bytes | int, ...], uids: Sequence[int]) -> Column:
        where = "BETWEEN ? AND ?"
        if uids[-1] - uids[0] < _BETWEEN * len(uids):
            values += (uids[0], uids[-1])
        else:
            where = f"IN ({','.join(map(str, uids))})"
        rows = self._db.execute(
            f"SELECT uid, base, {what} FROM searched WHERE folder = ? AND uid {where} ORDER BY uid", values
        ).fetchall()
        return _column(rows, int)

    # Writing

    def save_rendered(self, folder: int, answers: Iterable[tuple[int, str, Rendered]]) -> None:
        """Keep prepared answers of messages, each with its UID and base name."""
        answers = list(answers)
        with self._transaction():
            self._db.executemany(
                "REPLACE INTO ordering VALUES (?, ?, ?, ?)",
                ((folder, uid, as_text(base), rendered.ordering) for uid, base, rendered in answers),
            )
            self._db.executemany(
                "REPLACE INTO searched VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (folder, uid, as_text(base), kept.day, *kept.texts)
                    for uid, base, kept in (
                        (uid, base, searched(rendered.header)) for uid, base, rendered in answers
                    )
                ),
            )
            self._db.executemany(
                f"REPLACE INTO rendered (id, base, octets, header, parts, {_APART})"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        _id(folder, uid),
                        as_text(base),
                        rendered.octets,
                        rendered.header,
                        dump_parts(rendered.parts),
                        *(None if blocks.fits(text) else text for text in _of(rendered, _RENDERED)),
                    )
                    for uid, base, rendered in answers
                ),
            )
            self._put_more(folder, {uid: _entry(base, rendered) for uid, base, rendered in answers})

    def save_answers(self, folder: int, what: Answer, answers: Iterable[tuple[int, str, bytes]]) -> None:
        """Keep one answer of messages of which the others are not made yet: UID, base name, answer.

        The row of a header that is kept alone has nothing else in it, and takes the place of no other row.
        """
        with self._transaction():
            if what == "ordering":
                self._db.executemany(
                    "REPLACE INTO ordering VALUES (?, ?, ?, ?)",
                    ((folder, uid, as_text(base), answer) for uid, base, answer in answers),
                )
            elif what == "header":
                self._db.executemany(
                    "INSERT OR IGNORE INTO rendered (id, base, header) VALUES (?, ?, ?)",
                    ((_id(folder, uid), as_text(base), answer) for uid, base, answer in answers),
                )
            else:
                self._put_more(folder, {uid: _alone(base, what, answer) for uid, base, answer in answers})

    def _put_more(self, folder: int, fresh: Mapping[int, Entry]) -> None:
        """Into the blocks, beside what is known already."""
        for number, uids in groupby(sorted(fresh), blocks.number_of):
            more = {uid: fresh[uid] for uid in uids}
            row = self._block(folder, number)
            self._put(folder, number, blocks.with_more(number, row, more) if row else blocks.packed(more))

    def _put(self, folder: int, number: int, row: Sequence[bytes]) -> None:
        self._db.execute(
            f"REPLACE INTO block (id, uids, bases, {_TEXTS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (_block_id(folder, number), *row),
        )

    def _forget_prepared(self, folder: int) -> None:
        for table in ("ordering", "searched"):
            self._db.execute(f"DELETE FROM {table} WHERE folder = ?", (folder,))
        bounds = (_id(folder, 0), _id(folder, UID_END))
        self._db.execute("DELETE FROM rendered WHERE id BETWEEN ? AND ?", bounds)
        bounds = (_block_id(folder, 0), _block_id(folder, blocks.number_of(UID_END)))
        self._db.execute("DELETE FROM block WHERE id BETWEEN ? AND ?", bounds)

    def _forget_messages(self, folder: int, uids: Sequence[int]) -> None:
        for table in ("ordering", "searched"):
            self._db.executemany(
                f"DELETE FROM {table} WHERE folder = ? AND uid = ?", ((folder, uid) for uid in uids)
            )
        self._db.executemany("DELETE FROM rendered WHERE id = ?", ((_id(folder, uid),) for uid in uids))
        for number, _ in groupby(sorted(uids), blocks.number_of):
            self._tidy(folder, number)

    def _tidy(self, folder: int, number: int) -> None:
        """Write a block anew where at least half of it is of messages that are gone.

        So what a block holds in vain is bounded, and to write it costs as much as a few messages, for each.
        """
        within = blocks.uids_of(number)
        rows = self._db.execute(
            "SELECT uid FROM message WHERE folder = ? AND uid BETWEEN ? AND ?",
            (folder, within[0], within[-1]),
        ).fetchall()
        found = self._db.execute(
            f"SELECT length(uids) / {blocks.OCTETS} FROM block WHERE id = ?", (_block_id(folder, number),)
        ).fetchone()
        if found is None:
            return
        check(found, (int,))
        if 2 * len(rows) > found[0]:
            return
        there = {uid for (uid,) in rows}
        left = {uid: entry for uid, entry in self._entries(folder, number).items() if uid in there}
        if left:
            self._put(folder, number, blocks.packed(left))
        else:
            self._db.execute("DELETE FROM block WHERE id = ?", (_block_id(folder, number),))


def _entry(base: str, rendered: Rendered) -> Entry:
    return Entry(base, tuple(_of(rendered, TEXTS)))


def _alone(base: str, what: Answer, answer: bytes) -> Entry:
    """The entry of a message of which nothing else is known."""
    return Entry(base, tuple(answer if text == what else b"" for text in TEXTS))


def _of(rendered: Rendered, texts: Sequence[Text]) -> Iterator[bytes]:
    """These texts of a message."""
    return (listed(rendered.header) if what == "fields" else getattr(rendered, what) for what in texts)


def _column(rows: list[tuple[int, str, Any]], kind: type) -> Column:
    if not rows:
        return NO_ROWS
    uids, bases, values = zip(*rows, strict=True)
    if not {kind}.issuperset(map(type, values)):
        raise ValueError("a row of the cache makes no sense")
    return Column(uids, bases, values)
