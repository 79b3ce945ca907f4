"""The file system seam, on a real disk."""

import errno
import os
from types import SimpleNamespace
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from mailnode.fs import FileSystem, owed_to_disks

_ONE_BLOCK = SimpleNamespace(f_bavail=1, f_frsize=4096, f_files=0, f_favail=0)


class FileSystemTests(SynchronousTestCase):
    """What every writer relies on."""

    def setUp(self) -> None:
        self.files = FileSystem()
        self.base = os.path.abspath(self.mktemp())
        os.makedirs(self.base)

    def path(self, name: str) -> str:
        """A path in the temporary directory."""
        return os.path.join(self.base, name)

    def write(self, name: str, data: bytes) -> str:
        """A file with this content; gives its path."""
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def test_owed_to_disks(self) -> None:
        """What is written is counted where a disk is to have it; what a directory takes may be too."""
        before = owed_to_disks()
        file = FileSystem().create(self.path("file"))
        file.write(b"x" * 8192)
        file.close()
        in_memory = owed_to_disks() == before
        self.assertTrue(in_memory or owed_to_disks() >= before + 8192 // 512)
        self.assertEqual(FileSystem().read(self.path("file")), b"x" * 8192)

    def test_begin_sync(self) -> None:
        """It is said to the kernel, changes nothing, and takes no error from the fsync that follows."""
        file = FileSystem().create(self.path("file"))
        file.write(b"text")
        with mock.patch("mailnode.fs._sync_file_range", return_value=-1) as told:
            file.begin_sync()
        self.assertEqual(told.call_args.args[1:], (0, 0, 2))
        file.begin_sync()
        file.write(b" and more")
        file.sync()
        file.close()
        self.assertEqual(FileSystem().read(self.path("file")), b"text and more")

    def test_a_disk_that_keeps_nothing(self) -> None:
        """After three failures of fsync in a minute nothing new is written; the rest goes on (D9)."""
        now, alarms = [0.0], []
        files = FileSystem(now=lambda: now[0], alarm=alarms.append)
        path = os.path.abspath(self.mktemp())
        files.make_directory(path)
        with open(f"{path}/old", "wb") as old:
            old.write(b"old")
        for seconds, lost in ((0.0, False), (50.0, False), (61.0, False), (65.0, True)):
            now[0] = seconds
            with mock.patch("os.fsync", side_effect=OSError(errno.EIO, "broken disk")):
                self.assertRaises(OSError, files.sync_directory, path)
            self.assertEqual(files.health.lost, lost)
        self.assertEqual(alarms, [path])
        writes = (
            lambda: files.create(f"{path}/new"),
            lambda: files.replace(f"{path}/old", b"new"),
            lambda: files.link(f"{path}/old", f"{path}/new"),
        )
        for write in writes:
            with self.assertRaises(OSError) as raised:
                write()
            self.assertEqual(raised.exception.errno, errno.EROFS)
        self.assertEqual(files.read(f"{path}/old"), b"old")
        files.unlink(f"{path}/old")

    def test_out_of_inodes(self) -> None:
        """Where less than a twentieth of the inodes is free, there is no room (D10)."""
        facts = os.statvfs("/")
        for free, room in ((0.04, False), (0.06, True)):
            given = mock.Mock(f_files=1000, f_favail=1000 * free, f_bavail=facts.f_bavail, f_frsize=1)
            with mock.patch("os.statvfs", return_value=given):
                self.assertEqual(FileSystem().free_space("/") > 0, room)

    def test_read(self) -> None:
        """A whole file, or its start; an empty one; one that is larger than a read."""
        large = os.urandom(200_000)
        for data in (b"", b"abc", large):
            path = self.write("file", data)
            self.assertEqual(self.files.read(path), data)
            self.assertEqual(self.files.read(path, limit=2), data[:2])
            self.assertEqual(self.files.read_small(path, 3), data if len(data) <= 3 else None)
            self.assertEqual(self.files.read_start(path, 3), data[:3])

    def test_only_regular_files_are_opened(self) -> None:
        """Symlinks, FIFOs and directories are refused without waiting for anybody (X1)."""
        target = self.write("target", b"secret")
        os.symlink(target, self.path("link"))
        os.mkfifo(self.path("fifo"))
        os.mkdir(self.path("directory"))
        for name in ("link", "fifo", "directory"):
            self.assertRaises(OSError, self.files.open, self.path(name))
            self.assertRaises(OSError, self.files.read_small, self.path(name), 100)
        self.assertRaises(OSError, self.files.append, self.path("link"), b"x")
        self.assertRaises(OSError, self.files.create, self.path("link"))
        self.assertEqual(self.files.read(target), b"secret")

    def test_errors_leave_no_descriptor(self) -> None:
        """A file that is opened and then fails is closed again."""
        path = self.write("file", b"abc")
        broken = OSError(errno.EIO, "broken disk")
        free = os.dup(0)
        os.close(free)
        with mock.patch("os.fstat", side_effect=broken):
            self.assertRaises(OSError, self.files.open, path)
        with mock.patch("os.pread", side_effect=broken):
            self.assertRaises(OSError, self.files.read_small, path, 100)
        with mock.patch("fcntl.flock", side_effect=broken):
            self.assertRaises(OSError, self.files.try_lock, path)
        after = os.dup(0)
        os.close(after)
        self.assertEqual(after, free)

    def test_create_is_exclusive_and_private(self) -> None:
        """An existing file is never opened for writing; a new one is for its owner only."""
        file = self.files.create(self.path("new"))
        file.write(b"x")
        file.close()
        file.close()
        self.assertRaises(FileExistsError, self.files.create, self.path("new"))
        self.assertEqual(os.stat(self.path("new")).st_mode & 0o777, 0o600)

    def test_short_writes_go_on(self) -> None:
        """write() writes everything, however little the kernel takes at a time."""
        real = os.write
        file = self.files.create(self.path("new"))
        with mock.patch("os.write", lambda descriptor, data: real(descriptor, bytes(data)[:3])):
            file.write(b"0123456789")
        file.close()
        self.assertEqual(self.files.read(self.path("new")), b"0123456789")

    def test_append_is_whole_or_not_at_all(self) -> None:
        """A short append is cut off again and raised as a full disk."""
        path = self.write("list", b"one\n")
        self.files.append(path, b"two\n")
        real = os.write
        with mock.patch("os.write", lambda descriptor, data: real(descriptor, data[:2])):
            error = self.assertRaises(OSError, self.files.append, path, b"three\n")
        self.assertEqual(error.errno, errno.ENOSPC)
        self.assertEqual(self.files.read(path), b"one\ntwo\n")

    def test_replace(self) -> None:
        """The new content stands there whole, or the old one does; no temporary file stays."""
        path = self.write("file", b"old")
        for failing in ("os.write", "os.fsync", "os.rename"):
            with mock.patch(failing, side_effect=OSError(errno.EIO, "io")):
                self.assertRaises(OSError, self.files.replace, path, b"new")
            self.assertEqual(self.files.read(path), b"old", failing)
            self.assertEqual(os.listdir(self.base), ["file"])
        self.files.replace(path, b"new")
        self.assertEqual(self.files.read(path), b"new")
        self.assertEqual(os.listdir(self.base), ["file"])

    def test_a_leftover_of_replace_does_no_harm(self) -> None:
        """A temporary file of a killed process with our number is replaced."""
        path = self.write("file", b"old")
        self.write(f"file.new.{os.getpid()}", b"left over")
        self.files.replace(path, b"new")
        self.assertEqual(os.listdir(self.base), ["file"])

    def test_make_directories(self) -> None:
        """Every directory that was made is synced in its parent."""
        synced: list[str] = []
        with mock.patch.object(FileSystem, "sync_directory", lambda _, path: synced.append(path)):
            self.files.make_directories(self.path("a/b/c"))
        self.assertEqual(synced, [self.base, self.path("a"), self.path("a/b")])
        self.assertEqual(os.stat(self.path("a/b")).st_mode & 0o777, 0o700)

    def test_locked_directory(self) -> None:
        """A lock is of the directory that is at the path when it is had."""
        os.mkdir(self.path("d"))
        with self.files.locked(self.path("d")):
            pass
        self.assertRaises(FileNotFoundError, self.files.locked(self.path("none")).__enter__)

    def test_lock_of_somebody_else(self) -> None:
        """A lock that somebody else has is waited for, but not for ever; then the lock is had as ever."""
        os.mkdir(self.path("d"))
        pauses: list[float] = []
        with mock.patch("time.sleep", pauses.append), self.files.locked(self.path("d")):
            waiting = FileSystem().locked(self.path("d"), patience=2.0)
            error = self.assertRaises(TimeoutError, waiting.__enter__)
        self.assertEqual(error.filename, self.path("d"))
        self.assertTrue(2.0 <= sum(pauses) <= 2.1, pauses)
        self.assertEqual(pauses[:3], [0.0005, 0.001, 0.002])  # most locks are held for so long
        self.assertEqual(max(pauses), 0.02)
        with self.files.locked(self.path("d"), patience=0.0):
            pass

    def test_lock_that_becomes_free(self) -> None:
        """Who waits has the lock soon after it is let go, and then of the directory that is there now."""
        os.mkdir(self.path("d"))
        held = self.files.locked(self.path("d"))
        held.__enter__()

        def pause(_: float) -> None:
            held.__exit__(None, None, None)
            os.rename(self.path("d"), self.path("old"))
            os.mkdir(self.path("d"))

        with mock.patch("time.sleep", pause), self.files.locked(self.path("d")):
            self.assertRaises(TimeoutError, self.files.locked(self.path("d"), patience=0.0).__enter__)
            with self.files.locked(self.path("old"), patience=0.0):
                pass

    def test_free_space(self) -> None:
        """What is not there yet will be where its nearest ancestor is."""
        there = self.files.free_space(self.base)
        self.assertGreater(there, 0)
        self.write("file", b"")
        for name in ("mail/example.org/anna", "mail/", "file/below"):
            with mock.patch("os.statvfs", return_value=_ONE_BLOCK) as asked:
                self.assertEqual(self.files.free_space(self.path(name)), 4096)
            self.assertIn(asked.call_args.args[0], (self.base, self.path("file")))

    def test_try_lock(self) -> None:
        """One holder at a time."""
        lock = self.files.try_lock(self.path("lock"))
        assert lock is not None
        self.assertIsNone(self.files.try_lock(self.path("lock")))
        lock.release()
        again = self.files.try_lock(self.path("lock"))
        assert again is not None
        again.release()

    def test_link_does_not_follow(self) -> None:
        """A hard link is never made to what a symlink points to."""
        target = self.write("target", b"x")
        os.symlink(target, self.path("link"))
        self.files.link(self.path("link"), self.path("other"))
        self.assertTrue(os.path.islink(self.path("other")))
        self.assertRaises(FileExistsError, self.files.link, target, self.path("other"))
