"""Blocks: the prepared answers of neighbours in one row of the cache.

What clients ask of many messages at once is kept for all messages whose UIDs are alike but for their last
bits. So a look at the cache brings many answers, and whose they are is compared for all of them together:

    uids   four octets for each message, as in an array of them
    bases  its base name, with "/" between two
    texts  the answers of each kind, with NUL between two

A text that is long, or that has octets in it which mean something here, stands apart.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, get_args, overload

from mailnode.wire.octets import occurrences

Text = Literal["envelope", "bodystructure", "fields", "preview", "body"]  # what is asked for most first

TEXTS: Final[tuple[Text, ...]] = get_args(Text)
BITS: Final = 6
OCTETS: Final = array("I").itemsize  # of a UID
LONGEST: Final = 4096  # octets of a text in a block

_NUL = b"\0"
_APART = b"\1"  # in the place of a text that stands apart
_NONSENSE = "a block of the cache makes no sense"


class Entry(NamedTuple):
    """What is kept of a message: its base name, and the texts in the order of TEXTS, empty where apart."""

    base: str
    texts: tuple[bytes, ...]


class Names(NamedTuple):
    """Messages in order of UID, as a block names them."""

    uids: bytes
    bases: bytes

    def listed(self) -> list[tuple[int, str]]:
        """UID and base name of each. Raises ValueError where that makes no sense."""
        uids = array("I", self.uids)
        return list(zip(uids, self.bases.decode("utf-8", "surrogateescape").split("/"), strict=True))


def names(uids: "array[int]", bases: Iterable[str]) -> Names:
    """The form in which messages are compared."""
    return Names(uids.tobytes(), "/".join(bases).encode("utf-8", "surrogateescape"))


class Texts(Sequence[bytes]):
    """So many texts as they stand in blocks: `joined`, with NUL between two."""

    __slots__ = ("_count", "joined")

    def __init__(self, joined: bytes, count: int) -> None:
        self.joined = joined
        self._count = count

    def between(self, start: bytes, separator: bytes, end: bytes) -> bytes:
        """One behind the other in a template of `%`, with this before, between and behind them."""
        return b"%b%b%b" % (start, self.joined.replace(b"%", b"%%").replace(_NUL, separator), end)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.joined.split(_NUL))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        return self.joined.split(_NUL)[index]


def number_of(uid: int) -> int:
    """The number of the block in which the message with this UID is."""
    return uid >> BITS


def uids_of(number: int) -> range:
    """All UIDs that a block may have."""
    return range(number << BITS, (number + 1) << BITS)


def whole(uids: Sequence[int], start: int, stop: int) -> int:
    """Where to stop a little earlier than at a position of ascending UIDs, so that no block is cut in two."""
    if stop < len(uids) and number_of(uids[stop]) == number_of(uids[stop - 1]):
        cut = bisect_left(uids, uids_of(number_of(uids[stop])).start, start, stop)
        return cut if cut > start else stop
    return stop


def fits(text: bytes) -> bool:
    """Whether a text can be in a block."""
    return len(text) <= LONGEST and _NUL not in text and _APART not in text


def chosen(rows: Sequence[tuple[Any, ...]], wanted: Names) -> Sequence[bytes] | None:
    """The texts of these messages, empty where they stand apart; None where not all of them are there.

    Rows are of neighbouring blocks: uids, bases and the texts of one kind. Raises ValueError for some that
    make no sense.
    """
    for row in rows:  # each for itself: nobody's text may count for the next block
        if set(map(type, row)) != {bytes} or (occurrences(row[2], _NUL) + 1) * OCTETS != len(row[0]):
            raise ValueError(_NONSENSE)
    joined = _NUL.join([row[2] for row in rows])
    uids, bases = b"".join([row[0] for row in rows]), b"/".join([row[1] for row in rows])
    count = len(wanted.uids) // OCTETS
    if uids != wanted.uids:
        at, odd = divmod(uids.find(wanted.uids), OCTETS)
        if not odd:  # they are neighbours
            each, texts = bases.split(b"/"), joined.split(_NUL)
            if len(each) != len(texts):
                raise ValueError(_NONSENSE)
            uids, bases = wanted.uids, b"/".join(each[at : at + count])
            joined = _NUL.join(texts[at : at + count])
    if (uids, bases) == wanted and _APART not in joined:
        return Texts(joined, count)
    known = {name: text for row in rows for name, text in listed(row)}
    found = [known.get(name) for name in wanted.listed()]
    return None if None in found else [text for text in found if text is not None]


def listed(row: Sequence[Any]) -> list[tuple[tuple[int, str], bytes]]:
    """UID, base name and text of each message of a row, empty where it stands apart; raises as chosen()."""
    uids, bases, texts = row
    return list(zip(_named(uids, bases), _split(texts), strict=True))


def _named(uids: Any, bases: Any) -> list[tuple[int, str]]:
    if not type(uids) is type(bases) is bytes:
        raise ValueError(_NONSENSE)
    return Names(uids, bases).listed()


def _split(texts: Any) -> list[bytes]:
    if type(texts) is not bytes:
        raise ValueError(_NONSENSE)
    return [b"" if text == _APART else text for text in texts.split(_NUL)]


def packed(entries: Mapping[int, Entry]) -> tuple[bytes, ...]:
    """A row: uids, bases and the texts of each kind in the order of TEXTS, of messages by UID."""
    uids = array("I", sorted(entries))
    found = [entries[uid] for uid in uids]
    columns = zip(*(one.texts for one in found), strict=True)
    texts = (_NUL.join(text if text and fits(text) else _APART for text in column) for column in columns)
    return (*names(uids, (one.base for one in found)), *texts)


def unpacked(number: int, row: Sequence[Any]) -> dict[int, Entry]:
    """The messages of a row, by UID. Raises ValueError for one that makes no sense."""
    uids, bases, *texts = row
    named = _named(uids, bases)
    if not set(uids_of(number)).issuperset(uid for uid, _ in named):
        raise ValueError(_NONSENSE)
    columns = zip(*map(_split, texts), strict=True)
    return {uid: Entry(base, column) for (uid, base), column in zip(named, columns, strict=True)}


def with_more(number: int, row: Sequence[Any], entries: Mapping[int, Entry]) -> tuple[bytes, ...]:
    """The row with further messages, or others in the place of some. Raises as unpacked().

    Behind all that are there new ones are put without a look at those, as mail comes one by one.
    """
    uids, bases, *texts = row
    alike = set(map(type, row)) == {bytes}
    if not alike or int.from_bytes(uids[-OCTETS:], sys.byteorder) >= min(entries):
        known = unpacked(number, row)
        return packed({**known, **{uid: _joined(known.get(uid), entry) for uid, entry in entries.items()}})
    more_uids, more_bases, *more_texts = packed(entries)
    columns = zip(texts, more_texts, strict=True)
    return (uids + more_uids, bases + b"/" + more_bases, *map(_NUL.join, columns))


def _joined(known: Entry | None, more: Entry) -> Entry:
    """What is known now of a message: what was known before of the same one is not forgotten."""
    if known is None or known.base != more.base:
        return more
    return Entry(more.base, tuple(new or old for old, new in zip(known.texts, more.texts, strict=True)))
