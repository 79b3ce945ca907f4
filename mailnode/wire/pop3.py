"""POP3 commands and replies (RFC 1939 section 3, RFC 2449 sections 3 and 4)."""

from typing import NamedTuple

from mailnode.wire.abnf import number
from mailnode.wire.errors import BadSyntax

LINE_LIMIT = 510  # octets without CRLF; RFC 2449 section 4 asks for 255, and no reply may be longer than 512
_LARGEST = 2**31 - 1


class Command(NamedTuple):
    """A keyword in upper case, and what follows the blank behind it, as it came."""

    keyword: bytes
    argument: bytes


def parse_command(line: bytes) -> Command:
    """The command in a line: `command = keyword *(SP param) CRLF`. Raises BadSyntax.

    The argument is not cut further: that of PASS may hold blanks anywhere (RFC 1939 section 7).
    """
    keyword, _, argument = line.partition(b" ")
    if not keyword.isalnum():  # in ASCII, as all of bytes
        raise BadSyntax("Unknown command")
    return Command(keyword.upper(), argument)


def message_number(text: bytes) -> int:
    """A message-number, from 1 on. Raises BadSyntax."""
    found = number(text, limit=_LARGEST)
    if not found:
        raise BadSyntax("Message numbers start at 1")
    return found


def number_and_lines(text: bytes) -> tuple[int, int]:
    """The arguments of TOP: `msg SP n`, n from 0 on. Raises BadSyntax."""
    message, blank, lines = text.partition(b" ")
    if not blank:
        raise BadSyntax("TOP takes a message number and a number of lines")
    return message_number(message), number(lines, limit=_LARGEST)


def ok(text: str = "") -> bytes:
    """`"+OK" [SP text] CRLF`; ASCII, but in a language that was asked for (RFC 6856 section 3.2)."""
    return _status("+OK", text)


def error(text: str, code: str = "") -> bytes:
    """`"-ERR" SP ["[" resp-code "]" SP] text CRLF` (RFC 2449 section 8, RFC 3206)"""
    return _status("-ERR", f"[{code}] {text}" if code else text)


def _status(status: str, text: str) -> bytes:
    return f"{status} {text}".rstrip().encode() + b"\r\n"
