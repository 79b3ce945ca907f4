"""Dying processes and failing calls: every story by a real process, disturbed at each of its system calls."""

import contextlib
import copy
import gc
import itertools
import os
import random
import shutil
import signal
import tempfile
import time
import traceback
from dataclasses import dataclass

from twisted.trial.unittest import SynchronousTestCase

from mailnode.fs import FileSystem, NewFile
from mailnode.store.locks import EMPTY_AFTER
from mailnode.store.uidlist import LOCK_NAME
from tests.crash.disk import THOROUGH
from tests.crash.flows import FLOWS
from tests.crash.oracle import Told, check, recover
from tests.crash.support import Figures, spread, table
from tests.crash.tracing import EVERY_CALL, KILL, Injection, Outcome, Slate, calls, injections, play
from tests.crash.world import World, clock
from tests.interop.harness import program
from tests.scratch import scratch

EACH = 80  # injections of each fault; all there are when thorough
TOGETHER = 20  # injections that one process tries before it asks for more
SHOWN = 10


@dataclass(frozen=True)
class Stage:
    """A story that was prepared once, and is played on copies of what was prepared."""

    name: str
    base: str
    told: Told
    files: type[FileSystem]

    def play(self, tree: str, *options: str) -> tuple[Outcome, Told, list[str]]:
        """Play it in a new tree; what clients were told, and what must not happen in a living process."""
        shutil.copytree(f"{self.base}/prepared", tree)
        slate = Slate()
        slate.write((self.told, []))
        outcome = play(lambda: self._act(tree, slate), f"{tree}.log", options)
        told, problems = slate.read()
        return outcome, told, problems

    def _act(self, tree: str, slate: Slate) -> None:
        """The story in the child, to its end: the server lives on after an error."""
        told = copy.deepcopy(self.told)
        world = World(tree, self.files(), told, lambda told: slate.write((told, [])), 2)
        free = _free_descriptor()
        try:
            world.tell()
            FLOWS[self.name].act(world)
            world.tell()
            world.close()
        except BaseException:
            slate.write((told, [f"unforeseen: {traceback.format_exc()}"]))
            return
        gc.collect()
        if _free_descriptor() != free:
            slate.write((told, ["descriptor left: a file was not closed"]))


def _free_descriptor() -> int:
    """The lowest number that is free: it rises when a file stays open. pipe(2) is never traced."""
    lowest, other = os.pipe()
    os.close(lowest)
    os.close(other)
    return lowest


def prepare(base: str, name: str, files: type[FileSystem] = FileSystem) -> Stage:
    """All that the story finds, on disk in `base`."""
    base = f"{base}/{name}"
    os.makedirs(f"{base}/prepared")
    world = World(f"{base}/prepared", FileSystem(), Told(), lambda told: None)
    FLOWS[name].prepare(world)
    world.close()
    return Stage(name, base, world.told, files)


def possible(stage: Stage) -> list[Injection]:
    """All that can happen, as a story shows to which nothing happens; that one has to go well."""
    tree = f"{stage.base}/undisturbed"
    outcome, told, problems = stage.play(tree, EVERY_CALL)
    assert outcome == Outcome(0, ""), outcome
    problems += check(told, recover(tree, _accounts(told), clock(3)))
    assert not problems, problems
    return [one for call in calls(f"{tree}.log") for one in injections(call)]


def _accounts(told: Told) -> list[str]:
    return sorted({box.account for box in told.boxes})


def _wait_a_moment(tree: str) -> None:
    """Nobody starts a server within a second of its death: a lock file that was left is that old."""
    for directory, _, names in os.walk(tree):
        if LOCK_NAME in names:
            then = time.time() - EMPTY_AFTER
            os.utime(f"{directory}/{LOCK_NAME}", (then, then))


