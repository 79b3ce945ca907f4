"""The cache of one account: SQLite, thrown away and rebuilt at no loss.

It remembers what is dear to find out again (sizes, dates, prepared answers) and the modification sequences.
Truth stays in the files: a folder whose UIDVALIDITY is not the cached one, or a message whose base name is
not, is not believed. Folders are known by the G of their uid list and their directory, see store.homes.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mailnode.store.prepared_tables import SCHEMA, PreparedTables
from mailnode.store.sql import as_text, check, drop_all
from mailnode.store.uidlist import UID_END
from mailnode.store.vanished import Record, Vanished
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.sequence import encode_ranges, parse

FILE_NAME = "mailnode-index.sqlite"

_VERSION = 13
_SCHEMA = f"""{SCHEMA}
CREATE TABLE origin (token TEXT NOT NULL);
CREATE TABLE folder (
    id INTEGER PRIMARY KEY, guid TEXT NOT NULL UNIQUE, validity INTEGER NOT NULL,
    uid_next INTEGER NOT NULL, modseq INTEGER NOT NULL, vanished_since INTEGER NOT NULL
);
CREATE TABLE vanished (folder INTEGER NOT NULL, modseq INTEGER NOT NULL, uids TEXT NOT NULL);
CREATE INDEX vanished_of ON vanished (folder, modseq);
CREATE TABLE message (
    folder INTEGER NOT NULL, uid INTEGER NOT NULL, base TEXT NOT NULL, info TEXT NOT NULL,
    modseq INTEGER NOT NULL, octets INTEGER NOT NULL, internal_date REAL NOT NULL,
    download INTEGER NOT NULL, surrogate INTEGER NOT NULL,
    PRIMARY KEY (folder, uid)
) WITHOUT ROWID;
CREATE TABLE directory (
    name TEXT PRIMARY KEY, mtime INTEGER NOT NULL, stamp TEXT NOT NULL,
    octets INTEGER NOT NULL, messages INTEGER NOT NULL
);
"""

UNKNOWN = -1


class Row(NamedTuple):
    """What the cache knows of one message; `octets`, `internal_date` and `download` may be UNKNOWN.

    `download` and `surrogate` are the octets that POP3 sends, see store.download.
    """

    uid: int
    base: str
    info: str
    modseq: int
    octets: int
    internal_date: float
    download: int
    surrogate: int


@frozen
class DirectoryRow:
    """What a new/ or cur/ held when it was counted; `name` is its path below the root of the account."""

    name: str
    mtime_ns: int
    stamp: str
    octets: int
    messages: int


@frozen
class FolderRow:
    """What the cache knows of one folder; all expunges after `vanished_since`, or UNKNOWN."""

    id: int
    uid_next: int
    modseq: int
    vanished_since: int


_ROWS = (
    "SELECT uid, base, info, modseq, octets, internal_date, download, surrogate FROM message WHERE folder = ?"
)


def _as_kept(row: Row) -> tuple[object, ...]:
    """A row as SQLite takes it, which is as it is for nearly all names."""
    if row.base.isascii() and row.info.isascii():
        return row
    return row.uid, as_text(row.base), as_text(row.info), *row[3:]


class Index(PreparedTables):
    """One open cache file, used by one thread at a time; others may have it open too.

    `token` names this life of the cache for what was made beside it: `new_token` when it starts empty.
    """

    def __init__(self, path: str, new_token: str) -> None:
        super().__init__(sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10.0))
        self._db.text_factory = bytes.decode  # a ValueError for what is no UTF-8: then it is made anew
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        if not self._is_current():
            self._rebuild(new_token)
        self.token: str = self._db.execute("SELECT token FROM origin").fetchone()[0]

    def _is_current(self) -> bool:
        return bool(self._db.execute("PRAGMA user_version").fetchone()[0] == _VERSION)

    def _rebuild(self, token: str) -> None:
        with self._transaction():
            if self._is_current():
                return  # somebody else has done it meanwhile
            drop_all(self._db)
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute("INSERT INTO origin VALUES (?)", (token,))
            self._db.execute(f"PRAGMA user_version={_VERSION}")

    def renew_token(self, token: str) -> None:
        """Disown what was made beside the cache so far."""
        self._db.execute("UPDATE origin SET token = ?", (token,))
        self.token = token

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def folder(self, guid: str, validity: int) -> FolderRow:
        """The row of a folder, made empty if the cache has none of that UIDVALIDITY."""
        found = self._db.execute(
            "SELECT id, validity, uid_next, modseq, vanished_since FROM folder WHERE guid = ?", (guid,)
        ).fetchone()
        if found is not None and found[1] == validity:
            return FolderRow(found[0], found[2], found[3], found[4])
        with self._transaction():
            if found is not None:
                self._forget(found[0])
            made = self._db.execute(
                "INSERT INTO folder (guid, validity, uid_next, modseq, vanished_since)"
                " VALUES (?, ?, 1, 0, ?)",
                (guid, validity, UNKNOWN),
            )
        return FolderRow(int(made.lastrowid or 0), 1, 0, UNKNOWN)

    def keys(self, guid: str) -> list[str]:
        """The names of folders that begin with a G."""
        rows = self._db.execute("SELECT guid FROM folder WHERE guid >= ? AND guid < ?", (guid, guid + "\x7f"))
        return [key for (key,) in rows.fetchall()]

    def rename(self, old: str, new: str) -> None:
        """A folder has another name now; what was known under the new one is forgotten."""
        with self._transaction():
            for (folder,) in self._db.execute("SELECT id FROM folder WHERE guid = ?", (new,)).fetchall():
                self._forget(folder)
            self._db.execute("UPDATE folder SET guid = ? WHERE guid = ?", (new, old))

    def _forget(self, folder: int) -> None:
        for table, key in (("folder", "id"), ("message", "folder"), ("vanished", "folder")):
            self._db.execute(f"DELETE FROM {table} WHERE {key} = ?", (folder,))
        self._forget_prepared(folder)

    def rows(self, folder: int) -> Iterator[Row]:
        """All messages of a folder, by UID."""
        yield from map(Row._make, self._db.execute(f"{_ROWS} ORDER BY uid", (folder,)))

    def rows_of(self, folder: int, uids: Iterable[int]) -> Iterator[Row]:
        """Those messages of a folder that it knows, in the order in which they are asked for."""
        for uid in uids:
            yield from map(Row._make, self._db.execute(f"{_ROWS} AND uid = ?", (folder, uid)))

    def save(
        self,
        folder: FolderRow,
        *,
        uid_next: int,
        modseq: int,
        changed: Iterable[Row],
        gone: Iterable[int],
        vanished: Vanished,
    ) -> None:
        """Remember a synchronised folder: what changed, the UIDs that are gone, and as of when."""
        with self._transaction():
            self._db.execute(
                "UPDATE folder SET uid_next = max(uid_next, ?), modseq = max(modseq, ?) WHERE id = ?",
                (uid_next, modseq, folder.id),
            )
            self._db.executemany(
                f"REPLACE INTO message VALUES ({folder.id}, ?, ?, ?, ?, ?, ?, ?, ?)",
                map(_as_kept, changed),
            )
            if lost := list(gone):
                self._db.executemany(
                    "DELETE FROM message WHERE folder = ? AND uid = ?", ((folder.id, uid) for uid in lost)
                )
                self._forget_messages(folder.id, lost)
            self._save_vanished(folder, vanished)

    def learn(self, folder: int, rows: Iterable[Row]) -> None:
        """Remember sizes and dates of messages that it knows, and nothing else of them."""
        with self._transaction():
            self._db.executemany(
                "UPDATE message SET octets = ?, internal_date = ?, download = ?, surrogate = ?"
                " WHERE folder = ? AND uid = ? AND base = ?",
                (
                    (
                        row.octets,
                        row.internal_date,
                        row.download,
                        row.surrogate,
                        folder,
                        row.uid,
                        as_text(row.base),
                    )
                    for row in rows
                ),
            )

    def vanished(self, folder: int, since: int = 0) -> list[Record]:
        """The expunges of a folder after a modification sequence, the oldest first.

        Raises ValueError for a row that makes no sense.
        """
        rows = self._db.execute(
            "SELECT modseq, uids FROM vanished WHERE folder = ? AND modseq > ? ORDER BY modseq",
            (folder, since),
        ).fetchall()
        for row in rows:
            check(row, (int, str))
        try:
            return [(modseq, parse(uids.encode()).spans(UID_END)) for modseq, uids in rows]
        except BadSyntax as error:
            raise ValueError(str(error)) from None

    def know_vanished(self, folder: int, since: int) -> None:
        """From this modification sequence on, expunges are told."""
        with self._transaction():
            self._db.execute("DELETE FROM vanished WHERE folder = ?", (folder,))
            self._db.execute("UPDATE folder SET vanished_since = ? WHERE id = ?", (since, folder))

    def _save_vanished(self, folder: FolderRow, vanished: Vanished) -> None:
        """A folder whose expunges were not known stays so: its row may be younger than what is told."""
        if fresh := vanished.fresh():
            self._db.executemany(
                "INSERT INTO vanished VALUES (?, ?, ?)",
                ((folder.id, modseq, encode_ranges(uids).decode()) for modseq, uids in fresh),
            )
        if fresh or folder.vanished_since < vanished.since:
            self._db.execute(
                "UPDATE folder SET vanished_since = max(vanished_since, ?)"
                " WHERE id = ? AND vanished_since != ?",
                (vanished.since, folder.id, UNKNOWN),
            )
            self._db.execute(
                "DELETE FROM vanished WHERE folder = ? AND modseq <= ?", (folder.id, vanished.since)
            )

    def messages(self) -> int:
        """How many messages of the whole account it knows."""
        count: int = self._db.execute("SELECT count(*) FROM message").fetchone()[0]
        return count

    def directories(self) -> list[DirectoryRow]:
        """What was counted, of each directory. Raises ValueError for a row that makes no sense."""
        rows = self._db.execute("SELECT name, mtime, stamp, octets, messages FROM directory").fetchall()
        for values in rows:
            check(values, (str, int, str, int, int))
        return [DirectoryRow(*values) for values in rows]

    def save_directories(self, rows: Iterable[DirectoryRow]) -> None:
        """Remember what was counted in these directories, and in no others."""
        with self._transaction():
            self._db.execute("DELETE FROM directory")
            self._db.executemany(
                "INSERT INTO directory VALUES (?, ?, ?, ?, ?)",
                ((as_text(row.name), row.mtime_ns, row.stamp, row.octets, row.messages) for row in rows),
            )
