r"""Dot-stuffing, both ways (RFC 5321 section 4.5.2, RFC 1939 section 3).

Only CRLF "." CRLF ends a body. The decoder and the encoder keep their state over any chunking, so that no
cut can hide or make an end. The trick of both: the body starts as if a CRLF stood before it, so that a
dot at the very start is no special case.
"""

import re

from mailnode.wire.octets import occurrences

_ANY_END = re.compile(rb"\r\n|\r|\n")
_CRLF = b"\r\n"
_STUFFED = b"\r\n."
_LINE_WITH_DOT = re.compile(rb"\n\.")  # an expression finds out in half the time that `in` takes


class Decoder:
    """Takes a dot-ended body as it comes and gives its content, in lines that end in CRLF.

    `finished` tells that the end has been seen, `residue` holds the octets after it. `bare` tells that a
    CR or LF stood alone somewhere in the content, `nul` that a NUL did: the session decides what that costs.

    With `normalize`, a CR or LF that stands alone becomes CRLF, and `bare` stays False. Where the body ends,
    and which dots are taken off, was decided before: what becomes a line by it is text, also a dot alone.
    """

    __slots__ = ("_held", "_normalize", "_skip", "bare", "finished", "nul", "residue")

    def __init__(self, *, normalize: bool = False) -> None:
        self._normalize = normalize
        self._held = _CRLF
        self._skip = len(_CRLF)
        self.finished = False
        self.residue = b""
        self.bare = False
        self.nul = False

    def feed(self, data: bytes) -> bytes:
        """The next piece of content; may be empty while the octets could still be the end."""
        text = self._held + data
        out: list[bytes] = []
        start = 0
        dots = b"." in text  # most of what is large is base64, and has none
        while True:
            dot = text.find(_STUFFED, start) if dots else -1
            if dot < 0:
                keep = len(text)
                if text.endswith(_CRLF):
                    keep -= 2
                elif text.endswith(b"\r"):
                    keep -= 1
                keep = max(keep, start)
                break
            after = text[dot + 3 : dot + 5]
            if after == _CRLF:
                self.finished = True
                self.residue = text[dot + 5 :]
                out.append(text[start : dot + 2])
                return self._give(out)
            if len(after) < 2 and _CRLF.startswith(after):
                keep = dot
                break
            out.append(text[start : dot + 2])
            start = dot + 3
        out.append(text[start:keep])
        self._held = text[keep:]
        return self._give(out)

    def _give(self, pieces: list[bytes]) -> bytes:
        for index, piece in enumerate(pieces):
            pairs = piece.count(_CRLF)
            if occurrences(piece, b"\n") != pairs or occurrences(piece, b"\r") != pairs:
                # No piece ends between CR and LF, so each can be put right by itself.
                if self._normalize:
                    pieces[index] = _ANY_END.sub(_CRLF, piece)
                else:
                    self.bare = True
            if b"\0" in piece:
                self.nul = True
        content = b"".join(pieces)
        if self._skip:
            skipped = min(self._skip, len(content))
            self._skip -= skipped
            content = content[skipped:]
        return content


class LineEnds:
    """Looks through counted octets in any cut: whether a CR or LF stands alone, or a NUL is there.

    With `everything` nothing is looked for: binary content may hold it all (RFC 3030 section 3).
    """

    __slots__ = ("_after_cr", "_everything", "bare", "nul")

    def __init__(self, *, everything: bool = False) -> None:
        self._everything = everything
        self._after_cr = b""
        self.bare = False
        self.nul = False

    def feed(self, data: bytes) -> None:
        """Look at the next octets."""
        if self._everything or not data:
            return
        text = self._after_cr + data
        self._after_cr = b"\r" if text.endswith(b"\r") else b""  # what follows tells what it is
        pairs = text.count(_CRLF)
        if occurrences(text, b"\n") != pairs or occurrences(text, b"\r") - len(self._after_cr) != pairs:
            self.bare = True
        if b"\0" in data:
            self.nul = True

    def finish(self) -> None:
        """There are no more."""
        if self._after_cr:
            self.bare = True


class WholeLines:
    """Makes a CRLF of every CR and every LF that stands alone, in any cut: what goes out holds none."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The next piece; a CR at its end waits for what follows."""
        text = self._held + data
        self._held = b"\r" if text.endswith(b"\r") else b""
        text = text[: len(text) - len(self._held)]
        if occurrences(text, b"\r") == occurrences(text, b"\n") == text.count(_CRLF):
            return text
        return text.replace(_CRLF, b"\n").replace(b"\r", b"\n").replace(b"\n", _CRLF)

    def finish(self) -> bytes:
        """What was held back."""
        held, self._held = self._held, b""
        return _CRLF if held else b""


class Encoder:
    """Stuffs dots into content whose lines end in CRLF, and ends it."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = _CRLF

    def feed(self, data: bytes) -> bytes:
        """The next piece, ready for the wire; without a copy where nothing is to be stuffed."""
        across = (self._tail + data[:2]).find(_STUFFED)  # the offset of a dot after a CRLF that begins before
        self._tail = (self._tail + data[-2:])[-2:]
        if b"." in data:  # most of what is large is base64, and has none
            data = data.replace(_STUFFED, b"\r\n..")
        return data if across < 0 else data[:across] + b"." + data[across:]

    def finish(self) -> bytes:
        """What ends the body: a CRLF where the content has none, then the dot."""
        return b".\r\n" if self._tail == _CRLF else b"\r\n.\r\n"


def encoded(content: bytes) -> bytes:
    """What an Encoder gives of all of a content, and its end; for a small one, which it copies."""
    if _LINE_WITH_DOT.search(content) is not None:
        content = content.replace(_STUFFED, b"\r\n..")
    first = b"." if content.startswith(b".") else b""
    end = b".\r\n" if content.endswith(_CRLF) or not content else b"\r\n.\r\n"
    return b"".join((first, content, end))
