"""The words of the text index: in which texts a string stands that has no white space in it.

Such a string stands in a text where it stands in one of the words between white space. So the words tell
exactly, and a text is looked at only where it would take long to ask all words:

- Words that many messages have are `common`. They are numbered, and each has postings: the messages that have
  it, in their header, their parts or both. What is in most messages is found by reading a list.
- All other words of a message are the `rest` of it: a few hundred octets that are searched as they are.
- Trigrams, all runs of three characters, of each common word and of each rest say which of them may hold a
  string at all.

The words of new messages that are in several of the latest become common; older messages keep them in their
rest, and both are always asked. Postings and trigrams of messages that are gone stay, and mean nobody.
"""

import json
import sqlite3
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from enum import IntEnum
from itertools import chain
from typing import Final, NamedTuple, TypeVar

from mailnode.message.text import Searchable
from mailnode.store.sql import check

T = TypeVar("T")

SCHEMA: Final = """
CREATE TABLE common (id INTEGER PRIMARY KEY, word BLOB NOT NULL UNIQUE);
CREATE TABLE rest (
    id INTEGER PRIMARY KEY, header BLOB NOT NULL, parts BLOB NOT NULL, "values" BLOB NOT NULL
);
CREATE VIRTUAL TABLE trigram USING fts5(
    words, content='', detail=none, columnsize=0, tokenize='trigram case_sensitive 1'
);
CREATE VIRTUAL TABLE posting USING fts5(
    words, content='', detail=none, columnsize=0, tokenize='ascii'
)"""

# Where in a message words stand; a row of postings is of those that stand in the same places.
_HEADER, _PARTS, _VALUES = 1, 2, 4
_PLACES_BITS = 3

UID_BITS = 32
_LAST_COMMON = (1 << UID_BITS) - 1  # trigrams with a lower id are of common words, of folder 0 as it were
SHORTEST = 3  # characters of a string in which there are trigrams
_GRAMS = 24  # of one string; more cost time and rule little out
_FEW_GRAMS = 4  # which are enough among common words

_LATEST = 256  # messages among which common words are sought, once for each so many
_COMMON = 4  # of them have the word
_MOST_COMMON = 32768  # in one file; all others are in rests
_MANY = 8  # messages that come together
_LONGEST = 64  # characters of a common word
_COUNTED = 1_048_576  # octets of words that are counted at once

LONG = 65536  # octets of a rest that is not searched with others
_LOOKED_AT = 16_777_216  # octets of rests that are searched without a break, in 0.2 s at most
_AT_ONCE = 500  # values in one statement
_SOME_WORDS = 16  # common words whose postings are read together
_MOST_WORDS = 64  # whose postings are worth reading where the message is quickly asked
_PRICE = 4  # of the postings of a word, where to look at the texts of a message is 1


class Where(IntEnum):
    """What is searched, by the places of words."""

    TEXT = _HEADER | _PARTS
    BODY = _PARTS


_ANYWHERE: Final = _HEADER | _PARTS | _VALUES


class Holding(NamedTuple):
    """Messages by UID: those that hold a string, and those that have to be looked at."""

    sure: AbstractSet[int]
    perhaps: AbstractSet[int]


class Ids(NamedTuple):
    """The ids of the messages of a folder, from the first to the last."""

    first: int
    last: int


def ids_of(folder: int) -> Ids:
    """These of a folder."""
    return Ids(folder << UID_BITS, (folder + 1 << UID_BITS) - 1)


