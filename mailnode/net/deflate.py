"""A connection compressed with DEFLATE (RFC 1951): octets in, octets out, no I/O. See Stream.compress().

Of what comes in, only as much is inflated as somebody wants to read: what is small on the wire and endless
when inflated costs its reader time, but no memory. Compression can end while the connection goes on in clear
(RFC 8437 section 4.1), and the peer may have sent more by then. So the inflater is remembered as it was
before each piece, and goes back to the octet behind which nothing is compressed.

Memory, by zlib's documentation: 32 KiB for a Deflater, whose window is ours to choose, and 40 KiB for an
Inflater, whose window is the peer's; once more of that while a piece is waiting to be read.
"""

import zlib
from bisect import bisect_left

from mailnode.wire.framing import ByteQueue

PIECE = 16384  # octets that are inflated at once

_LEVEL = 1  # least work, and still a third of the octets (RFC 4978 section 4)
_OWN_WINDOW = -12  # negative: no header, as the RFC says
_OWN_MEMORY = 5
_ANY_WINDOW = -15
_MARKER = b"\x00\x00\xff\xff"  # ends the empty block that Z_SYNC_FLUSH sends
_MARKER_WITHIN = 16  # octets behind the last that was inflated
_FINAL_BLOCKS = (b"\x01", b"\x03")  # how an empty final block begins behind a marker


class Garbled(Exception):
    """What came in is not deflated, or goes on behind its end."""


class Deflater:
    """What goes out."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _OWN_WINDOW, _OWN_MEMORY)
        self._unflushed = False

    def take(self, data: bytes) -> bytes:
        """Deflate; what goes out of it at once, the rest comes with the next flush."""
        self._unflushed = True
        return self._deflate.compress(data)

    def flush(self) -> bytes:
        """What the peer needs to inflate all that was taken so far."""
        if not self._unflushed:
            return b""
        self._unflushed = False
        return self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        """The end, behind which nothing is deflated."""
        return self._deflate.flush(zlib.Z_FINISH)


class Inflater:
    """What comes in."""

    def __init__(self, raw: bytes = b"") -> None:
        self.over = False  # whether the rest is in clear, and nothing is held here any more
        self._state = zlib.decompressobj(_ANY_WINDOW)
        self._raw = raw  # not inflated so far
        self._before = self._state, raw  # as they were before the last piece
        self._last = 0  # octets of that piece
        self._behind: bytes | None = None  # what came behind the last octet, once that is known

    def __len__(self) -> int:
        """Octets that have come and were not inflated."""
        return len(self._raw)

    def feed(self, raw: bytes) -> None:
        """Take what came in."""
        self._raw += raw

    def into(self, queue: ByteQueue) -> bool:
        """Put the next piece into the queue; whether there is one. Raises Garbled."""
        if self._behind is not None:
            return self._rest_into(queue)
        self._before = self._state, b""  # a copy is held only while somebody may go back to it
        while self._raw:
            if self._state.eof:
                raise Garbled("octets behind the end")
            before = self._state.copy(), self._raw
            piece = self._piece(*before)
            if piece:
                self._before, self._last = before, len(piece)
                queue.feed(piece)
                return True
        return False

    def _piece(self, before: "zlib._Decompress", raw: bytes) -> bytes:
        """The next octets, up to those behind which there is something wrong."""
        try:
            return self._take(raw, PIECE)
        except zlib.error as error:
            right = bisect_left(range(len(raw)), True, key=lambda size: _fails(before, raw[: size + 1]))
            self._state = before.copy()
            piece = self._take(raw[:right], PIECE)
            self._raw = raw[right:]
            if not piece:
                raise Garbled(str(error)) from None
            return piece

    def _take(self, raw: bytes, limit: int) -> bytes:
        piece = self._state.decompress(raw, limit)
        self._raw = self._state.unused_data if self._state.eof else self._state.unconsumed_tail
        return piece

    # The end

    def end(self, queue: ByteQueue) -> None:
        """The octet before those in the queue was the last one; what is there is inflated no more.

        It came in the last piece, as it is with something that was just read and ended in it.
        """
        read = self._last - len(queue)
        queue.clear()
        before, raw = self._before
        needed = bisect_left(range(len(raw)), read, key=lambda size: _count(before, raw[: size + 1], read))
        self._state = before.copy()
        self._take(raw[: needed + 1], read)
        self._raw = raw[needed + 1 :]
        self._behind = b""

    def _rest_into(self, queue: ByteQueue) -> bool:
        """Look for the end octet by octet: it is a final block, or the marker of a flush. Raises Garbled."""
        while self._raw and not self._at_end():
            octet, self._raw = self._raw[:1], self._raw[1:]
            self._behind = (self._behind or b"") + octet
            try:
                more = self._state.decompress(octet, 1)
            except zlib.error as error:
                raise Garbled(str(error)) from None
            if more or len(self._behind) > _MARKER_WITHIN:
                raise Garbled("deflated octets behind the end")
        if not self._raw:
            return False
        self.over = True
        queue.feed(self._raw)
        self._raw = b""
        return True

    def _at_end(self) -> bool:
        """Whether the next octet is in clear."""
        if self._state.eof:
            return True
        return (self._behind or b"").endswith(_MARKER) and not self._raw.startswith(_FINAL_BLOCKS)


def _fails(state: "zlib._Decompress", raw: bytes) -> bool:
    try:
        state.copy().decompress(raw, PIECE)
    except zlib.error:
        return True
    return False


def _count(state: "zlib._Decompress", raw: bytes, limit: int) -> int:
    """How many octets come out, up to the limit; all of them where something is wrong behind them."""
    try:
        return len(state.copy().decompress(raw, limit))
    except zlib.error:
        return limit
