"""What a cache keeps of a message: everything a FETCH may ask for, ready as bytes."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from mailnode.message import mime
from mailnode.message.envelope import envelope
from mailnode.message.header import scan
from mailnode.message.mime import Part
from mailnode.message.ordering import ordering
from mailnode.message.parameters import Disposition, Parameters
from mailnode.message.preview import preview
from mailnode.message.structure import structures
from mailnode.message.wire_form import to_wire
from mailnode.values import frozen
from mailnode.wire.imap.writer import string


@frozen
class Rendered:
    """A message in IMAP's words: `header` as the wire has it, `octets` the wire size of the whole message.

    `ordering` is what SORT and THREAD compare, see message.ordering.
    """

    ordering: bytes
    envelope: bytes
    body: bytes
    bodystructure: bytes
    header: bytes
    octets: int
    preview: bytes
    parts: Part


def render(data: bytes, verbatim: bool = False) -> Rendered:
    """Read a message once; `verbatim` says that it lies on disk as it goes over the wire."""
    fields, root = mime.read(data, verbatim)
    header = to_wire(data[: root.body_start], verbatim)
    body, bodystructure = structures(root)
    return Rendered(
        ordering=ordering(fields),
        envelope=envelope(fields),
        body=body,
        bodystructure=bodystructure,
        header=header,
        octets=len(header) + root.octets,
        preview=string(preview(data, root).encode("utf-8", "replace")),
        parts=root,
    )


# What of it the header alone tells: made of its octets as they lie on disk, and whether they are `verbatim`.
OF_HEADER: Final[Mapping[str, Callable[[bytes, bool], bytes]]] = {
    "ordering": lambda header, _: ordering(scan(header)),
    "envelope": lambda header, _: envelope(scan(header)),
    "header": to_wire,
}


def dump_parts(part: Part) -> bytes:
    """A part tree as JSON in ASCII; octets are written as the characters of ISO-8859-1."""
    return json.dumps(_row(part), separators=(",", ":")).encode("ascii")


def load_parts(dumped: bytes) -> Part:
    """The part tree that `dump_parts` has written; raises ValueError for anything else."""
    try:
        return _part(json.loads(dumped))
    except (TypeError, AttributeError, RecursionError) as error:
        raise ValueError("not a dumped part tree") from error


def _row(part: Part) -> list[Any]:
    place = part.disposition
    return [
        part.header_start,
        part.body_start,
        part.end,
        part.octets,
        part.lines,
        _text(part.type),
        _text(part.subtype),
        _texts(part.params),
        _text(part.encoding),
        _text(part.id),
        _text(part.description),
        place and [_text(place.type), _texts(place.parameters)],
        [_text(tag) for tag in part.language],
        _text(part.location),
        _text(part.md5),
        _text(part.envelope),
        [_row(child) for child in part.children],
    ]


def _part(row: list[Any]) -> Part:
    start, body, end, octets, lines, kind, subtype, params, encoding, *rest = row
    identifier, description, place, language, location, md5, envelope_text, children = rest
    return Part(
        header_start=_offset(start),
        body_start=_offset(body),
        end=_offset(end),
        octets=_offset(octets),
        lines=_offset(lines),
        type=_known(kind),
        subtype=_known(subtype),
        params=_parameters(params),
        encoding=_known(encoding),
        id=_octets(identifier),
        description=_octets(description),
        disposition=Disposition(_known(place[0]), _parameters(place[1])) if place else None,
        language=tuple(_known(tag) for tag in language),
        location=_octets(location),
        md5=_octets(md5),
        envelope=_octets(envelope_text),
        children=[_part(child) for child in children],
    )


def _text(octets: bytes | None) -> str | None:
    return None if octets is None else octets.decode("latin-1")


def _texts(params: Parameters) -> list[str | None]:
    return [_text(text) for pair in params for text in pair]


def _offset(value: Any) -> int:
    if type(value) is not int:
        raise ValueError("number expected")
    return value


def _known(text: str) -> bytes:
    return text.encode("latin-1")


def _octets(text: str | None) -> bytes | None:
    return None if text is None else text.encode("latin-1")


def _parameters(texts: list[str]) -> Parameters:
    return tuple(zip(map(_known, texts[::2]), map(_known, texts[1::2]), strict=True))
