"""What lies in an account's tree, and what is wrong with it. Nothing here changes anything.

Only one folder is in memory at a time, however many there are.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import NamedTuple

from mailnode.counting import counted, plural
from mailnode.fs import FileSystem
from mailnode.store import filenames, names, uidlist
from mailnode.store.account import ABANDONED_AFTER, BUILDING, TRASHED
from mailnode.store.body import Body
from mailnode.store.directory import CUR, NEW
from mailnode.store.keeping import DIRECTORY as RECOVERED
from mailnode.store.keywords import FIRST_FILE, SECOND_FILE, Keywords
from mailnode.store.uidlist import Record, UidList
from mailnode.store.values import INBOX, Name
from mailnode.values import frozen

TMP = "tmp"
OTHERS = 0o077  # the mode bits that let group and world in
PUBLIC = "dovecot-uidvalidity."  # the marker whose name is all it holds: Dovecot makes it 0444
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"(\xb5/\xfd", b"\xfd7zXZ", b"\x04\x22\x4d\x18")

Lock = Callable[[str], AbstractContextManager[None]]

# What is to be done about each kind of finding. HARMLESS kinds come with every day's work.
REMEDIES = {
    "torn-file": "Put the message back from a backup; what is there is served as it is.",
    "empty-file": "Put the message back from a backup, or delete it with a mail client.",
    "compressed-file": "It is served as it lies. Decompress it before mailnode serves this tree.",
    "unreadable-file": "Let the server's user read it.",
    "wrong-size": "--repair gives it a name with its true sizes, and so a new UID.",
    "uid-list": "--repair writes the list anew; without its own line a message gets a new UID.",
    "uid-list-header": "--repair writes the list anew: a new UIDVALIDITY, clients fetch all of it again.",
    "twins": "--repair gives the second a base of its own.",
    "two-names": "--repair takes the name in new/ away; the file stays under the other.",
    "stray-name": "Rename it if it is a message, else remove it; nobody sees it.",
    "not-a-file": "Remove it; nobody sees it.",
    "permissions": "--repair takes the access of group and world away.",
    "foreign-owner": "Run: chown -R USER PATH, with the user the server runs as.",
    "left-over": "Nobody was told that it is there. Remove it when nothing in it is missed.",
    "half-folder": "--repair makes the directories that are missing.",
    "unreachable-folder": "No client can name it. Rename it while the server is stopped.",
    "unlisted": "They get UIDs when the mailbox is next opened.",
    "dead-lines": "They go when the list is next written anew.",
}
HARMLESS = frozenset({"unlisted", "dead-lines"})


@frozen
class Finding:
    """One thing that is wrong at `path`, in the mailbox `folder` (() where it is in none)."""

    kind: str
    folder: Name
    path: str
    text: str

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return REMEDIES[self.kind]

    @property
    def harmless(self) -> bool:
        """Whether it comes with every day's work, and goes by itself."""
        return self.kind in HARMLESS


class File(NamedTuple):
    """A name in new/ or cur/, and what lstat says of it."""

    directory: str
    name: str
    mode: int
    owner: int
    inode: int
    octets: int

    @property
    def base(self) -> str:
        """What names the message."""
        return filenames.split(self.name)[0]

    @property
    def info(self) -> str:
        """The flag letters in the name."""
        return filenames.info_of(filenames.split(self.name)[1])

    @property
    def is_message(self) -> bool:
        """Whether the store takes it for one."""
        return filenames.is_message(self.name) and stat.S_ISREG(self.mode)


@frozen
class Listing:
    """A uid list as it lies: `header` is None when it cannot be read; `faults` are line numbers and texts.

    `records` are the lines that are believed, by base.
    """

    header: UidList | None
    records: dict[str, Record]
    faults: tuple[tuple[int, str], ...]
    there: bool


@frozen
class Folder:
    """A folder on disk. `present` are those of cur, new and tmp that are there."""

    name: Name
    path: str
    present: frozenset[str]
    files: tuple[File, ...]
    listing: Listing
    keywords: Keywords

    @property
    def messages(self) -> tuple[File, ...]:
        """The files that are messages."""
        return tuple(file for file in self.files if file.is_message)

    def path_of(self, file: File) -> str:
        """Where a file lies."""
        return f"{self.path}/{file.directory}/{file.name}"


@frozen
class Tree:
    """An account on disk; `findings` are those that are seen from its root, `paths` those of its folders."""

    root: str
    paths: dict[Name, str]
    findings: tuple[Finding, ...]
    read: Callable[[Name, str], Folder]

    def folders(self) -> Iterator[Folder]:
        """Each folder, read when its turn comes. Raises OSError where it may not look."""
        for name, path in self.paths.items():
            yield self.read(name, path)

    def count(self, files: FileSystem) -> int:
        """About how many messages there are, soon found."""
        return sum(
            len(files.names(f"{path}/{directory}"))
            for path in self.paths.values()
            for directory in (CUR, NEW)
            if files.stat(f"{path}/{directory}") is not None
        )


