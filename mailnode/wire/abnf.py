"""Character classes of RFC 5234, 5321, 5322 and 3501, and strict numbers.

Every class is a frozenset of byte values, written as the RFC writes it and tested over all 256 values.
"""

import functools
import re
from datetime import datetime

from mailnode.wire.errors import BadSyntax


def _span(first: int, last: int) -> frozenset[int]:
    return frozenset(range(first, last + 1))


ALPHA = _span(0x41, 0x5A) | _span(0x61, 0x7A)  # RFC 5234 B.1
DIGIT = _span(0x30, 0x39)
CTL = _span(0x00, 0x1F) | {0x7F}
CHAR = _span(0x01, 0x7F)
VCHAR = _span(0x21, 0x7E)

ATEXT = ALPHA | DIGIT | frozenset(b"!#$%&'*+-/=?^_`{|}~")  # RFC 5322 3.2.3

ATOM_SPECIALS = frozenset(b'(){ %*"\\]') | CTL  # RFC 3501 section 9: atom-specials
ATOM_CHAR = CHAR - ATOM_SPECIALS
ASTRING_CHAR = ATOM_CHAR | frozenset(b"]")  # resp-specials are allowed in an astring
LIST_CHAR = ATOM_CHAR | frozenset(b"%*]")  # list-wildcards and resp-specials
TAG_CHAR = ASTRING_CHAR - frozenset(b"+")

_DATE_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.IGNORECASE)


def is_all(text: bytes, allowed: frozenset[int]) -> bool:
    """Whether every octet of `text` is in the class; true for an empty text."""
    return not text.translate(None, _octets(allowed))


@functools.cache
def _octets(allowed: frozenset[int]) -> bytes:
    """The class as bytes.translate() takes it, which looks at an octet in a nanosecond."""
    return bytes(allowed)


def number(text: bytes, *, limit: int) -> int:
    """The value of `1*DIGIT`, at most `limit`.

    int() also takes signs, blanks, underscores and foreign digits, and refuses 4,300 digits with an
    error of its own; the wire allows none of that. isdigit() of bytes knows ASCII digits alone.
    """
    if not text.isdigit():
        raise BadSyntax("number expected")
    digits = text if len(text) <= 20 else text.lstrip(b"0")
    if len(digits) > 20 or (value := int(digits or b"0")) > limit:
        raise BadSyntax("number too large")
    return value


def date_time(text: bytes) -> float:
    """Seconds since the epoch, of a date-time of RFC 3339 section 5.6."""
    try:
        if not _DATE_TIME.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text.decode("ascii").upper()).timestamp()
    except (ValueError, OverflowError):
        raise BadSyntax("date and time expected") from None
