"""The text index of one account: which messages may hold a string. SQLite again, and as dispensable.

It knows of each message the trigrams of its folded text: all runs of three characters. A message without one
of a string's trigrams does not hold the string. One with all of them may hold it: to know, read it. So the
index narrows a search and never answers one, and what it has too much does no harm:

- The texts themselves are not kept; a message that is gone leaves its trigrams behind. When most are of that
  kind the index starts anew.
- Of each folder all messages up to a UID have been considered; `passed_over` are those among them that are
  not in the index, as they were too long or could not be read. These and the newer ones may hold anything.

It belongs to the cache it was made beside, by that cache's token: the cache remembers which base name each
UID had, and so tells when UIDs come to mean something else.
"""

import sqlite3
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from mailnode.store.sql import Transaction, drop_all

FILE_NAME = "mailnode-text.sqlite"

_VERSION = 1
_SCHEMA = """
CREATE TABLE origin (token TEXT NOT NULL, texts INTEGER NOT NULL);
CREATE TABLE folder (
    id INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT NOT NULL UNIQUE, validity INTEGER NOT NULL,
    until INTEGER NOT NULL
);
CREATE TABLE passed_over (
    folder INTEGER NOT NULL, uid INTEGER NOT NULL, PRIMARY KEY (folder, uid)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE text USING fts5(
    folded, content='', detail=none, columnsize=0, tokenize='trigram case_sensitive 1'
);
"""

_UID_BITS = 32
_GRAM = 3
_GRAMS = 24  # of one string; more cost time and rule little out
_GARBAGE = 1000  # messages that may be gone before it matters


class NoTrigrams(Exception):
    """This SQLite has no FTS5, or none with trigrams."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """All messages up to the UID `until` are in the index, but those passed over."""

    id: int
    until: int


Text = tuple[int, str]  # UID, and all that is searched of the message, folded


@dataclass(frozen=True, slots=True)
class Addition:
    """The messages of a folder above the UID `since` up to `until`; those without text are passed over."""

    since: int
    until: int
    texts: Sequence[Text]
    passed_over: Sequence[int]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The UIDs up to `until` of messages that may hold a string, ascending; all above may hold it too."""

    uids: "array[int]"
    until: int


NOTHING = Coverage(0, 0)


class TextIndex:
    """One open file; used in the account's lane only. Raises NoTrigrams where there can be none."""

    def __init__(self, path: str, token: str) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10.0)
        self._token = token
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            if not self._is_ours():
                self.start_anew()
        except BaseException:
            self._db.close()
            raise

    def _is_ours(self) -> bool:
        if self._db.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            return False
        token: str = self._db.execute("SELECT token FROM origin").fetchone()[0]
        return token == self._token

    def start_anew(self) -> None:
        """Forget everything."""
        with Transaction(self._db):
            try:
                drop_all(self._db)
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
            except sqlite3.OperationalError as error:
                if str(error).startswith("no such"):  # module: fts5; tokenizer: trigram
                    raise NoTrigrams from error
                raise
            self._db.execute("INSERT INTO origin VALUES (?, 0)", (self._token,))
            self._db.execute(f"PRAGMA user_version={_VERSION}")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def mostly_garbage(self, live: int) -> bool:
        """Whether it should start anew, where the account has that many messages."""
        texts: int = self._db.execute("SELECT texts FROM origin").fetchone()[0]
        return texts > 2 * live + _GARBAGE

    def coverage(self, guid: str, validity: int) -> Coverage:
        """How far the folder with this G and UIDVALIDITY is in the index."""
        found = self._db.execute(
            "SELECT id, until FROM folder WHERE guid = ? AND validity = ?", (guid, validity)
        ).fetchone()
        return Coverage(*found) if found else NOTHING

    def rename(self, old: str, new: str) -> None:
        """A folder has another name now; what was known under the new one is forgotten."""
        with Transaction(self._db):
            self._forget(new)
            self._db.execute("UPDATE folder SET guid = ? WHERE guid = ?", (new, old))

    def forget(self, guid: str) -> None:
        """Nothing is known of this folder any more; its rows can match nothing from now on."""
        with Transaction(self._db):
            self._forget(guid)

    def _forget(self, guid: str) -> None:
        self._db.execute(
            "DELETE FROM passed_over WHERE folder IN (SELECT id FROM folder WHERE guid = ?)", (guid,)
        )
        self._db.execute("DELETE FROM folder WHERE guid = ?", (guid,))

    def extend(self, guid: str, validity: int, part: Addition) -> bool:
        """Add a part of a folder.

        False, and nothing is added, when the folder is not covered up to the part exactly: another process
        has added to it, or it was forgotten.
        """
        with Transaction(self._db):
            covered = self.coverage(guid, validity)
            if covered.until != part.since:
                return False
            folder = covered.id or self._new_folder(guid, validity)
            rows = [(folder << _UID_BITS | uid, _clean(text)) for uid, text in part.texts]
            self._db.executemany("INSERT INTO text (rowid, folded) VALUES (?, ?)", rows)
            passed = ((folder, uid) for uid in part.passed_over)
            self._db.executemany("INSERT INTO passed_over VALUES (?, ?)", passed)
            self._db.execute("UPDATE folder SET until = ? WHERE id = ?", (part.until, folder))
            self._db.execute("UPDATE origin SET texts = texts + ?", (len(rows),))
        return True

    def _new_folder(self, guid: str, validity: int) -> int:
        self._forget(guid)  # of another UIDVALIDITY
        made = self._db.execute(
            "INSERT INTO folder (guid, validity, until) VALUES (?, ?, 0)", (guid, validity)
        )
        return int(made.lastrowid or 0)

    def candidates(self, guid: str, validity: int, needle: str) -> Candidates | None:
        """The messages of a folder that may hold a folded string; None when nothing can be said."""
        grams = trigrams(needle)
        if not grams:
            return None
        query = " ".join('"' + gram.replace('"', '""') + '"' for gram in grams)
        with Transaction(self._db, "DEFERRED"):
            covered = self.coverage(guid, validity)
            if not covered.until:
                return None
            first = covered.id << _UID_BITS
            found = self._db.execute(
                "SELECT rowid FROM text WHERE text MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid",
                (query, first, first + (1 << _UID_BITS) - 1),
            ).fetchall()
            uids = array("I", [row - first for (row,) in found])
            passed = self._db.execute(
                "SELECT uid FROM passed_over WHERE folder = ?", (covered.id,)
            ).fetchall()
        if passed:
            uids = array("I", sorted([*uids, *(uid for (uid,) in passed)]))
        return Candidates(uids, covered.until)


def trigrams(text: str) -> list[str]:
    """Trigrams of a string, each once; of a long one some, from all over it."""
    text = _clean(text)
    grams = list(dict.fromkeys(text[start : start + _GRAM] for start in range(len(text) - _GRAM + 1)))
    return (
        [grams[number * len(grams) // _GRAMS] for number in range(_GRAMS)] if len(grams) > _GRAMS else grams
    )


def _clean(text: str) -> str:
    """The text as SQLite takes it, each character for itself: no NUL, where it stops, and no surrogates."""
    text = text.replace("\0", "\ufffd")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text
