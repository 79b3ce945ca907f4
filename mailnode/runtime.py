"""The outside world as one argument: clock, randomness, threads."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

T = TypeVar("T")

# Crockford's: nothing that reads like something else. Words have a U in them, so that no other id begins so.
_ID_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ID_PAIRS = [one + other for one in _ID_LETTERS for other in _ID_LETTERS]  # of ten bits


class Executor(Protocol):
    """Runs blocking functions somewhere that is not the reactor thread; in tests, right here."""

    @property
    def waiting(self) -> int:
        """Jobs with which nobody has begun."""

    def run(self, function: Callable[..., T], *args: Any) -> "Deferred[T]":
        """A Deferred of what the function returns or raises."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What every part needs from the world; built once by service.py, and by each test for itself."""

    clock: IReactorTime
    random: random.Random
    blocking: Executor
    word: str = ""  # how the ids of this process begin, where several run

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock.seconds()

    def new_id(self, length: int = 10) -> str:
        """A short unguessable name for a connection or a message, for logs and replies; of an even length."""
        bits = self.random.getrandbits(5 * length)  # one question to the system, not one for each letter
        pairs = [_ID_PAIRS[bits >> place & 1023] for place in range(0, 5 * length, 10)]
        return self.word + "".join(pairs)
