"""Where a folder is at home: which rows of the caches are its own.

A uid list carries a G that names the folder for ever. But `cp -a` copies the list with the folder, as whoever
restores some mail beside the original does, and then two folders have one G. So the caches know a folder by
its G and its directory:

- A folder whose directory has another name now, and whose old one is gone, was renamed: it takes its rows
  with it.
- A folder whose old directory is still there, with the same G, is one of two copies: it gets a G of its
  own. UIDs and UIDVALIDITY stay.
"""

import contextlib
import os
import sqlite3

from mailnode.store import uidlist
from mailnode.store.context import Context

_HEADER = 512  # octets that hold the first line of a uid list


def key_of(context: Context, path: str, guid: str) -> str:
    """By what the caches know the folder in this directory."""
    return f"{guid}/{os.path.relpath(path, context.root)}"


def is_copy(context: Context, path: str, guid: str) -> bool:
    """Whether another directory of the account has this G too; the rows of one that is gone become ours."""
    mine = key_of(context, path, guid)
    try:
        known = context.index().keys(guid)
    except (sqlite3.Error, OSError, ValueError):
        return False
    for key in known:
        home = os.path.join(context.root, key.partition("/")[2])
        if key != mine and guid_at(context, home) == guid:
            return True
    for key in known:
        if key != mine and mine not in known:
            _rename(context, key, mine)
            break
    return False


def guid_at(context: Context, path: str) -> str | None:
    """The G of the folder in this directory; None where there is no uid list with one."""
    try:
        data = context.files.read(f"{path}/{uidlist.FILE_NAME}", limit=_HEADER)
    except OSError:
        return None
    header = uidlist.parse(data.partition(b"\n")[0] + b"\n")
    return (header.guid or None) if header else None


def _rename(context: Context, old: str, new: str) -> None:
    """Both caches, or, after an error, perhaps one: then the folder's texts are read anew."""
    with contextlib.suppress(sqlite3.Error, OSError, ValueError):
        context.index().rename(old, new)
        text = context.text_index(make=False)
        if text is not None:
            text.rename(old, new)


def forget_texts(context: Context, path: str, guid: str | None) -> None:
    """The folder is deleted, and nobody will search its texts; those that cannot be removed now stay."""
    with contextlib.suppress(sqlite3.Error, OSError, ValueError):
        text = context.text_index(make=False)
        if text is not None and guid is not None:
            text.forget(key_of(context, path, guid))
