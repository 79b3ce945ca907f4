"""The octets of one message: as they lie on disk, and as the wire wants them."""

import os
from collections.abc import Iterator

from mailnode.fs import READ_SIZE
from mailnode.message.header import extent
from mailnode.message.wire_form import WireForm, to_wire, wire_size
from mailnode.store.errors import Unread
from mailnode.store.spliced import Readable, Spliced

SMALL = 65536  # octets
HEADER_LIMIT = 1 << 20  # octets
_HEADER_USUAL = 8192


class Body:
    """An open message file. Offsets are those on disk (see message.mime); what comes out is the wire form.

    `verbatim` tells that the file is the wire form already (its name says S equal to W). The file is the
    body's from now on: close() closes it.
    """

    def __init__(self, file: Readable, *, verbatim: bool) -> None:
        self.verbatim = verbatim
        self._file = file
        self.size = file.stat().st_size
        self._small: bytes | None = None

    @property
    def data(self) -> bytes:
        """All octets as they lie on disk, for parsing.

        It is read, not mapped: whoever truncates a mapped file, as cp does with one it writes over, ends the
        process that reads it.
        """
        if self._small is not None:
            return self._small
        whole = self._file.read_at(0, self.size)
        if len(whole) != self.size:
            whole += b"".join(self._read(len(whole), self.size))
        if self.is_small:
            self._small = whole
        return whole

    @property
    def is_small(self) -> bool:
        """Whether it is read once and at once, for all who ask."""
        return self.size <= SMALL

    @property
    def is_ended(self) -> bool:
        """Whether its last line has an end, or there is none."""
        last = self.data[-1:] if self.is_small else self._file.read_at(self.size - 1, 1)
        return last in (b"\n", b"")

    def text(self) -> bytes:
        """The wire form of a small message. Raises Unread for a larger one."""
        if not self.is_small:
            raise Unread
        return to_wire(self.data, self.verbatim)

    def header(self) -> bytes:
        """The header with its empty line as it lies on disk; b"" where it is longer than HEADER_LIMIT."""
        data = self.data if self.is_small else self._file.read_at(0, _HEADER_USUAL)
        while True:
            end = extent(data, 0, len(data))[1]
            more = b"" if end < len(data) else self._file.read_at(len(data), READ_SIZE)
            if not more or len(data) > HEADER_LIMIT:
                return b"" if more else data[:end]
            data += more

    def with_header(self, header: bytes) -> "Body":
        """The message with another header, which ends in its empty line, in wire form. Takes the file over.

        The wire form of a wire form is itself: so it can stand before a body that lies there with LF alone.
        """
        return Body(Spliced(self._file, header, len(self.header())), verbatim=self.verbatim)

    def wire(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The wire form of a disk range, in chunks; a range starts at the start of a line."""
        chunks = self._read(start, self.size if end is None else end)
        if self.verbatim:
            yield from chunks
            return
        form = WireForm(self.verbatim)
        for chunk in chunks:
            yield form.feed(chunk)

    def octets(self, start: int = 0, end: int | None = None) -> int:
        """The size of wire(start, end), counted from the file."""
        end = self.size if end is None else end
        if self.verbatim:
            return end - start
        if self.is_small:
            return wire_size(self.data, start, end, self.verbatim)
        return sum(map(len, self.wire(start, end)))

    def _read(self, start: int, end: int) -> Iterator[bytes]:
        if self._small is not None:
            yield self._small[start:end]
            return
        while start < end and (chunk := self._file.read_at(start, min(READ_SIZE, end - start))):
            yield chunk
            start += len(chunk)

    def stat(self) -> os.stat_result:
        """What fstat says of the file."""
        return self._file.stat()

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()

    def __enter__(self) -> "Body":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
