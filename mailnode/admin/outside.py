"""What the `mailnode` command needs from the world, as one argument."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailnode.fs import FileSystem


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Outside:
    """Files, the time, and becoming another program (path and argument list, as os.execv)."""

    files: FileSystem = field(default_factory=FileSystem)
    now: Callable[[], datetime] = _now
    execute: Callable[[str, list[str]], object] = os.execv
