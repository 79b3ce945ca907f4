"""Both processors, and what is counted."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from mailnode.store.index import FILE_NAME as CACHE
from tests.crash.oracle import Facts, Told, check

A = TypeVar("A")
B = TypeVar("B")

WORKERS = 2

HEAD = f"{'story':20} tried checks promised   found   more reuse broken"


def spread(work: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """The result for each item, from a few processes that take one item after the other."""
    with multiprocessing.get_context("fork").Pool(WORKERS, _end_when_told) as pool:
        return pool.map(work, items, chunksize=1)


def _end_when_told() -> None:
    """A worker ends by SIGTERM, also where tests before it had a reactor that has a word in this."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def caches(base: str) -> dict[str, bytes]:
    """The SQLite files of all accounts as they are now."""
    found = {}
    for account in os.listdir(base):
        for suffix in ("", "-wal"):
            path = f"{base}/{account}/{CACHE}{suffix}"
            if os.path.exists(path):
                with open(path, "rb") as file:
                    found[f"{account}/{CACHE}{suffix}"] = file.read()
    return found


@dataclass
class Figures:
    """What was tried, and what came of it; messages are counted for each account and each check."""

    tried: int = 0  # distinct states, or injections
    checks: int = 0
    promised: int = 0
    found: int = 0  # of those that were promised
    more: int = 0  # beyond those: from steps that were under way
    problems: Counter[str] = field(default_factory=Counter)

    def count(self, told: Told, facts: Facts) -> list[str]:
        """Check, and add to the figures."""
        problems = check(told, facts)
        seen = Counter((box.account, one.label) for box in facts.boxes for one in box.messages)
        promised: Counter[tuple[str, str]] = Counter()
        for box in told.boxes:
            for label, copies in box.copies.items():
                promised[box.account, label] += copies.low if box.must else 0
        self.checks += 1
        self.promised += promised.total()
        self.found += (promised & seen).total()
        self.more += (seen - promised).total()
        self.problems.update(problem.partition(":")[0] for problem in problems)
        return problems

    def add(self, other: "Figures") -> None:
        """Take in the figures of another story."""
        for name in ("tried", "checks", "promised", "found", "more"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.problems += other.problems

    def row(self, name: str) -> str:
        """A line of the table."""
        reuse = self.problems["reused UID"] + self.problems["returned UID"]
        return (
            f"{name:20}{self.tried:6d} {self.checks:6d} {self.promised:8d} {self.found:7d} {self.more:6d}"
            f" {reuse:5d} {self.problems.total():6d}"
        )


def table(title: str, rows: Iterable[tuple[str, Figures]]) -> str:
    """All rows, and their sum."""
    total = Figures()
    lines = ["", title, HEAD]
    for name, figures in rows:
        lines.append(figures.row(name))
        total.add(figures)
    lines += [total.row("all"), *(f"  {kind}: {count}" for kind, count in total.problems.items())]
    return "\n".join(lines)
