"""A message as it goes over the wire, made from the bytes on disk.

On disk lines end in LF; on the wire they end in CRLF. The wire form R(F) puts a CR before each LF that has
no CR directly before it, and changes nothing else. A message stored verbatim goes out as it lies.
"""

from mailnode.wire.octets import occurrences

_STEP = 1 << 18


def to_wire(data: bytes, verbatim: bool) -> bytes:
    """The wire form of a whole piece of a message; `CR CR LF` and bare CR stay as they are."""
    if verbatim:
        return bytes(data)
    # Taking the CR of every CRLF away and putting one before every LF is R(F), at the speed of memchr.
    # Most have no CR at all, which is found out sooner than that they have no CRLF.
    return (data.replace(b"\r\n", b"\n") if b"\r" in data else data).replace(b"\n", b"\r\n")


class WireForm:
    """The same, piece by piece: the pieces given out join to the wire form, however the input was cut."""

    __slots__ = ("_after_cr", "_verbatim")

    def __init__(self, verbatim: bool) -> None:
        self._verbatim = verbatim
        self._after_cr = False

    def feed(self, chunk: bytes) -> bytes:
        """The wire form of the next piece of the message."""
        wire = to_wire(chunk, self._verbatim)
        if self._after_cr and not self._verbatim and chunk[:1] == b"\n":
            wire = wire[1:]
        if chunk:
            self._after_cr = chunk[-1:] == b"\r"
        return wire


def count_lines(data: bytes, start: int, end: int) -> tuple[int, int]:
    """How many LF lie between two offsets, and how many of them lack a CR before them.

    The range must not begin between CR and LF. No copy of all of it is made.
    """
    lines = with_cr = 0
    for offset in range(start, end, _STEP):
        stop = min(offset + _STEP, end)
        # One octet more, for a CRLF that is cut by the step.
        piece = data[offset : min(stop + 1, end)]
        if b"\r" in piece:  # which is found out sooner, and seldom so
            with_cr += piece.count(b"\r\n")
        lines += occurrences(piece, b"\n") - (len(piece) > stop - offset and piece[-1:] == b"\n")
    return lines, lines - with_cr


def wire_size(data: bytes, start: int, end: int, verbatim: bool) -> int:
    """The octets that the range takes on the wire."""
    return end - start + (0 if verbatim else count_lines(data, start, end)[1])
