"""A file system that keeps a log, and every state a power cut could leave of what the log says.

The log knows files and directories by number, not by name, so that a rename of a folder moves all in it.
What SQLite does goes past the log: its files are copied at each promise instead, and put beside a state on
request.
"""

import itertools
import os
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailnode.fs import FileSystem, Lock, NewFile
from mailnode.store.index import FILE_NAME as CACHE
from mailnode.store.uidlist import FILE_NAME as UID_LIST
from mailnode.values import frozen

ROOT = 0
THOROUGH = os.environ.get("MAILNODE_CRASH") == "thorough"  # three times the states, for a release
ALL_SUBSETS_UP_TO = 8 if THOROUGH else 5  # pending operations; of more, prefixes, omissions and a sample
SAMPLE = 150 if THOROUGH else 12
LONG_AGO = 600.0  # seconds; how long before its recovery a machine was cut off

Content = tuple[bytes, float | None]  # the octets, and the modification time if one was set
Entry = tuple[int, str, int | None]  # in this directory, this name now means that number, or nothing
EMPTY: Content = (b"", None)


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One operation on directories, whole or not done at all; equal to no other."""

    entries: tuple[Entry, ...]
    after: "Change | None" = None  # which must be there if this one is


@frozen
class Written:
    """What a file holds from now on, in memory."""

    node: int
    content: Content


@frozen
class Synced:
    """A file or a directory was fsynced."""

    node: int


Step = Change | Written | Synced


@frozen
class State:
    """A tree as a machine finds it when it comes up again: paths relative to its root, in order."""

    directories: tuple[str, ...]
    files: tuple[tuple[str, int, Content], ...]


class RecordedFile(NewFile):
    """A NewFile that tells its recorder."""

    def __init__(self, descriptor: int, path: str, recorder: "Recorder", node: int) -> None:
        super().__init__(descriptor, path, recorder.health)
        self._recorder = recorder
        self._node = node

    def write(self, data: bytes) -> None:
        super().write(data)
        octets, time = self._recorder.content[self._node]
        self._recorder.written(self._node, (octets + data, time))

    def restart(self) -> None:
        super().restart()
        self._recorder.written(self._node, (b"", self._recorder.content[self._node][1]))

    def set_time(self, seconds: float) -> None:
        super().set_time(seconds)
        self._recorder.written(self._node, (self._recorder.content[self._node][0], seconds))

    def sync(self) -> None:
        self._recorder.sync_file(self._node)


class Recorder(FileSystem):
    """The real file system under `base`, with a log; fsync is only written down, nobody waits for a disk."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base
        self.log: list[Step] = []
        self.tree: dict[int, dict[str, int]] = {ROOT: {}}
        self.content: dict[int, Content] = {}
        self._numbers = itertools.count(ROOT + 1)

    def start(self) -> None:
        """Read what is there as durable, and forget the log."""
        self.__init__(self.base)  # type: ignore[misc]
        seen: dict[int, int] = {}
        pending = [(self.base, ROOT)]
        while pending:
            path, node = pending.pop()
            for entry in sorted(os.scandir(path), key=lambda one: one.name):
                if entry.name.startswith(CACHE):
                    continue
                inode = entry.inode()
                number = seen[inode] if inode in seen else next(self._numbers)
                seen[inode] = self.tree[node][entry.name] = number
                if entry.is_dir():
                    self.tree[number] = {}
                    pending.append((entry.path, number))
                else:
                    with open(entry.path, "rb") as file:
                        self.content[number] = (file.read(), entry.stat().st_mtime)

    def _find(self, path: str) -> tuple[int, str]:
        """The number of the directory, and the name in it."""
        node = ROOT
        *above, name = os.path.relpath(path, self.base).split("/")
        for part in above:
            node = self.tree[node][part]
        return node, name

    def _node(self, path: str) -> int:
        directory, name = self._find(path)
        return ROOT if name == "." else self.tree[directory][name]

    def _changed(self, *entries: Entry) -> None:
        for directory, name, node in entries:
            if node is None:
                self.tree[directory].pop(name, None)
            else:
                self.tree[directory][name] = node
        self.log.append(Change(entries))

    def written(self, node: int, content: Content) -> None:
        """A file's content is another now."""
        self.content[node] = content
        self.log.append(Written(node, content))

    def sync_file(self, node: int) -> None:
        """A file's content is durable."""
        self.log.append(Synced(node))

    def create(self, path: str, *, mode: int = 0o600) -> NewFile:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        return RecordedFile(descriptor, path, self, self._created(path))

    def _created(self, path: str) -> int:
        node = next(self._numbers)
        self.written(node, EMPTY)
        self._changed((*self._find(path), node))
        return node

    def append(self, path: str, data: bytes) -> None:
        with open(path, "ab") as file:
            file.write(data)
        node = self._node(path)
        octets, _ = self.content[node]
        self.written(node, (octets + data, None))
        self.sync_file(node)

    def link(self, source: str, target: str) -> None:
        super().link(source, target)
        self._changed((*self._find(target), self._node(source)))

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        self._changed((*self._find(target), self._node(source)), (*self._find(source), None))

    def unlink(self, path: str, *, missing_ok: bool = False) -> None:
        there = os.path.lexists(path)
        super().unlink(path, missing_ok=missing_ok)
        if there and not os.path.basename(path).startswith(CACHE):
            self._changed((*self._find(path), None))

    def make_directory(self, path: str, *, mode: int = 0o700) -> None:
        super().make_directory(path, mode=mode)
        node = next(self._numbers)
        self.tree[node] = {}
        self._changed((*self._find(path), node))

    def remove_directory(self, path: str) -> None:
        super().remove_directory(path)
        self._changed((*self._find(path), None))

    def sync_directory(self, path: str) -> None:
        if path == self.base or path.startswith(self.base + "/"):
            self.log.append(Synced(self._node(path)))

    def try_lock(self, path: str) -> Lock | None:
        there = os.path.exists(path)
        lock = super().try_lock(path)
        if not there:
            self._created(path)
        return lock


