"""The clients of the model, where two processes serve them: to them it is one server."""

import itertools
import random

from hypothesis.stateful import rule
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.blocking import InlineExecutor
from mailnode.runtime import Runtime
from tests.imap.test_model import Machine, play
from tests.imap.world import Client, World


class Pair(World):
    """Two processes that have the disk together, and nothing else; connections go to them in turn.

    They do not tell each other of changes: each finds what there is by looking.
    """

    def __init__(self, directory: str) -> None:
        self._turns = itertools.count()
        self._other: World | None = None
        super().__init__(directory)
        self._other = World(directory)
        self._other.clock = self.clock
        self._other.runtime = Runtime(self.clock, random.Random(7), InlineExecutor())
        self._other._rng = random.Random(9)
        self._other.start()

    def client(self, **facts: object) -> Client:
        """A new connection."""
        assert self._other is not None
        return self._other.client(**facts) if next(self._turns) % 2 else super().client(**facts)

    def start(self) -> None:
        """Both know nothing of any account."""
        super().start()
        if self._other is not None:
            self._other.start()

    def close(self) -> None:
        """Let go of files."""
        super().close()
        if self._other is not None:
            self._other.close()


class TwoProcesses(Machine):
    """The machine, over them; the cache stays.

    Where it is lost, a clock that moves on keeps modification sequences apart, and theirs stands still.
    """

    def make_world(self, directory: str) -> World:
        return Pair(directory)

    @rule()
    def restart(self) -> None:  # type: ignore[override]
        """The server starts again."""
        super().restart(cache="kept")

    def lose_cache(self) -> None:
        """No rule here."""


class ProcessTests(SynchronousTestCase):
    """RFC 7162 section 3: modification sequences and expunges, whichever process tells of them."""

    def test_clients(self) -> None:
        """Whatever they do, each believes what is true."""
        play(TwoProcesses)
