"""The outside world as one argument: clock, randomness, threads."""

import random
from collections.abc import Callable
from dataclasses import field
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from mailnode.values import frozen

T = TypeVar("T")

# Crockford's: nothing that reads like something else. Words have a U in them, so that no other id begins so.
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTER_OF = (_LETTERS * 8).encode("ascii")  # each octet
ID_LETTERS = 10
_IDS_AT_ONCE = 64  # one question to the system, which takes longer than to make one of its answer


class Executor(Protocol):
    """Runs blocking functions somewhere that is not the reactor thread; in tests, right here."""

    @property
    def waiting(self) -> int:
        """Jobs with which nobody has begun."""

    def run(self, function: Callable[..., T], *args: Any) -> "Deferred[T]":
        """A Deferred of what the function returns or raises."""


@frozen
class Runtime:
    """What every part needs from the world; built once by service.py, and by each test for itself."""

    clock: IReactorTime
    random: random.Random
    blocking: Executor
    word: str = ""  # how the ids of this process begin, where several run
    _ids: list[str] = field(default_factory=list, init=False, repr=False, compare=False)  # that are left

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock.seconds()

    def new_id(self) -> str:
        """A short unguessable name for a connection or a message, for logs and replies."""
        if not self._ids:
            letters = self.letters(ID_LETTERS * _IDS_AT_ONCE)
            self._ids.extend([letters[at : at + ID_LETTERS] for at in range(0, len(letters), ID_LETTERS)])
        return self.word + self._ids.pop()

    def letters(self, count: int) -> str:
        """So many unguessable letters, of five bits each."""
        return self.random.randbytes(count).translate(_LETTER_OF).decode("ascii")
