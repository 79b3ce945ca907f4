"""The only module that touches files.

Everything durable goes through one FileSystem object, which is handed in, so that tests can fail any call
and replay the log of calls to every state a power cut could leave. SQLite does its own I/O: what it keeps
is only a cache.

Rules kept here once, for everyone:

- A file is written under a temporary name in the directory it is meant for, fsynced, and then linked or
  renamed into place, and the directory is fsynced. Only then is it promised to anybody.
- fsync is never repeated on the same descriptor: after an error the kernel marks the pages clean, and the
  second call would lie. The error goes up, and the file counts as lost.
- A disk that fails to keep what was written several times in a minute is not written to any more: nothing new
  is accepted until the server is started again. Reading and deleting go on.
- Files are opened with O_NOFOLLOW and must be regular: a symlink, FIFO or device planted in a Maildir is
  refused, not followed.
- Names are str; octets that are not UTF-8 travel as surrogate escapes, as os.fsdecode makes them.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import pwd
import resource
import stat as stat_bits
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_TERMINAL = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NOCTTY | os.O_NONBLOCK
_DIRECTORY = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY

_sync_file_range = ctypes.CDLL(None).sync_file_range  # Linux's, which the os module does not have
_sync_file_range.argtypes = ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint
_SYNC_FILE_RANGE_WRITE = 2

READ_SIZE = 131072
LEAST_INODES = 0.05
FAILURES = 3  # of fsync in FAILURE_SECONDS, after which nothing new is written
FAILURE_SECONDS = 60.0
# Seconds until a lock that somebody else has is asked for again, at first and at last. Most are held for a
# millisecond.
LOCK_PAUSE, LONGEST_LOCK_PAUSE = 0.0005, 0.02


def owed_to_disks() -> int:
    """Blocks that this process has written so far and a disk is to have; none for what is kept in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_oublock


class ReadFile:
    """An open regular file, read by position."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor = descriptor
        self.path = path
        self._facts: os.stat_result | None = None

    def read_at(self, offset: int, count: int) -> bytes:
        """Up to `count` octets from `offset`; fewer only at the end of the file."""
        return os.pread(self._descriptor, count, offset)

    def stat(self) -> os.stat_result:
        """What fstat said of the open file when it was first asked."""
        if self._facts is None:
            self._facts = os.fstat(self._descriptor)
        return self._facts

    def close(self) -> None:
        """Give the descriptor back; may be called twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


class Health:
    """Whether what is written stays. `alarm` is called once, from any thread, when it does not any more."""

    def __init__(self, now: Callable[[], float], alarm: Callable[[str], None]) -> None:
        self._now = now
        self._alarm = alarm
        self._failures: deque[float] = deque(maxlen=FAILURES)
        self.lost = False

    def sync(self, descriptor: int, path: str, *, data_only: bool = False) -> None:
        """fsync, or fdatasync; after EIO the kernel may have dropped what was written."""
        try:
            os.fdatasync(descriptor) if data_only else os.fsync(descriptor)
        except OSError as error:
            if error.errno == errno.EIO:
                self._failed(path)
            raise

    def _failed(self, path: str) -> None:
        self._failures.append(self._now())
        often = len(self._failures) == FAILURES and self._failures[-1] - self._failures[0] <= FAILURE_SECONDS
        if often and not self.lost:
            self.lost = True
            self._alarm(path)

    def check(self, path: str) -> None:
        """Raise OSError(EROFS) when nothing new is to be written."""
        if self.lost:
            raise OSError(
                errno.EROFS, "the disk does not keep what is written; nothing new is accepted", path
            )


