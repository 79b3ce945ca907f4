"""Reading a command's arguments, element by element as the grammar of RFC 3501 section 9 names them.

A command is text with literals in it. The cursor stands somewhere in one of the texts; behind the end of
each text but the last comes a literal. A method takes its element and moves on, or raises BadSyntax.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TypeVar

from mailnode.wire import abnf
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import mailbox_name, sequence
from mailnode.wire.imap.sequence import LARGEST, SequenceSet

T = TypeVar("T")

_ATOM = re.compile(rb'[^\x00-\x20(){%*"\\\]\x7f-\xff]+')
_ASTRING = re.compile(rb'[^\x00-\x20(){%*"\\\x7f-\xff]+')
_LIST = re.compile(rb'[^\x00-\x20(){"\\\x7f-\xff]+')
_KEYWORD = re.compile(rb"[A-Za-z0-9.+-]+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/=]+")
_DIGITS = re.compile(rb"[0-9]+")
_SEQUENCE = re.compile(rb"[0-9,:*]*\$|[0-9,:*]+")
_QUOTED = re.compile(rb'"((?:[^\x00\r\n"\\]|\\["\\])*+)"')
_ESCAPED = re.compile(rb'\\(["\\])')
_DATE = re.compile(rb"([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})")
_DATE_TIME = re.compile(
    rb'"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)
_MONTHS = (b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC")
_YEARS = range(1900, 9999)  # what every zone and every file system can hold
_LARGEST_MODSEQ = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Cursor:
    """A place in a command. A literal follows each of `texts` but the last; the last may be awaited still.

    With `utf8` mailbox names are in UTF-8, not in modified UTF-7.
    """

    __slots__ = ("_at", "_index", "_literals", "_text", "_texts", "_utf8")

    def __init__(self, texts: Sequence[bytes], literals: Sequence[bytes] = (), *, utf8: bool = False) -> None:
        self._texts = texts
        self._literals = literals
        self._index = 0
        self._text = texts[0]
        self._at = 0
        self._utf8 = utf8

    # Marks

    def at(self, mark: bytes) -> bool:
        """Whether the next octets of the text are these."""
        return self._text.startswith(mark, self._at)

    def accept(self, mark: bytes) -> bool:
        """Take these octets if they are next."""
        if not self.at(mark):
            return False
        self._at += len(mark)
        return True

    def expect(self, mark: bytes) -> "Cursor":
        """Take these octets; BadSyntax if they are not next."""
        if not self.accept(mark):
            raise BadSyntax(f"{_shown(mark)} expected")
        return self

    def sp(self) -> "Cursor":
        """SP: exactly one space."""
        return self.expect(b" ")

    def end(self) -> None:
        """Nothing may follow."""
        if not self.at_end():
            raise BadSyntax("Unexpected text after the arguments")

    def at_end(self) -> bool:
        """Whether nothing follows."""
        return self._at == len(self._text) and not self.at_literal()

    def at_literal(self) -> bool:
        """Whether a literal is next, be it here or still awaited."""
        return self._at == len(self._text) and self._index < len(self._texts) - 1

    def at_awaited(self) -> bool:
        """Whether a literal is next that has been announced and is not here."""
        return self.at_literal() and self._index == len(self._literals)

    # Words and numbers

    def keyword(self) -> str:
        """A name that the grammar itself defines (letters, digits, `.`, `+`, `-`), in upper case."""
        return self._take(_KEYWORD, "Name expected").decode("ascii").upper()

    def atom(self) -> bytes:
        """atom = 1*ATOM-CHAR"""
        return self._take(_ATOM, "Atom expected")

    def accept_keyword(self, name: str) -> bool:
        """Take this name, in any case of its letters, if it is next."""
        found = _KEYWORD.match(self._text, self._at)
        if found is None or found[0].decode("ascii").upper() != name:
            return False
        self._at = found.end()
        return True

    def accept_all(self, pattern: "re.Pattern[bytes]") -> bool:
        """Take all that the pattern matches, if that is next."""
        found = pattern.match(self._text, self._at)
        if found is None:
            return False
        self._at = found.end()
        return True

    def at_digit(self) -> bool:
        """Whether a digit is next."""
        return _DIGITS.match(self._text, self._at) is not None

    def base64(self) -> bytes:
        """What may stand for base64, or the "=" of RFC 4959; nothing is decoded here."""
        return self._take(_BASE64, "Base64 expected")

    def number(self) -> int:
        """number = 1*DIGIT  ; 0 <= n < 4,294,967,296"""
        return abnf.number(self._take(_DIGITS, "Number expected"), limit=LARGEST)

    def nz_number(self) -> int:
        """nz-number = digit-nz *DIGIT"""
        digits = self._take(_DIGITS, "Number expected")
        if digits.startswith(b"0"):
            raise BadSyntax("Number must not start with 0")
        return abnf.number(digits, limit=LARGEST)

    def modseq(self, *, zero: bool = False) -> int:
        """mod-sequence-value, or mod-sequence-valzer where `zero` is allowed (RFC 7162 section 7)."""
        value = abnf.number(self._take(_DIGITS, "Modification sequence expected"), limit=_LARGEST_MODSEQ)
        if not value and not zero:
            raise BadSyntax("A modification sequence is greater than 0")
        return value

    def sequence_set(self) -> SequenceSet:
        """sequence-set, see wire.imap.sequence."""
        return sequence.parse(self._take(_SEQUENCE, "Message set expected"))

    # Strings

    def string(self) -> bytes:
        """string = quoted / literal; neither holds NUL, and a quoted string no line ends.

        Octets above 127 in a quoted string are UTF-8 (RFC 6855 section 3).
        """
        if self.at_literal():
            return self._literal()
        quoted = _QUOTED.match(self._text, self._at)
        if quoted is None:
            raise BadSyntax("Quoted string or literal expected")
        self._at = quoted.end()
        if not quoted[1].isascii():
            _check_utf8(quoted[1])
        return _ESCAPED.sub(rb"\1", quoted[1])

    def astring(self) -> bytes:
        """astring = 1*ASTRING-CHAR / string"""
        return self._atom_or_string(_ASTRING, "Atom or string expected")

    def nstring(self) -> bytes | None:
        """nstring = string / nil"""
        if self._text[self._at : self._at + 3].upper() == b"NIL":
            self._at += 3
            return None
        return self.string()

    def nstring8(self) -> bytes | None:
        """nstring / literal8 (RFC 3516 section 2): only the literal behind a "~" may hold NUL."""
        if not self.accept(b"~"):
            return self.nstring()
        if not self.at_literal():
            raise BadSyntax("Literal expected")
        return self._octets()

    def list_mailbox(self) -> str:
        """list-mailbox = 1*list-char / string: a name pattern, decoded."""
        pattern = self._atom_or_string(_LIST, "Mailbox pattern expected")
        return mailbox_name.decode(pattern, utf8=self._utf8)

    def mailbox(self) -> str:
        """mailbox = "INBOX" / astring, decoded; levels and INBOX are not looked at."""
        return mailbox_name.decode(self.astring(), utf8=self._utf8)

    # Lists

    def list_of(self, item: Callable[["Cursor"], T], *, empty: bool = False) -> list[T]:
        """ "(" item *(SP item) ")", or "()" where `empty` allows it."""
        self.expect(b"(")
        if empty and self.accept(b")"):
            return []
        items = [item(self)]
        while self.accept(b" "):
            items.append(item(self))
        self.expect(b")")
        return items

    def flag(self) -> str:
        r"""flag = "\" atom / atom, without a look at which flags there are."""
        backslash = "\\" if self.accept(b"\\") else ""
        return backslash + self.atom().decode("ascii")

    def flag_list(self) -> list[str]:
        """flag-list = "(" [flag *(SP flag)] ")" """
        return self.list_of(Cursor.flag, empty=True)

    # Dates

    def date(self) -> date:
        """date = date-text / DQUOTE date-text DQUOTE"""
        quote = self.accept(b'"')
        found = _DATE.match(self._text, self._at)
        if found is None:
            raise BadSyntax("Date expected, such as 1-Feb-1994")
        self._at = found.end()
        if quote:
            self.expect(b'"')
        day, month, year = found.groups()
        try:
            return date(_year(year), _month(month), _digits(day))
        except ValueError:
            raise BadSyntax("There is no such date") from None

    def date_time(self) -> float:
        """date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE

        Gives seconds since the epoch; a leap second counts as the second before.
        """
        found = _DATE_TIME.match(self._text, self._at)
        if found is None:
            raise BadSyntax('Date and time expected, such as " 7-Feb-1994 21:52:25 -0800"')
        self._at = found.end()
        day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
        offset = timedelta(hours=_digits(zone_hours), minutes=_digits(zone_minutes, 59))
        try:
            moment = datetime(
                _year(year),
                _month(month),
                _digits(day.lstrip()),
                _digits(hour),
                _digits(minute),
                min(_digits(second, 60), 59),
                tzinfo=timezone(-offset if sign == b"-" else offset),
            )
        except ValueError:
            raise BadSyntax("There is no such date and time") from None
        return (moment - _EPOCH).total_seconds()

    # Steps

    def _take(self, pattern: "re.Pattern[bytes]", complaint: str) -> bytes:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise BadSyntax(complaint)
        self._at = found.end()
        return found[0]

    def _atom_or_string(self, pattern: "re.Pattern[bytes]", complaint: str) -> bytes:
        if self.at(b'"') or self.at_literal():
            return self.string()
        return self._take(pattern, complaint)

    def _literal(self) -> bytes:
        literal = self._octets()
        if b"\0" in literal:
            raise BadSyntax("A literal must not hold NUL")
        return literal

    def _octets(self) -> bytes:
        if self._index >= len(self._literals):
            raise BadSyntax("No literal is allowed here")
        literal = self._literals[self._index]
        self._index += 1
        self._text = self._texts[self._index]
        self._at = 0
        return literal


def _check_utf8(text: bytes) -> None:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("A quoted string is in UTF-8") from None


def _digits(text: bytes, limit: int = LARGEST) -> int:
    return abnf.number(text, limit=limit)


def _year(text: bytes) -> int:
    year = _digits(text)
    if year not in _YEARS:
        raise BadSyntax("The year is out of range")
    return year


def _month(name: bytes) -> int:
    """date-month, in any case of its letters."""
    try:
        return _MONTHS.index(name.upper()) + 1
    except ValueError:
        raise BadSyntax("Month expected, such as Feb") from None


def _shown(mark: bytes) -> str:
    return "Space" if mark == b" " else mark.decode("ascii")
