"""Whether the server can do its work: it listens, and its disk takes what is written.

The disk is tried by writing a small file and having it kept (fsync), at most every ten seconds, however often
somebody asks. A disk that does not answer hangs a thread, but nobody who asks.
"""

import os
from collections.abc import Callable

from twisted.internet.defer import Deferred

from mailnode.auth.live import Live
from mailnode.fs import FileSystem
from mailnode.runtime import Runtime
from mailnode.upkeep.in_time import done_in_time

REMEMBERED = 10.0  # seconds for which a trial counts
PATIENCE = 5.0  # seconds till a disk does not answer


class Health:
    """One for the process; used on the reactor thread. `listening` gives what does not listen."""

    def __init__(
        self, live: Live, runtime: Runtime, files: FileSystem, listening: Callable[[], list[str]]
    ) -> None:
        self._live = live
        self._runtime = runtime
        self._files = files
        self._listening = listening
        self._trying = False
        self._trial: Deferred[None]
        self._until = 0.0
        self._problem = ""

    async def problems(self) -> list[str]:
        """Why the server cannot do its work; none where it can. Raises nothing."""
        problems = [f"nothing listens on {one}" for one in self._listening()]
        if self._files.health.lost:
            return [*problems, "the disk does not keep what is written: no mail is accepted"]
        if not self._until - REMEMBERED <= self._runtime.now() < self._until:  # the clock may be set back
            await self._tried()
        return [*problems, self._problem] if self._problem else problems

    async def _tried(self) -> None:
        """Try the disk, together with all who ask meanwhile."""
        if not self._trying:
            self._trying = True
            least = self._live.config.limits.min_free_space
            trial = self._runtime.blocking.run(_try, self._files, self._live.config.state, least)
            self._trial = trial.addBoth(self._over)
        if not await done_in_time(self._trial, PATIENCE, self._runtime.clock):
            self._problem = "the disk does not answer"

    def _over(self, found: object) -> None:
        self._trying = False
        self._problem = found if isinstance(found, str) else "the disk could not be tried"
        self._until = self._runtime.now() + REMEMBERED


def _try(files: FileSystem, directory: str, least: int) -> str:
    """In a thread: what is wrong with the disk, "" for nothing."""
    try:
        files.replace(
            os.path.join(directory, "health"), b"This file shows that the disk can be written to.\n"
        )
        free = files.free_space(directory)
    except OSError as error:
        return f"the disk does not take what is written: {error.strerror}"
    if free < least:
        return f"the disk is full: {free} octets are free, and no mail is accepted below {least}"
    return ""
