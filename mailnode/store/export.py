"""All mail of an account for other programs: as mbox files, or as a Maildir."""

import contextlib
from collections.abc import Callable, Iterator

from mailnode.fs import FileSystem
from mailnode.store import manifest, mbox
from mailnode.store.body import Body
from mailnode.store.directory import CUR
from mailnode.store.filenames import sizes
from mailnode.store.names import directory_of
from mailnode.store.values import INBOX, Name
from mailnode.store.verify import File, Folder, Tree
from mailnode.values import frozen

Step = Callable[[int], object]

_TEXTS = ("dovecot-uidlist", "dovecot-keywords", "mailnode-keywords", "subscriptions", "maildirfolder")


@frozen
class Exported:
    """A folder, where it lies, and how many messages are there."""

    folder: Name
    path: str
    messages: int


def export_mbox(files: FileSystem, tree: Tree, target: str, *, step: Step) -> Iterator[Exported]:
    """One file for each folder in the directory `target`, whole or not at all. Raises OSError."""
    for folder in tree.folders():
        path = f"{target}/{'/'.join(folder.name)}.mbox"
        files.make_directories(path.rpartition("/")[0])
        temporary = f"{path}.new"
        files.unlink(temporary, missing_ok=True)
        new = files.create(temporary)
        count = 0
        try:
            for file in _in_order(folder):
                with contextlib.suppress(FileNotFoundError):  # removed a moment ago
                    new.write(_as_mbox(files, folder, file))
                    count += 1
                step(1)
            new.sync()
        finally:
            new.close()
        files.rename(temporary, path)
        yield Exported(folder.name, path, count)


def _in_order(folder: Folder) -> list[File]:
    """The messages by UID; those without one last."""
    records = folder.listing.records
    last = 2**32
    return sorted(
        folder.messages, key=lambda one: (records[one.base].uid if one.base in records else last, one.base)
    )


def _as_mbox(files: FileSystem, folder: Folder, file: File) -> bytes:
    octets, wire = sizes(file.base)
    with Body(files.open(folder.path_of(file)), verbatim=octets is not None and octets == wire) as body:
        return mbox.written(body.data, folder.keywords.flags(file.info), body.stat().st_mtime)


def export_maildir(files: FileSystem, tree: Tree, target: str, *, step: Step) -> Iterator[Exported]:
    """A Maildir++ tree at `target`, with UIDs and keywords as Dovecot has them. What is there stays.

    Raises OSError.
    """
    for folder in tree.folders():
        path = target if folder.name == INBOX else f"{target}/{directory_of(folder.name)}"
        for name in ("cur", "new", "tmp"):
            files.make_directories(f"{path}/{name}")
        for name in _TEXTS:
            with contextlib.suppress(FileNotFoundError):
                files.replace(f"{path}/{name}", files.read(f"{folder.path}/{name}"))
        there = set(files.names(f"{path}/{CUR}"))
        for file in folder.messages:
            name = file.name if ":" in file.name else f"{file.name}:2,"
            if name not in there:
                with contextlib.suppress(FileNotFoundError):
                    _copy(files, folder.path_of(file), f"{path}/tmp/{name}", f"{path}/{CUR}/{name}")
            step(1)
        yield Exported(folder.name, path, len(folder.messages))


def _copy(files: FileSystem, source: str, temporary: str, target: str) -> None:
    with files.open(source) as file:
        mtime = file.stat().st_mtime
    files.unlink(temporary, missing_ok=True)
    new = files.create(temporary)
    try:
        for piece in manifest.pieces(files, source, lambda piece: None):
            new.write(piece)
        new.set_time(mtime)
        new.sync()
    finally:
        new.close()
    files.rename(temporary, target)
