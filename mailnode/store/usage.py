"""What an account holds: octets and messages of all its folders, from the files and never from a counter.

The truth is what stands in new/ and cur/: files that may be messages, each with the octets that its name
states (`,S=`), or that the file has where the name states none. For each of these directories the ledger
keeps what was counted, and reads again only those that have changed since (directory.py says how that is
known). So whatever crashes, and whoever else writes to the tree, the sum is that of the files.

Our own changes are told to the ledger with their gain, so that they cost no reading. That is believed for
DOUBT at most, then the directory is read once: another program may have changed it in the very moment of our
change, which leaves no trace in its time. Whatever is not certain, such as the size of a message that is gone
and had none in its name, is read too.

What was counted is kept in the account's cache, under the directory's inode and times: after a restart only
what has changed since is read. Threads of any lane may ask.
"""

import contextlib
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mailnode.fs import FileSystem
from mailnode.store import filenames
from mailnode.store.directory import CUR, LOOKS, NEW, Remembered, folders, mark, mtime_of
from mailnode.store.index import DirectoryRow, Index
from mailnode.values import frozen

DOUBT_NS = 30_000_000_000  # how long gains are believed before the directory is read once more
UNSAVED_NAMES = 4096  # so many names may have to be read again after a crash


@frozen
class Usage:
    """Octets on the disk, and messages."""

    octets: int = 0
    messages: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.octets + other.octets, self.messages + other.messages)

    def __neg__(self) -> "Usage":
        return Usage(-self.octets, -self.messages)


NOTHING = Usage()


def size_of(base: str) -> Usage | None:
    """One message, by the size that its base name states; None where it states none."""
    octets = filenames.sizes(base)[0]
    return None if octets is None else Usage(octets, 1)


@dataclass(slots=True)
class _Directory(Remembered):
    """What is remembered of new/ or cur/ of a folder; `stamp` is of the last reading."""

    stamp: str = ""
    usage: Usage = NOTHING

    def holds(self, mtime: int, stamp: str, now: int) -> bool:
        """Whether the directory holds what was counted."""
        return self.is_known(mtime, now) and (not self.settled or self.stamp == stamp)


def _stamp(facts: os.stat_result) -> str:
    """More than a time: a tree that was copied or restored may have the times of another one."""
    return f"{facts.st_ino} {facts.st_mtime_ns} {facts.st_ctime_ns}"


class Ledger:
    """The usage of the account at `root`; `open_index` opens its cache once more, for the asking thread."""

    def __init__(
        self, root: str, *, files: FileSystem, now: Callable[[], float], open_index: Callable[[], Index]
    ) -> None:
        self.version = 0  # another one after every change that was told
        self._root = root
        self._files = files
        self._now = now
        self._open_index = open_index
        self._lock = threading.RLock()
        self._directories: dict[str, _Directory] | None = None  # None: the cache was not asked yet
        self._unsaved = 0

    def usage(self) -> Usage:
        """What the account holds now; nothing if it is not there. Raises OSError."""
        with self._lock:
            if self._directories is None:
                self._directories = self._load()
            known = self._directories
            found = self._found()
            for _ in range(LOOKS):
                changed = [path for path, looks in found.items() if not self._holds(path, *looks)]
                for path in changed:
                    self._read(path, *found[path])
                before, found = found, self._found() if changed else found
                if found == before:
                    break  # else a message that moved meanwhile may have been missed, or counted twice
            self._directories = {path: known[path] for path in found if path in known}
            if self._unsaved > UNSAVED_NAMES:
                self.save()
            return sum((one.usage for one in self._directories.values()), NOTHING)

    def _found(self) -> dict[str, tuple[int, str]]:
        """All directories with messages, by path, with their modification times and stamps."""
        try:
            paths = folders(self._files, self._root).values()
        except FileNotFoundError:
            return {}
        found: dict[str, tuple[int, str]] = {}
        for directory in (f"{path}/{name}" for path in paths for name in (NEW, CUR)):
            facts = self._files.stat(directory)
            if facts is not None:
                found[directory] = facts.st_mtime_ns, _stamp(facts)
        return found

    def _now_ns(self) -> int:
        return int(self._now() * 1_000_000_000)

    def _holds(self, path: str, mtime: int, stamp: str) -> bool:
        known = (self._directories or {}).get(path)
        return known is not None and known.holds(mtime, stamp, self._now_ns())

    def _read(self, path: str, mtime: int, stamp: str) -> None:
        assert self._directories is not None
        known = self._directories.setdefault(path, _Directory())
        known.forget()  # what cannot be read to its end is not known
        now = self._now_ns()
        octets = messages = 0
        try:
            names = self._files.names(path)
        except FileNotFoundError:
            return
        for name in filter(filenames.is_message, names):
            size = filenames.sizes(filenames.split(name)[0])[0]
            if size is None:
                size = self._size_on_disk(f"{path}/{name}")
            if size is not None:
                octets += size
                messages += 1
        known.read_at(mtime, now)
        known.stamp = stamp
        known.usage = Usage(octets, messages)
        self._unsaved += len(names) + 1

    def _size_on_disk(self, path: str) -> int | None:
        facts = self._files.stat(path)
        return None if facts is None or not stat.S_ISREG(facts.st_mode) else facts.st_size

    # Changes of our own

    @contextlib.contextmanager
    def arriving(self, directory: str, base: str) -> Iterator[str]:
        """A file of this base gets its name in the directory in here, and the lock of no folder is held."""
        with self._lock:
            before = mtime_of(self._files, directory)
            try:
                yield f"{directory}/{base}"
            except BaseException:
                self.changed(directory, before, -1, None)
                raise
            self.changed(directory, before, mark(self._files, directory, self._now_ns()), size_of(base))

    def changed(self, directory: str, before: int, marked: int, gain: Usage | None) -> None:
        """A directory that had the modification time `before` was changed by us, and marked then.

        `gain` is what it holds more than before, None where that is not certain.
        """
        with self._lock:
            self.version += 1
            known = (self._directories or {}).get(directory)
            if known is None:
                return
            was_known = known.is_known(before, self._now_ns())
            until = marked + DOUBT_NS if known.settled else known.quiet_until_ns
            known.changed_by_us(before, marked, until)
            if gain is None or not was_known:
                known.forget()
            else:
                known.usage += gain

    def doubt(self) -> None:
        """Something was changed by us, and what came of it will show when it is looked at."""
        with self._lock:
            self.version += 1

    # The cache

    def _load(self) -> dict[str, _Directory]:
        try:
            with contextlib.closing(self._open_index()) as index:
                rows = index.directories()
        except (sqlite3.Error, OSError, ValueError):
            return {}
        return {
            f"{self._root}/{row.name}": _Directory(
                row.mtime_ns, settled=True, stamp=row.stamp, usage=Usage(row.octets, row.messages)
            )
            for row in rows
        }

    def save(self) -> None:
        """Keep what was counted, as far as it is certain; a cache that cannot be written is only a gap."""
        with self._lock:
            if not self._unsaved or self._directories is None:
                return
            self._unsaved = 0
            rows = [
                DirectoryRow(
                    path[len(self._root) + 1 :],
                    one.mtime_ns,
                    one.stamp,
                    one.usage.octets,
                    one.usage.messages,
                )
                for path, one in self._directories.items()
                if one.settled and one.mtime_ns >= 0
            ]
            with (
                contextlib.suppress(sqlite3.Error, OSError, OverflowError),
                contextlib.closing(self._open_index()) as index,
            ):
                index.save_directories(rows)
