"""The text index of one account: which messages hold a string. SQLite again, and as dispensable.

It keeps the folded texts of each message, and its words (text_words), which tell exactly in which texts a
string stands that has no white space in it. Of a string with white space they tell which messages have all
that is between: there the texts are looked at, as they are where the words cannot tell. What the index does
not know has to be read:

- Of each folder all messages up to a UID have been considered; `passed_over` are those among them that are
  not in the index, as they were too long or could not be read. These and the newer ones may hold anything.
- A text is that of the message with its base name, and of no other. The texts of a message that is gone go
  too; what remains of its words means nobody. When most of it is of that kind the index starts anew.
- A search that has to read messages keeps their texts, so that the next one looks at those. That is done of
  messages of which the index says nothing else: the newer ones, until their words are added with all of
  theirs, and those that were passed over. Whoever keeps a text makes sure while nobody else can write here
  that the message is there: who removes one does that first, and then drops the text.

It belongs to the cache it was made beside, by that cache's token: the cache remembers which base name each
UID had, and so tells when UIDs come to mean something else.
"""

import os
import sqlite3
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from mailnode.message.text import Searchable
from mailnode.store import text_words
from mailnode.store.sql import Transaction, as_text, check, drop_all
from mailnode.store.text_words import SHORTEST, UID_BITS, Ids, Where, Words, ids_of
from mailnode.values import frozen

FILE_NAME = "mailnode-text.sqlite"

_VERSION = 3
_SCHEMA = """
CREATE TABLE origin (token TEXT NOT NULL, texts INTEGER NOT NULL);
CREATE TABLE folder (
    id INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT NOT NULL UNIQUE, validity INTEGER NOT NULL,
    until INTEGER NOT NULL
);
CREATE TABLE passed_over (
    folder INTEGER NOT NULL, uid INTEGER NOT NULL, PRIMARY KEY (folder, uid)
) WITHOUT ROWID;
CREATE TABLE named (id INTEGER PRIMARY KEY, base TEXT NOT NULL);
CREATE TABLE kept (id INTEGER PRIMARY KEY, header BLOB NOT NULL, parts BLOB);
"""

_PATIENT, _IMPATIENT = 10_000, 10  # milliseconds that others may write

_GARBAGE = 1000  # messages that may be gone before it matters
_MOST_FOLDERS = 1 << 24  # numbers; the ids of what is in the highest have room in SQLite's
_RUNS = 4  # of a string with white space that are looked for

_OF_MESSAGES = ("named", "kept", "rest")  # tables with a row for each
_BETWEEN = b"\xff"  # the texts of two parts; no UTF-8 has it
_IN_HEADER = "WHEN instr(header, :needle) > 0 THEN 1"
NEEDLE = 256  # octets; SQLite takes time for each of them at each place of a text
SHORT = 65536  # octets of the texts of a message that is looked at together with others
_APART = 4  # UIDs for each message that is asked for, whose rows may be passed over


class NoTrigrams(Exception):
    """This SQLite has no FTS5, or none with trigrams."""


@frozen
class Coverage:
    """All messages up to the UID `until` are in the index, but those passed over."""

    id: int
    until: int


class Text(NamedTuple):
    """All that is searched of a message."""

    uid: int
    base: str
    said: Searchable


Held = dict[int, int | None]  # by UID: whether a string stands in the texts


@frozen
class Addition:
    """The messages of a folder above the UID `since` up to `until`; those without text are passed over."""

    since: int
    until: int
    texts: Sequence[Text]
    passed_over: Sequence[int]


class Found(NamedTuple):
    """UIDs up to `until`, ascending: of messages that hold a string, and of those that may; above all may.

    `folder` is the number of the folder, which no other gets after it in this file.
    """

    folder: int
    sure: "array[int]"
    perhaps: "array[int]"
    until: int


NOTHING = Coverage(0, 0)


