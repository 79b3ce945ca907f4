"""What the `mailnode` command needs from the world, as one argument."""

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from mailnode.admin.machine import Machine
from mailnode.config import Loaded
from mailnode.config_sending import Dns
from mailnode.fs import FileSystem
from mailnode.values import frozen
from mailnode.wire.address import Address

if TYPE_CHECKING:
    from mailnode.admin.destinations import Found

T = TypeVar("T")


def _now() -> datetime:
    return datetime.now(UTC)


def _find(loaded: Loaded, files: FileSystem, domains: Sequence[str], sender: Address | None) -> "Found":
    """Ask the DNS; what that takes is imported only here, as it would slow all other commands down."""
    from mailnode.admin.destinations import find

    return find(loaded, files, domains, sender)


def _ask_dns(settings: Dns, files: FileSystem, work: Callable[..., Awaitable[T]]) -> T:
    """Let the work ask the DNS; `work` is called with a resolver and a runtime."""
    from mailnode.admin.own_reactor import ask_dns

    return ask_dns(settings, files, work)


@frozen
class Outside:
    """Files, time, waiting, becoming another program (path and argument list, as os.execv), DNS, machine."""

    files: FileSystem = field(default_factory=FileSystem)
    now: Callable[[], datetime] = _now
    sleep: Callable[[float], None] = time.sleep
    execute: Callable[[str, list[str]], object] = os.execv
    find: "Callable[[Loaded, FileSystem, Sequence[str], Address | None], Found]" = _find
    ask_dns: Callable[[Dns, FileSystem, Callable[..., Awaitable[Any]]], Any] = _ask_dns
    machine: Machine = field(default_factory=Machine)
