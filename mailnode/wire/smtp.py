"""SMTP's lines: commands in, replies out (RFC 5321 sections 4.1 and 4.2)."""

import re
from dataclasses import field

from mailnode.values import frozen
from mailnode.wire.abnf import number
from mailnode.wire.errors import BadSyntax

SIZE_DIGITS = 20  # RFC 1870 section 4: size-value = 1*20DIGIT

_COMMAND = re.compile(rb"([A-Za-z]+)(?:[ \t]+(.*))?", re.DOTALL)
_PARAMETER = re.compile(rb"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\x80-\xff]+))?")
_CHUNK = re.compile(rb"([0-9]{1,20})( +LAST)?", re.IGNORECASE)
_XTEXT = re.compile(rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEXCHAR = re.compile(rb"\+([0-9A-F]{2})")
_HELLO = re.compile(rb"[A-Za-z0-9._-]{1,255}|\[[!-Z^-~]{1,253}\]")
_REPLY_TEXT = re.compile(r"[\t -~]*")
_UTF8_REPLY_TEXT = re.compile(r"[\t -~\u00a0-\u2027\u202a-\ud7ff\ue000-\U0010ffff]*")


@frozen
class Reply:
    """A reply: code, enhanced status code (RFC 2034; "" for none), and text with LF between its lines.

    `utf8` is for names in replies to a client that asked for UTF-8 (RFC 6531 section 3.7.4.2).
    """

    code: int
    enhanced: str
    text: str
    utf8: bool = False
    _octets: bytes = field(default=b"", init=False, repr=False, compare=False)  # once they were asked for

    @property
    def positive(self) -> bool:
        """Whether it says yes, or go on: 2yz or 3yz."""
        return self.code < 400

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)

    def encode(self) -> bytes:
        """The octets for the wire; every line of a reply carries both codes (RFC 2034 section 4).

        Raises ValueError for a text that is not printable, or not ASCII where it has to be.
        """
        if not self._octets:
            object.__setattr__(self, "_octets", self._encoded())  # most replies are constants
        return self._octets

    def _encoded(self) -> bytes:
        status = f"{self.enhanced} " if self.enhanced else ""
        if self.text.isascii() and self.text.isprintable():  # nearly all: one line
            return f"{self.code} {status}{self.text}\r\n".encode()
        printable = (_UTF8_REPLY_TEXT if self.utf8 else _REPLY_TEXT).fullmatch
        *most, last = self.text.split("\n")
        if not all(map(printable, (*most, last))):
            raise ValueError("a reply must be printable")
        lines = [f"{self.code}-{status}{line}\r\n" for line in most]
        return "".join([*lines, f"{self.code} {status}{last}\r\n"]).encode()


def parse_command(line: bytes) -> tuple[str, bytes]:
    """The verb in upper case and its argument, b"" for none; blanks at the end are tolerated.

    Raises BadSyntax for what cannot be a verb (RFC 5321 section 4.1.1).
    """
    found = _COMMAND.fullmatch(line.rstrip(b" \t"))
    if not found:
        raise BadSyntax("Command not recognized")
    return found[1].decode("ascii").upper(), found[2] or b""


def after_keyword(argument: bytes, keyword: bytes) -> bytes:
    """What follows "FROM:" or "TO:"; blanks before the path are tolerated. Raises BadSyntax."""
    if argument[: len(keyword)].upper() != keyword:
        raise BadSyntax(f"The argument must begin with {keyword.decode()}")
    return argument[len(keyword) :].lstrip(b" ")


def parse_parameters(text: bytes) -> dict[str, bytes | None]:
    """What follows a path: *(SP esmtp-param), by keyword in upper case; None where there is no value.

    esmtp-param = esmtp-keyword ["=" esmtp-value] (RFC 5321 section 4.1.2); values may hold octets above 0x7F,
    as SMTPUTF8 lets them (RFC 6531 section 3.3). Raises BadSyntax, also for a keyword that comes twice.
    """
    if text and not text.startswith(b" "):
        raise BadSyntax("A blank must follow the address")
    parameters: dict[str, bytes | None] = {}
    for word in text.split():
        found = _PARAMETER.fullmatch(word)
        if not found:
            raise BadSyntax("Malformed parameter")
        keyword = found[1].decode("ascii").upper()
        if keyword in parameters:
            raise BadSyntax("Repeated parameter")
        parameters[keyword] = found[2]
    return parameters


def split_smtputf8(argument: bytes) -> tuple[bytes, bool]:
    """The String of VRFY or EXPN, and whether SMTPUTF8 stands behind it (RFC 6531 section 3.7.4.2)."""
    string, _, last = argument.rpartition(b" ")
    wanted = bool(string) and last.upper() == b"SMTPUTF8"
    return (string.rstrip(b" "), True) if wanted else (argument, False)


def parse_size(value: bytes | None) -> int:
    """The octets in SIZE=, up to twenty digits of them (RFC 1870 section 4). Raises BadSyntax."""
    return number(value or b"", limit=10**SIZE_DIGITS - 1)


def parse_chunk(argument: bytes) -> tuple[int, bool]:
    """BDAT's octets and whether they are the last (RFC 3030 section 2): 1*DIGIT [ SP "LAST" ].

    Raises BadSyntax.
    """
    found = _CHUNK.fullmatch(argument)
    if not found:
        raise BadSyntax("BDAT needs a number of octets, and perhaps LAST")
    return int(found[1]), found[2] is not None


def parse_hello(argument: bytes) -> str:
    """The name a client gives itself: a domain or an address literal (RFC 5321 section 4.1.1.1).

    Windows names with underscores, and literals of any content, are let through: the name proves nothing
    and goes into the Received field only. Raises BadSyntax.
    """
    if not _HELLO.fullmatch(argument):
        raise BadSyntax("A domain name or an address literal is needed")
    return argument.decode("ascii")


def decode_xtext(text: bytes) -> bytes:
    """The octets of xtext = *( xchar / hexchar ) (RFC 3461 section 4). Raises BadSyntax."""
    if not _XTEXT.fullmatch(text):
        raise BadSyntax("Malformed xtext")
    return _HEXCHAR.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), text)
