"""Hints that something happens in a directory (inotify), for mail that other programs bring while we wait.

A hint says only that it is worth looking. It may be late, doubled or missing (a network file system, too
many watches): whoever waits for hints looks now and then all the same. Hints that come together are given as
one, a moment later, when a program that writes several files is probably done.
"""

from collections.abc import Callable
from typing import Protocol, cast

from twisted.internet.inotify import IN_CREATE, IN_DELETE, IN_MOVED_FROM, IN_MOVED_TO, INotify, INotifyError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.filepath import FilePath

from mailnode.events.log import Log

CHANGES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO
TOGETHER = 0.05  # seconds in which hints are given as one


class Watcher(Protocol):
    """What is used of INotify."""

    def watch(
        self, path: "FilePath[bytes]", mask: int, *, callbacks: list[Callable[..., None]]
    ) -> object: ...
    def ignore(self, path: "FilePath[bytes]") -> None: ...
    def stop(self) -> None: ...


class KernelWatcher(INotify):
    """INotify, of which one removed directory is not the end."""

    def __init__(self, reactor: object) -> None:
        super().__init__(reactor)
        self._reads = True
        self.startReading()

    def loseConnection(self) -> None:
        """INotify's own idea when a watched directory goes: its watch has ended, the others go on."""

    def stop(self) -> None:
        """End all watches and give the descriptor back."""
        if self._reads:
            self._reads = False
            self.connectionLost(connectionDone)


class DirectoryWatches:
    """Who wants to be told of which directory; each is watched once, however many want it."""

    def __init__(self, clock: IReactorTime, begin: Callable[[], Watcher]) -> None:
        self._clock = clock
        self._begin = begin
        self._log = Log("mailnode.watch")
        self._watcher: Watcher | None = None
        self._wanted: dict[str, dict[object, Callable[[], None]]] = {}
        self._pending: set[str] = set()
        self._complained = False

    def watch(self, path: str, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` when names appear in a directory or go; gives a function that ends the watch."""
        token = object()
        self._wanted.setdefault(path, {})[token] = changed
        try:
            if self._watcher is None:
                self._watcher = self._begin()
            self._watcher.watch(
                FilePath(path.encode("utf-8", "surrogateescape")),
                CHANGES,
                callbacks=[lambda *_: self._noticed(path)],
            )
        except (INotifyError, OSError) as error:
            self._complain(error)

        def stop() -> None:
            wanted = self._wanted.get(path, {})
            wanted.pop(token, None)
            if not wanted and self._wanted.pop(path, None) is not None:
                self._ignore(path)

        return stop

    def _complain(self, error: Exception) -> None:
        """Once: the kernel has its reasons, and they stay."""
        if not self._complained:
            self._complained = True
            self._log.warn(
                "mail that other programs bring is seen a few seconds later",
                reason=str(error),
                remedy="raise fs.inotify.max_user_watches and fs.inotify.max_user_instances (sysctl)",
            )

    def _ignore(self, path: str) -> None:
        try:
            cast(Watcher, self._watcher).ignore(FilePath(path.encode("utf-8", "surrogateescape")))
        except (KeyError, AttributeError, INotifyError, OSError):
            pass  # it was never watched, or has gone with its directory

    def _noticed(self, path: str) -> None:
        if path not in self._pending:
            self._pending.add(path)
            self._clock.callLater(TOGETHER, self._tell, path)

    def _tell(self, path: str) -> None:
        self._pending.discard(path)
        for changed in list(self._wanted.get(path, {}).values()):
            changed()

    def close(self) -> None:
        """End all watches."""
        watcher, self._watcher = self._watcher, None
        self._wanted.clear()
        if watcher is not None:
            watcher.stop()
