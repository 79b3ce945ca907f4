"""A disk in memory that outlives the machine, and forgets in a power cut what was not fsynced.

The disk of tests/crash lays out every state that a log allows as a real tree; here one state is wanted, now,
many times a second, so nothing touches a real disk at all. The rules are the same: a file is safe after its
own fsync, a name after that of its directory, a rename is whole or not at all; and what is not safe may have
got to the disk or not, each for itself.
"""

import itertools
import random
from dataclasses import dataclass, field

_WHOLE = 4  # one in so many unsynced files is there in full after a power cut all the same


@dataclass(eq=False, slots=True)
class File:
    """Octets: as programs see them, and as the disk surely has them."""

    number: int
    mtime: int
    octets: bytearray = field(default_factory=bytearray)
    safe: bytes = b""


@dataclass(eq=False, slots=True)
class Folder:
    """Names: as programs see them, and as the disk surely has them."""

    number: int
    mtime: int
    names: "dict[str, File | Folder]" = field(default_factory=dict)
    safe: "dict[str, File | Folder]" = field(default_factory=dict)


Node = File | Folder
Change = tuple[tuple[Folder, str, Node | None], ...]  # in this folder, this name is now that, or nothing


class Disk:
    """What is on it. `pending` are the changes of names that a power cut may undo."""

    def __init__(self) -> None:
        self.root = Folder(1, 0)
        self.pending: list[Change] = []
        self.numbers = itertools.count(2)

    def find(self, path: str) -> Node | None:
        """What a path leads to."""
        node: Node | None = self.root
        for part in filter(None, path.split("/")):
            if not isinstance(node, Folder):
                return None
            node = node.names.get(part)
        return node

    def files(self, path: str) -> dict[str, bytes]:
        """The files in a folder, by name; none where there is no folder."""
        folder = self.find(path)
        if not isinstance(folder, Folder):
            return {}
        return {name: bytes(one.octets) for name, one in folder.names.items() if isinstance(one, File)}

    def change(self, entries: Change) -> None:
        """Change names."""
        self.pending.append(entries)
        for folder, name, node in entries:
            _set(folder.names, name, node)

    def sync(self, folder: Folder) -> None:
        """The names in a folder are safe."""
        left = []
        for change in self.pending:
            if any(one is folder for one, _, _ in change):
                _apply(change)
            else:
                left.append(change)
        self.pending = left

    def cut_power(self, rng: random.Random) -> None:
        """Be as the machine finds it when it comes up again."""
        keeps = rng.choice((0.0, 0.5, 1.0))
        for change in self.pending:
            if rng.random() < keeps:
                _apply(change)
        self.pending = []
        folders = [self.root]
        while folders:
            folder = folders.pop()
            folder.names = dict(folder.safe)
            for node in folder.names.values():
                if isinstance(node, Folder):
                    folders.append(node)
                elif node.octets != node.safe:
                    if rng.randrange(_WHOLE):
                        node.octets = bytearray(node.safe)
                    node.safe = bytes(node.octets)


def _set(names: dict[str, Node], name: str, node: Node | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


def _apply(change: Change) -> None:
    for folder, name, node in change:
        _set(folder.safe, name, node)
