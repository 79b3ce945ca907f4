"""What the kernel tells of changes in directories (inotify), for who must not miss one.

A change of a name in a directory that is watched is in the queue of the watcher before the call that made it
returns, in whatever process. So who finds the queue empty knows that nothing has changed since the watch
began. That holds only where all changes go through this kernel: on file systems of its own disks, and not on
those that it shares with other machines, or that programs serve.

A watch ends with the first thing that it tells: what is changed again and again costs no more than that.
"""

import ctypes
import errno
import os
import struct

_MODIFY, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x02, 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF, _ONLYDIR, _ONESHOT = 0x400, 0x800, 0x01000000, 0x80000000
# One for all watches, as a second one of the same directory would take the place of the first.
_MASK = (
    _MODIFY | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF | _ONLYDIR | _ONESHOT
)
_EVENT = struct.Struct("iIII")  # watch, mask, cookie, octets of the name that follows
_READ = 65536

# statfs(2) and linux/magic.h: ext2 to ext4, XFS, Btrfs, tmpfs, ZFS, F2FS, bcachefs, JFS.
_OF_THIS_KERNEL = frozenset((
    0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x2FC12FC1, 0xF2F52010, 0xCA451A4E, 0x3153464A,
))  # fmt: skip
_STATFS_OCTETS = 512

_libc = ctypes.CDLL(None, use_errno=True)

LOST = -1  # instead of a watch: the queue was too long, and any of them may have ended


def _checked(result: int, path: str = "") -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), path)
    return result


class FirstChanges:
    """A queue of the kernel's, and watches that end with the first change. Used in any thread."""

    def __init__(self) -> None:
        """Raises OSError where there are too many."""
        self._descriptor = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))

    def watch(self, path: str) -> int:
        """Begin to watch a directory; gives the number of the watch, the same one while it goes on.

        It tells of names that come, go or are others, of files in it that are written to, and of its own end.
        Raises OSError: too many watches, no directory, or a file system that others change too.
        """
        octets = os.fsencode(path)
        facts = ctypes.create_string_buffer(_STATFS_OCTETS)
        _checked(_libc.statfs(octets, facts), path)
        if ctypes.c_long.from_buffer(facts).value & 0xFFFFFFFF not in _OF_THIS_KERNEL:
            raise OSError(errno.ENOTSUP, "others may change this file system too", path)
        return _checked(_libc.inotify_add_watch(self._descriptor, octets, ctypes.c_uint32(_MASK)), path)

    def leave(self, watch: int) -> None:
        """End a watch, if it has not ended by itself."""
        _libc.inotify_rm_watch(self._descriptor, watch)

    def ended(self) -> list[int]:
        """The watches that have ended since the last call, some twice, or LOST; waits for nothing."""
        found: list[int] = []
        while True:
            try:
                events = os.read(self._descriptor, _READ)
            except BlockingIOError:
                return found
            at = 0
            while at < len(events):
                watch, _, _, name = _EVENT.unpack_from(events, at)
                found.append(watch)
                at += _EVENT.size + name

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)
