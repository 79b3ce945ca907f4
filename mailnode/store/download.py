"""A message as POP3 sends it: every line of it ended by CRLF, and all in ASCII where nothing else may be.

A client that has not asked for UTF-8 gets a surrogate of a header that is not ASCII (RFC 6856 section 2.1).
"""

from collections.abc import Iterator

from mailnode.message.header import extent
from mailnode.message.surrogate import surrogate
from mailnode.message.wire_form import WireForm, to_wire
from mailnode.store.body import Body
from mailnode.values import frozen

_CRLF = b"\r\n"
NONE = -1


@frozen
class Download:
    """The octets that are sent, and with a surrogate header; NONE where it needs none."""

    octets: int
    with_surrogate: int = NONE


UNSEEN = Download(-1)


def measure(body: Body, on_wire: int) -> Download:
    """Look at a message whose wire form has so many octets."""
    octets = sum(map(len, lines(body))) if body.verbatim else on_wire
    return _download(octets if body.is_ended else octets + len(_CRLF), body.header(), body.size)


def measure_small(data: bytes, verbatim: bool, on_wire: int) -> Download:
    """The same of all octets of a small one, as they lie on the disk."""
    octets = len(to_wire(data, False)) if verbatim else on_wire
    header = b"" if data.isascii() else data[: extent(data, 0, len(data))[1]]
    return _download(octets if data[-1:] in (b"\n", b"") else octets + len(_CRLF), header, len(data))


def _download(octets: int, header: bytes, size: int) -> Download:
    """What is sent of a message of this size on the disk: so many octets, but for the header."""
    if header.isascii():
        return Download(octets)
    replaced = surrogate(header)
    if len(header) < size:
        return Download(octets, octets - len(to_wire(header, False)) + len(replaced))
    ends = not replaced or replaced.endswith(_CRLF)
    return Download(octets, len(replaced) + (0 if ends else len(_CRLF)))


def lines(body: Body, start: int = 0) -> Iterator[bytes]:
    """The message in chunks from the offset of a line on; a last line without end still lacks it."""
    if not body.verbatim:
        return body.wire(start)
    form = WireForm(verbatim=False)
    return (form.feed(chunk) for chunk in body.wire(start))


def text(data: bytes, *, with_surrogate: bool) -> bytes:
    """All of a small message, made of what lies on the disk; a last line without end still lacks it."""
    if not with_surrogate:
        return to_wire(data, False)
    _, start = extent(data, 0, len(data))
    return surrogate(data[:start]) + to_wire(data[start:], False)


def surrogate_lines(body: Body) -> Iterator[bytes]:
    """The same with a surrogate header."""
    header = body.header()
    yield surrogate(header)
    yield from lines(body, len(header))
