"""Facts about this machine that a diagnosis asks for, each behind a function that a test can replace."""

import ctypes
import os
import pwd
import socket
import ssl
import sys
from collections.abc import Callable

from mailnode.values import frozen

_NOT_SYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_OCTETS = 512  # more than the structure has anywhere; all zero it only asks
_PATIENCE = 3.0  # seconds for a connection on this machine


def python_version() -> tuple[int, int, int]:
    """That of this interpreter."""
    return sys.version_info[:3]


def openssl_versions() -> tuple[str, ...]:
    """Those of OpenSSL that are in use: of the server's connections, and Python's own."""
    from cryptography.hazmat.backends.openssl.backend import backend

    return backend.openssl_version_text(), ssl.OPENSSL_VERSION


def clock_is_kept() -> bool | None:
    """Whether the kernel says that something keeps its clock right; None where it says nothing."""
    try:
        state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_OCTETS)))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _NOT_SYNCHRONISED


def listens(address: str, port: int) -> bool:
    """Whether somebody takes connections on an address of this machine; nothing is said to them."""
    try:
        with socket.create_connection((address, port), timeout=_PATIENCE):
            return True
    except OSError:
        return False


def is_ours(address: str) -> bool:
    """Whether an IP address belongs to this machine."""
    from mailnode.net import reach

    return reach.is_ours(address)


def user_name(number: int) -> str:
    """The name of a user, or the number where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


@frozen
class Machine:
    """All of them."""

    python_version: Callable[[], tuple[int, int, int]] = python_version
    openssl_versions: Callable[[], tuple[str, ...]] = openssl_versions
    clock_is_kept: Callable[[], bool | None] = clock_is_kept
    listens: Callable[[str, int], bool] = listens
    is_ours: Callable[[str], bool] = is_ours
    user_name: Callable[[int], str] = user_name
    own_user: Callable[[], int] = os.geteuid
