"""The one buffer between sockets and grammars: lines, counted octets, and what is left over.

Octets go in at the end and come out at the front, each once: a read offset and a search offset move
forward, so that any number of small reads costs linear time. Only CRLF ends a line (RFC 5321 2.3.8,
RFC 3501 2.2): a line that ends in a bare LF is taken out whole and raised as BadLine.
"""

from mailnode.wire.errors import BadLine, LineTooLong

_COMPACT = 65536
_TAIL = 64
_CR = 13


class ByteQueue:
    """A queue of octets that gives out lines or counted pieces.

    Whether there are any is soonest seen by `octets`, which stays the same object; nobody else changes it.
    """

    __slots__ = ("_dropping", "_searched", "_start", "_tail", "dropped", "octets")

    def __init__(self) -> None:
        self.octets = bytearray()  # empty as soon as all is out; before that also some that are out
        self._start = 0
        self._searched = 0
        self._dropping = False
        self._tail = b""
        self.dropped = 0  # octets that the last over-long line had beyond its limit, as far as it has come

    def __len__(self) -> int:
        return len(self.octets) - self._start

    def __bool__(self) -> bool:
        return bool(self.octets)

    def feed(self, data: bytes) -> None:
        """Append octets at the end."""
        self.octets += data

    def as_line(self, data: bytes, limit: int) -> bytes | None:
        """The line that line() would give if these octets were fed, where it is all of them: most come alone.

        None where they have to be fed: with whatever else is here, is wrong, or is an empty line.
        """
        end = len(data) - 2
        if 0 < end <= limit and not self.octets and not self._dropping and data.find(b"\n") == end + 1:
            return data[:end] if data[end] == _CR else None
        return None

    def unread(self, data: bytes) -> None:
        """Put octets back at the front; they are the next to come out."""
        self.octets[: self._start] = data
        self._start = self._searched = 0

    def clear(self) -> None:
        """Drop everything."""
        self.octets.clear()
        self._start = self._searched = 0

    def line(self, limit: int) -> bytes | None:
        """The next line without its CRLF, or None while it has not ended.

        Raises LineTooLong once when more than `limit` octets come before the line end; what follows up to
        the line end is then dropped as it comes. Raises BadLine for a line that ends in a bare LF.
        """
        if not self.octets or (self._dropping and not self.passed()):
            return None
        buffer, start = self.octets, self._start
        end = buffer.find(b"\n", self._searched)
        if start < end <= start + limit + 1 and buffer[end - 1] == _CR:  # nearly all
            text = bytes(buffer[start : end - 1])
            if end + 1 < len(buffer):
                self._pass(end + 1)
            else:
                buffer.clear()
                self._start = self._searched = 0
            return text
        if end < 0:
            if len(self) - buffer.endswith(b"\r") > limit:  # the CR may be half of the line end
                self.dropped = len(self) - limit
                self._tail = bytes(buffer[-_TAIL:])
                beginning = self.some(LineTooLong.START)
                self.clear()
                self._dropping = True
                raise LineTooLong("Line too long", beginning)
            self._searched = len(buffer)
            return None
        line = self._take(end + 1)
        text = line[:-2] if line.endswith(b"\r\n") else line[:-1]
        if len(text) > limit:
            self.dropped = len(line) - limit
            self._tail = line[-_TAIL:]
            raise LineTooLong("Line too long", text)
        if len(line) - len(text) < 2:
            self._tail = line[-_TAIL:]
            raise BadLine("Lines must end in CRLF, not in a bare LF", text)
        return text

    def passed(self) -> bool:
        """Whether the line that could not be taken has ended; what has come of it is dropped."""
        if self._dropping:
            end = self.octets.find(b"\n", self._searched)
            piece = self._take(end + 1 if end >= 0 else len(self.octets))
            self.dropped += len(piece)
            self._tail = (self._tail + piece)[-_TAIL:]
            self._dropping = end < 0
        return not self._dropping

    @property
    def tail(self) -> bytes:
        """The last octets of the line that could not be taken, without its end."""
        return self._tail.removesuffix(b"\n").removesuffix(b"\r")

    def peek(self) -> bytes:
        """The next octet, which stays; b"" while there is none."""
        return bytes(self.octets[self._start : self._start + 1])

    def begins(self, octets: bytes, behind: int = 0) -> bool:
        """Whether these are the next octets behind so many. They are not while a line is dropped."""
        return self.octets.startswith(octets, self._start + behind) and not self._dropping

    def accept(self, octets: bytes) -> bool:
        """Whether these are the next octets; then they are out."""
        if not self.begins(octets):
            return False
        self._pass(self._start + len(octets))
        return True

    def exactly(self, count: int) -> bytes | None:
        """The next `count` octets, or None while fewer are here."""
        if len(self) < count:
            return None
        return self._take(self._start + count)

    def some(self, limit: int) -> bytes:
        """Up to `limit` octets, whatever is here."""
        return self._take(min(self._start + limit, len(self.octets)))

    def _take(self, end: int) -> bytes:
        taken = bytes(memoryview(self.octets)[self._start : end])
        self._pass(end)
        return taken

    def _pass(self, end: int) -> None:
        """What stands before this offset is out."""
        if end == len(self.octets):
            self.clear()
            return
        if end > _COMPACT:
            del self.octets[:end]
            end = 0
        self._start = self._searched = end
