"""What a backup holds, as `sha256sum` writes and checks it: a digest, two blanks, and a path, for each file.

A path that holds a backslash or a line end is escaped, and a backslash stands before its digest.
"""

import os
from collections.abc import Callable, Iterator
from hashlib import sha256

from mailnode.fs import READ_SIZE, FileSystem

SUFFIX = ".sha256"

_DIGITS = 64


def line(digest: str, path: str) -> bytes:
    """A line of the file."""
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "" if escaped == path else "\\"
    return os.fsencode(f"{mark}{digest}  {escaped}\n")


def parse(data: bytes) -> dict[str, str]:
    """The digests by path; a line that is no whole line of that form is passed over."""
    found = {}
    for text in os.fsdecode(data).split("\n")[:-1]:
        plain = text.removeprefix("\\")
        digest, path = plain[:_DIGITS], plain[_DIGITS + 2 :]
        if len(digest) == _DIGITS and path and plain[_DIGITS : _DIGITS + 2] == "  ":
            found[_unescaped(path) if text.startswith("\\") else path] = digest
    return found


def _unescaped(text: str) -> str:
    letters = iter(text)
    meant = {"n": "\n", "r": "\r"}
    return "".join(
        letter if letter != "\\" else meant.get(next_one := next(letters, ""), next_one) for letter in letters
    )


def read(files: FileSystem, path: str) -> dict[str, str]:
    """The file's; nothing where there is none."""
    try:
        return parse(files.read(path))
    except FileNotFoundError:
        return {}


def pieces(files: FileSystem, path: str, hear: Callable[[bytes], object]) -> Iterator[bytes]:
    """A file's octets, which `hear` hears too. Raises OSError."""
    with files.open(path) as file:
        offset = 0
        while piece := file.read_at(offset, READ_SIZE):
            hear(piece)
            yield piece
            offset += len(piece)


def digest_of(files: FileSystem, path: str) -> str:
    """What stands in the line of a file. Raises OSError."""
    found = sha256()
    for _ in pieces(files, path, found.update):
        pass
    return found.hexdigest()
