"""What the `mailnode` command needs from the world, as one argument."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mailnode.config import Loaded
from mailnode.fs import FileSystem
from mailnode.wire.address import Address

if TYPE_CHECKING:
    from mailnode.admin.destinations import Found


def _now() -> datetime:
    return datetime.now(UTC)


def _find(loaded: Loaded, files: FileSystem, domains: Sequence[str], sender: Address | None) -> "Found":
    """Ask the DNS; what that takes is imported only here, as it would slow all other commands down."""
    from mailnode.admin.destinations import find

    return find(loaded, files, domains, sender)


@dataclass(frozen=True, slots=True)
class Outside:
    """Files, the time, waiting, becoming another program (path and argument list, as os.execv), the DNS."""

    files: FileSystem = field(default_factory=FileSystem)
    now: Callable[[], datetime] = _now
    sleep: Callable[[float], None] = time.sleep
    execute: Callable[[str, list[str]], object] = os.execv
    find: "Callable[[Loaded, FileSystem, Sequence[str], Address | None], Found]" = _find
