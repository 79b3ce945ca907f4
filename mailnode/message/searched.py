"""What SEARCH compares of the header fields that clients mostly ask for, made once and kept as octets.

A text is in UTF-8, where one stands in another exactly if its octets stand in the other's.
"""

from typing import Final, NamedTuple

from mailnode.message.collation import fold
from mailnode.message.date import parse_date
from mailnode.message.encoded import decode_words
from mailnode.message.header import scan, values_of
from mailnode.message.remembered import remembered

FIELDS: Final = (b"subject", b"from", b"to", b"cc", b"bcc")
_BETWEEN: Final = "\n"


class Searched(NamedTuple):
    """The day that the Date field states, see sent_day(); the texts of `FIELDS`, None where there is none.

    The values of fields of one name stand in lines; some may have line ends in them.
    """

    day: int
    texts: tuple[bytes | None, ...]


def searched(header: bytes) -> Searched:
    """What is kept of a header."""
    fields = scan(header)
    return Searched(_day(fields.all(b"date")), tuple(_text(fields.all(name)) for name in FIELDS))


def values(header: bytes, name: bytes) -> list[str]:
    """The folded values of all fields of that name (in lower case)."""
    return list(map(_folded, values_of(header, name)))


@remembered
def _folded(value: bytes) -> str:
    return fold(decode_words(value))


def sent_day(header: bytes) -> int:
    """The day that the Date field states, whatever its zone, counted from the year 1 on; 0 without one."""
    return _day(values_of(header, b"date"))


def _day(dates: list[bytes]) -> int:
    moment = parse_date(dates[0]) if dates else None
    return moment.toordinal() if moment else 0


def octets_of(needle: str) -> bytes | None:
    """What to look for in the texts; None where they cannot tell whether it stands in one of the values."""
    return None if _BETWEEN in needle else _octets(needle)


def _text(found: list[bytes]) -> bytes | None:
    return _octets(_BETWEEN.join(map(_folded, found))) if found else None


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
