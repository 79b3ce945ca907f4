"""Power cuts: every state a story's log can leave on the disk, recovered and held against the promises."""

import copy
import os
import random
import time
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from tests.crash.disk import MODELS, THOROUGH, Bench, Recorder, State, crash_states
from tests.crash.flows import FLOWS, Flow
from tests.crash.oracle import QUEUE, Told, recover
from tests.crash.support import Figures, caches, spread, table
from tests.crash.world import World, clock
from tests.scratch import scratch

EACH = 50  # states of each story; all there are when thorough
CACHED = 6  # one state in so many has the SQLite files of an earlier moment
SECOND_CRASHES = 4  # states of each story whose recovery is cut off too
EACH_AGAIN = 15  # states of each recovery; all there are when thorough
WANTED = 3000  # states, all in all
SHOWN = 10


class Story:
    """One story on a recorder: the log, what was told when, and the SQLite files of each such moment."""

    def __init__(self, base: str, recorder: type[Recorder] = Recorder) -> None:
        os.makedirs(base, exist_ok=True)
        self.recorder = recorder(base)
        self.told: list[tuple[int, Told, dict[str, bytes]]] = []

    def play(self, flow: Flow) -> None:
        """Prepare, and act as a new process."""
        world = World(self.recorder.base, self.recorder, Told(), lambda told: None)
        flow.prepare(world)
        world.close()
        self.act(flow, world.told, 2)

    def act(self, flow: Flow, told: Told, age: int) -> None:
        """Only the act; what is there is durable."""
        recorder = self.recorder
        recorder.start()
        self.before = {node: dict(names) for node, names in recorder.tree.items()}, dict(recorder.content)
        world = World(recorder.base, recorder, copy.deepcopy(told), self._note, age)
        world.tell()
        flow.act(world)
        world.tell()
        world.close()

    def _note(self, told: Told) -> None:
        self.told.append((len(self.recorder.log), told, caches(self.recorder.base)))

    def states(self, model: str) -> Iterator[tuple[int, State]]:
        """States, each with the index in `told` of what was told when it can occur."""
        moment = 0
        for position, state in crash_states(self.recorder.log, model, *self.before):
            while moment + 1 < len(self.told) and self.told[moment + 1][0] <= position:
                moment += 1
            yield moment, state


class Trial:
    """The states of one story, recovered and checked."""

    def __init__(self, base: str) -> None:
        self.figures = Figures()
        self.problems: list[str] = []
        self._base = base
        self._rng = random.Random(7)
        self._rooms = 0

    def room(self) -> str:
        """A path that is not there."""
        self._rooms += 1
        return f"{self._base}/{self._rooms}"

    def replay(self, story: Story, models: tuple[str, ...] = MODELS, age: int = 3, most: int = EACH) -> None:
        """Recover distinct states once each, and check them against all that was told when they can occur."""
        bench = Bench(self.room())
        accounts = sorted({box.account for _, told, _ in story.told for box in told.boxes})
        occurring: dict[State, set[int]] = {}
        for model in models:
            for moment, state in story.states(model):
                occurring.setdefault(state, set()).add(moment)
        chosen = list(occurring.items())
        if not THOROUGH:
            chosen = self._rng.sample(chosen, min(most, len(chosen)))
        for count, (state, moments) in enumerate(chosen):
            cached = story.told[self._rng.randrange(min(moments) + 1)][2] if count % CACHED == 0 else {}
            path = bench.lay_out(state, cached)
            facts = recover(path, accounts, clock(age))
            bench.clear(path)
            self.figures.tried += 1
            for moment in sorted(moments):
                broken = self.figures.count(story.told[moment][1], facts)
                self.problems += [f"{one} (state {count}, after promise {moment})" for one in broken]

    def crash_again(self, story: Story) -> None:
        """Cut the recovery of a few states off as well."""
        states = list(story.states("posix"))
        bench = Bench(self.room())
        for moment, state in self._rng.sample(states, min(SECOND_CRASHES, len(states))):
            second = Story(bench.lay_out(state, {}))
            second.act(Flow(lambda world: None, look_at_all), story.told[moment][1], 3)
            self.replay(second, ("posix", "ext4"), 4, EACH_AGAIN)


def look_at_all(world: World) -> None:
    """What the queue and clients do after a restart."""
    if os.path.isdir(f"{world.base}/{QUEUE}"):
        world.release()
    for who in sorted({box.account for box in world.told.boxes}):
        for name in world.account(who).names():
            world.look(who, name)


def tried(name: str) -> tuple[str, Figures, list[str]]:
    """One story, all its states, and a few second crashes."""
    with scratch() as base:
        trial = Trial(base)
        story = Story(trial.room())
        story.play(FLOWS[name])
        trial.replay(story)
        trial.crash_again(story)
    return name, trial.figures, [f"{name}: {one}" for one in trial.problems]


def broken_promises(name: str, recorder: type[Recorder]) -> set[str]:
    """The kinds of promises that a story breaks on such a store."""
    with scratch() as base:
        trial = Trial(base)
        story = Story(trial.room(), recorder)
        story.play(FLOWS[name])
        trial.replay(story)
        return set(trial.figures.problems)


class NoDirectorySync(Recorder):
    """A store that forgets fsync of directories."""

    def sync_directory(self, path: str) -> None:
        pass


class NoFileSync(Recorder):
    """A store that forgets fsync of new files, and fdatasync of what was added."""

    def sync_file(self, node: int) -> None:
        pass


class Replay(SynchronousTestCase):
    """Every story, under every model."""

    def test_no_promise_is_broken(self) -> None:
        """Wherever the power fails, what was promised is there, and nothing else (V1-V3, V5-V7, V9-V12)."""
        begun = time.monotonic()
        results = spread(tried, FLOWS)
        seconds = time.monotonic() - begun
        print(table(f"Power cuts, {seconds:.0f} s", [(name, figures) for name, figures, _ in results]))
        problems = [one for _, _, broken in results for one in broken]
        self.assertEqual(problems[:SHOWN], [])
        self.assertGreater(sum(figures.tried for _, figures, _ in results), WANTED)

    def test_missing_directory_sync_is_found(self) -> None:
        """A store without fsync of directories loses mail and mailboxes, and this harness says so."""
        self.assertIn("lost message", broken_promises("deliver to one", NoDirectorySync))
        self.assertIn("unknown mailbox", broken_promises("delete", NoDirectorySync))
        self.assertIn("returned UID", broken_promises("pop3 quit", NoDirectorySync))
        self.assertIn("lost message", broken_promises("hold", NoDirectorySync))

    def test_missing_file_sync_is_found(self) -> None:
        """A store without fsync of files serves torn mail, and this harness says so."""
        self.assertIn("torn or foreign message", broken_promises("append", NoFileSync))
        self.assertIn("torn or foreign message", broken_promises("hold", NoFileSync))
