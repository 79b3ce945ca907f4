"""The values of the Content- fields: type, disposition, encoding, language (RFC 2045, 2183, 3282).

Names and values of parameters are kept as written: the continuations and charsets of RFC 2231 are the
client's to join. Of parameters with one name the first wins; what follows the first `PARAMETER_LIMIT` is
left out. A value that is not quoted ends at white space, comment, quote or semicolon: what then follows, up
to the next semicolon, is dropped.
"""

import re
from typing import Final

from mailnode.message.lexical import comment, quoted_string, skip
from mailnode.message.remembered import remembered
from mailnode.values import frozen

PARAMETER_LIMIT: Final = 64

Parameters = tuple[tuple[bytes, bytes], ...]

_TOKEN = re.compile(rb"[^\x00-\x20\x7f()<>@,;:\\\"/\[\]?=]+")  # RFC 2045 section 5.1; octets above 127 pass
_PLAIN_ENCODINGS: Final = frozenset((b"7bit", b"8bit", b"base64", b"quoted-printable"))
_VALUE = re.compile(rb'[^ \t\r\n;("]+')


@frozen
class ContentType:
    """A media type; type and subtype in lower case."""

    type: bytes
    subtype: bytes
    parameters: Parameters = ()


@frozen
class Disposition:
    """What Content-Disposition says (RFC 2183); the type as written."""

    type: bytes
    parameters: Parameters = ()


def parameter(parameters: Parameters, name: bytes) -> bytes | None:
    """The value of the parameter whose name is `name`, in lower case; None where there is none."""
    return next((value for key, value in parameters if key.lower() == name), None)


@remembered
def content_type(value: bytes) -> ContentType | None:
    """`type "/" subtype *(";" parameter)`; None for a value that does not begin so (RFC 2045 section 5.1)."""
    major = _TOKEN.match(value, skip(value, 0))
    slash = skip(value, major.end()) if major else len(value)
    if major is None or value[slash : slash + 1] != b"/":
        return None
    minor = _TOKEN.match(value, skip(value, slash + 1))
    if minor is None:
        return None
    return ContentType(major[0].lower(), minor[0].lower(), _parameters(value, minor.end()))


def disposition(value: bytes) -> Disposition | None:
    """`disposition-type *(";" parameter)`; None for a value that has no type (RFC 2183 section 2)."""
    found = _TOKEN.match(value, skip(value, 0))
    return Disposition(found[0], _parameters(value, found.end())) if found else None


def transfer_encoding(value: bytes | None) -> bytes:
    """The token of Content-Transfer-Encoding in lower case, `7bit` without one (RFC 2045 section 6)."""
    if value in _PLAIN_ENCODINGS:
        return value
    found = _TOKEN.match(value, skip(value, 0)) if value else None
    return found[0].lower() if found else b"7bit"


def language(value: bytes | None) -> tuple[bytes, ...]:
    """The language tags of Content-Language, at most `PARAMETER_LIMIT` (RFC 3282 section 2)."""
    tags: list[bytes] = []
    position = 0
    while value and len(tags) < PARAMETER_LIMIT and (position := skip(value, position)) < len(value):
        if tag := _TOKEN.match(value, position):
            tags.append(tag[0])
        position = tag.end() if tag else position + 1
    return tuple(tags)


def _parameters(value: bytes, position: int) -> Parameters:
    """`*(";" attribute "=" value)` from `position` on."""
    found: dict[bytes, tuple[bytes, bytes]] = {}
    position = _semicolon(value, position)
    while position < len(value) and len(found) < PARAMETER_LIMIT:
        name = _TOKEN.match(value, skip(value, position + 1))
        equals = skip(value, name.end()) if name else position + 1
        if name is None or value[equals : equals + 1] != b"=":
            position = _semicolon(value, equals)
            continue
        start = skip(value, equals + 1)
        if value[start : start + 1] == b'"':
            text, end = quoted_string(value, start)
        else:
            token = _VALUE.match(value, start)
            text, end = (token[0], token.end()) if token else (b"", start)
        found.setdefault(name[0].lower(), (name[0], text))
        position = _semicolon(value, end)
    return tuple(found.values())


_JUNK_STOP = re.compile(rb'[;"(]')


def _semicolon(value: bytes, position: int) -> int:
    """The position of the next semicolon outside quoted strings and comments, or the end."""
    while stop := _JUNK_STOP.search(value, position):
        if stop[0] == b";":
            return stop.start()
        position = (comment if stop[0] == b"(" else quoted_string)(value, stop.start())[1]
    return len(value)
