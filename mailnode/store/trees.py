"""Directories of an account as wholes: several renamed together, one removed with all in it."""

import contextlib

from mailnode.fs import FileSystem


def rename_all(files: FileSystem, root: str, pairs: list[tuple[str, str]]) -> None:
    """Rename directories in the root, durably, or none of them."""
    done: list[tuple[str, str]] = []
    try:
        for old, new in pairs:
            files.rename(old, new)
            done.append((old, new))
        files.sync_directory(root)
    except BaseException:
        for old, new in reversed(done):
            with contextlib.suppress(OSError):
                files.rename(new, old)
        raise


def remove_tree(files: FileSystem, path: str) -> None:
    """Remove a folder with all in it; two levels deep is all a folder has, but be thorough.

    What is no directory, such as a link to somebody else's mail, loses its name and nothing more.
    """
    if not files.is_directory(path):
        files.unlink(path, missing_ok=True)
        return
    pending = [path]
    emptied = []
    while pending:
        directory = pending.pop()
        emptied.append(directory)
        for entry, is_directory in files.entries(directory):
            if is_directory:
                pending.append(f"{directory}/{entry}")
            else:
                files.unlink(f"{directory}/{entry}", missing_ok=True)
    for directory in reversed(emptied):
        with contextlib.suppress(FileNotFoundError):
            files.remove_directory(directory)
