"""Room to work in: in memory where there is enough, as most tests write more than they think."""

import atexit
import os
import shutil
import tarfile
import tempfile

from twisted.trial.unittest import SynchronousTestCase

SHARED_MEMORY = "/dev/shm"
ENOUGH = 1 << 30  # octets that all tests together, and their servers, will hardly need


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """A directory that is gone afterwards."""
    return tempfile.TemporaryDirectory(prefix="mailnode-test-")


def room_of(test: SynchronousTestCase) -> str:
    """A path at which nothing is, in a directory that is gone after the test."""
    directory = scratch()
    test.addCleanup(directory.cleanup)
    return os.path.join(directory.name, "room")


def work_in_memory() -> None:
    """Have this process make its temporary files in memory, unless TMPDIR says where; they go as it ends."""
    if "TMPDIR" in os.environ or not _is_usable(SHARED_MEMORY):
        return
    tempfile.tempdir = tempfile.mkdtemp(prefix="mailnode-tests-", dir=SHARED_MEMORY)
    os.chmod(tempfile.tempdir, 0o711)  # other users have their places in there
    atexit.register(_remove, tempfile.tempdir, os.getpid())


def _is_usable(directory: str) -> bool:
    """Whether there is room, and programs may lie there."""
    if not os.access(directory, os.W_OK | os.X_OK):
        return False
    facts = os.statvfs(directory)
    return facts.f_bavail * facts.f_frsize >= ENOUGH and not facts.f_flag & os.ST_NOEXEC


def _remove(directory: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(directory, ignore_errors=True)


def untar(archive: tarfile.TarFile, place: str) -> None:
    """Unpack it all, as data where this Python knows what that is (3.11.4)."""
    archive.extraction_filter = getattr(tarfile, "data_filter", None)
    archive.extractall(place)