# Reading


def read_tree(files: FileSystem, root: str, *, lock: Lock = lambda _: nullcontext()) -> Tree:
    """The tree of an account. Folders are read under `lock`; without one, only what lies still is exact.

    Raises OSError where it may not look.
    """
    directories = {INBOX: root}
    findings = []
    for entry, is_directory in sorted(files.entries(root)):
        path = f"{root}/{entry}"
        if not is_directory or entry in (CUR, NEW, TMP, RECOVERED):
            continue
        name = names.name_of(entry)
        if entry.startswith(BUILDING) or entry == TRASHED:
            findings.append(Finding("left-over", (), path, "a folder that was being made or deleted"))
        elif not _is_folder(files, path):
            continue
        elif name is None or name in directories:
            text = "its name is none a mailbox can have" if name is None else "another folder has this name"
            findings.append(Finding("unreachable-folder", (), path, text))
        else:
            directories[name] = path
    return Tree(root, directories, tuple(findings), partial(_read_folder, files, lock))


def _is_folder(files: FileSystem, path: str) -> bool:
    return any(files.stat(f"{path}/{name}") is not None for name in (CUR, NEW, uidlist.FILE_NAME))


def _read_folder(files: FileSystem, lock: Lock, name: Name, path: str) -> Folder:
    with lock(path):
        present = frozenset(one for one in (CUR, NEW, TMP) if files.stat(f"{path}/{one}") is not None)
        return Folder(
            name,
            path,
            present,
            tuple(_read_directory(files, path, present)),
            read_listing(_read(files, f"{path}/{uidlist.FILE_NAME}")),
            Keywords(*(_read(files, f"{path}/{one}") or b"" for one in (FIRST_FILE, SECOND_FILE))),
        )


def _read(files: FileSystem, path: str) -> bytes | None:
    try:
        return files.read(path)
    except FileNotFoundError:
        return None


def _read_directory(files: FileSystem, path: str, present: frozenset[str]) -> Iterator[File]:
    for directory in (CUR, NEW):
        for entry in sorted(files.names(f"{path}/{directory}")) if directory in present else ():
            facts = files.stat(f"{path}/{directory}/{entry}")
            if facts is not None:  # else it has been renamed a moment ago
                yield File(directory, entry, facts.st_mode, facts.st_uid, facts.st_ino, facts.st_size)


def read_listing(data: bytes | None) -> Listing:
    """A uid list with everything that is wrong in it, line by line, as the store will judge it."""
    first, *lines = (data or b"").split(b"\n")
    header = uidlist.parse(first + b"\n") if lines else None
    old_version = first.startswith(b"1 ")
    faults = []
    if lines and lines.pop():
        faults.append((len(lines) + 2, "has no line end: half a line, perhaps"))
    records: dict[str, Record] = {}
    last = 0
    for number, line in enumerate(lines, 2):
        record = uidlist.read_record(os.fsdecode(line), old_version=old_version)
        if record is None:
            faults.append((number, "cannot be read"))
            continue
        if record.uid <= last:
            faults.append((number, f"has UID {record.uid} after UID {last}"))
            continue
        last = record.uid
        if record.base in records:
            faults.append((number, f"names the message of UID {records[record.base].uid} again"))
        records[record.base] = record
    return Listing(header, records, tuple(faults), data is not None)


# Finding


def verify(
    tree: Tree, files: FileSystem, now: float, *, step: Callable[[], None] = lambda: None
) -> Iterator[Finding]:
    """Everything that is wrong in a tree; reads every message. `step` is called for each of its files."""
    yield from tree.findings
    facts = files.stat(tree.root)
    owner = facts.st_uid if facts else None
    for folder in tree.folders():
        yield from examine(folder, files, now, owner)
        for file in folder.files:
            if file.is_message:
                yield from _check_sizes(folder, file, files)
            step()


def examine(folder: Folder, files: FileSystem, now: float, owner: int | None) -> Iterator[Finding]:
    """What is wrong in a folder, as far as it is seen without reading messages."""
    missing = sorted({CUR, NEW, TMP} - folder.present)
    if missing:
        yield Finding("half-folder", folder.name, folder.path, f"without {', '.join(missing)}")
    yield from _check_access(folder, files, owner)
    yield from _check_listing(folder)
    yield from _check_names(folder)
    if TMP in folder.present:
        for entry in files.names(f"{folder.path}/{TMP}"):
            facts = files.stat(f"{folder.path}/{TMP}/{entry}")
            if facts is not None and facts.st_ctime < now - ABANDONED_AFTER:
                text = f"{counted(facts.st_size, 'octet')}, begun long ago and never finished"
                yield Finding("left-over", folder.name, f"{folder.path}/{TMP}/{entry}", text)


