"""What the folders of an account are, and when a directory that was read may be taken for unchanged.

It is unchanged when its modification time is, and when that time was no longer "now" at the last look:
within one tick of the clock a directory can change again without a new time. So a look at a directory that
had just changed does not settle, and the next one looks again.

After a change of our own a directory gets a time of ours, finer than the ticks: any later change by anybody
shows, and a look at a directory with our mark settles at once. What somebody else did in the very moment of
our change does not show: what is remembered is then believed for a while only, and looked at once more.
"""

import contextlib
from dataclasses import dataclass

from mailnode.fs import FileSystem
from mailnode.store import names
from mailnode.store.values import INBOX, Name

NEW = "new"
CUR = "cur"

# How old a directory's last change must be for the look to settle: with sub-second times a few ticks of
# the kernel's clock, else (the time is a whole second) more than two seconds.
FINE_TICK_NS = 20_000_000
COARSE_TICK_NS = 2_100_000_000
LOOKS = 8  # how often a look is repeated while directories change under it


def tick_of(mtime_ns: int) -> int:
    """How long after this modification time a directory may change without a new one, in nanoseconds."""
    return FINE_TICK_NS if mtime_ns % 1_000_000_000 else COARSE_TICK_NS


def mark(files: FileSystem, path: str, now_ns: int) -> int:
    """Give a directory that we have changed a time finer than the ticks; gives that time.

    -1 if it has another one afterwards: somebody has changed it at once, or such times are not kept there.
    """
    ours = max(now_ns, mtime_of(files, path) + 1)
    with contextlib.suppress(OSError):  # only the owner may; the change that was made is made all the same
        files.set_time(path, ours)
    return ours if mtime_of(files, path) == ours else -1


def mtime_of(files: FileSystem, path: str) -> int:
    """The modification time of a directory in nanoseconds; -1 where there is none."""
    facts = files.stat(path)
    return -1 if facts is None else facts.st_mtime_ns


def folders(files: FileSystem, root: str) -> dict[Name, str]:
    """All mailboxes of an account and their directories, as they lie on disk now."""
    found = {INBOX: root}
    for entry, is_directory in sorted(files.entries(root)):
        name = names.name_of(entry) if is_directory else None
        if name is None or not files.is_directory(f"{root}/{entry}/{CUR}"):
            continue
        if name not in found or entry == names.usual_directory(name):
            found[name] = f"{root}/{entry}"
    return found


@dataclass(slots=True)
class Remembered:
    """When a directory was last read; what was read stands in the fields of a subclass."""

    mtime_ns: int = -1
    settled: bool = False
    quiet_until_ns: int = 0
    mark_ns: int = -1  # the time that we gave it last

    def is_known(self, mtime: int, now: int) -> bool:
        """Whether a directory with this modification time holds what was last seen."""
        return self.mtime_ns == mtime and (self.settled or now < self.quiet_until_ns)

    def read_at(self, mtime: int, now: int) -> None:
        """The directory is about to be read, and had this time a moment ago."""
        ours = mtime == self.mark_ns and tick_of(mtime) == FINE_TICK_NS
        self.settled = ours or now - mtime > tick_of(mtime)
        self.mtime_ns = mtime
        self.quiet_until_ns = 0

    def changed_by_us(self, before: int, marked: int, quiet_until_ns: int) -> None:
        """We changed it when it had the time `before`; now it has our mark, and is believed for a while."""
        self.settled = False
        self.mark_ns = marked
        self.mtime_ns = marked if self.mtime_ns == before else -1
        self.quiet_until_ns = quiet_until_ns

    def forget(self) -> None:
        """Believe nothing: the next look reads it."""
        self.mtime_ns = -1
