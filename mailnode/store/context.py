"""What the parts of one account's store share."""

import contextlib
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from mailnode.fs import FileSystem
from mailnode.store.filenames import UniqueNames
from mailnode.store.index import FILE_NAME, Index
from mailnode.store.locks import Locks
from mailnode.store.quota import Quota, demand, reserved
from mailnode.store.stillness import Stillness
from mailnode.store.text_index import FILE_NAME as TEXT_FILE_NAME
from mailnode.store.text_index import NoTrigrams, TextIndex
from mailnode.store.usage import Ledger, Usage
from mailnode.wire.uidl import DEFAULT

if TYPE_CHECKING:
    from mailnode.store.keeping import Keeper

T = TypeVar("T")


@dataclass(slots=True)
class Context:
    """Tools of one account: the disk, its locks, its caches, names, time and randomness."""

    root: str
    files: FileSystem
    locks: Locks
    names: UniqueNames
    now: Callable[[], float]
    rng: random.Random
    text_wanted: bool = True
    sleep: Callable[[float], None] = time.sleep
    quotas: Callable[[], Sequence[Quota]] = lambda: ()
    uidl: Callable[[], str] = lambda: DEFAULT
    ledger: Ledger | None = None  # None as long as nobody has asked for the usage
    discarded: int = 0  # caches and text indexes that were made anew after an error in them
    keeper: "Keeper | None" = None  # of what is removed; None where that is gone at once
    stillness: Stillness = field(default_factory=Stillness)
    _index: Index | None = field(default=None)
    _inode: int = 0  # of the cache that is open
    _text: TextIndex | None = field(default=None)
    _met: set[str] = field(default_factory=set)

    def index(self) -> Index:
        """The cache, opened when first asked for; one that cannot be read is made anew.

        Another process may have thrown it away: then the file that is open is nobody's any more.
        """
        if self._index is not None and self._inode != self._inode_of(FILE_NAME):
            self.close()
        if self._index is None:
            self._index = self._opened(FILE_NAME, self._index_at)
            self._inode = self._inode_of(FILE_NAME)
            if not self.text_wanted and self._has_text_index():
                self._index.renew_token(self.new_guid())  # nobody tells it now what UIDs come to mean
        return self._index

    def _inode_of(self, name: str) -> int:
        facts = self.files.stat(f"{self.root}/{name}")
        return 0 if facts is None else facts.st_ino

    def open_index(self) -> Index:
        """The cache, opened once more. Raises sqlite3.Error, and OSError where there is no account yet."""
        return self._index_at(self._made(FILE_NAME))

    def _index_at(self, path: str) -> Index:
        return Index(path, self.new_guid())

    def text_index(self, *, make: bool) -> TextIndex | None:
        """The text index, opened when first asked for; without `make` only one that is there.

        None where it is not wanted, and where this SQLite cannot have one.
        """
        if self._text is None and self.text_wanted and (make or self._has_text_index()):
            token = self.index().token
            try:
                self._text = self._opened(TEXT_FILE_NAME, lambda path: TextIndex(path, token))
            except NoTrigrams:
                self.text_wanted = False
                self._remove(TEXT_FILE_NAME)
        return self._text

    def _has_text_index(self) -> bool:
        return self.files.stat(f"{self.root}/{TEXT_FILE_NAME}") is not None

    def _opened(self, name: str, opening: Callable[[str], T]) -> T:
        path = self._made(name)
        try:
            return opening(path)
        except sqlite3.OperationalError:
            raise  # locked, or no room or descriptor for it: it may be all right later
        except sqlite3.DatabaseError:
            self._discard(name)
            return opening(path)

    def _made(self, name: str) -> str:
        path = f"{self.root}/{name}"
        with contextlib.suppress(FileExistsError):
            self.files.create(path).close()  # for its owner only; SQLite would ask the umask
        return path

    def room(self, more: Usage) -> AbstractContextManager[None]:
        """Hold room for so much more in this account and its domain until it is there. Raises OverQuota."""
        return reserved(demand([self.quotas()], more))

    def discard_index(self) -> None:
        """Throw the cache away after an error in it; the next use starts an empty one."""
        self.close()
        self._discard(FILE_NAME)

    def discard_text_index(self) -> None:
        """Throw the text index away after an error in it; the next use starts an empty one."""
        self.close()
        self._discard(TEXT_FILE_NAME)

    def close(self) -> None:
        """Close the cache and the text index."""
        index, self._index = self._index, None
        text, self._text = self._text, None
        for opened in (index, text):
            if opened is not None:
                opened.close()

    def first_time(self, guid: str) -> bool:
        """Whether this folder was not met before in this life of the process."""
        known = guid in self._met
        self._met.add(guid)
        return not known

    def new_guid(self) -> str:
        """32 hex digits, as the G of a uid list."""
        return f"{self.rng.getrandbits(128):032x}"

    def _discard(self, name: str) -> None:
        self.discarded += 1
        self._remove(name)

    def _remove(self, name: str) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                self.files.unlink(f"{self.root}/{name}{suffix}")
