"""Keys that this server signs with for itself, each in a file of its own."""

import os
import secrets

from mailnode.events.log import Log
from mailnode.fs import FileSystem

KEY_OCTETS = 32

_log = Log("mailnode.keys")


def kept_key(path: str, files: FileSystem) -> bytes | None:
    """The key in a file; None where there is none. Raises OSError and ValueError for what cannot be used."""
    if files.stat(path) is None:
        return None
    key = bytes.fromhex(files.read(path, limit=4 * KEY_OCTETS).decode("ascii"))
    if len(key) != KEY_OCTETS:
        raise ValueError("it is too short or too long")
    return key


def lasting_key(path: str, files: FileSystem) -> bytes:
    """The key in a file, in hexadecimal; a new one is made where there is none, or it cannot be used.

    A disk that does not keep it stops nothing: then the key lasts as long as the process.
    """
    try:
        if (kept := kept_key(path, files)) is not None:
            return kept
    except (OSError, ValueError) as error:
        _log.warn("key cannot be read; a new one is made", path=path, reason=error)
    key = secrets.token_bytes(KEY_OCTETS)
    try:
        files.make_directories(os.path.dirname(path))
        files.replace(path, key.hex().encode("ascii") + b"\n")
    except OSError as error:
        _log.warn("key is not kept", path=path, reason=error.strerror)
    return key
