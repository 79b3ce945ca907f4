"""What the `mailnode` command needs from the world, as one argument."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailnode.admin.destinations import Found, find
from mailnode.config import Loaded
from mailnode.fs import FileSystem


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Outside:
    """Files, the time, becoming another program (path and argument list, as os.execv), and the DNS."""

    files: FileSystem = field(default_factory=FileSystem)
    now: Callable[[], datetime] = _now
    execute: Callable[[str, list[str]], object] = os.execv
    find: Callable[[Loaded, FileSystem, Sequence[str]], Found] = find
