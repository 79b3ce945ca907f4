"""The prepared answers of messages in an account's cache, in tables of their own.

What clients ask of many messages at once stands in narrow rows, so that what is long need not be passed over
for it: what lists show, what SEARCH, SORT and THREAD compare, and header fields as some client chose them.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from mailnode.message.rendered import Rendered, dump_parts, load_parts
from mailnode.message.searched import FIELDS, searched
from mailnode.store.sql import Transaction, as_text, check
from mailnode.store.uidlist import UID_END

SCHEMA: Final = """
CREATE TABLE rendered (
    folder INTEGER NOT NULL, uid INTEGER NOT NULL, base TEXT NOT NULL,
    body BLOB, header BLOB, octets INTEGER, preview BLOB, parts BLOB,
    PRIMARY KEY (folder, uid)
);
CREATE TABLE envelope (
    folder INTEGER NOT NULL, uid INTEGER NOT NULL, base TEXT NOT NULL, envelope BLOB,
    PRIMARY KEY (folder, uid)
) WITHOUT ROWID;
CREATE TABLE bodystructure (
    folder INTEGER NOT NULL, uid INTEGER NOT NULL, base TEXT NOT NULL, bodystructure BLOB,
    PRIMARY KEY (folder, uid)
) WITHOUT ROWID;
CREATE TABLE ordering (
    folder INTEGER NOT NULL, uid INTEGER NOT NULL, base TEXT NOT NULL, ordering BLOB,
    PRIMARY KEY (folder, uid)
) WITHOUT ROWID;
CREATE TABLE searched (
    folder INTEGER NOT NULL, uid INTEGER NOT NULL, base TEXT NOT NULL, day INTEGER NOT NULL,
    subject BLOB, "from" BLOB, "to" BLOB, cc BLOB, bcc BLOB,
    PRIMARY KEY (folder, uid)
) WITHOUT ROWID;
CREATE TABLE choice (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE);
CREATE TABLE fields (
    choice INTEGER NOT NULL, folder INTEGER NOT NULL, uid INTEGER NOT NULL, base TEXT NOT NULL, lines BLOB,
    PRIMARY KEY (choice, folder, uid)
) WITHOUT ROWID;
"""

Prepared = Literal["envelope", "body", "bodystructure", "header", "octets", "preview"]
OfHeader = Literal["envelope", "ordering"]  # what can be kept alone, as the header alone tells it

_NARROW: Final = ("envelope", "bodystructure", "ordering")  # tables of one answer, of that name

_OF_MESSAGES: Final = ("rendered", "searched", *_NARROW)

_ANY_CHOICE: Final = "choice IN (SELECT id FROM choice)"

WINDOW_ROWS: Final = 256
WINDOW_OCTETS: Final = 262144
SHORT: Final = 16384  # octets of an answer that is read together with many others
CHOICES: Final = 4  # of header fields, which are kept
_APART: Final = 4  # UIDs for each message that is asked for, whose rows may be passed over


@dataclass(frozen=True, slots=True)
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


class PreparedTables:
    """The tables of an open cache file. A folder is named by its number there."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def _transaction(self) -> Transaction:
        return Transaction(self._db)

    def rendered(self, folder: int, uid: int, base: str) -> Rendered | None:
        """The prepared answers for a message, or None; raises ValueError for a row that makes no sense."""
        found = self._db.execute(
            "SELECT ordering, envelope, body, bodystructure, header, octets, preview, parts"
            " FROM rendered JOIN envelope USING (folder, uid, base)"
            " JOIN bodystructure USING (folder, uid, base) JOIN ordering USING (folder, uid, base)"
            " WHERE folder = ? AND uid = ? AND base = ?",
            (folder, uid, as_text(base)),
        ).fetchone()
        if found is None:
            return None
        check(found, (bytes, bytes, bytes, bytes, bytes, int, bytes, bytes))
        ordering, envelope, body, bodystructure, header, octets, preview, parts = found
        return Rendered(ordering, envelope, body, bodystructure, header, octets, preview, load_parts(parts))

    def prepared(self, folder: int, uid: int, what: Prepared, rows: int) -> Window:
        """One column of the prepared answers of `uid` and those after it, at most `rows` of them.

        Raises ValueError for a row that makes no sense.
        """
        answers: dict[int, tuple[str, Any]] = {}
        kind = int if what == "octets" else bytes
        octets = 0
        for found, base, value in self._db.execute(
            f"SELECT uid, base, {what} FROM {_table(what)} WHERE folder = ? AND uid >= ? ORDER BY uid",
            (folder, uid),
        ):
            if type(value) is not kind:
                raise ValueError("a row of the cache makes no sense")
            answers[found] = base, value
            octets += len(value) if isinstance(value, bytes) else 0
            if len(answers) >= rows or octets >= WINDOW_OCTETS:
                return Window(uid, found, answers)
        return Window(uid, UID_END, answers)

    def column(self, folder: int, what: Prepared, first: int, last: int) -> Column:
        """One column of the prepared answers of the messages from one UID to another, but for long ones.

        Raises ValueError for a row that makes no sense.
        """
        rows = self._db.execute(
            f"SELECT uid, base, {what} FROM {_table(what)}"
            f" WHERE folder = ? AND uid BETWEEN ? AND ? AND length({what}) <= {SHORT} ORDER BY uid",
            (folder, first, last),
        ).fetchall()
        return _column(rows, {int if what == "octets" else bytes})

    def orderings(self, folder: int, first: int, last: int) -> Column:
        """What SORT and THREAD compare of the messages from one UID to another.

        Raises ValueError for a row that makes no sense.
        """
        rows = self._db.execute(
            "SELECT uid, base, ordering FROM ordering WHERE folder = ? AND uid BETWEEN ? AND ? ORDER BY uid",
            (folder, first, last),
        ).fetchall()
        return _column(rows, {bytes})

    def holding(self, folder: int, name: bytes, needle: bytes, uids: Sequence[int]) -> Column:
        """Whether a text of message.searched has the needle in it, of messages in order of UID: 1 or 0.

        There may be others among them. Raises ValueError for a row that makes no sense.
        """
        column = FIELDS[FIELDS.index(name)].decode("ascii")
        return self._searched(f'coalesce(instr("{column}", ?), 0) > 0', (needle, folder), uids)

    def days(self, folder: int, uids: Sequence[int]) -> Column:
        """The days of message.searched, likewise."""
        return self._searched("day", (folder,), uids)

    def _searched(self, what: str, values: tuple[bytes | int, ...], uids: Sequence[int]) -> Column:
        where = "BETWEEN ? AND ?"
        if uids[-1] - uids[0] < _APART * len(uids):
            values += (uids[0], uids[-1])
        else:
            where = f"IN ({','.join(map(str, uids))})"
        rows = self._db.execute(
            f"SELECT uid, base, {what} FROM searched WHERE folder = ? AND uid {where} ORDER BY uid", values
        ).fetchall()
        return _column(rows, {int})

    def save_rendered(self, folder: int, answers: Iterable[tuple[int, str, Rendered]]) -> None:
        """Keep prepared answers of messages, each with its UID and base name."""
        answers = list(answers)
        with self._transaction():
            for name in _NARROW:
                self._db.executemany(
                    f"REPLACE INTO {name} VALUES (?, ?, ?, ?)",
                    (
                        (folder, uid, as_text(base), getattr(rendered, name))
                        for uid, base, rendered in answers
                    ),
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
                "REPLACE INTO rendered VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        folder,
                        uid,
                        as_text(base),
                        rendered.body,
                        rendered.header,
                        rendered.octets,
                        rendered.preview,
                        dump_parts(rendered.parts),
                    )
                    for uid, base, rendered in answers
                ),
            )

    def save_answers(self, folder: int, what: OfHeader, answers: Iterable[tuple[int, str, bytes]]) -> None:
        """Keep one answer of messages of which the others are not made yet: UID, base name, answer."""
        with self._transaction():
            self._db.executemany(
                f"REPLACE INTO {what} VALUES (?, ?, ?, ?)",
                ((folder, uid, as_text(base), answer) for uid, base, answer in answers),
            )

    def fields(self, folder: int, names: str, first: int, last: int) -> Column:
        """The fields of these names of the messages from one UID to another, as they were kept.

        None for a header that is not ASCII. Raises ValueError for a row that makes no sense.
        """
        rows = self._db.execute(
            "SELECT uid, base, lines FROM fields WHERE folder = ? AND uid BETWEEN ? AND ?"
            " AND choice = (SELECT id FROM choice WHERE names = ?) ORDER BY uid",
            (folder, first, last, names),
        ).fetchall()
        return _column(rows, {bytes, type(None)})

    def save_fields(self, folder: int, names: str, rows: Iterable[tuple[int, str, bytes | None]]) -> None:
        """Keep them: UID, base name, fields. When there are too many choices the first is forgotten.

        The last one stays, so no number is given twice.
        """
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO choice (names) VALUES (?)", (names,))
            (choice,) = self._db.execute("SELECT id FROM choice WHERE names = ?", (names,)).fetchone()
            kept = [one for (one,) in self._db.execute("SELECT id FROM choice ORDER BY id DESC").fetchall()]
            for other in kept[CHOICES:]:
                self._db.execute("DELETE FROM fields WHERE choice = ?", (other,))
                self._db.execute("DELETE FROM choice WHERE id = ?", (other,))
            self._db.executemany(
                "REPLACE INTO fields VALUES (?, ?, ?, ?, ?)",
                ((choice, folder, uid, as_text(base), lines) for uid, base, lines in rows),
            )

    def _forget_prepared(self, folder: int) -> None:
        for table in _OF_MESSAGES:
            self._db.execute(f"DELETE FROM {table} WHERE folder = ?", (folder,))
        self._db.execute(f"DELETE FROM fields WHERE {_ANY_CHOICE} AND folder = ?", (folder,))

    def _forget_message(self, folder: int, uid: int) -> None:
        for table in _OF_MESSAGES:
            self._db.execute(f"DELETE FROM {table} WHERE folder = ? AND uid = ?", (folder, uid))
        self._db.execute(f"DELETE FROM fields WHERE {_ANY_CHOICE} AND folder = ? AND uid = ?", (folder, uid))


def _table(what: Prepared) -> str:
    return what if what in _NARROW else "rendered"


def _column(rows: list[tuple[int, str, Any]], kinds: set[type]) -> Column:
    if not rows:
        return NO_ROWS
    uids, bases, values = zip(*rows, strict=True)
    if not kinds.issuperset(map(type, values)):
        raise ValueError("a row of the cache makes no sense")
    return Column(uids, bases, values)
