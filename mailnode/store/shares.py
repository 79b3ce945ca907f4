"""Who has shared anything with whom: `shares`, in the state directory.

Without it, whoever lists their mailboxes would have to look into the folders of everybody. What truly holds
are the lists in the folders; this file only says where to look. It has a line for each account that was
looked at: its address, and those to whom it grants anything:

    mailnode-shares 1
    anna@example.org ben@example.org
    ben@example.org
    carl@example.org anyone

A name too many costs a look. So a grant is noted before it is made, and what was taken back after that. An
account without a line was not looked at: whoever removes the file has all looked at again.
"""

import contextlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator

from mailnode.fs import FileSystem
from mailnode.store.acl import ANYONE

FILE_NAME = "shares"
_HEAD = "mailnode-shares 1"

Lines = dict[str, frozenset[str]]


class Shares:
    """The file. May be used in any thread; `guests` looks to whom an account grants anything."""

    def __init__(self, files: FileSystem, directory: str, guests: Callable[[str], set[str]]) -> None:
        self._files = files
        self._directory = directory
        self._path = f"{directory}/{FILE_NAME}"
        self._guests = guests
        self._signature: tuple[int, int, int] | None = None
        self._lines: Lines = {}
        self._mutex = threading.Lock()

    def open_to(self, address: str, owners: Collection[str]) -> list[str]:
        """Those of `owners` who may have shared something with somebody, in order. Raises OSError."""
        with self._mutex:
            self._load()
            lines = self._lines
        unknown = [one for one in owners if one != address and one not in lines]
        if unknown:
            lines = {**self._looked_at(unknown), **lines}
            with contextlib.suppress(OSError):  # then they are looked at again next time
                self._learn(lines)
        wanted = {address, ANYONE}
        return sorted(one for one in owners if one != address and not wanted.isdisjoint(lines.get(one, ())))

    def _looked_at(self, owners: Iterable[str]) -> Lines:
        """What accounts grant; none of those that cannot be read now."""
        found = {}
        for one in owners:
            with contextlib.suppress(OSError):
                found[one] = frozenset(self._guests(one))
        return found

    def _learn(self, found: Lines) -> None:
        """Note what was found of accounts, unless somebody has changed it meanwhile."""
        with self._changing():
            self._write({**found, **self._lines})

    def add(self, owner: str, guests: Iterable[str]) -> None:
        """An account is about to grant something to these too; called in its lane. Raises OSError."""
        had = self._guests(owner)
        with self._changing():
            self._write({**self._lines, owner: frozenset(had.union(guests))})

    def look_again(self, owner: str) -> None:
        """An account may grant less than before; called in its lane. Raises OSError."""
        had = self._guests(owner)
        with self._changing():
            self._write({**self._lines, owner: frozenset(had)})

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        self._files.make_directories(self._directory)
        with self._mutex, self._files.locked(self._directory):
            self._load()
            yield

    # The file

    def _load(self) -> None:
        """Read it again if it is not what was last read or written; a strange one is as good as none."""
        signature = self._looked()
        if signature == self._signature:
            return
        data = b"" if signature is None else self._files.read(self._path)
        head, *lines = data.decode("utf-8", "replace").split("\n")
        words = [line.split(" ") for line in lines if line] if head == _HEAD else []
        self._lines = {owner: frozenset(guests) for owner, *guests in words}
        self._signature = signature

    def _looked(self) -> tuple[int, int, int] | None:
        facts = self._files.stat(self._path)
        return None if facts is None else (facts.st_ino, facts.st_size, facts.st_mtime_ns)

    def _write(self, lines: Lines) -> None:
        if lines == self._lines:
            return
        text = [_HEAD, *(" ".join([owner, *sorted(guests)]) for owner, guests in sorted(lines.items()))]
        self._files.replace(self._path, "".join(line + "\n" for line in text).encode())
        self._lines, self._signature = lines, self._looked()
