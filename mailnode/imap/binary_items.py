r"""FETCH BINARY, BINARY.PEEK and BINARY.SIZE (RFC 3516 section 4.2): parts with their encoding undone.

A part is decoded while it is sent, and once more before that, to know its size and whether it holds NUL: then
it is a literal8. BINARY[] is the whole message, of which nothing is decoded; nor is a multipart or a message
in a message, whose encoding says nothing but what its parts may be.
"""

from collections.abc import Iterator
from typing import ClassVar

from mailnode.imap.literals import exactly
from mailnode.imap.replies import Refused
from mailnode.imap.subject import Subject
from mailnode.message import transfer
from mailnode.message.section import part_at
from mailnode.values import frozen
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.writer import NIL

NAMES = ("BINARY", "BINARY.PEEK", "BINARY.SIZE")

_SHORT = 16384  # octets of a part that is sent in one piece


@frozen
class Binary:
    """One item; `counts` is BINARY.SIZE. `partial` is first octet and how many, of the decoded octets."""

    label: bytes
    path: tuple[int, ...]
    peek: bool
    counts: bool = False
    partial: tuple[int, int] | None = None

    together: ClassVar[int] = 1

    def __call__(self, subject: Subject) -> bytes | Iterator[bytes]:
        """The part as a literal or literal8, in chunks; NIL, of no octets, where the message has none.

        Raises Refused for an encoding that is not known.
        """
        if self.path not in subject.decoded:
            subject.decoded[self.path] = _measured(subject, self.path)
        found = subject.decoded[self.path]
        if found is None:
            return self.label + (b" 0" if self.counts else b" " + NIL)
        size, has_nul = found
        if self.counts:
            return self.label + b" %d" % size
        start, most = self.partial or (0, size)
        count = max(0, min(most, size - start))
        announced = b"%b %b{%d}\r\n" % (self.label, b"~" if has_nul else b"", count)
        text = exactly(announced, _octets(subject, self.path) or iter(()), start, count)
        return b"".join(text) if size <= _SHORT else text


def parse(name: str, args: Cursor) -> Binary:
    """ "BINARY" [".PEEK"] section-binary [partial] / "BINARY.SIZE" section-binary

    section-binary = "[" [section-part] "]"; the "[" has been read.
    """
    path: list[int] = []
    while not args.at(b"]"):
        if path:
            args.expect(b".")
        path.append(args.nz_number())
    args.expect(b"]")
    counts = name == "BINARY.SIZE"
    section = b"[%b]" % b".".join(b"%d" % number for number in path)
    label = (b"BINARY.SIZE" if counts else b"BINARY") + section
    if counts or not args.accept(b"<"):
        return Binary(label, tuple(path), name != "BINARY", counts)
    start, count = args.number(), args.expect(b".").nz_number()
    args.expect(b">")
    return Binary(label + b"<%d>" % start, tuple(path), name != "BINARY", partial=(start, count))


def _octets(subject: Subject, path: tuple[int, ...]) -> Iterator[bytes] | None:
    """The decoded octets of a part; None where the message has no such part."""
    if not path:
        return subject.body.wire()
    part = part_at(subject.rendered.parts, path)
    if part is None:
        return None
    chunks = subject.body.wire(part.body_start, part.end)
    if part.children:
        return chunks
    decoder = transfer.decoder(part.encoding)
    if decoder is None:
        raise Refused(b"UNKNOWN-CTE", "The encoding of a part is not known here")
    return transfer.decoded(chunks, decoder)


def _measured(subject: Subject, path: tuple[int, ...]) -> tuple[int, bool] | None:
    """How many octets these are, and whether one of them is NUL."""
    chunks = _octets(subject, path)
    if chunks is None:
        return None
    size, has_nul = 0, False
    for chunk in chunks:
        size += len(chunk)
        has_nul = has_nul or b"\0" in chunk
    return size, has_nul
