r"""mbox files: messages one after the other, each behind a line that begins with "From ".

Written in the form that is called mboxrd: a line of the message that begins with any number of ">" and
"From " gets one ">" more. What is read may be of another form: a ">" before "From " is taken away all the
same. Flags stand in fields of the header, Status and X-Status as mail programs of old have them, X-Keywords
for keywords; Thunderbird's X-Mozilla-Status is read too. These fields are no part of the message.
"""

import re
import time
from collections.abc import Iterable, Iterator
from email.utils import mktime_tz, parsedate_tz

from mailnode.message.date import sent_date
from mailnode.message.header import scan
from mailnode.store.values import ANSWERED, DELETED, DRAFT, FLAGGED, NO_FLAGS, SEEN, Flags
from mailnode.values import frozen

FROM = b"From "
MAGIC = 5  # octets by which a file is known

_DATED = re.compile(rb"From .*[0-9]{1,2}:[0-9]{2}.* [0-9]{4}\b.*")
_QUOTED = re.compile(rb"(?m)^>(?=>*From )")
_UNQUOTED = re.compile(rb"(?m)^(?=>*From )")
_LETTERS = {"R": SEEN, "A": ANSWERED, "F": FLAGGED, "D": DELETED, "T": DRAFT}
_MOZILLA = {0x1: SEEN, 0x2: ANSWERED, 0x4: FLAGGED}
_MOZILLA_GONE = 0x8  # removed, and the file was not written anew since then
_FIELDS = (
    b"status",
    b"x-status",
    b"x-keywords",
    b"x-mozilla-status",
    b"x-mozilla-status2",
    b"x-mozilla-keys",
)
_KEYWORD = re.compile(r"[!#-'+-\[\]-z|}~]{1,50}")


@frozen
class Letter:
    """A message of an mbox file: its octets with LF at the end of lines, its flags and date.

    `date` is in seconds since the epoch, None where nothing tells. `gone`: the file's owner has removed it.
    """

    data: bytes
    flags: Flags
    date: float | None
    gone: bool = False


def letters(pieces: Iterable[bytes]) -> Iterator[Letter]:
    """The messages of a file that comes in pieces; what stands before the first is passed over.

    A separator follows an empty line. Where the first has a date, so has every other: a line of a text that
    begins with "From " is none then.
    """
    lines: list[bytes] = []
    start = b""
    dated = False
    blank = True
    for line in _lines(pieces):
        if blank and line.startswith(FROM) and (not dated or _DATED.match(line)):
            if start:
                yield _letter(start, lines)
            else:
                dated = _DATED.match(line) is not None
            start, lines = line, []
        else:
            lines.append(line)
        blank = line in (b"\n", b"\r\n")
    if start:
        yield _letter(start, lines)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n") if rest else piece.split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest


def _letter(start: bytes, lines: list[bytes]) -> Letter:
    if lines and lines[-1] in (b"\n", b"\r\n"):
        lines.pop()  # it stands before the next separator
    data = _QUOTED.sub(b"", b"".join(lines).replace(b"\r\n", b"\n"))
    header = scan(data)
    said = {name: _text(header.get(name)) for name in _FIELDS}
    mozilla = _hexadecimal(said[b"x-mozilla-status"])
    keywords = {*said[b"x-keywords"].split(), *said[b"x-mozilla-keys"].split()}
    flags = NO_FLAGS.union(
        (_LETTERS[one] for one in said[b"status"] + said[b"x-status"] if one in _LETTERS),
        (flag for bit, flag in _MOZILLA.items() if mozilla & bit),
        filter(_KEYWORD.fullmatch, keywords),
    )
    date = _date_of(start)
    if date is None:
        date = sent_date(header.get(b"date") or b"")
    return Letter(_without_fields(data), flags, date, bool(mozilla & _MOZILLA_GONE))


def _text(value: bytes | None) -> str:
    return (value or b"").decode("ascii", "replace").strip()


def _hexadecimal(text: str) -> int:
    return int(text, 16) if re.fullmatch("[0-9A-Fa-f]{1,8}", text) else 0


def _date_of(start: bytes) -> float | None:
    """That of a separator: `From <sender> Thu Nov 26 13:41:31 2026`, in UTC if it names no zone."""
    words = start.decode("ascii", "replace").split()[2:]
    parsed = parsedate_tz(" ".join(words)) if words else None
    try:
        return float(mktime_tz(parsed)) if parsed else None
    except (ValueError, OverflowError):
        return None


def _without_fields(data: bytes) -> bytes:
    header = scan(data)
    parts, position = [], 0
    for field in header.fields:
        if field.name.lower() in _FIELDS:
            parts.append(data[position : field.start])
            position = field.end
    return b"".join([*parts, data[position:]]) if parts else data


def written(data: bytes, flags: Flags, date: float) -> bytes:
    """A message as it stands in a file; `data` has LF or CRLF at the end of lines."""
    text = data.replace(b"\r\n", b"\n")
    text += b"" if text.endswith(b"\n") else b"\n"
    start = f"From MAILER-DAEMON {time.asctime(time.gmtime(date))}\n".encode("ascii")
    head = start + _status(flags)
    return head + _UNQUOTED.sub(b">", text) + b"\n"


def _status(flags: Flags) -> bytes:
    """The fields that tell the flags; O says that the message was there at an earlier look."""
    old = "".join(letter for letter, flag in _LETTERS.items() if flag in flags and letter != "R")
    keywords = sorted(flag for flag in flags if not flag.startswith("\\"))
    lines = [f"Status: {'R' if SEEN in flags else ''}O\n"]
    lines += [f"X-Status: {old}\n"] if old else []
    lines += [f"X-Keywords: {' '.join(keywords)}\n"] if keywords else []
    return "".join(lines).encode("ascii", "replace")
