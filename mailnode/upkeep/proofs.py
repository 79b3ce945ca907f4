"""How a name is proved by HTTP (http-01, RFC 8555 section 8.3): by what stands at a path of it.

A running server shows it on its own pages, of a file that a command or the server itself has written
(upkeep.own_port is for where there are none).
"""

import contextlib
import os
import re
from typing import Literal

from mailnode.fs import FileSystem
from mailnode.upkeep.acme_trouble import Trouble

PATH = "/.well-known/acme-challenge/"
KIND = "application/octet-stream"  # as section 8.3 has it
PROOFS = "proofs"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")


def is_token(text: str) -> bool:
    """Whether a text may be a token; it is then the name of a file too (section 8.1)."""
    return _TOKEN.fullmatch(text) is not None


def proof_at(files: FileSystem, directory: str, token: str) -> bytes | None:
    """What is shown for a token by files in the folder of ACME; None for nothing. Raises OSError."""
    if not is_token(token):
        return None
    try:
        return files.read(os.path.join(directory, PROOFS, token), limit=4096)
    except FileNotFoundError:
        return None


class OnPages:
    """Proofs that the running server shows, as files in the folder of ACME."""

    kind: Literal["http-01"] = "http-01"

    def __init__(self, files: FileSystem, directory: str) -> None:
        self._files = files
        self._directory = os.path.join(directory, PROOFS)

    def _path(self, token: str) -> str:
        if not is_token(token):
            raise Trouble("the authority names a token that is none", "Choose another authority.")
        return os.path.join(self._directory, token)

    def show(self, name: str, token: str, proof: str) -> None:
        """Write the file."""
        self._files.make_directories(self._directory)
        self._files.replace(self._path(token), proof.encode("ascii"))

    def ready(self) -> None:
        """Nothing more is needed."""

    def remove(self, token: str) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            self._files.unlink(self._path(token), missing_ok=True)