class Words:
    """Those in one file; all methods are called in transactions."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._known: tuple[int, dict[bytes, int]] | None = None  # all common words, see _all_common()

    # Adding

    def add(self, messages: Iterable[tuple[int, Searchable]]) -> None:
        """Add messages by their ids, which ascend."""
        added = [(id_, *_split(said)) for id_, said in messages]
        if len(added) < _MANY:
            self.forget_common()
        all_words = set().union(*chain.from_iterable(places for _, *places in added))
        known = self._common(all_words, many=len(added) >= _MANY)
        rests: list[tuple[int, bytes, bytes, bytes]] = []
        grams: list[tuple[int, str]] = []
        postings: list[tuple[int, str]] = []
        for id_, header, parts, values in added:
            rest = [words.difference(known) for words in (header, parts, values)]
            rests.append((id_, _joined(rest[0]), _joined(rest[1]), _joined(rest[2])))
            grams.append((id_, _gram_text(set().union(*rest))))
            both = header & parts
            for places, words in (
                (_HEADER, header - both),
                (_PARTS, parts - both),
                (_HEADER | _PARTS, both),
                (_VALUES, values),
            ):
                numbers = [known[word] for word in words if word in known]
                if numbers:
                    postings.append((id_ << _PLACES_BITS | places, " ".join(map(str, numbers))))
        self._db.executemany("INSERT INTO rest VALUES (?, ?, ?, ?)", rests)
        self._db.executemany("INSERT INTO trigram (rowid, words) VALUES (?, ?)", grams)
        self._db.executemany("INSERT INTO posting (rowid, words) VALUES (?, ?)", postings)

    def _common(self, words: Iterable[str], *, many: bool) -> dict[str, int]:
        """Those of the words that are common, with their numbers; for many, all are in memory for a while."""
        octets = {word.encode("utf-8", "surrogatepass"): word for word in words if len(word) <= _LONGEST}
        if many:
            known = self._all_common()
            return {octets[word]: known[word] for word in known.keys() & octets.keys()}
        found: dict[str, int] = {}
        for some in _some(list(octets)):
            marks = ",".join("?" * len(some))
            rows = self._db.execute(f"SELECT word, id FROM common WHERE word IN ({marks})", some)
            found.update([(octets[word], number) for word, number in rows])
        return found

    def _all_common(self) -> dict[bytes, int]:
        """All that are common, as of when this or another process has last written."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if self._known is None or self._known[0] != version:
            rows = self._db.execute("SELECT word, id FROM common").fetchall()
            self._known = version, dict(rows)
        return self._known[1]

    def forget_common(self) -> None:
        """Keep nothing in memory: it may be otherwise from now on."""
        self._known = None

    def is_time_to_count(self, before: int, after: int) -> bool:
        """Whether common words are to be sought, where there were and are so many messages."""
        return before // _LATEST < after // _LATEST

    def find_common(self, latest: int) -> None:
        """Make the words common that are in several messages up to this id."""
        self.forget_common()
        counted: Counter[bytes] = Counter()
        octets = 0
        for header, parts in self._db.execute(
            "SELECT header, parts FROM rest WHERE id <= ? ORDER BY id DESC LIMIT ?", (latest, _LATEST)
        ):
            check((header, parts), (bytes, bytes))
            if octets + len(header) + len(parts) > _COUNTED:
                continue
            octets += len(header) + len(parts)
            counted.update({*header.split(b" "), *parts.split(b" ")})
        words = [
            word.decode("utf-8", "surrogatepass")
            for word, count in counted.most_common()
            if count >= _COMMON and 0 < len(word) <= _LONGEST
        ]
        known = self._common(words, many=False)
        new = [word for word in words if word not in known]
        (last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM common").fetchone()
        numbered = list(enumerate(new[: max(0, _MOST_COMMON - last)], last + 1))
        self._db.executemany(
            "INSERT INTO common VALUES (?, ?)",
            ((number, word.encode("utf-8", "surrogatepass")) for number, word in numbered),
        )
        self._db.executemany(
            "INSERT INTO trigram (rowid, words) VALUES (?, ?)",
            ((number, clean(word)) for number, word in numbered if len(word) >= SHORTEST),
        )

    # Asking

    def holding(self, run: str, where: Where, ids: Ids, wanted: "array[int]") -> Holding:
        """Which messages of a folder, by UID, hold a string without white space; perhaps also gone ones.

        Where many common words have it in them, it may be quicker to look at the texts of the last messages.
        """
        needle = run.encode("utf-8", "surrogatepass")
        words = self._common_with(run, needle)
        sure = set(self._posted(words[:_SOME_WORDS], where, ids))
        if len(sure) >= len(wanted) and sure.issuperset(wanted):
            return Holding(sure, frozenset())
        in_rest, perhaps = self._in_rests(run, needle, where, ids, wanted, but=sure)
        sure |= in_rest
        words = words[_SOME_WORDS:]
        if words:
            left = set(wanted) - sure
            while words and len(left) >= _PRICE * len(words):
                left.difference_update(self._posted(words[:_SOME_WORDS], where, ids))
                words = words[_SOME_WORDS:]
            sure.update(set(wanted) - left)
            perhaps = left if words else perhaps & left
        return Holding(sure, perhaps)

    def possible(self, run: str, ids: Ids) -> set[int] | None:
        """The messages of a folder, by UID, that may hold such a string anywhere; also ones that are gone.

        None where nothing can be said, or it would take longer than to look.
        """
        words = self._common_with(run, run.encode("utf-8", "surrogatepass"))
        if len(run) < SHORTEST or len(words) > _MOST_WORDS:
            return None
        found = set(self._with_trigrams(run, ids))
        for some in _some(words, _SOME_WORDS):
            found.update(self._posted(some, _ANYWHERE, ids))
        return found

    def _common_with(self, run: str, needle: bytes) -> list[int]:
        """The numbers of the common words in which the string stands; of the most common first, mostly."""
        if len(run) > _LONGEST:
            return []
        if len(run) < SHORTEST:
            rows = self._db.execute("SELECT id FROM common WHERE instr(word, ?)", (needle,))
        else:
            rows = self._db.execute(
                "SELECT common.id FROM trigram JOIN common ON common.id = trigram.rowid"
                " WHERE trigram MATCH ? AND trigram.rowid <= ? AND instr(common.word, ?)"
                " ORDER BY trigram.rowid",
                (_query(run, _FEW_GRAMS), _LAST_COMMON, needle),
            )
        return [number for (number,) in rows]

    def _posted(self, words: Sequence[int], where: int, ids: Ids) -> list[int]:
        """The UIDs of the messages of a folder that have one of these common words."""
        if not words:
            return []
        return self._listed(
            f"SELECT group_concat((rowid >> {_PLACES_BITS}) - ?) FROM posting"
            " WHERE posting MATCH ? AND rowid BETWEEN ? AND ? AND rowid & ?",
            (
                ids.first,
                " OR ".join(map(str, words)),
                ids.first << _PLACES_BITS,
                (ids.last + 1 << _PLACES_BITS) - 1,
                where,
            ),
        )

    def _with_trigrams(self, run: str, ids: Ids) -> list[int]:
        """The UIDs of those that have all trigrams of the string in their rest."""
        return self._listed(
            "SELECT group_concat(rowid - ?) FROM trigram WHERE trigram MATCH ? AND rowid BETWEEN ? AND ?",
            (ids.first, _query(run), *ids),
        )

    def _listed(self, statement: str, values: Sequence[object]) -> list[int]:
        """The numbers that a statement joins to a text: so they take a third of the time of as many rows."""
        (joined,) = self._db.execute(statement, values).fetchone()
        listed: list[int] = json.loads(f"[{joined or ''}]")
        return listed

    def _in_rests(
        self, run: str, needle: bytes, where: Where, ids: Ids, wanted: "array[int]", but: AbstractSet[int]
    ) -> tuple[set[int], set[int]]:
        """Those messages in whose rest the string stands, and those of which nobody can tell."""
        if len(run) < SHORTEST:
            asked = set(wanted) - but
            rows = self._looked_at(needle, where, ids, f"BETWEEN {ids.first} AND {ids.last}")
        else:
            asked = {uid for uid in self._with_trigrams(run, ids) if uid not in but}
            several = [",".join([str(ids.first | uid) for uid in some]) for some in _some(sorted(asked))]
            rows = chain.from_iterable(self._looked_at(needle, where, ids, f"IN ({one})") for one in several)
        found: set[int] = set()
        told: set[int] = set()  # not of those that are long, or gone
        left = _LOOKED_AT
        for uid, held, octets in rows:
            if held is not None:
                told.add(uid)
                if held:
                    found.add(uid)
                left -= octets
                if left < 0:
                    break
        return found, asked - told

    def _looked_at(
        self, needle: bytes, where: Where, ids: Ids, which: str
    ) -> Iterator[tuple[int, int | None, int]]:
        """The UID of each, whether the string stands in its rest, None for a long one, and its octets."""
        in_header = "OR instr(header, :needle)" if where & _HEADER else ""
        return self._db.execute(
            f"SELECT id - :first, CASE WHEN length(header) + length(parts) <= {LONG}"
            f" THEN instr(parts, :needle) {in_header} END, length(header) + length(parts)"
            f" FROM rest WHERE id {which}",
            {"needle": needle, "first": ids.first},
        )


def _split(said: Searchable) -> tuple[set[str], set[str], set[str]]:
    """The words of the header, of the parts, and of values that the header has not."""
    header = set(said.header.split())
    parts = set(chain.from_iterable(map(str.split, said.parts)))
    return header, parts, set(chain.from_iterable(map(str.split, said.values))) - header


def _joined(words: Iterable[str]) -> bytes:
    return " ".join(words).encode("utf-8", "surrogatepass")


def _gram_text(words: Iterable[str]) -> str:
    """Words as trigrams are made of them: with two blanks between, so that few trigrams are of two words."""
    return clean("  ".join([word for word in words if len(word) >= SHORTEST]))


def _query(run: str, most: int = _GRAMS) -> str:
    """What finds the texts that have the trigrams of a string."""
    return " ".join(['"' + gram.replace('"', '""') + '"' for gram in trigrams(run, most)])


def trigrams(run: str, most: int = _GRAMS) -> list[str]:
    """The trigrams of a string, each once; of a long one some, from all over it."""
    text = clean(run)
    grams = list(dict.fromkeys(text[start : start + SHORTEST] for start in range(len(text) - SHORTEST + 1)))
    return [grams[number * len(grams) // most] for number in range(most)] if len(grams) > most else grams


def clean(text: str) -> str:
    """The text as SQLite takes it, each character for itself: no NUL, where it stops, and no surrogates."""
    text = text.replace("\0", "\ufffd")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text


def _some(values: Sequence[T], at_once: int = _AT_ONCE) -> Iterator[Sequence[T]]:
    return (values[start : start + at_once] for start in range(0, len(values), at_once))
