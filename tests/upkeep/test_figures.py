"""mailnode.upkeep.figures: what is counted of sessions."""

import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.fs import FileSystem
from mailnode.net.limits import ConnectionLimits, Gate
from mailnode.runtime import Runtime
from mailnode.upkeep.figures import PATIENCE, Observer, Process, Sessions, sessions


@dataclass
class Factory:
    """What is looked at of a listener."""

    speaks: str
    people: tuple[str, ...]
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def open(self) -> dict[int, Any]:
        """Its connections."""
        return {
            number: SimpleNamespace(admission=SimpleNamespace(person=person))
            for number, person in enumerate(self.people)
        }


class SessionsTests(SynchronousTestCase):
    """Sessions and refused connections."""

    def test_sessions(self) -> None:
        """Listeners of one protocol are counted together; who has not logged in is nobody."""
        many = {"too many sessions": 2}
        factories: Any = [
            Factory("imap", ("anna", "", "anna"), many),
            Factory("smtp", ()),
            Factory("imap", ("ben", ""), many),
        ]
        self.assertEqual(
            sessions(factories),
            [Sessions("imap", {"anna": 2, "ben": 1}, 2, many), Sessions("smtp")],
        )
        self.assertEqual([one.total for one in sessions(factories)], [5, 0])

    def test_disk_that_hangs(self) -> None:
        """The figures come all the same, with what was measured before."""
        jobs: list[Deferred[Any]] = []

        class Slow:
            """An executor whose jobs are done by the test."""

            def run(self, *_: Any) -> "Deferred[Any]":
                jobs.append(Deferred())
                return jobs[-1]

        clock = Clock()
        runtime = Runtime(clock, random.Random(1), Slow())
        parts: Any = mock.MagicMock()
        parts.factories, parts.realm.accounts, parts.threads = list, list, {}
        observer = Observer(parts, runtime, FileSystem())
        first, second = (Deferred.fromCoroutine(observer.look()) for _ in range(2))
        self.assertEqual(len(jobs), 1)
        self.assertNoResult(first)
        clock.advance(PATIENCE)
        self.assertIsNone(self.successResultOf(first).store.free)
        self.assertIsNone(self.successResultOf(second).store.free)
        jobs[0].callback((5, Process(1, 2)))
        third = Deferred.fromCoroutine(observer.look())
        clock.advance(PATIENCE)
        found = self.successResultOf(third)
        self.assertEqual((found.store.free, found.process, len(jobs)), (5, Process(1, 2), 2))

    def test_refused(self) -> None:
        """A gate counts whom it sends away, by the reason."""
        gate = Gate(lambda: ConnectionLimits(1, 9, 9, 2, 9), lambda: 0.0)
        for peer in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"):
            gate.admit(peer, trusted=False)
        self.assertEqual(gate.refused, {"too many connections from this address": 1, "too many sessions": 1})
