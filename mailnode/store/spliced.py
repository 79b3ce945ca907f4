"""A message with another header than the one that lies on the disk."""

import os

from mailnode.message.wire_form import to_wire
from mailnode.store.body import Body, Readable


class _Spliced:
    """A file whose first octets are others."""

    def __init__(self, file: Readable, instead: bytes, skipped: int) -> None:
        self._file = file
        self._instead = instead
        self._moved = skipped - len(instead)

    def read_at(self, offset: int, count: int) -> bytes:
        start = self._instead[offset : offset + count]
        if len(start) == count:
            return start
        return start + self._file.read_at(offset + len(start) + self._moved, count - len(start))

    def stat(self) -> os.stat_result:
        facts = list(self._file.stat())
        facts[6] -= self._moved  # st_size
        return os.stat_result(facts)

    def close(self) -> None:
        self._file.close()


def with_header(body: Body, header: bytes) -> Body:
    """The message with this header, which ends in its empty line, in wire form. Takes the file over."""
    instead = header if body.verbatim else header.replace(b"\r\n", b"\n")
    assert to_wire(instead, body.verbatim) == header
    return Body(_Spliced(body.file, instead, len(body.header())), verbatim=body.verbatim)
