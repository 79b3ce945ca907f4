"""A file whose first octets are others than those that lie on the disk."""

import os
import stat
from typing import Protocol


class Readable(Protocol):
    """What a body asks of a file."""

    def read_at(self, offset: int, count: int) -> bytes:
        """Up to `count` octets from `offset`; fewer only at the end of the file."""

    def stat(self) -> os.stat_result:
        """What fstat says."""

    def close(self) -> None:
        """Close it; may be called twice."""


class Spliced:
    """A Readable: the octets `instead` of the first `skipped`, then the file."""

    def __init__(self, file: Readable, instead: bytes, skipped: int) -> None:
        self._file = file
        self._instead = instead
        self._moved = skipped - len(instead)

    def read_at(self, offset: int, count: int) -> bytes:
        """Up to `count` octets from `offset`; fewer only at the end of the file."""
        start = self._instead[offset : offset + count]
        if len(start) == count:
            return start
        return start + self._file.read_at(offset + len(start) + self._moved, count - len(start))

    def stat(self) -> os.stat_result:
        """What fstat says of the file, with this size."""
        facts = list(self._file.stat())
        facts[stat.ST_SIZE] -= self._moved
        return os.stat_result(facts)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
