"""BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2), written from a part tree.

Recursion is bounded by `mime.DEPTH_LIMIT`.
"""

from mailnode.message.mime import Part
from mailnode.message.parameters import Disposition, Parameters, parameter
from mailnode.wire.imap.writer import NIL, nstring, string

_ASCII = (b"charset", b"us-ascii")


def body(part: Part) -> bytes:
    """The structure without extension data."""
    return _body(part, extended=False)


def bodystructure(part: Part) -> bytes:
    """The structure with extension data."""
    return _body(part, extended=True)


def _body(part: Part, *, extended: bool) -> bytes:
    """`body = "(" (body-type-1part / body-type-mpart) ")"`."""
    inner = [_body(child, extended=extended) for child in part.children]
    if part.is_multipart:
        members = [b"".join(inner) + b" " + string(part.subtype)]
        first = _parameters(part.params)
    else:
        members = _fields(part)
        if part.message:
            members += [part.envelope or NIL, *inner]
        if part.message or part.type == b"text":
            members.append(b"%d" % part.lines)
        first = nstring(part.md5)
    if extended:
        members += [
            first,
            _disposition(part.disposition),
            _language(part.language),
            nstring(part.location),
        ]
    return b"(" + b" ".join(members) + b")"


def _fields(part: Part) -> list[bytes]:
    """The media type and `body-fields`; text/plain without a charset is US-ASCII (RFC 2046 section 4.1.2)."""
    params = part.params
    if (part.type, part.subtype) == (b"text", b"plain") and parameter(params, b"charset") is None:
        params = (*params, _ASCII)
    return [
        string(part.type),
        string(part.subtype),
        _parameters(params),
        nstring(part.id),
        nstring(part.description),
        string(part.encoding),
        b"%d" % part.octets,
    ]


def _parameters(params: Parameters) -> bytes:
    """`body-fld-param = "(" string SP string *(SP string SP string) ")" / nil`."""
    return b"(" + b" ".join(string(text) for pair in params for text in pair) + b")" if params else NIL


def _disposition(disposition: Disposition | None) -> bytes:
    """`body-fld-dsp = "(" string SP body-fld-param ")" / nil`."""
    if disposition is None:
        return NIL
    return b"(" + string(disposition.type) + b" " + _parameters(disposition.parameters) + b")"


def _language(tags: tuple[bytes, ...]) -> bytes:
    """`body-fld-lang = nstring / "(" string *(SP string) ")"`."""
    if len(tags) < 2:
        return nstring(tags[0] if tags else None)
    return b"(" + b" ".join(map(string, tags)) + b")"