def tried(work: tuple[Stage, list[Injection]]) -> tuple[str, Figures, list[str]]:
    """Some injections into a story: what is found afterwards, held against what clients were told."""
    stage, chosen = work
    figures, broken = Figures(), []
    with tempfile.TemporaryDirectory(dir=stage.base) as room:
        for number, injection in enumerate(chosen):
            tree = f"{room}/{number}"
            outcome, told, problems = stage.play(tree, *injection.options)
            if outcome.status != (signal.SIGKILL if injection.fault == KILL and outcome.injected else 0):
                problems.append(f"unforeseen: ended with {outcome.status}")
            _wait_a_moment(tree)
            facts = recover(tree, _accounts(told), clock(3))
            facts.problems += problems
            if injection.fault == "ENOSPC":
                told.kept.clear()  # where there is no room what is removed is gone
            figures.tried += bool(outcome.injected)
            place = f"{stage.name}, {injection.fault} at {outcome.injected or injection.call}"
            broken += [f"{place}: {one}" for one in figures.count(told, facts)]
            shutil.rmtree(tree)
    return stage.name, figures, broken


def sample(found: list[tuple[Stage, Injection]]) -> list[tuple[Stage, Injection]]:
    """As many of each fault, in the order of the stories."""
    rng = random.Random(1)
    chosen = []
    for fault in sorted({injection.fault for _, injection in found}):
        of_it = [pair for pair in found if pair[1].fault == fault]
        chosen += of_it if THOROUGH else rng.sample(of_it, min(EACH, len(of_it)))
    return sorted(chosen, key=lambda pair: list(FLOWS).index(pair[0].name))


def sweep(base: str) -> list[tuple[str, Figures, list[str]]]:
    """Every story, with a sample of all that can happen in it."""
    stages = [prepare(base, name) for name in FLOWS]
    found = [
        (stage, injection)
        for stage, all_of_it in zip(stages, spread(possible, stages), strict=True)
        for injection in all_of_it
    ]
    work = []
    for stage, pairs in itertools.groupby(sample(found), key=lambda pair: pair[0]):
        all_of_it = [injection for _, injection in pairs]
        work += [(stage, all_of_it[at : at + TOGETHER]) for at in range(0, len(all_of_it), TOGETHER)]
    return spread(tried, work)


def broken_promises(name: str, files: type[FileSystem], fault: str) -> set[str]:
    """The kinds of promises that a story breaks on such a store, when this happens where it writes."""
    with scratch() as base:
        stage = prepare(base, name, files)
        chosen = [one for one in possible(stage) if one.fault == fault and one.call.name == "write"]
        return set(tried((stage, chosen))[1].problems)


class MovesByCopying(FileSystem):
    """A store that moves a file by removing it and writing it anew."""

    def rename(self, source: str, target: str) -> None:
        if os.path.isdir(source):
            super().rename(source, target)
            return
        octets = self.read(source)
        self.unlink(source)
        self.unlink(target, missing_ok=True)
        file = self.create(target)
        file.write(octets)
        file.close()


class WritesBlindly(NewFile):
    """A file whose writer does not look whether it was written."""

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            super().write(data)


class Careless(FileSystem):
    """A store that believes in every write."""

    def create(self, path: str, *, mode: int = 0o600) -> NewFile:
        return WritesBlindly(super().create(path, mode=mode)._descriptor, path, self.health)


class Sweep(SynchronousTestCase):
    """Every story, with every fault."""

    def setUp(self) -> None:
        program("strace")

    def test_no_promise_is_broken(self) -> None:
        """Whatever fails or dies where, what was promised is there, and nothing else (V1-V7, V9-V12)."""
        begun = time.monotonic()
        with scratch() as base:
            results = sweep(base)
        seconds = time.monotonic() - begun
        figures = {name: Figures() for name in FLOWS}
        for name, some, _ in results:
            figures[name].add(some)
        print(table(f"Killed processes and failed calls, {seconds:.0f} s", figures.items()))
        problems = [one for _, _, broken in results for one in broken]
        self.assertEqual(problems[:SHOWN], [])
        chosen = sum(one.checks for one in figures.values())
        self.assertGreater(sum(one.tried for one in figures.values()), chosen * 0.95)

    def test_a_move_that_can_be_cut_in_two_is_found(self) -> None:
        """A store that removes before it writes loses mail when it is killed, and this sweep says so."""
        self.assertIn("lost message", broken_promises("store", MovesByCopying, KILL))

    def test_errors_that_are_passed_over_are_found(self) -> None:
        """A store that does not look at errors serves torn mail, and this sweep says so."""
        self.assertIn("torn or foreign message", broken_promises("append", Careless, "ENOSPC"))
