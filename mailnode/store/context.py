"""What the parts of one account's store share."""

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mailnode.fs import FileSystem
from mailnode.store.filenames import UniqueNames
from mailnode.store.index import FILE_NAME, Index
from mailnode.store.locks import Locks


@dataclass(slots=True)
class Context:
    """Tools of one account: the disk, its locks, its cache, names, time and randomness."""

    root: str
    files: FileSystem
    locks: Locks
    names: UniqueNames
    now: Callable[[], float]
    rng: random.Random
    sleep: Callable[[float], None] = time.sleep
    _index: Index | None = field(default=None)
    _met: set[str] = field(default_factory=set)

    def index(self) -> Index:
        """The cache, opened when first asked for; one that cannot be read is made anew."""
        if self._index is None:
            path = f"{self.root}/{FILE_NAME}"
            with contextlib.suppress(FileExistsError):
                self.files.create(path).close()  # for its owner only; SQLite would ask the umask
            try:
                self._index = Index(path)
            except sqlite3.DatabaseError:
                self._remove(path)
                self._index = Index(path)
        return self._index

    def discard_index(self) -> None:
        """Throw the cache away after an error in it; the next use starts an empty one."""
        self.close()
        self._remove(f"{self.root}/{FILE_NAME}")

    def close(self) -> None:
        """Close the cache."""
        index, self._index = self._index, None
        if index is not None:
            index.close()

    def first_time(self, guid: str) -> bool:
        """Whether this folder was not met before in this life of the process."""
        known = guid in self._met
        self._met.add(guid)
        return not known

    def new_guid(self) -> str:
        """32 hex digits, as the G of a uid list."""
        return f"{self.rng.getrandbits(128):032x}"

    def _remove(self, path: str) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                self.files.unlink(path + suffix)
