"""The disk as the programs on a machine see it: the seam of mailnode.fs, over a disk in memory."""

import contextlib
import errno
import os
import stat as stat_bits
from collections.abc import Callable, Iterator
from typing import Any

from mailnode.fs import FileSystem, Health, NewFile, ReadFile
from tests.simulation.disk import Disk, File, Folder, Node

SPACE = 1 << 40


class Killed(BaseException):
    """The machine is dead; whoever runs on it does nothing more, not even tidy up."""


class _Reading(ReadFile):
    """An open file."""

    def __init__(self, files: "Files", path: str, file: File) -> None:
        super().__init__(-1, path)
        self._files, self._file, self._open = files, file, True
        files.opened += 1

    def read_at(self, offset: int, count: int) -> bytes:
        self._files.alive()
        return bytes(self._file.octets[offset : offset + count])

    def stat(self) -> os.stat_result:
        return _facts(self._file)

    def close(self) -> None:
        self._files.opened -= self._open
        self._open = False


class _Writing(NewFile):
    """A file being written."""

    def __init__(self, files: "Files", path: str, file: File, health: Health) -> None:
        super().__init__(-1, path, health)
        self._files, self._file, self._open = files, file, True
        files.opened += 1

    def write(self, data: bytes) -> None:
        self._files.alive()
        self._files.room(self.path)
        self._file.octets += data
        self._file.mtime = self._files.time()

    def restart(self) -> None:
        self._files.alive()
        self._file.octets.clear()

    def set_time(self, seconds: float) -> None:
        self._file.mtime = int(seconds * 1_000_000_000)

    def give_to(self, user: int, group: int) -> None:
        pass

    def sync(self) -> None:
        self._files.alive()
        self._file.safe = bytes(self._file.octets)

    def close(self) -> None:
        self._files.opened -= self._open
        self._open = False


def _facts(node: Node) -> os.stat_result:
    folder = isinstance(node, Folder)
    mode = stat_bits.S_IFDIR | 0o700 if folder else stat_bits.S_IFREG | 0o600
    size = 0 if isinstance(node, Folder) else len(node.octets)
    seconds, nanoseconds = node.mtime // 1_000_000_000, node.mtime
    user, group = os.geteuid(), os.getegid()
    times = (seconds,) * 3
    exact = (nanoseconds / 1_000_000_000,) * 3
    numbers: tuple[Any, ...] = (
        mode,
        node.number,
        1,
        1,
        user,
        group,
        size,
        *times,
        *exact,
        *(nanoseconds,) * 3,
    )
    return os.stat_result(numbers)


class Files(FileSystem):
    """A disk as the programs of one life of a machine see it; `now` is the machine's time of the day.

    `fatal` is how many more operations there are before the machine dies, None for all the world's; `die` is
    told then. After that every operation ends the program that asks for it.
    """

    def __init__(self, disk: Disk, now: Callable[[], float], die: Callable[[], None]) -> None:
        super().__init__(now=now)
        self.opened = 0
        self.dead = False
        self.fatal: int | None = None
        self.full: Callable[[], bool] = lambda: False
        self._disk = disk
        self._now = now
        self._die = die

    def time(self) -> int:
        """What a file that is changed now gets for its time."""
        return int(self._now() * 1_000_000_000)

    def alive(self) -> None:
        """Count one operation. Raises Killed."""
        if self.fatal is not None and not self.dead:
            self.fatal -= 1
            if self.fatal < 0:
                self._die()
        if self.dead:
            raise Killed

    # Looking

    def _node(self, path: str) -> Node:
        self.alive()
        node = self._disk.find(path)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return node

    def _folder(self, path: str) -> Folder:
        node = self._node(path)
        if not isinstance(node, Folder):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return node

    def _file(self, path: str) -> File:
        node = self._node(path)
        if not isinstance(node, File):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return node

    def _place(self, path: str) -> tuple[Folder, str]:
        above, _, name = path.rpartition("/")
        return self._folder(above), name

    def open(self, path: str) -> ReadFile:
        return _Reading(self, path, self._file(path))

    def names(self, path: str) -> list[str]:
        return list(self._folder(path).names)

    def entries(self, path: str) -> list[tuple[str, bool]]:
        return [(name, isinstance(one, Folder)) for name, one in self._folder(path).names.items()]

    def regular(self, path: str) -> set[str]:
        return {name for name, one in self._folder(path).names.items() if not isinstance(one, Folder)}

    def stat(self, path: str) -> os.stat_result | None:
        self.alive()
        node = self._disk.find(path)
        return None if node is None else _facts(node)

    def free_space(self, path: str) -> int:
        self.alive()
        return 0 if self.full() else SPACE

    def room(self, path: str) -> None:
        """Raise OSError for a disk that is full."""
        if self.full():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    # Changing

    def _change(self, *entries: tuple[Folder, str, Node | None]) -> None:
        for folder, _, _ in entries:
            folder.mtime = self.time()
        self._disk.change(entries)

    def create(self, path: str, *, mode: int = 0o600) -> NewFile:
        folder, name = self._place(path)
        if name in folder.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        self.room(path)
        file = File(next(self._disk.numbers), self.time())
        self._change((folder, name, file))
        return _Writing(self, path, file, self.health)

    def append(self, path: str, data: bytes, *, durable: bool = True) -> None:
        file = self._file(path)
        file.octets += data
        file.mtime, file.safe = self.time(), bytes(file.octets)

    def link(self, source: str, target: str) -> None:
        node = self._file(source)
        folder, name = self._place(target)
        if name in folder.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        self._change((folder, name, node))

    def rename(self, source: str, target: str) -> None:
        node = self._node(source)
        self._change((*self._place(target), node), (*self._place(source), None))

    def unlink(self, path: str, *, missing_ok: bool = False) -> None:
        self.alive()
        if self._disk.find(path) is None and missing_ok:
            return
        self._file(path)
        self._change((*self._place(path), None))

    def make_directory(self, path: str, *, mode: int = 0o700) -> None:
        folder, name = self._place(path)
        if name in folder.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        self._change((folder, name, Folder(next(self._disk.numbers), self.time())))

    def take_access(self, path: str, bits: int) -> None:
        self.alive()

    def set_time(self, path: str, nanoseconds: int) -> None:
        self._node(path).mtime = nanoseconds

    def remove_directory(self, path: str) -> None:
        self._folder(path)
        self._change((*self._place(path), None))

    def sync_directory(self, path: str) -> None:
        self._disk.sync(self._folder(path))

    def sync_upwards(self, path: str) -> None:
        parts = path.split("/")
        for end in range(len(parts), 1, -1):
            self.sync_directory("/".join(parts[:end]))

    @contextlib.contextmanager
    def locked(self, directory: str, *, patience: float = 60.0) -> Iterator[None]:
        self._folder(directory)
        yield
