"""Remembering what was made of values that come again.

Most mail is between people who have written before, about the same, with programs that say the same of it.
"""

import functools
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

_KEPT: Final = 1024  # values of each kind
_SHORT: Final = 256  # octets


def remembered(make: Callable[[bytes], T]) -> Callable[[bytes], T]:
    """The same function of octets, for a result that never changes; it is remembered for short ones."""
    kept = functools.lru_cache(maxsize=_KEPT)(make)

    @functools.wraps(make)
    def made(value: bytes) -> T:
        return kept(value) if len(value) <= _SHORT else make(value)

    return made
