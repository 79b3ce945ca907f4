"""Copies of mailboxes on another disk, made while they are used.

A folder is looked at under its lock: which messages there are, with which flags, and what its text files
say. Then the messages are copied without it, as their octets never change: one that got other flags meanwhile
is found under its base name and keeps those of the look, one that was removed is left out. So each folder in
the backup is what it was at one moment. Caches, locks, drafts and removed mail are left out.

A backup is a directory of its own, `mail/<address>/` being a Maildir as the store has it, with a list of
digests for each mailbox (store.manifest). What an earlier backup has is linked, not copied, and takes no
room. One that was cut off has no `backup.json`, and what it has is used by the next one.
"""

import contextlib
import io
import tarfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import IO, Any, NamedTuple, Protocol

from mailnode.fs import FileSystem
from mailnode.store import filenames, manifest
from mailnode.store.directory import CUR, NEW
from mailnode.store.uidlist import LOCK_NAME
from mailnode.store.verify import File, Folder, Lock, read_tree
from mailnode.values import frozen

SUMMARY = "backup.json"  # written last: what has it is whole
MAIL = "mail"

_UNWRITTEN = 500  # lines of a list of digests that may be lost when the backup is cut off
_TRIES = 5  # how often a message that is renamed just now is looked for
_CACHES = (
    "mailnode-index.sqlite",
    "mailnode-text.sqlite",
    "dovecot.index",
    "dovecot.list",
    "mailnode-pop3.lock",
    LOCK_NAME,
)


@frozen
class Counts:
    """Messages of a backup, the octets of all, and how many of them were linked."""

    messages: int = 0
    octets: int = 0
    linked: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.messages + other.messages, self.octets + other.octets, self.linked + other.linked)


class Damaged(OSError):
    """What was written is not what was read."""


class Sink(Protocol):
    """Where a backup goes. Paths are those in the backup."""

    def begin(self, label: str) -> None:
        """From here on what comes is of this mailbox."""

    def put(self, path: str, data: bytes) -> None:
        """A small file."""

    def copy(self, path: str, source: str) -> tuple[int, bool]:
        """A message: its octets, and whether it was linked. Raises FileNotFoundError when it has gone."""

    def end(self) -> None:
        """The mailbox is whole."""


class _Known(NamedTuple):
    """A file of an earlier backup; what is not `certain` is read once more before it is believed."""

    path: str
    digest: str
    certain: bool