class TextIndex:
    """One open file; used in the account's lane only. Raises NoTrigrams where there can be none."""

    def __init__(self, path: str, token: str) -> None:
        self._db = sqlite3.connect(
            path, check_same_thread=False, isolation_level=None, timeout=_PATIENT / 1000
        )
        self._db.text_factory = bytes.decode  # a ValueError for what is no UTF-8: then it is made anew
        self._token = token
        self._words = Words(self._db)
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
        self._words.forget_common()
        with Transaction(self._db):
            last = self._last_folder()
            try:
                drop_all(self._db)
                for statement in (_SCHEMA + text_words.SCHEMA).split(";"):
                    self._db.execute(statement)
            except sqlite3.OperationalError as error:
                if str(error).startswith("no such"):  # module: fts5; tokenizer: trigram
                    raise NoTrigrams from error
                raise
            self._db.execute("INSERT INTO sqlite_sequence VALUES ('folder', ?)", (last,))
            self._db.execute("INSERT INTO origin VALUES (?, 0)", (self._token,))
            self._db.execute(f"PRAGMA user_version={_VERSION}")

    def _last_folder(self) -> int:
        """The last number that a folder has had in this file, for all that is known."""
        last = "SELECT max(seq) FROM sqlite_sequence WHERE name = 'folder'"
        try:
            (found,) = self._db.execute(last).fetchone()
        except sqlite3.OperationalError:  # there is no such table in a new file
            return 0
        return found if isinstance(found, int) and 0 < found < _MOST_FOLDERS else 0

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def have_done(self) -> None:
        """For now there is no more to add: nothing is kept in memory for it."""
        self._words.forget_common()

    def mostly_garbage(self, live: int) -> bool:
        """Whether it should start anew, where the account has that many messages."""
        return self._texts() > 2 * live + _GARBAGE

    def _texts(self) -> int:
        found = self._db.execute("SELECT texts FROM origin").fetchone()
        check(found, (int,))
        return int(found[0])

    def coverage(self, guid: str, validity: int) -> Coverage:
        """How far the folder with this G and UIDVALIDITY is in the index."""
        found = self._db.execute(
            "SELECT id, until FROM folder WHERE guid = ? AND validity = ?", (guid, validity)
        ).fetchone()
        if not found:
            return NOTHING
        check(found, (int, int))
        return Coverage(*found)

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
            first = self.coverage(guid, validity).id << UID_BITS
            for table in _OF_MESSAGES:
                self._db.executemany(f"DELETE FROM {table} WHERE id = ?", ((first | uid,) for uid in uids))

    def _forget(self, guid: str) -> None:
        for (folder,) in self._db.execute("SELECT id FROM folder WHERE guid = ?", (guid,)).fetchall():
            self._clear(ids_of(folder))
        self._db.execute(
            "DELETE FROM passed_over WHERE folder IN (SELECT id FROM folder WHERE guid = ?)", (guid,)
        )
        self._db.execute("DELETE FROM folder WHERE guid = ?", (guid,))

    def _clear(self, ids: Ids) -> None:
        """Forget what is kept of the messages from one id to another."""
        for table in _OF_MESSAGES:
            self._db.execute(f"DELETE FROM {table} WHERE id BETWEEN ? AND ?", ids)

    def keep(self, guid: str, validity: int, texts: Sequence[Text], is_there: Callable[[Text], bool]) -> None:
        """Keep the texts of some messages of a folder, of those that are there, where the index lacks them.

        Nothing is kept while somebody else writes: nobody waits for it.
        """
        self._db.execute(f"PRAGMA busy_timeout={_IMPATIENT}")
        try:
            with Transaction(self._db):
                covered = self.coverage(guid, validity)
                passed = self._passed_over(covered.id) if covered.until else ()
                lacking = [one for one in texts if one.uid > covered.until or one.uid in passed]
                there = list(filter(is_there, lacking))
                if there and (folder := covered.id or self._unknown_folder(guid, validity)):
                    self._keep(folder << UID_BITS, there)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        finally:
            self._db.execute(f"PRAGMA busy_timeout={_PATIENT}")

    def _unknown_folder(self, guid: str, validity: int) -> int:
        """A folder of which there was nothing; 0 where there is something of another UIDVALIDITY."""
        found = self._db.execute("SELECT 1 FROM folder WHERE guid = ?", (guid,)).fetchone()
        return 0 if found else self._new_folder(guid, validity)

    def _keep(self, first: int, texts: Sequence[Text]) -> None:
        named = ((first | one.uid, as_text(one.base)) for one in texts)
        self._db.executemany("REPLACE INTO named VALUES (?, ?)", named)
        kept = ((first | one.uid, *_octets(one.said)) for one in texts)
        self._db.executemany("REPLACE INTO kept VALUES (?, ?, ?)", kept)

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
            first = folder << UID_BITS
            # What was kept of messages that are gone, or had these UIDs then.
            self._clear(Ids(first | part.since + 1, first | part.until))
            self._keep(first, part.texts)
            self._words.add((first | one.uid, one.said) for one in part.texts)
            passed = ((folder, uid) for uid in part.passed_over)
            self._db.executemany("INSERT INTO passed_over VALUES (?, ?)", passed)
            self._db.execute("UPDATE folder SET until = ? WHERE id = ?", (part.until, folder))
            self._count(len(part.texts), latest=first | part.until)
        return True

    def _count(self, more: int, latest: int) -> None:
        texts = self._texts()
        self._db.execute("UPDATE origin SET texts = ?", (texts + more,))
        if self._words.is_time_to_count(texts, texts + more):
            self._words.find_common(latest)

    def _new_folder(self, guid: str, validity: int) -> int:
        self._forget(guid)  # of another UIDVALIDITY
        made = self._db.execute(
            "INSERT INTO folder (guid, validity, until) VALUES (?, ?, 0)", (guid, validity)
        )
        return int(made.lastrowid or 0)

    def candidates(self, guid: str, validity: int, needle: str) -> tuple[AbstractSet[int], int] | None:
        """The messages of a folder that may hold a folded string, also in a field's value alone, and `until`.

        It does not look far. There may be messages among them that are gone; None when nothing can be said.
        """
        with Transaction(self._db, "DEFERRED"):
            covered = self.coverage(guid, validity)
            if not covered.until:
                return None
            found = self._possible(_runs(needle), ids_of(covered.id))
            if found is None:
                return None
            return found | self._passed_over(covered.id), covered.until

    def _possible(self, runs: Sequence[str], ids: Ids) -> AbstractSet[int] | None:
        """The messages of a folder in whose words all of these may stand; None when nothing can be said."""
        asked = (self._words.possible(run, ids) for run in runs)
        told = [one for one in asked if one is not None]
        return set.intersection(*told) if told else None

    def found(self, guid: str, validity: int, needle: str, where: Where, uids: "array[int]") -> Found | None:
        """Which of the messages of a folder that are there hold a folded string.

        There may be others that are gone; None when nothing can be said.
        """
        with Transaction(self._db, "DEFERRED"):
            covered = self.coverage(guid, validity)
            runs = _runs(needle)
            if not covered.until or not runs:
                return None
            passed = self._passed_over(covered.id)
            ids, wanted = ids_of(covered.id), uids[: bisect_right(uids, covered.until)]
            sure: AbstractSet[int] = frozenset()
            perhaps: AbstractSet[int] | None
            if runs == [needle] and len(needle.encode("utf-8", "surrogatepass")) <= NEEDLE:
                sure, perhaps = self._words.holding(needle, where, ids, wanted)
            else:
                perhaps = self._possible(runs, ids)
        if perhaps is None:
            return None
        return Found(
            covered.id, array("I", sorted(sure)), array("I", sorted(perhaps | passed)), covered.until
        )

    def _passed_over(self, folder: int) -> set[int]:
        passed = set()
        for row in self._db.execute("SELECT uid FROM passed_over WHERE folder = ?", (folder,)):
            check(row, (int,))
            passed.add(row[0])
        return passed

    def called(self, folder: int, uids: Sequence[int], bases: Sequence[str]) -> list[bool]:
        """Whether the texts of these messages, in order of UID, are of messages with these base names."""
        first = folder << UID_BITS
        which = f"FROM named WHERE id {_among(first, uids)}"
        # The names of all of them in one go, where they are as they should be.
        joined = self._db.execute(f"SELECT CAST(group_concat(base, '/') AS BLOB) {which}").fetchone()[0]
        if joined == "/".join(bases).encode("utf-8", "surrogateescape"):
            return [True] * len(uids)
        rows = self._db.execute(f"SELECT id - ?, CAST(base AS BLOB) {which}", (first,))
        named = dict(rows.fetchall())
        return [named.get(uid) == os.fsencode(base) for uid, base in zip(uids, bases, strict=True)]

    def held(self, guid: str, validity: int, needle: bytes, uids: Sequence[int], *, in_header: bool) -> Held:
        """Whether the needle stands in these messages, in order of UID, and perhaps in some between them.

        Those of which no text is kept are left out; of several, long ones are not looked at. Nothing for
        needles of more than NEEDLE octets.
        """
        if len(needle) > NEEDLE:
            return {}
        first = self.coverage(guid, validity).id << UID_BITS
        rows = self._db.execute(
            "SELECT id - :zero,"
            f" CASE WHEN length(header) + coalesce(length(parts), 0) > {SHORT} AND NOT :alone THEN NULL"
            f" {_IN_HEADER if in_header else ''} ELSE coalesce(instr(parts, :needle), 0) > 0 END"
            f" FROM kept WHERE id {_among(first, uids)}",
            {"needle": needle, "alone": len(uids) == 1, "zero": first},
        )
        return dict(rows.fetchall())


def _among(first: int, uids: Sequence[int]) -> str:
    """A condition for their ids: a range, unless many others were in it."""
    if uids[-1] - uids[0] < _APART * len(uids):
        return f"BETWEEN {first | uids[0]} AND {first | uids[-1]}"
    return f"IN ({','.join([str(first | uid) for uid in uids])})"


def _runs(needle: str) -> list[str]:
    """What of a string is looked for: all of it, or some of what stands between its white space."""
    runs = needle.split()
    if runs == [needle]:
        return runs
    longest = sorted(set(runs), key=len, reverse=True)
    return [run for run in longest[:_RUNS] if len(run) >= SHORTEST]


def _octets(said: Searchable) -> tuple[bytes, bytes | None]:
    """The texts as they are kept; None where no part has one."""
    parts = _BETWEEN.join([text.encode("utf-8", "surrogatepass") for text in said.parts])
    return said.header.encode("utf-8", "surrogatepass"), parts if said.parts else None
