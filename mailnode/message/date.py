"""Dates: the Date field (RFC 5322 sections 3.3 and 4.3) and IMAP's date-time (RFC 3501 section 9)."""

import functools
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from mailnode.message.lexical import without_comments
from mailnode.message.remembered import remembered
from mailnode.wire.abnf import number
from mailnode.wire.errors import BadSyntax

MONTHS: Final = tuple(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())

_MONTH_NUMBER: Final = {name.lower(): index for index, name in enumerate(MONTHS, 1)}
_LONGEST: Final = 256
# RFC 5322 section 4.3; the military letters were used with both signs and so mean UTC, like unknown names.
_ZONES: Final = {
    b"edt": -4, b"est": -5, b"cdt": -5, b"cst": -6, b"mdt": -6, b"mst": -7, b"pdt": -7, b"pst": -8,
}  # fmt: skip
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INTERNAL_SECONDS: Final = (-2208988800, 253370764799)  # the years 1900 to 9998

_DATE_FIELD = re.compile(
    rb"""\s* (?:[A-Za-z]{3,9} \s* ,? \s*)?
    (?P<day>\d{1,2}) \s+ (?P<month>[A-Za-z]{3})[a-z]* \s+ (?P<year>\d{2,5}) \s+
    (?P<hour>\d{1,2}) \s*:\s* (?P<minute>\d{1,2}) (?:\s*:\s* (?P<second>\d{1,2}))?
    (?: \s* (?P<zone>[+-]\d{4}) (?!\d) | \s+ (?P<name>[A-Za-z]{1,5}) | \s*$ )""",
    re.VERBOSE,
)
_DAY = re.compile(
    rb"""\s* (?:[A-Za-z]{3,9} \s* ,? \s*)?
    (?P<day>\d{1,2}) \s+ (?P<month>[A-Za-z]{3})[a-z]* \s+ (?P<year>\d{2,5}) (?!\d)""",
    re.VERBOSE,
)
_TIME = re.compile(
    rb"\s+ (?P<hour>\d{1,2}) \s*:\s* (?P<minute>\d{1,2}) (?:\s*:\s* (?P<second>\d{1,2}))? (?!\d)",
    re.VERBOSE,
)
_DATE_TIME = re.compile(
    rb"""(?P<quote>"?) (?P<day>[ \d]\d)-(?P<month>[A-Za-z]{3})-(?P<year>\d{4})
    [ ] (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d) [ ] (?P<zone>[+-]\d{4}) (?P=quote)""",
    re.VERBOSE,
)


@remembered
def parse_date(value: bytes) -> datetime | None:
    """The moment an unfolded Date field names, with its zone; None for anything that is not a date.

    Only years from 1900 to 9998 are dates, so that every zone and epoch shift stays in range. A date without
    a zone is taken as UTC.
    """
    if len(value) > _LONGEST:
        return None
    found = _DATE_FIELD.match(without_comments(value))
    try:
        return _moment(found.groupdict()) if found else None
    except ValueError:
        return None


def sent_date(value: bytes) -> int | None:
    """The sent date (RFC 5256 section 2.2) in an unfolded Date field, in seconds since the epoch.

    Where only the zone is wrong it is taken as UTC; where the time is, as midnight in UTC. None where there
    is not even a day.
    """
    moment = parse_date(value)
    if moment is None and len(value) <= _LONGEST:
        moment = _day_at_least(without_comments(value))
    return None if moment is None else (moment - _EPOCH) // timedelta(seconds=1)


def _day_at_least(value: bytes) -> datetime | None:
    day = _DAY.match(value)
    if day is None:
        return None
    midnight = {"hour": b"0", "minute": b"0", "second": b"0", "zone": None}
    time = _TIME.match(value, day.end())
    for parts in ((time.groupdict(),) if time else ()) + ({},):
        try:
            return _moment({**midnight, **day.groupdict(), **parts})
        except ValueError:
            continue
    return None


def internal_date(seconds: float) -> bytes:
    """`date-time` in quotes and in UTC for seconds since the epoch; clamped to the years 1900 to 9998."""
    return internal_dates((seconds,))[0]


def internal_dates(seconds: Sequence[float]) -> list[bytes]:
    """The same of many."""
    first, last = _INTERNAL_SECONDS
    if seconds and not (first <= min(seconds) and max(seconds) <= last):
        seconds = [min(max(one, first), last) for one in seconds]
    return [
        _day(one // 86400) + _MINUTES[one % 86400 // 60] + _SECONDS[one % 60] for one in map(int, seconds)
    ]


@functools.lru_cache(maxsize=1024)
def _day(number: int) -> bytes:
    """The date of a day, counted from the epoch; neighbours in a mailbox often share one."""
    moment = _EPOCH + timedelta(days=number)
    return b'"%02d-%b-%04d' % (moment.day, MONTHS[moment.month - 1], moment.year)


_MINUTES: Final = tuple(b" %02d:%02d:" % divmod(minute, 60) for minute in range(1440))
_SECONDS: Final = tuple(b'%02d +0000"' % second for second in range(60))


def parse_internal_date(text: bytes) -> float:
    """Seconds since the epoch of a `date-time`, with or without its quotes; raises BadSyntax."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        raise BadSyntax("date-time expected")
    try:
        return _moment(found.groupdict()).timestamp()
    except ValueError:
        raise BadSyntax("no such date or time") from None


def _moment(parts: Mapping[str, Any]) -> datetime:
    """The moment in the named groups of a match, which has digits where numbers stand.

    Raises ValueError for a date that does not exist.
    """
    year = _year(parts["year"])
    if not 1900 <= year <= 9998:
        raise ValueError("year out of range")
    return datetime(
        year,
        _MONTH_NUMBER.get(parts["month"].lower(), 0),
        int(parts["day"]),
        int(parts["hour"]),
        int(parts["minute"]),
        59 if parts["second"] == b"60" else int(parts["second"] or 0),  # a leap second
        tzinfo=_zone(parts["zone"], parts.get("name")),
    )


def _year(digits: bytes) -> int:
    """Two digits are 1950 to 2049, three count from 1900 (RFC 5322 section 4.3)."""
    year = int(digits)
    if len(digits) == 2 and year < 50:
        return year + 2000
    return year + 1900 if len(digits) < 4 else year


@functools.lru_cache(maxsize=64)
def _zone(offset: bytes | None, name: bytes | None) -> timezone:
    if offset is None:
        return timezone(timedelta(hours=_ZONES.get((name or b"").lower(), 0)))
    minutes = number(offset[1:3], limit=23) * 60 + number(offset[3:], limit=59)
    return timezone(timedelta(minutes=-minutes if offset[:1] == b"-" else minutes))
