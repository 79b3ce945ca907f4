"""BODY and BODYSTRUCTURE (RFC 3501 section 7.4.2), written from a part tree.

Recursion is bounded by `mime.DEPTH_LIMIT`.
"""

from mailnode.message.mime import Part
from mailnode.message.parameters import Disposition, Parameters, parameter
from mailnode.wire.imap.writer import NIL, nstring, string

_ASCII = (b"charset", b"us-ascii")


def structures(part: Part) -> tuple[bytes, bytes]:
    """BODY, which has no extension data, and BODYSTRUCTURE.

    `body = "(" (body-type-1part / body-type-mpart) ")"`
    """
    inner = [structures(child) for child in part.children]
    if part.is_multipart:
        bodies, bodystructures = map(b"".join, zip(*inner, strict=True))
        subtype = string(part.subtype)
        extension = b" ".join((_parameters(part.params), *_extension(part)))
        return b"(%b %b)" % (bodies, subtype), b"(%b %b %b)" % (bodystructures, subtype, extension)
    fields = b" ".join(_fields(part))
    extension = b" ".join((nstring(part.md5), *_extension(part)))
    body = bodystructure = b""
    if inner:
        envelope = part.envelope or NIL
        body, bodystructure = (b" %b %b" % (envelope, one) for one in inner[0])
    lines = b" %d" % part.lines if inner or part.type == b"text" else b""
    return b"(%b%b%b)" % (fields, body, lines), b"(%b%b%b %b)" % (fields, bodystructure, lines, extension)


def _extension(part: Part) -> tuple[bytes, bytes, bytes]:
    """What stands behind the first field of the extension data, of which each kind has another."""
    return _disposition(part.disposition), _language(part.language), nstring(part.location)


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