class NewFile:
    """A file being written, under a name that nobody reads yet."""

    def __init__(self, descriptor: int, path: str, health: Health) -> None:
        self._descriptor = descriptor
        self._health = health
        self.path = path

    def write(self, data: bytes) -> None:
        """Append all of `data`; a short write (full disk) goes on until the error shows itself."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def restart(self) -> None:
        """Empty the file, to write it again from the start."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)

    def set_time(self, seconds: float) -> None:
        """Set access and modification time, in seconds since the epoch."""
        os.utime(self._descriptor, (seconds, seconds))

    def give_to(self, user: int, group: int) -> None:
        """Change the owner, by numbers."""
        os.fchown(self._descriptor, user, group)

    def begin_sync(self) -> None:
        """Have the kernel begin to write to the disk, without waiting; it promises nothing.

        Where this is done for several files before sync() is for the first of them, what the journal has to
        hold of all of them goes into it at once, and the sync() of the others has little left to wait for.
        """
        _sync_file_range(self._descriptor, 0, 0, _SYNC_FILE_RANGE_WRITE)

    def sync(self) -> None:
        """fsync; to be called once, after everything else."""
        self._health.sync(self._descriptor, self.path)

    def close(self) -> None:
        """Give the descriptor back; may be called twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Replacement:
    """What is to take the place of a file, or to be a new one; under a temporary name until place()."""

    def __init__(self, files: "FileSystem", file: NewFile, path: str) -> None:
        self._files = files
        self._file = file
        self._path = path

    def begin_sync(self) -> None:
        """As that of NewFile."""
        self._file.begin_sync()

    def place(self) -> None:
        """Put it there, durably once the directory is synced; after an error nothing is left of it."""
        try:
            self._file.sync()
            self._files.rename(self._file.path, self._path)
        except BaseException:
            self.drop()
            raise
        self._file.close()

    def drop(self) -> None:
        """Forget it."""
        self._file.close()
        with contextlib.suppress(OSError):
            self._files.unlink(self._file.path)


class Lock:
    """A held flock; the kernel lets go when the process dies."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go; may be called twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _locked_now(descriptor: int, directory: str) -> bool:
    """Whether flock is had at once, and the directory is still the one at that path."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.path.samestat(os.fstat(descriptor), os.stat(directory))


class FileSystem:
    """The real one. Paths are absolute str; errors are the OSError of the failing call."""

    def __init__(
        self, *, now: Callable[[], float] = time.monotonic, alarm: Callable[[str], None] = lambda path: None
    ) -> None:
        self.health = Health(now, alarm)

    # Reading

    def open(self, path: str) -> ReadFile:
        """Open a regular file for reading; raises OSError(ELOOP or EINVAL) for anything else."""
        file = ReadFile(os.open(path, _READ), path)
        try:
            if not stat_bits.S_ISREG(file.stat().st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
        except OSError:
            file.close()
            raise
        return file

    def read(self, path: str, *, limit: int | None = None) -> bytes:
        """The whole file, or its first `limit` octets.

        With a limit no more is asked for than there was when the file was opened, however large the limit.
        """
        with self.open(path) as file:
            size = file.stat().st_size
            wanted = size if limit is None else min(size, limit)
            parts = []
            offset = 0
            while offset < wanted or limit is None:
                piece = file.read_at(offset, max(wanted - offset, 0) or READ_SIZE)
                if not piece:
                    break
                parts.append(piece)
                offset += len(piece)
            return b"".join(parts)

    def read_small(self, path: str, most: int) -> bytes | None:
        """The whole of a regular file, or None where it has more than `most` octets, or is a device.

        Raises OSError for anything else: what is neither file nor device has no octets at an offset.
        """
        data = self.read_start(path, most + 1)
        return data if len(data) <= most else None

    def read_start(self, path: str, most: int) -> bytes:
        """The first octets of a file, `most` of them where it has so many. Raises OSError as read_small()."""
        descriptor = os.open(path, _READ)
        try:
            return os.pread(descriptor, most, 0)
        finally:
            os.close(descriptor)

    def names(self, path: str) -> list[str]:
        """The names in a directory, in no order, without `.` and `..`."""
        return os.listdir(path)

    def entries(self, path: str) -> list[tuple[str, bool]]:
        """Names in a directory and whether each is a directory itself (symlinks are not followed)."""
        with os.scandir(path) as scan:
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in scan]

    def regular(self, path: str) -> set[str]:
        """The names of the regular files in a directory; few file systems have to be asked for each."""
        with os.scandir(path) as scan:
            return {entry.name for entry in scan if entry.is_file(follow_symlinks=False)}

    def stat(self, path: str) -> os.stat_result | None:
        """What lstat says, or None where there is nothing."""
        try:
            return os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory of that name; a symlink to one is none."""
        facts = self.stat(path)
        return facts is not None and stat_bits.S_ISDIR(facts.st_mode)

    def free_space(self, path: str) -> int:
        """Octets an unprivileged process may still write where `path` is, or will be once it is made.

        None are left where the inodes run out: a file system that counts them keeps LEAST_INODES free.
        """
        while self.stat(path) is None:
            path = os.path.dirname(path)
        facts = os.statvfs(path)
        if facts.f_favail < facts.f_files * LEAST_INODES:
            return 0
        return facts.f_bavail * facts.f_frsize

    # Writing

    def create(self, path: str, *, mode: int = 0o600) -> NewFile:
        """Create a file that must not exist."""
        self.health.check(path)
        return NewFile(os.open(path, _CREATE, mode), path, self.health)

    def open_end(self, path: str, *, mode: int = 0o600) -> NewFile:
        """A file to append to, for what need not be durable; it is made where there is none."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return NewFile(os.open(path, flags, mode), path, self.health)

    def append(self, path: str, data: bytes, *, durable: bool = True) -> None:
        """Add `data` to the end of an existing file in one write and make it durable, if that is wanted.

        After an error, such as a short write, what was added is cut off again: the file never keeps half a
        record. It is to be written anew before it is believed: the kernel may have lost what it shows.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            before = os.fstat(descriptor).st_size
            try:
                if os.write(descriptor, data) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
                if durable:
                    self.health.sync(descriptor, path, data_only=True)
            except OSError:
                os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)

    def replace(
        self, path: str, data: bytes, *, mode: int = 0o600, owner: tuple[int, int] | None = None
    ) -> None:
        """Put `data` in place of the file, whole and durably; the old content stays until the new is safe.

        `owner` is a user and a group number, for root who writes a file of somebody else.
        """
        self.prepare(path, data, mode=mode, owner=owner).place()
        self.sync_directory(os.path.dirname(path))

    def prepare(
        self, path: str, data: bytes, *, mode: int = 0o600, owner: tuple[int, int] | None = None
    ) -> Replacement:
        """The same as far as it waits for no disk: who prepares several files has them synced together."""
        temporary = f"{path}.new.{os.getpid()}"
        self.unlink(temporary, missing_ok=True)
        new = Replacement(self, file := self.create(temporary, mode=mode), path)
        try:
            file.write(data)
            if owner is not None:
                file.give_to(*owner)
        except BaseException:
            new.drop()
            raise
        return new

    def link(self, source: str, target: str) -> None:
        """Give a file a second name; the name must be free."""
        self.health.check(target)
        os.link(source, target, follow_symlinks=False)

    def rename(self, source: str, target: str) -> None:
        """Move a name within one file system, over whatever has the target name."""
        os.rename(source, target)

    def unlink(self, path: str, *, missing_ok: bool = False) -> None:
        """Remove a name."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def make_directory(self, path: str, *, mode: int = 0o700) -> None:
        """Create one directory; its parent is to be synced by the caller."""
        os.mkdir(path, mode)

    def make_directories(self, path: str) -> None:
        """Create a directory and its missing parents (mode 0700), each made durable in its parent."""
        if self.stat(path) is not None:
            return
        parent = os.path.dirname(path)
        self.make_directories(parent)
        with contextlib.suppress(FileExistsError):
            self.make_directory(path)
        self.sync_directory(parent)

    def take_access(self, path: str, bits: int) -> None:
        """Clear permission bits of a file or directory; a symlink, or what is gone, is left alone."""
        try:
            descriptor = os.open(path, _READ)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOENT, errno.ENXIO):
                raise
            return
        try:
            os.fchmod(descriptor, stat_bits.S_IMODE(os.fstat(descriptor).st_mode) & ~bits)
        finally:
            os.close(descriptor)

    def set_time(self, path: str, nanoseconds: int) -> None:
        """Set the access and modification time of a name, in nanoseconds since the epoch."""
        os.utime(path, ns=(nanoseconds, nanoseconds), follow_symlinks=False)

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory."""
        os.rmdir(path)

    def sync_directory(self, path: str) -> None:
        """fsync a directory: its names, new and gone, survive a power cut."""
        descriptor = os.open(path, _DIRECTORY)
        try:
            self.health.sync(descriptor, path)
        finally:
            os.close(descriptor)

    def sync_all(self) -> None:
        """Have everything on its disk that was written so far, by anybody; errors are not told."""
        os.sync()

    def sync_upwards(self, path: str) -> None:
        """fsync a directory and those above it, as far as they can be opened and lie on the same device."""
        path = os.path.abspath(path)
        device = os.stat(path).st_dev
        while os.stat(path).st_dev == device:
            try:
                self.sync_directory(path)
            except PermissionError:
                return
            if path == os.path.dirname(path):
                return
            path = os.path.dirname(path)

    # Terminals

    def write_to_terminal(self, path: str, user: str, data: bytes) -> bool:
        """Write to a terminal of that user, as far as its owner lets others; whether it took all of `data`.

        Nothing is waited for: a terminal that stands still takes nothing. No data asks only.
        """
        try:
            descriptor = os.open(path, _TERMINAL)
        except OSError:
            return False
        try:
            facts = os.fstat(descriptor)
            theirs = stat_bits.S_ISCHR(facts.st_mode) and facts.st_uid == pwd.getpwnam(user).pw_uid
            open_to_us = facts.st_mode & stat_bits.S_IWGRP or facts.st_uid == os.getuid()
            return bool(theirs and open_to_us) and (not data or os.write(descriptor, data) == len(data))
        except (OSError, KeyError):
            return False
        finally:
            os.close(descriptor)

    # Locks

    def process_lives(self, pid: int) -> bool:
        """Whether a process of that number is there, whoever owns it."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except (PermissionError, OverflowError):
            return True
        return True

    @contextlib.contextmanager
    def locked(self, directory: str, *, patience: float = 60.0) -> Iterator[None]:
        """Hold flock on a directory, waiting for it; the lock is of the directory now at that path.

        Raises FileNotFoundError if the directory is gone, also while waiting, and TimeoutError when somebody
        else has it for `patience` seconds.
        """
        waited, pause = 0.0, LOCK_PAUSE
        while True:
            descriptor = os.open(directory, _DIRECTORY)
            try:
                if _locked_now(descriptor, directory):
                    yield
                    return
            finally:
                os.close(descriptor)
            # A thread that waits in flock() cannot be called back; one that asks again can give up.
            if waited >= patience:
                raise TimeoutError(errno.ETIMEDOUT, "locked by another program", directory)
            time.sleep(pause)
            waited += pause
            pause = min(2 * pause, LONGEST_LOCK_PAUSE)

    def try_lock(self, path: str) -> Lock | None:
        """An exclusive lock on a file, created if missing; None if somebody else has it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        lock = Lock(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.release()
            if isinstance(error, BlockingIOError):
                return None
            raise
        return lock
