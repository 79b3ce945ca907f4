"""Hints of the kernel that something happens in a directory."""

import errno
import os
import select
from collections.abc import Callable
from typing import Any

from twisted.internet.inotify import INotifyError
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.dirwatch import DirectoryWatches, KernelWatcher


class FakeWatcher:
    """A kernel that says what it is told to say; `error` is raised by the next watch."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.stopped = False
        self._callbacks: dict[str, list[Callable[..., None]]] = {}

    def watch(self, path: "FilePath[bytes]", mask: int, *, callbacks: list[Callable[..., None]]) -> object:
        if self.error is not None:
            raise self.error
        return self._callbacks.setdefault(os.fsdecode(path.path), callbacks)

    def ignore(self, path: "FilePath[bytes]") -> None:
        del self._callbacks[os.fsdecode(path.path)]

    def stop(self) -> None:
        self.stopped = True

    def notice(self, path: str) -> None:
        """Something happens there."""
        for callback in self._callbacks[path]:
            callback(None, FilePath(path.encode()), 0)

    def paths(self) -> list[str]:
        """The directories that are watched."""
        return sorted(self._callbacks)


class WatchTests(SynchronousTestCase):
    """Who is told what."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.watcher = FakeWatcher()
        self.watches = DirectoryWatches(self.clock, lambda: self.watcher)
        self.told: list[str] = []

    def want(self, path: str, name: str) -> Callable[[], None]:
        """Watch, and note each hint under a name."""
        return self.watches.watch(path, lambda: self.told.append(name))

    def test_one_hint_for_what_comes_together(self) -> None:
        """Hints within a moment are one; the next moment has its own."""
        self.want("/a", "a")
        for _ in range(3):
            self.watcher.notice("/a")
        self.clock.advance(1)
        self.watcher.notice("/a")
        self.clock.advance(1)
        self.assertEqual(self.told, ["a", "a"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_many_want_one_directory(self) -> None:
        """A directory is watched as long as anybody wants it."""
        first, second = self.want("/a", "1"), self.want("/a", "2")
        self.watcher.notice("/a")
        self.clock.advance(1)
        first()
        first()
        self.watcher.notice("/a")
        self.clock.advance(1)
        self.assertEqual(self.told, ["1", "2", "2"])
        second()
        self.assertEqual(self.watcher.paths(), [])

    def test_hint_after_the_end(self) -> None:
        """A hint on its way to somebody who has left is lost."""
        stop = self.want("/a", "a")
        self.watcher.notice("/a")
        stop()
        self.clock.advance(1)
        self.assertEqual(self.told, [])

    def test_too_many(self) -> None:
        """Where the kernel watches no more, that is said once, and nobody fails."""
        said: list[LogEvent] = []
        note = said.append
        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        self.watcher.error = INotifyError("no space")
        stops = [self.want("/a", "a"), self.want("/b", "b")]
        self.watcher.error = OSError(errno.EMFILE, "too many")
        stops.append(self.want("/c", "c"))
        for stop in stops:
            stop()
        self.assertEqual(len([one for one in said if "remedy=" in one["line"]]), 1)

    def test_the_end(self) -> None:
        """At the end the kernel is let go of."""
        stop = self.want("/a", "a")
        self.watches.close()
        self.assertTrue(self.watcher.stopped)
        stop()
        self.watches.close()


class Readers:
    """A reactor as far as INotify uses it."""

    def __init__(self) -> None:
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)

    def removeWriter(self, writer: Any) -> None:
        pass


class KernelTests(SynchronousTestCase):
    """The kernel's own inotify."""

    def test_a_directory_that_goes(self) -> None:
        """What appears is noticed; a watched directory that is removed takes no other watch with it."""
        base = os.path.abspath(self.mktemp())
        for name in ("one", "two"):
            os.makedirs(f"{base}/{name}")
        reactor = Readers()
        watcher = KernelWatcher(reactor)
        noticed: list[str] = []
        for name in ("one", "two"):
            watcher.watch(FilePath(f"{base}/{name}".encode()), 0x100, callbacks=[self.noting(noticed, name)])
        os.rmdir(f"{base}/one")
        self.read(watcher)
        with open(f"{base}/two/x", "wb"):
            pass
        self.read(watcher)
        self.assertEqual(noticed[-1], "two")
        watcher.stop()
        self.assertEqual(reactor.readers, [])

    def noting(self, noticed: list[str], name: str) -> Callable[..., None]:
        """A callback that notes a name."""
        return lambda *_: noticed.append(name)

    def read(self, watcher: KernelWatcher) -> None:
        """Read what the kernel has to say."""
        ready, _, _ = select.select([watcher.fileno()], [], [], 10)
        self.assertEqual(len(ready), 1)
        watcher.doRead()
