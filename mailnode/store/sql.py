"""What is common to the SQLite files of an account."""

import sqlite3
from collections.abc import Sequence

_OBJECTS = """
SELECT type, name FROM sqlite_master
WHERE type IN ('view', 'trigger', 'table') AND name NOT LIKE 'sqlite!_%' ESCAPE '!'
ORDER BY type DESC, sql LIKE 'CREATE VIRTUAL%' DESC
"""


def check(values: Sequence[object], types: Sequence[type]) -> None:
    """SQLite keeps no watch over types, and its pages may be damaged."""
    if any(type(value) is not kind for value, kind in zip(values, types, strict=True)):
        raise ValueError("a row of the cache makes no sense")


def as_text(name: str) -> bytes | str:
    """A name as SQLite takes it: as text, or as octets where it is not UTF-8."""
    if name.isascii():
        return name
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape")
    return name


def drop_all(db: sqlite3.Connection) -> None:
    """Drop all that is in a file, whoever made it: a later version may have left more than tables.

    What SQLite keeps for itself (`sqlite_sequence`) cannot be dropped, and is in nobody's way. A virtual
    table goes before the tables that it has made, which go with it.
    """
    for kind, name in db.execute(_OBJECTS).fetchall():
        quoted = '"' + name.replace('"', '""') + '"'
        db.execute(f"DROP {kind} IF EXISTS {quoted}")


class Transaction:
    """A transaction that takes its lock at once, or (DEFERRED) when it first needs it; an error undoes it."""

    def __init__(self, db: sqlite3.Connection, kind: str = "IMMEDIATE") -> None:
        self._db = db
        self._kind = kind

    def __enter__(self) -> None:
        self._db.execute(f"BEGIN {self._kind}")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
