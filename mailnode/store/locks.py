"""The locks of one account, held by its lane (docs/store.md, "Locks").

A folder is locked by flock on its directory, and then by Dovecot's own `dovecot-uidlist.lock`, so that a
Dovecot on the same tree, though it should not be there, does no harm. The root is locked the same way (it
is also the folder of INBOX). Order: a folder, then the root; who holds the root takes nothing more, and
nobody holds two folders, but a folder and then the place of what is removed from it (store.keeping). A lock
that the lane holds already is simply entered again. Readers take none, and neither does delivery into new/.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator

from mailnode.fs import FileSystem
from mailnode.store.errors import InUse
from mailnode.store.uidlist import LOCK_NAME

STALE_AFTER = 120.0  # seconds without change, after which a lock file is nobody's
EMPTY_AFTER = 1.0  # the same for an empty one: its maker died before it had written its number
GIVE_UP_AFTER = 60.0
PAUSE = 0.05


class Locks:
    """Re-entrant folder locks; one object for each account."""

    def __init__(
        self, files: FileSystem, *, host: str, pid: int, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._files = files
        self._host = host
        self._pid = pid
        self._sleep = sleep
        self._held: set[str] = set()

    @contextlib.contextmanager
    def folder(self, directory: str) -> Iterator[None]:
        """Hold the lock of a folder. Raises FileNotFoundError if it is gone, InUse if it stays locked."""
        if directory in self._held:
            yield
            return
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._files.locked(directory))
            except TimeoutError:
                raise InUse("the folder is locked by another process") from None
            lock_file = os.path.join(directory, LOCK_NAME)
            self._take(lock_file)
            self._held.add(directory)
            try:
                yield
            finally:
                self._held.discard(directory)
                # What was done under the lock is done, whatever becomes of the file: left over, it is stale.
                with contextlib.suppress(OSError):
                    self._files.unlink(lock_file, missing_ok=True)

    def _take(self, path: str) -> None:
        waited = 0.0
        while True:
            try:
                file = self._files.create(path)
            except FileExistsError:
                if self._stale(path):
                    self._files.unlink(path, missing_ok=True)
                    continue
                if waited >= GIVE_UP_AFTER:
                    raise InUse("the folder is locked by another program") from None
                self._sleep(PAUSE)
                waited += PAUSE
                continue
            # An empty file locks as well, and on a full disk it must: or nothing could be expunged there.
            with contextlib.suppress(OSError):
                file.write(f"{self._pid}:{self._host}".encode())
            file.close()
            return

    def _stale(self, path: str) -> bool:
        facts = self._files.stat(path)
        if facts is None:
            return True
        try:
            owner = self._files.read(path, limit=512).decode("utf-8", "replace")
        except OSError:
            owner = "?"  # another user's, who cannot be asked
        pid, colon, host = owner.strip().partition(":")
        if time.time() - facts.st_mtime > (STALE_AFTER if owner else EMPTY_AFTER):
            return True  # nobody holds it so long; after a power cut its process number may be another's
        if not colon or host != self._host or not (pid.isascii() and pid.isdigit()):
            return False
        # flock on the directory is ours, so a file of this process is left over from an earlier one.
        return int(pid) == self._pid or not self._files.process_lives(int(pid))