# The models: which changes of directories can be on the disk, of those that were made and not surely safe.
#
# "posix": every subset in which no fsync of the directory is disobeyed; a rename is one operation.
# "two-step": the same, but a rename between directories may be half done: both names are there.
# "ext4": metadata in order; any fsync brings all that came before it.
MODELS = ("posix", "two-step", "ext4")


def crash_states(
    log: Sequence[Step], model: str, before: dict[int, dict[str, int]], old: dict[int, Content]
) -> Iterator[tuple[int, State]]:
    """Each position in the log, with each state in which a cut right there can leave the disk.

    `before` and `old` are tree and contents at the start of the log, all of them durable.
    """
    disk = _Disk(model, before, old)
    yield 0, disk.state((), {})
    for position, step in enumerate(log, 1):
        disk.take(step)
        for state in disk.possible():
            yield position, state


class _Disk:
    """What is surely on the disk, and what may be."""

    def __init__(self, model: str, tree: dict[int, dict[str, int]], content: dict[int, Content]) -> None:
        self._model = model
        self._tree = {node: dict(names) for node, names in tree.items()}
        self._changes: list[tuple[Change, bool]] = []  # in order, and whether it is safe
        self._safe = dict(content)
        self._now = dict(content)
        self._rng = random.Random(1)

    def take(self, step: Step) -> None:
        """One operation more."""
        match step:
            case Change(entries) if self._model == "two-step" and len({one[0] for one in entries}) > 1:
                added = Change(entries[:1])
                self._changes += [(added, False), (Change(entries[1:], added), False)]
            case Change():
                self._changes.append((step, False))
            case Written(node, content):
                self._now[node] = content
            case Synced(node):
                if node in self._now:
                    self._safe[node] = self._now[node]
                self._sync(node)

    def _sync(self, node: int) -> None:
        safe = {one for one, was in self._changes if was or self._model == "ext4"}
        safe |= {one for one, _ in self._changes if any(entry[0] == node for entry in one.entries)}
        safe |= {one.after for one in safe if one.after}
        self._changes = [(one, one in safe) for one, _ in self._changes]
        while self._changes and self._changes[0][1]:
            _apply(self._tree, self._changes.pop(0)[0])

    def possible(self) -> Iterator[State]:
        """All states of this moment, within bounds."""
        pending = [one for one, safe in self._changes if not safe]
        for chosen in self._subsets(pending):
            yield from self._with_contents(chosen)

    def _subsets(self, pending: list[Change]) -> Iterator[tuple[Change, ...]]:
        count = len(pending)
        prefixes = [tuple(pending[:end]) for end in range(count + 1)]
        if self._model == "ext4":
            yield from prefixes
        elif count <= ALL_SUBSETS_UP_TO:
            for size in range(count + 1):
                for chosen in itertools.combinations(pending, size):
                    if all(
                        one.after is None or one.after in chosen or one.after not in pending for one in chosen
                    ):
                        yield chosen
        else:
            yield from prefixes
            for size in (1, 2):
                for missing in itertools.combinations(pending, size):
                    yield self._closed(pending, set(missing))
            for _ in range(SAMPLE):
                yield self._closed(pending, {one for one in pending if self._rng.random() < 0.5})

    @staticmethod
    def _closed(pending: list[Change], missing: set[Change]) -> tuple[Change, ...]:
        return tuple(one for one in pending if one not in missing and one.after not in missing)

    def _with_contents(self, chosen: tuple[Change, ...]) -> Iterator[State]:
        """With every unsynced file in each of its forms, one at a time, and with all at their worst."""
        whole = self.state(chosen, {})
        yield whole
        doubtful = {node for _, node, content in whole.files if self._safe.get(node, EMPTY) != content}
        for node in doubtful:
            for content in _forms(self._safe.get(node, EMPTY), self._now[node]):
                yield self.state(chosen, {node: content})
        if len(doubtful) > 1:
            yield self.state(chosen, {node: self._safe.get(node, EMPTY) for node in doubtful})

    def state(self, chosen: tuple[Change, ...], contents: dict[int, Content]) -> State:
        """The tree with these changes of those that are pending."""
        tree = {node: dict(names) for node, names in self._tree.items()}
        wanted = set(chosen)
        for change, safe in self._changes:
            if safe or change in wanted:
                _apply(tree, change)
        directories: list[str] = []
        files: list[tuple[str, int, Content]] = []
        pending = [("", ROOT)]
        while pending:
            above, node = pending.pop()
            for name, inner in sorted(tree.get(node, {}).items()):
                if inner in self._now:
                    files.append((above + name, inner, contents.get(inner, self._now[inner])))
                else:
                    directories.append(above + name)
                    pending.append((f"{above}{name}/", inner))
        return State(tuple(directories), tuple(files))