class Directory:
    """A backup in a directory; `earlier` are other ones beside it, the best first."""

    def __init__(self, files: FileSystem, root: str, earlier: list[str]) -> None:
        self._files = files
        self._root = root
        self._earlier = earlier
        self._label = ""
        self._known: dict[str, _Known] = {}
        self._lines: list[bytes] = []
        self._unproved: dict[str, str] = {}
        self._made: set[str] = set()

    def begin(self, label: str) -> None:
        """Know what earlier backups have of it."""
        self._label, self._known = label, {}
        for root in reversed(self._earlier):
            whole = self._files.stat(f"{root}/{SUMMARY}") is not None
            for path, digest in manifest.read(self._files, f"{root}/{label}{manifest.SUFFIX}").items():
                if _is_message(path):
                    self._known[_key(path)] = _Known(f"{root}/{path}", digest, whole)
        self._files.make_directories(self._root)
        self._files.create(self._list).close()

    @property
    def _list(self) -> str:
        return f"{self._root}/{self._label}{manifest.SUFFIX}"

    def put(self, path: str, data: bytes) -> None:
        """Write it."""
        self._write(path, iter((data,)), None)
        self._note(path, sha256(data).hexdigest(), certain=False)

    def copy(self, path: str, source: str) -> tuple[int, bool]:
        """Link what an earlier backup has, else copy."""
        facts = self._files.stat(source)
        if facts is None:
            raise FileNotFoundError(source)
        known = self._known.get(_key(path))
        if known is not None and self._linked(path, known, facts.st_size):
            self._note(path, known.digest, certain=True)
            return facts.st_size, True
        digest = sha256()
        self._write(path, manifest.pieces(self._files, source, digest.update), facts.st_mtime)
        self._note(path, digest.hexdigest(), certain=False)
        return facts.st_size, False

    def _linked(self, path: str, known: _Known, octets: int) -> bool:
        facts = self._files.stat(known.path)
        if facts is None or facts.st_size != octets:
            return False
        if not known.certain and manifest.digest_of(self._files, known.path) != known.digest:
            return False  # it was not on the disk when that backup was cut off
        self._make_parent(path)
        with contextlib.suppress(OSError):  # another disk, or a file that has as many names as it may have
            self._files.link(known.path, f"{self._root}/{path}")
            return True
        return False

    def _write(self, path: str, data: Iterator[bytes], time: float | None) -> None:
        self._make_parent(path)
        file = self._files.create(f"{self._root}/{path}")
        try:
            for piece in data:
                file.write(piece)
            if time is not None:
                file.set_time(time)
        except BaseException:
            self._files.unlink(f"{self._root}/{path}", missing_ok=True)
            raise
        finally:
            file.close()

    def _make_parent(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if parent not in self._made:
            self._files.make_directories(f"{self._root}/{parent}")
            self._made.add(parent)

    def _note(self, path: str, digest: str, *, certain: bool) -> None:
        self._lines.append(manifest.line(digest, path))
        if not certain:
            self._unproved[path] = digest
        if len(self._lines) >= _UNWRITTEN:
            self._flush()

    def _flush(self) -> None:
        if self._lines:
            self._files.append(self._list, b"".join(self._lines))
            self._lines.clear()

    def end(self) -> None:
        """Have all on the disk, and read once more what was written. Raises Damaged."""
        self._flush()
        self._files.sync_all()
        for path, digest in self._unproved.items():
            if manifest.digest_of(self._files, f"{self._root}/{path}") != digest:
                raise Damaged(f"{self._root}/{path} is not what was written")
        self._unproved.clear()
        self._known.clear()


class _Archive:
    """Where a tar archive goes. After a failure nothing more is tried, as tarfile would at its end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream: IO[bytes] | None = stream

    def write(self, data: bytes) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.write(data)
            self._stream = stream

    def cut_off(self) -> None:
        self._stream = None


class Tar:
    """A backup as a tar archive, to a stream that is written once from its beginning to its end."""

    def __init__(self, files: FileSystem, stream: IO[bytes]) -> None:
        self._files = files
        archive: Any = _Archive(stream)
        self._cut_off: Callable[[], None] = archive.cut_off
        self._tar = tarfile.open(fileobj=archive, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._label = ""
        self._lines: list[bytes] = []

    def begin(self, label: str) -> None:
        """Another list of digests."""
        self._label, self._lines = label, []

    def put(self, path: str, data: bytes) -> None:
        """Add a file."""
        self._add(path, data, 0)

    def copy(self, path: str, source: str) -> tuple[int, bool]:
        """Add a message."""
        with self._files.open(source) as file:
            octets, time = file.stat().st_size, file.stat().st_mtime
        data = b"".join(manifest.pieces(self._files, source, lambda piece: None))
        self._add(path, data, time)
        return octets, False

    def _add(self, path: str, data: bytes, time: float) -> None:
        member = tarfile.TarInfo(path)
        member.size, member.mtime, member.mode = len(data), time, 0o600
        self._tar.addfile(member, io.BytesIO(data))
        self._lines.append(manifest.line(sha256(data).hexdigest(), path))

    def end(self) -> None:
        """Add the list of digests."""
        lines = b"".join(self._lines)
        self._add(f"{self._label}{manifest.SUFFIX}", lines, 0)

    def cut_off(self) -> None:
        """Nothing more is written, after a failure elsewhere; tarfile would do so when it is collected."""
        self._cut_off()

    def close(self) -> None:
        """The end of the archive."""
        self._tar.close()


def label_of(address: str) -> str:
    """What a mailbox is called in a backup."""
    return address.replace("%", "%25").replace("/", "%2F")


def _is_message(path: str) -> bool:
    return path.rpartition("/")[0].endswith((f"/{CUR}", f"/{NEW}"))


def _key(path: str) -> str:
    """The same for a message whatever its flags are."""
    directory, _, name = path.rpartition("/")
    return f"{directory.rpartition('/')[0]}/{filenames.split(name)[0]}"


def back_up(
    sink: Sink,
    files: FileSystem,
    root: str,
    address: str,
    *,
    lock: Lock,
    step: Callable[[int], object] = lambda count: None,
) -> Counts:
    """Copy the mail of an address; `step` is told how many messages are done. Raises OSError, InUse."""
    label = label_of(address)
    sink.begin(label)
    counts = Counts()
    tree = read_tree(files, root, lock=lock)
    for name, path in tree.paths.items():
        into = f"{MAIL}/{label}{path.removeprefix(root)}"
        try:
            with lock(path):
                folder = tree.read(name, path)
                texts = list(_texts(files, path))
        except FileNotFoundError:
            continue  # it was deleted a moment ago
        for entry, data in texts:
            sink.put(f"{into}/{entry}", data)
        for file in folder.messages:
            counts += _back_up_message(sink, files, folder, file, into)
            step(1)
    sink.end()
    return counts


def _texts(files: FileSystem, path: str) -> Iterator[tuple[str, bytes]]:
    """The files that say something of a folder, and those of the account for its INBOX."""
    for entry, is_directory in sorted(files.entries(path)):
        if not is_directory and not entry.startswith(_CACHES) and ".new." not in entry:
            with contextlib.suppress(FileNotFoundError):
                yield entry, files.read(f"{path}/{entry}")


def _back_up_message(sink: Sink, files: FileSystem, folder: Folder, file: File, into: str) -> Counts:
    target = f"{into}/{file.directory}/{file.name}"
    found: File | None = file
    for _ in range(_TRIES):
        if found is None:
            break
        try:
            octets, linked = sink.copy(target, folder.path_of(found))
        except FileNotFoundError:
            found = _renamed(files, folder, file.base)
        else:
            return Counts(1, octets, int(linked))
    return Counts()


def _renamed(files: FileSystem, folder: Folder, base: str) -> File | None:
    """Where a message is by now; None when it is gone."""
    with contextlib.suppress(FileNotFoundError):
        for directory in (CUR, NEW):
            for name in files.names(f"{folder.path}/{directory}"):
                if filenames.split(name)[0] == base:
                    return File(directory, name, 0, 0, 0, 0)
    return None
