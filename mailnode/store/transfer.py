"""Messages on their way to a mailbox of another account, or of one that is seen with another's eyes.

Two lanes never work at one message at a time. In the source's lane each file gets a further name in the
target's tmp/, by hard link where that is possible; from there the target's lane takes it into the mailbox. So
nothing that happens to the source meanwhile matters, and what is left after a crash is swept up like any
draft.
"""

import contextlib
import errno
from collections.abc import Sequence

from mailnode.fs import READ_SIZE, FileSystem
from mailnode.store.account import Account
from mailnode.store.mailbox import Linked, Mailbox
from mailnode.store.usage import NOTHING, Usage

# The file systems differ, the file has as many names as it may have, or links are not made of others' files.
_TO_COPY = frozenset((errno.EXDEV, errno.EMLINK, errno.EPERM))


class Transfer:
    """Some messages. All of them arrive, or none; drop() has to be called in the end, in any lane."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._paths: list[str] = []
        self._taken: list[Linked] = []

    def take(self, source: Mailbox, uids: Sequence[int]) -> None:
        """In the source's lane. Raises NoSuchMessage when one has gone meanwhile, OSError."""
        source.sync()
        self._taken = source.linked(uids, self._link)

    def put(self, target: Mailbox, *, moving: bool = False) -> list[int]:
        """In the target's lane: the UIDs there. What is `moving` within the account needs no room."""
        octets = sum(one.octets for one in self._taken)
        freed = Usage(octets, len(self._taken)) if moving else NOTHING
        return target.link_all(self._taken, freed=freed)

    def drop(self) -> None:
        """Take away the names in tmp/."""
        for path in self._paths:
            self._account.files.unlink(path, missing_ok=True)

    def _link(self, path: str) -> str:
        target = self._account.path_of_draft()
        link_or_copy(self._account.files, path, target)
        self._paths.append(target)
        return target


def link_or_copy(files: FileSystem, source: str, target: str) -> None:
    """Give a file a further name, or where that cannot be make a durable copy of it."""
    try:
        files.link(source, target)
    except OSError as error:
        if error.errno not in _TO_COPY:
            raise
        _copy(files, source, target)


def _copy(files: FileSystem, source: str, target: str) -> None:
    with files.open(source) as old:
        new = files.create(target)
        try:
            offset = 0
            while piece := old.read_at(offset, READ_SIZE):
                new.write(piece)
                offset += len(piece)
            new.set_time(old.stat().st_mtime)
            new.sync()
        except BaseException:
            with contextlib.suppress(OSError):
                files.unlink(target)
            raise
        finally:
            new.close()
