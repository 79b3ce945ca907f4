"""The text index of one account: which messages hold a string. SQLite again, and as dispensable.

It keeps the folded texts of each message, and knows their trigrams: all runs of three characters. A message
without one of a string's trigrams does not hold the string; of one with all of them the text is looked at, as
of all messages where the string is too short. What it does not know has to be read:

- Of each folder all messages up to a UID have been considered; `passed_over` are those among them that are
  not in the index, as they were too long or could not be read. These and the newer ones may hold anything.
- A text is that of the message with its base name, and of no other. The texts of a message that is gone go
  too; its trigrams stay, and rule nothing in. When most are of that kind the index starts anew.

Each word is taken in once, between blanks, as trigrams cost more than texts. So those with white space in the
midst are left out: what a string has on both sides of it is looked for alone.

It belongs to the cache it was made beside, by that cache's token: the cache remembers which base name each
UID had, and so tells when UIDs come to mean something else.
"""

import sqlite3
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from mailnode.message.text import Searchable
from mailnode.store.sql import Transaction, as_text, drop_all

FILE_NAME = "mailnode-text.sqlite"

_VERSION = 2
_SCHEMA = """
CREATE TABLE origin (token TEXT NOT NULL, texts INTEGER NOT NULL);
CREATE TABLE folder (
    id INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT NOT NULL UNIQUE, validity INTEGER NOT NULL,
    until INTEGER NOT NULL
);
CREATE TABLE passed_over (
    folder INTEGER NOT NULL, uid INTEGER NOT NULL, PRIMARY KEY (folder, uid)
) WITHOUT ROWID;
CREATE TABLE kept (
    id INTEGER PRIMARY KEY, base TEXT NOT NULL, header BLOB NOT NULL, parts BLOB
);
CREATE VIRTUAL TABLE text USING fts5(
    words, content='', detail=none, columnsize=0, tokenize='trigram case_sensitive 1'
);
"""

_UID_BITS = 32
_GRAM = 3
_GRAMS = 24  # of one string; more cost time and rule little out
_GARBAGE = 1000  # messages that may be gone before it matters

_BETWEEN = b"\xff"  # the texts of two parts; no UTF-8 has it
_IN_HEADER = "WHEN instr(header, :needle) > 0 THEN 1"
NEEDLE = 256  # octets; SQLite takes time for each of them at each place of a text
SHORT = 65536  # octets of the texts of a message that is looked at together with others
_APART = 4  # UIDs for each message that is asked for, whose rows may be passed over


class NoTrigrams(Exception):
    """This SQLite has no FTS5, or none with trigrams."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """All messages up to the UID `until` are in the index, but those passed over."""

    id: int
    until: int


class Text(NamedTuple):
    """All that is searched of a message."""

    uid: int
    base: str
    said: Searchable


Held = dict[int, tuple[str, int | None]]  # by UID: the base name, and whether a string stands in the texts


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
        self._db.text_factory = bytes.decode  # a ValueError for what is no UTF-8: then it is made anew
        self._token = token
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA secure_delete=FAST")  # Debian's SQLite would write zeros over all
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

    def drop(self, guid: str, validity: int, uids: Sequence[int]) -> None:
        """These messages are gone: their texts go too."""
        with Transaction(self._db):
            first = self.coverage(guid, validity).id << _UID_BITS
            self._db.executemany("DELETE FROM kept WHERE id = ?", ((first | uid,) for uid in uids))

    def _forget(self, guid: str) -> None:
        for (folder,) in self._db.execute("SELECT id FROM folder WHERE guid = ?", (guid,)).fetchall():
            self._db.execute("DELETE FROM kept WHERE id BETWEEN ? AND ?", _ids(folder))
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
            first = folder << _UID_BITS
            self._db.executemany(
                "REPLACE INTO kept VALUES (?, ?, ?, ?)",
                ((first | one.uid, as_text(one.base), *_octets(one.said)) for one in part.texts),
            )
            self._db.executemany(
                "INSERT INTO text (rowid, words) VALUES (?, ?)",
                ((first | one.uid, words(one.said)) for one in part.texts),
            )
            passed = ((folder, uid) for uid in part.passed_over)
            self._db.executemany("INSERT INTO passed_over VALUES (?, ?)", passed)
            self._db.execute("UPDATE folder SET until = ? WHERE id = ?", (part.until, folder))
            self._db.execute("UPDATE origin SET texts = texts + ?", (len(part.texts),))
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
            first, last = _ids(covered.id)
            found = self._db.execute(
                "SELECT rowid FROM text WHERE text MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid",
                (query, first, last),
            ).fetchall()
            uids = array("I", [row - first for (row,) in found])
            passed = self._db.execute(
                "SELECT uid FROM passed_over WHERE folder = ?", (covered.id,)
            ).fetchall()
        if passed:
            uids = array("I", sorted([*uids, *(uid for (uid,) in passed)]))
        return Candidates(uids, covered.until)

    def held(self, guid: str, validity: int, needle: bytes, uids: Sequence[int], *, in_header: bool) -> Held:
        """Whether the needle stands in these messages, in order of UID, and perhaps in some between them.

        Those of which no text is kept are left out; of several, long ones are not looked at. Nothing for
        needles of more than NEEDLE octets.
        """
        if len(needle) > NEEDLE:
            return {}
        first = self.coverage(guid, validity).id << _UID_BITS
        where = "BETWEEN :first AND :last"
        if uids[-1] - uids[0] >= _APART * len(uids):
            where = f"IN ({','.join([str(first | uid) for uid in uids])})"
        rows = self._db.execute(
            "SELECT id - :zero, base,"
            f" CASE WHEN length(header) + coalesce(length(parts), 0) > {SHORT} AND NOT :alone THEN NULL"
            f" {_IN_HEADER if in_header else ''} ELSE coalesce(instr(parts, :needle), 0) > 0 END"
            f" FROM kept WHERE id {where}",
            {
                "needle": needle,
                "alone": len(uids) == 1,
                "zero": first,
                "first": first | uids[0],
                "last": first | uids[-1],
            },
        ).fetchall()
        return {uid: (base, held) for uid, base, held in rows}


def _ids(folder: int) -> tuple[int, int]:
    """The ids of its messages, from the first to the last."""
    return folder << _UID_BITS, (folder + 1 << _UID_BITS) - 1


def _octets(said: Searchable) -> tuple[bytes, bytes | None]:
    """The texts as they are kept; None where no part has one."""
    parts = _BETWEEN.join([text.encode("utf-8", "surrogatepass") for text in said.parts])
    return said.header.encode("utf-8", "surrogatepass"), parts if said.parts else None


def words(said: Searchable) -> str:
    """Each word of the texts once, between blanks."""
    texts = chain((said.header,), said.parts, said.values)
    once = dict.fromkeys(chain.from_iterable(map(str.split, texts)))
    return _clean(f" {'  '.join(once)} ")


def trigrams(text: str) -> list[str]:
    """Trigrams of a string that stand in words(), each once; of a long one some, from all over it."""
    text = "".join([" " if character.isspace() else character for character in _clean(text)])
    places = [start for start in range(len(text) - _GRAM + 1) if text[start + 1] != " "]
    grams = list(dict.fromkeys(text[start : start + _GRAM] for start in places))
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