def _check_access(folder: Folder, files: FileSystem, owner: int | None) -> Iterator[Finding]:
    """Modes and owners: one finding for a directory, one for all files in it."""
    held: dict[str, list[tuple[str, int, int]]] = {folder.path: []}  # name, mode, owner
    for entry, is_directory in files.entries(folder.path):
        facts = files.stat(f"{folder.path}/{entry}")
        if not is_directory and facts is not None and not entry.startswith(PUBLIC):
            held[folder.path].append((entry, facts.st_mode, facts.st_uid))
    for directory in sorted(folder.present):
        held[f"{folder.path}/{directory}"] = [
            (one.name, one.mode, one.owner) for one in folder.files if one.directory == directory
        ]
    for path, inside in held.items():
        here = files.stat(path)
        regular = [one for one in inside if stat.S_ISREG(one[1])]
        opened = [name for name, mode, _ in regular if mode & OTHERS]
        if here is not None and here.st_mode & OTHERS:
            text = f"mode {stat.S_IMODE(here.st_mode):04o} lets others in"
            yield Finding("permissions", folder.name, path, text)
        elif opened:
            lets = plural(len(opened), "file lets", "files let")
            text = f"{len(opened)} {lets} others in, such as {min(opened)}"
            yield Finding("permissions", folder.name, path, text)
        foreign = sum(user != owner for _, _, user in regular) + (here is not None and here.st_uid != owner)
        if foreign:
            text = f"{foreign} {plural(foreign, 'file is', 'files are')} not of the tree's owner"
            yield Finding("foreign-owner", folder.name, path, text)


def _check_listing(folder: Folder) -> Iterator[Finding]:
    path = f"{folder.path}/{uidlist.FILE_NAME}"
    listing = folder.listing
    if listing.there and listing.header is None:
        yield Finding("uid-list-header", folder.name, path, "line 1 cannot be read")
    for number, text in listing.faults:
        yield Finding("uid-list", folder.name, path, f"line {number} {text}")
    bases = {file.base for file in folder.messages}
    dead = len(listing.records.keys() - bases)
    unlisted = len(bases - listing.records.keys())
    if dead:
        yield Finding("dead-lines", folder.name, path, f"{counted(dead, 'line')} without a file")
    if unlisted:
        yield Finding("unlisted", folder.name, path, f"{counted(unlisted, 'message')} without a line")


def _check_names(folder: Folder) -> Iterator[Finding]:
    first: dict[str, File] = {}
    for file in folder.files:
        if not filenames.is_message(file.name):
            yield Finding("stray-name", folder.name, folder.path_of(file), "no message has such a name")
        elif not file.is_message:
            yield Finding("not-a-file", folder.name, folder.path_of(file), "no regular file")
        elif (other := first.setdefault(file.base, file)) is file:
            continue
        elif other.inode == file.inode:
            yield Finding("two-names", folder.name, folder.path_of(file), f"the same file as {other.name}")
        else:
            text = f"another message has this base: {file.base}"
            yield Finding("twins", folder.name, folder.path_of(file), text)


@frozen
class Sizes:
    """What a message's name, or its line, says of it, and what is true: octets on disk and on the wire."""

    stated: tuple[int | None, int | None]
    true: tuple[int, int]
    start: bytes

    @property
    def kind(self) -> str | None:
        """The kind of finding they make."""
        (disk, wire), (real_disk, real_wire) = self.stated, self.true
        if not real_disk:
            return "empty-file"
        if disk is not None and disk > real_disk and (wire != real_wire or disk == wire):
            return "compressed-file" if self.start.startswith(_COMPRESSED) else "torn-file"
        return None if disk in (None, real_disk) and wire in (None, real_wire) else "wrong-size"


def _measure(folder: Folder, file: File, files: FileSystem) -> Sizes:
    """Read a message. Only sizes in the name tell how it is served; those in its line come after."""
    disk, wire = filenames.sizes(file.base)
    verbatim = disk is not None and disk == wire
    record = folder.listing.records.get(file.base)
    if record is not None:
        disk = _number(record.field("S")) if disk is None else disk
        wire = _number(record.field("W")) if wire is None else wire
    with files.open(folder.path_of(file)) as opened:
        body = Body(opened, verbatim=verbatim)
        real_wire = body.size if wire is None else body.octets()
        return Sizes((disk, wire), (body.size, real_wire), opened.read_at(0, 8))


def _number(text: str | None) -> int | None:
    return int(text[:15]) if text and text.isascii() and text.isdigit() else None


def _check_sizes(folder: Folder, file: File, files: FileSystem) -> Iterator[Finding]:
    try:
        sizes = _measure(folder, file, files)
    except FileNotFoundError:
        return  # renamed or removed a moment ago
    except PermissionError:
        yield Finding("unreadable-file", folder.name, folder.path_of(file), "may not be read")
        return
    if sizes.kind is not None:
        stated = ", ".join(
            f"{letter}={size}" for letter, size in zip("SW", sizes.stated, strict=True) if size is not None
        )
        text = f"has {sizes.true[0]} octets, {sizes.true[1]} on the wire; stated: {stated or 'nothing'}"
        yield Finding(sizes.kind, folder.name, folder.path_of(file), text)
