"""Runs rows: opens the sides of a group, has each do the work in turn, and keeps medians.

A peer that is missing, or that fails at a row, is said to be so, and the rest goes on.
"""

import os
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from bench.corpus import Corpora
from bench.phases import WATCH
from bench.processes import cpu_seconds, share
from bench.row import Group, Row, Scale, Setting, Task
from bench.sides import OURS, Side

_SAMPLE_SECONDS = 1.0


@dataclass(slots=True)
class Measured:
    """What one side has done in one row at one size of the work."""

    values: list[float]  # of each figure, the median
    peak_kib: int
    cpu_seconds: float  # of the server
    seconds: float
    client_share: float  # of one processor, while it worked


@dataclass(slots=True)
class Result:
    """A row: by side, what was measured at each size; None where it failed, with the reason in `notes`."""

    group: str
    row: Row
    counts: list[int] = field(default_factory=list)
    sides: dict[str, list[Measured | None]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class _Memory:
    """Looks now and then how much memory the processes of a side have; keeps the most."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = 0

    def __enter__(self) -> "_Memory":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            self._look()

    def _look(self) -> None:
        self.peak = max(self.peak, sum(map(share, _pids(self._side))))


def _pids(side: Side) -> list[int]:
    """Of a side that is being started, none."""
    try:
        return side.pids()
    except AssertionError:
        return []


def measure(
    groups: Sequence[Group], scale: Scale, wanted: Sequence[str], tell: Callable[[Result], None]
) -> None:
    """All rows whose name, or whose group's, holds one of the words; tells each result when it is there.

    Whatever happens in a group, the others follow, and what it has measured before is told.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with closing(Corpora()) as corpora:
        for group in groups:
            results = [Result(group.name, row) for row in group.rows if _is_wanted(row, group, wanted)]
            try:
                if results:
                    with WATCH.group(group.name):
                        _group(group, results, scale, corpora)
            except Exception as error:
                _note(results, f"{group.name} failed: {_said(error)}")
            finally:
                for result in results:
                    tell(result)


def _note(results: Sequence[Result], text: str) -> None:
    for result in results:
        result.notes.append(text)


def _is_wanted(row: Row, group: Group, wanted: Sequence[str]) -> bool:
    text = f"{group.name}: {row.name}".lower()
    return not wanted or any(word.lower() in text for word in wanted)


def _group(group: Group, results: Sequence[Result], scale: Scale, corpora: Corpora) -> None:
    base = scale.pick(group.counts)
    for factor in group.growth:
        with ExitStack() as stack:
            setting = Setting(base * factor, corpora)
            sides = _open(group, setting, stack, results)
            for result in results:
                counts = result.row.counts
                print(f"{group.name}: {result.row.name}", file=sys.stderr)
                count = scale.pick(counts) if counts else base * factor
                _row(result, sides, Task(count, scale.seconds), scale.rounds)


def _open(group: Group, setting: Setting, stack: ExitStack, results: Sequence[Result]) -> list[Side]:
    sides = []
    for name, opener in group.sides.items():
        print(f"{group.name}: starting {name}", file=sys.stderr)
        try:
            with WATCH.doing("starting"):
                side = opener(setting)
        except Exception as missing:
            _note(results, f"{name}: {_said(missing)}")
        else:
            stack.callback(_close, side, results)
            sides.append(side)
    return sides


def _close(side: Side, results: Sequence[Result]) -> None:
    try:
        with WATCH.doing("stopping"):
            side.close()
    except Exception as error:
        _note(results, f"{side.name} failed to end: {_said(error)}")


def _row(result: Result, sides: Sequence[Side], task: Task, rounds: int) -> None:
    row = result.row
    result.counts.append(task.count)
    found: dict[str, list[Measured]] = {side.name: [] for side in sides}
    failed: set[str] = set()
    for _ in range(1 if row.once else rounds):
        for side in sides:
            if side.name in failed:
                continue
            try:
                found[side.name].append(_once(row, side, task))
            except Exception as error:
                failed.add(side.name)
                result.notes.append(f"{side.name} failed at {row.name}: {_said(error)}")
    for side in sides:
        rounds_done = found[side.name]
        one = None if side.name in failed or not rounds_done else _median(rounds_done)
        result.sides.setdefault(side.name, []).append(one)


def _said(error: Exception) -> str:
    """In one line."""
    return " ".join((str(error) or repr(error)).split())[:300]


def _once(row: Row, side: Side, task: Task) -> Measured:
    with _Memory(side) as memory:
        server, client, begun = cpu_seconds(_pids(side)), _own_cpu(), time.perf_counter()
        with WATCH.doing("measuring"):
            values = list(row.work(side, task))
        seconds = time.perf_counter() - begun
        cpu, used = cpu_seconds(_pids(side)) - server, _own_cpu() - client
    return Measured(values, memory.peak, cpu, seconds, used / seconds)


def _own_cpu() -> float:
    """Seconds of this process and of its children that have ended: clients, as servers end elsewhere."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _median(many: Sequence[Measured]) -> Measured:
    values = [statistics.median(one) for one in zip(*(each.values for each in many), strict=True)]
    return Measured(
        values,
        max(one.peak_kib for one in many),
        statistics.median(one.cpu_seconds for one in many),
        statistics.median(one.seconds for one in many),
        statistics.median(one.client_share for one in many),
    )


def ratio(result: Result, peer: str, figure: int, size: int) -> float | None:
    """How many times as good as the peer we are, in one figure at one size of the work."""
    ours, theirs = (result.sides.get(name, []) for name in (OURS, peer))
    if size >= len(ours) or size >= len(theirs):
        return None
    mine, other = ours[size], theirs[size]
    if mine is None or other is None or not mine.values[figure] or not other.values[figure]:
        return None
    if result.row.figures[figure].more:
        return mine.values[figure] / other.values[figure]
    return other.values[figure] / mine.values[figure]
