"""An internationalised header for clients that know nothing of UTF-8 there (RFC 6858, RFC 6855 section 7).

What people read is kept, as encoded words and as parameters of RFC 2231. An address whose local part is not
ASCII cannot be kept: it becomes part of the name of an address that is none, so that no reply goes astray. A
domain becomes its A-labels. What only programs read is left out where it is not ASCII, and what is no field
becomes encoded words: the message may have no header at all. Octets that are not UTF-8 either are taken for
ISO-8859-1.

Only the header of the message itself is replaced: octets above 127 in a body are allowed (RFC 6152).
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final
from urllib.parse import quote

from mailnode.message import trace
from mailnode.message.address_list import GROUP_END, Address, parse
from mailnode.message.encoded import decode_charset, decode_words, encode_words
from mailnode.message.header import extent, field_lines, unfolded
from mailnode.message.parameters import Parameters, content_type, disposition
from mailnode.message.wire_form import to_wire
from mailnode.wire.errors import BadSyntax
from mailnode.wire.international import a_labels

NOBODY: Final = "invalid@internationalized-address.invalid"

_ADDRESSES: Final = frozenset(
    prefix + name
    for prefix in (b"", b"resent-")
    for name in (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
) | {b"return-path", b"disposition-notification-to", b"errors-to"}
_FOR_PROGRAMS: Final = frozenset(
    (b"received", b"date", b"resent-date", b"message-id", b"resent-message-id", b"in-reply-to", b"references")
) | {
    b"mime-version", b"content-transfer-encoding", b"content-id", b"content-md5", b"content-language",
    b"dkim-signature", b"arc-seal", b"arc-message-signature", b"arc-authentication-results",
    b"authentication-results", b"received-spf", b"original-recipient", b"list-id", b"autocrypt",
}  # fmt: skip
_ATOMS: Final = re.compile(r"[\w!#$%&'*+/=?^`{|}~ -]+", re.ASCII)
_DOT_ATOM: Final = re.compile(r"[\w!#$%&'*+/=?^`{|}~.-]+", re.ASCII)
_TOKEN: Final = re.compile(r"[\w!#$%&'*+^`{|}~.-]+", re.ASCII)
_LONG: Final = 900  # octets of a name or parameter that can no longer stand in a line as it is
_NAME_LONG: Final = 100
_SEGMENT: Final = 60


def surrogate(header: bytes) -> bytes:
    """The header with its empty line, in wire form and all in ASCII."""
    blank, end = extent(header, 0, len(header))
    pieces: list[bytes] = []
    position = 0
    for name, start, value, stop in field_lines(header, 0, blank):
        pieces.append(_no_field(header[position:start]))
        field = header[start:stop]
        kept = field.isascii()
        pieces.append(to_wire(field, False) if kept else _field(name, unfolded(header[value:stop])))
        position = stop
    return b"".join([*pieces, _no_field(header[position:end])])


def _no_field(piece: bytes) -> bytes:
    """Lines that are no field, as of a text that has no header: they stay to be read."""
    lines = to_wire(piece, False).split(b"\r\n")
    return b"\r\n".join([line if line.isascii() else _words(line) for line in lines])


def _words(line: bytes) -> bytes:
    return "\r\n ".join(encode_words(decode_words(line))).encode("ascii")


def _field(name: bytes, value: bytes) -> bytes:
    """The field in ASCII; nothing where it cannot be."""
    kind = name.lower()
    if kind in _FOR_PROGRAMS:
        return b""
    if kind in _ADDRESSES:
        lines = list(_addresses(parse(value)))
    elif kind == b"content-type":
        media = content_type(value)
        lines = _with_parameters(media.type + b"/" + media.subtype, media.parameters) if media else []
    elif kind == b"content-disposition":
        shown = disposition(value)
        lines = _with_parameters(shown.type, shown.parameters) if shown else []
    else:
        lines = encode_words(decode_words(value))
    return trace.field(name.decode("ascii"), *lines) if lines else b""


def _addresses(found: list[Address]) -> Iterator[str]:
    for address, following in pairwise([*found, GROUP_END]):
        if address == GROUP_END:
            lines = [";"]
        elif address.host is None:
            lines = _phrase(address.mailbox or b"")
        else:
            lines = _mailbox(address)
        if address.host is None and address != GROUP_END:
            lines[-1] += ":"
        elif following != GROUP_END:
            lines[-1] += ","
        yield from lines


def _mailbox(address: Address) -> list[str]:
    local, host = (decode_charset(part or b"", None) for part in (address.mailbox, address.host))
    name = _phrase(address.name) if address.name else []
    spelt = _spelt(local, host)
    if spelt is None:
        shown = f"{local}@{host}"
        known = decode_words(address.name or b"")
        name, spelt = encode_words(f"{known} ({shown})" if known else shown, always=True), NOBODY
    return [*name[:-1], " ".join([*name[-1:], f"<{spelt}>"])]


def _spelt(local: str, host: str) -> str | None:
    """The address as it can be written in ASCII; None where there is no such."""
    try:
        host = a_labels(host)
    except BadSyntax:
        return None
    if not f"{local}{host}".isascii() or not f"{local}{host}".isprintable() or len(local + host) > _LONG:
        return None
    return (local if _DOT_ATOM.fullmatch(local) else _quoted(local)) + (f"@{host}" if host else "")


def _phrase(name: bytes) -> list[str]:
    """A name as lines: as it is where it is ASCII, else as encoded words."""
    if not name.isascii() or len(name) > _LONG:
        return encode_words(decode_words(name), always=True)
    phrase = "".join(letter if letter.isprintable() else "?" for letter in name.decode("ascii"))
    return [phrase if _ATOMS.fullmatch(phrase) else _quoted(phrase)]


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _with_parameters(kind: bytes, parameters: Parameters) -> list[str]:
    """A value with its parameters, each in a line of its own; none where its kind is not ASCII."""
    if not kind.isascii() or len(kind) > _LONG:
        return []
    lines = [kind.decode("ascii")]
    for name, value in parameters:
        if name.isascii() and len(name) <= _NAME_LONG:
            lines += _parameter(name.decode("ascii"), value)
    return [line + ";" for line in lines[:-1]] + lines[-1:]


def _parameter(name: str, value: bytes) -> list[str]:
    """One parameter; in segments with charset where it is not ASCII (RFC 2231 sections 3 and 4)."""
    text = decode_charset(value, None)
    if text.isascii() and text.isprintable() and len(text) <= _LONG:
        return [f"{name}={text if _TOKEN.fullmatch(text) else _quoted(text)}"]
    segments = ["utf-8''"]
    for letter in text:
        escaped = quote(letter, safe="")
        if len(segments[-1]) + len(escaped) > _SEGMENT:
            segments.append("")
        segments[-1] += escaped
    name = name.partition("*")[0]
    if len(segments) == 1:
        return [f"{name}*={segments[0]}"]
    return [f"{name}*{number}*={segment}" for number, segment in enumerate(segments)]
