"""Some worlds, and proof that their oracle sees what is wrong: see docs/architecture.md for more of them."""

import gc
from collections.abc import Callable
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from mailnode.delivery.connections import Connections
from mailnode.delivery.destination import Destination
from mailnode.delivery.fitting import Message
from mailnode.delivery.outcome import Outcome
from mailnode.queue.entry import Entry
from mailnode.queue.spool import Beginning
from mailnode.wire.smtp import Reply
from tests.simulation.files import Files
from tests.simulation.node import Life
from tests.simulation.running import ONE_LINE, run

SEEDS = 120
BROKEN_SEEDS = 200  # worlds in which a broken server may hide itself


class Worlds(SynchronousTestCase):
    """Each from its number."""

    def setUp(self) -> None:
        gc.freeze()  # so that a collection after each world looks at that world only
        self.addCleanup(gc.unfreeze)

    def run_world(self, seed: int, life: Callable[..., Life] = Life) -> tuple[str, list[str]]:
        """Its story, as a hash, and what is wrong with it."""
        _, story, problems = run(seed, life=life)
        self.flushLoggedErrors()  # what the dead say at their burial; worlds look at the log themselves
        return story, problems

    def find(self, life: Callable[..., Life], *words: str) -> None:
        """Servers that are broken in this way are found out, by what the problem is called."""
        for seed in range(BROKEN_SEEDS):
            _, problems = self.run_world(seed, life)
            if any(word in problem for problem in problems for word in words):
                return
        self.fail(f"{BROKEN_SEEDS} worlds and nothing was found")

    def test_worlds(self) -> None:
        """Every message arrives or comes back, once, in all of them."""
        wrong = []
        for seed in range(SEEDS):
            _, problems = self.run_world(seed)
            if problems:
                wrong.append("\n  ".join([ONE_LINE.format(seed), *problems]))
        self.assertEqual([], wrong, "\n".join(wrong))

    def test_replay(self) -> None:
        """A world is the same each time."""
        for seed in range(10):
            self.assertEqual(self.run_world(seed), self.run_world(seed))

    def test_forgetful(self) -> None:
        """A disk that does not keep the names in the queue loses messages when the power fails."""
        self.find(Forgetful, ": lost", "given up without a reason")

    def test_credulous(self) -> None:
        """A client that takes silence for a yes loses messages."""
        self.find(Credulous, ": lost", "given up without a reason")

    def test_repeating(self) -> None:
        """A queue that does not know whom it has reached delivers again."""
        self.find(Repeating, ": too often")

    def test_silent(self) -> None:
        """A server that does not tell senders what failed is found out."""
        self.find(Silent, ": lost")

    def test_talkative(self) -> None:
        """So is one that tells them twice."""
        self.find(Talkative, "told too often")


class _ForgetfulFiles(Files):
    def sync_directory(self, path: str) -> None:
        if not path.endswith("/queue"):
            super().sync_directory(path)


class Forgetful(Life):
    """Its queue is not durable."""

    kind_of_files = _ForgetfulFiles


class _CredulousConnections(Connections):
    async def deliver(self, destination: Destination, message: Message) -> tuple[Outcome, ...]:
        outcomes = await super().deliver(destination, message)
        yes = Reply(250, "2.0.0", "It will have taken it")
        return tuple(
            replace(one, verdict=replace(one.verdict, reply=yes)) if one.verdict.maybe_delivered else one
            for one in outcomes
        )


class Credulous(Life):
    """A connection lost behind the content is good enough for it."""

    kind_of_connections = _CredulousConnections


class Repeating(Life):
    """It forgets who has got a message already when somebody else has not."""

    async def deliver(self, entry: Entry, beginning: Beginning | None) -> Entry:
        after = await super().deliver(entry, beginning)
        return replace(after, progress=entry.progress, reached=entry.reached) if after.waiting else after


class Silent(Life):
    """It does not tell."""

    async def report(self, entry: Entry) -> bool:
        return True


class Talkative(Life):
    """It tells twice."""

    async def report(self, entry: Entry) -> bool:
        await super().report(entry)
        return await super().report(entry)
