"""A message for a host that takes only 7-bit content: other transfer encodings (RFC 6152 section 3).

Header fields stay as they are, but for Content-Transfer-Encoding; boundaries do too. Text becomes
quoted-printable, everything else base64 (RFC 2045 section 6). A signature over what is changed breaks, as it
does at every gateway. Content here is in its wire form, with CRLF at the ends of lines.
"""

import binascii
import re

from mailnode.message.header import scan
from mailnode.message.mime import IDENTITY, Part, parse
from mailnode.message.parameters import content_type
from mailnode.values import frozen

LINE_OCTETS = 998  # RFC 5321 section 4.5.3.1.6: a line of text has 1000 with its CRLF

_BASE64_LINE = 57  # octets that make a line of 76 characters
_COMPOSITE = (b"message", b"multipart")  # only 7bit, 8bit and binary are for them (RFC 2045 section 6.4)
_LONG_LINE = re.compile(rb"[^\n]{%d}" % (LINE_OCTETS + 1))


class CannotDowngrade(Exception):
    """No transfer encoding makes 7-bit content of this; the text says why."""


@frozen
class Contents:
    """What there is in a message: octets above 127 anywhere, and in the header of any part."""

    eight_bit: bool
    header_eight_bit: bool


def examine(data: bytes) -> Contents:
    """Look through a whole message; slow, so not for the reactor's thread."""
    if data.isascii():
        return Contents(False, False)
    headers = (data[part.header_start : part.body_start] for part in parse(data, verbatim=True).walk())
    return Contents(True, not all(header.isascii() for header in headers))


def downgrade(data: bytes) -> bytes:
    """The message as 7-bit content; slow, so not for the reactor's thread. Raises CannotDowngrade."""
    pieces: list[bytes] = []
    position = 0
    for part in parse(data, verbatim=True).walk():
        if _is_leaf(part) or part.encoding in (b"8bit", b"binary"):
            pieces += [data[position : part.header_start], *_converted(data, part)]
            position = part.end if _is_leaf(part) else part.body_start
    changed = b"".join([*pieces, data[position:]])
    if not changed.isascii():
        raise CannotDowngrade("octets above 127 stand outside the bodies of its parts")
    return changed


def _is_leaf(part: Part) -> bool:
    return not part.children


def _converted(data: bytes, part: Part) -> list[bytes]:
    """The part's header, and its body where it is a leaf."""
    header = data[part.header_start : part.body_start]
    body = data[part.body_start : part.end] if _is_leaf(part) else b""
    if not _needs_encoding(body):
        relabel = part.encoding in (b"8bit", b"binary")
        return [_labelled(header, part, b"7bit") if relabel else header, body]
    if part.encoding not in IDENTITY:
        raise CannotDowngrade("a part holds octets above 127 and is said to be encoded already")
    kind = content_type(scan(header).get(b"content-type") or b"")
    if kind is not None and kind.type in _COMPOSITE:
        raise CannotDowngrade(f"a part of type {kind.type.decode('ascii')} must not be encoded")
    if part.type == b"text":
        return [_labelled(header, part, b"quoted-printable"), _quoted_printable(body)]
    return [_labelled(header, part, b"base64"), _base64(body)]


def _needs_encoding(body: bytes) -> bool:
    pairs = body.count(b"\r\n")
    bare = body.count(b"\r") != pairs or body.count(b"\n") != pairs
    return not body.isascii() or bare or b"\0" in body or _LONG_LINE.search(body) is not None


def _labelled(header: bytes, part: Part, encoding: bytes) -> bytes:
    """The header with that one Content-Transfer-Encoding, in the place of the first, or as its last field."""
    fields = scan(header)
    label = b"Content-Transfer-Encoding: " + encoding + b"\r\n"
    if not part.header_start and fields.get(b"mime-version") is None:
        label = b"MIME-Version: 1.0\r\n" + label  # without it the label means nothing (RFC 2045 section 4)
    pieces: list[bytes] = []
    position = 0
    for field in fields.fields:
        if field.name.lower() == b"content-transfer-encoding":
            pieces += [header[position : field.start], label]
            label = b""
            position = field.end
    if label:
        pieces += [header[position : fields.blank], label]
        position = fields.blank
    return b"".join([*pieces, header[position:]])


def _quoted_printable(body: bytes) -> bytes:
    """Line by line, so that a CR or LF that stands alone is escaped (RFC 2045 section 6.7)."""
    lines = (binascii.b2a_qp(line, istext=False).replace(b"=\n", b"=\r\n") for line in body.split(b"\r\n"))
    return b"\r\n".join(lines)


def _base64(body: bytes) -> bytes:
    lines = (
        binascii.b2a_base64(body[start : start + _BASE64_LINE], newline=False)
        for start in range(0, len(body), _BASE64_LINE)
    )
    return b"\r\n".join(lines) + (b"\r\n" if body.endswith(b"\r\n") else b"")