def _apply(tree: dict[int, dict[str, int]], change: Change) -> None:
    for directory, name, node in change.entries:
        names = tree.setdefault(directory, {})
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def _forms(safe: Content, now: Content) -> Iterator[Content]:
    """What an unsynced file may hold: nothing new, half of it, its length in NULs, a hole and the tail."""
    yield safe
    octets, time = now
    if octets.startswith(safe[0]):
        start, half = len(safe[0]), (len(safe[0]) + len(octets)) // 2
        yield octets[:half], time
        yield octets[:start] + bytes(len(octets) - start), time
        yield octets[:start] + bytes(half - start) + octets[half:], time


class Bench:
    """A place where states are laid out as real trees, quickly: files of equal content are hard links."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._blobs: dict[tuple[int, Content], str] = {}
        self._count = 0
        os.makedirs(f"{base}/blobs")

    def lay_out(self, state: State, caches: dict[str, bytes]) -> str:
        """The path of a new tree; `caches` are SQLite files to be put into it, by their relative paths."""
        self._count += 1
        path = f"{self._base}/{self._count}"
        os.mkdir(path)
        for directory in state.directories:
            os.mkdir(f"{path}/{directory}")
        for name, node, content in state.files:
            if name.endswith(UID_LIST):  # the only file that is ever added to
                self._write(f"{path}/{name}", content)
                continue
            blob = self._blobs.setdefault((node, content), f"{self._base}/blobs/{len(self._blobs)}")
            if not os.path.exists(blob):
                self._write(blob, content)
            os.link(blob, f"{path}/{name}")
        for name, octets in caches.items():
            if os.path.dirname(name) in state.directories:
                self._write(f"{path}/{name}", (octets, None))
        return path

    @staticmethod
    def _write(path: str, content: Content) -> None:
        octets, time = content
        with open(path, "wb") as file:
            file.write(octets)
        if time is None:
            time = os.stat(path).st_mtime - LONG_AGO
        os.utime(path, (time, time))

    def clear(self, path: str) -> None:
        """Remove a tree."""
        shutil.rmtree(path)
