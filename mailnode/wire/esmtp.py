"""What MAIL and RCPT parameters say about the way of a message, as values.

Each function takes the esmtp-value as it came, None where there was none, and raises BadSyntax.
"""

import re
from enum import Flag, auto

from mailnode.values import frozen
from mailnode.wire.abnf import date_time, number
from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import decode_xtext

LONGEST_ENVELOPE_ID = 100  # octets of xtext; RFC 3461 section 4.4
LONGEST_ORCPT = 500  # octets; RFC 3461 section 4.2
LONGEST_SECONDS = 999_999_999  # RFC 2852 section 4 and RFC 4865 section 4: 1*9DIGIT

_ATOM = re.compile(rb"[A-Za-z0-9-]+")
_DELIVER_BY = re.compile(rb"(-?)(\d{1,9});([RN])(T?)", re.IGNORECASE)
_PRIORITY = re.compile(rb"-?[0-9]")
_EMBEDDED = re.compile(r"\\x\{((?:10|[1-9A-F])?[0-9A-F]{1,4})\}", re.IGNORECASE)
_SOLICITATION = re.compile(rb"[A-Za-z][A-Za-z0-9._:-]*")


class Notify(Flag):
    """When the sender wants to be told (RFC 3461 section 4.1); NEVER is none of the others."""

    NEVER = 0
    SUCCESS = auto()
    FAILURE = auto()
    DELAY = auto()


@frozen
class OriginalRecipient:
    """ORCPT: whom the sender named first, and in what kind of address, in lower case ("rfc822", "utf-8")."""

    kind: str
    address: str


@frozen
class DeliverBy:
    """BY (RFC 2852 section 4): seconds that are left, whether late mail comes back, whether hops are told."""

    seconds: int
    return_: bool
    trace: bool


def parse_notify(value: bytes | None) -> Notify:
    """NOTIFY = "NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" ) (RFC 3461 section 4.1)."""
    words = (value or b"").upper().split(b",")
    if words == [b"NEVER"]:
        return Notify.NEVER
    found = Notify.NEVER
    for word in words:
        if word not in (b"SUCCESS", b"FAILURE", b"DELAY"):
            raise BadSyntax("NOTIFY is NEVER, or SUCCESS, FAILURE and DELAY with commas between them")
        found |= Notify[word.decode("ascii")]
    return found


def parse_original_recipient(value: bytes | None, *, utf8: bool = False) -> OriginalRecipient:
    r"""ORCPT = addr-type ";" xtext (RFC 3461 section 4.2).

    An address of type utf-8 may spell characters as \x{HEXPOINT}, and with `utf8` be written as it is (RFC
    6533 section 3). What cannot be shown in one line is refused: it is to go into reports.
    """
    kind, semicolon, rest = (value or b"").partition(b";")
    if not semicolon or not _ATOM.fullmatch(kind) or not rest or len(value or b"") > LONGEST_ORCPT:
        raise BadSyntax("ORCPT needs a type, a semicolon and an address")
    if kind.lower() == b"utf-8":
        return OriginalRecipient("utf-8", _printable(_unitext(rest, utf8=utf8)))
    return OriginalRecipient(kind.decode("ascii").lower(), _printable(_ascii(decode_xtext(rest))))


def parse_envelope_id(value: bytes | None) -> str:
    """ENVID = xtext of printable characters (RFC 3461 section 4.4)."""
    if not value or len(value) > LONGEST_ENVELOPE_ID:
        raise BadSyntax(f"ENVID needs 1 to {LONGEST_ENVELOPE_ID} characters")
    return _printable(_ascii(decode_xtext(value)))


def parse_full(value: bytes | None) -> bool:
    """RET = "FULL" / "HDRS" (RFC 3461 section 4.3): whether the whole message is to come back."""
    word = (value or b"").upper()
    if word not in (b"FULL", b"HDRS"):
        raise BadSyntax("RET is FULL or HDRS")
    return word == b"FULL"


def parse_deliver_by(value: bytes | None) -> DeliverBy:
    """BY = by-time ";" by-mode [by-trace] (RFC 2852 section 4); to be returned late, time must be left."""
    found = _DELIVER_BY.fullmatch(value or b"")
    if not found:
        raise BadSyntax("BY needs seconds, a semicolon and R or N")
    seconds = int(found[2]) * (-1 if found[1] else 1)
    wanted = DeliverBy(seconds, found[3].upper() == b"R", bool(found[4]))
    if wanted.return_ and seconds <= 0:
        raise BadSyntax("BY with R needs time that is left")
    return wanted


def parse_hold_for(value: bytes | None) -> int:
    """HOLDFOR: seconds, 1*9DIGIT (RFC 4865 section 4)."""
    return number(value or b"", limit=LONGEST_SECONDS)


def parse_hold_until(value: bytes | None) -> float:
    """HOLDUNTIL: seconds since the epoch, of a date-time of RFC 3339 section 5.6 (RFC 4865 section 4)."""
    try:
        return date_time(value or b"")
    except BadSyntax:
        raise BadSyntax("HOLDUNTIL needs a time such as 2030-01-31T09:00:00Z") from None


def parse_priority(value: bytes | None) -> int:
    """MT-PRIORITY: a number from -9 to 9 (RFC 6710 section 3)."""
    if not _PRIORITY.fullmatch(value or b""):
        raise BadSyntax("MT-PRIORITY is a number from -9 to 9")
    return int(value or b"")


def parse_solicitation(value: bytes | None) -> tuple[str, ...]:
    """SOLICIT: keywords with commas between them, in lower case (RFC 3865 sections 2.1 and 2.3)."""
    words = (value or b"").split(b",")
    if len(value or b"") > 1000 or not all(map(_SOLICITATION.fullmatch, words)):
        raise BadSyntax("SOLICIT needs keywords with commas between them")
    return tuple(word.decode("ascii").lower() for word in words)


def parse_nothing(value: bytes | None) -> bool:
    """For a parameter that takes no value: True."""
    if value is not None:
        raise BadSyntax("This parameter takes no value")
    return True


def _ascii(octets: bytes) -> str:
    try:
        return octets.decode("ascii")
    except UnicodeDecodeError:
        raise BadSyntax("The value is not in ASCII") from None


def _printable(text: str) -> str:
    if not text.isprintable():
        raise BadSyntax("The value holds characters that do not show")
    return text


def _unitext(text: bytes, *, utf8: bool) -> str:
    """The text of utf-8-enc-addr, with its EmbeddedUnicodeChars in their place (RFC 6533 section 3)."""
    try:
        plain = _EMBEDDED.sub(lambda found: chr(int(found[1], 16)), text.decode("utf-8" if utf8 else "ascii"))
        plain.encode()  # half a surrogate pair is no character
    except (UnicodeError, ValueError):
        raise BadSyntax("The address is not in UTF-8") from None
    return plain
