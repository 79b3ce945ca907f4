"""mailnode.upkeep.figures: what is counted of sessions."""

import random
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.fs import FileSystem
from mailnode.net.limits import Admission, ConnectionLimits, Gate
from mailnode.runtime import Runtime
from mailnode.upkeep.figures import PATIENCE, Observer, Process, Sessions, sessions


class SessionsTests(SynchronousTestCase):
    """Sessions and refused connections."""

    def test_sessions(self) -> None:
        """Each person's, and those of who has not logged in; another process's too, if it tells of them."""
        gate = Gate(lambda: ConnectionLimits(9, 9, 9, 5, 9), lambda: 0.0)
        self.assertEqual(sessions("smtp", gate), Sessions("smtp"))
        for person in ("anna", "", "anna", "ben"):
            admission = gate.admit("192.0.2.1", trusted=not person)
            assert isinstance(admission, Admission)
            self.assertTrue(not person or admission.authenticated(person))
        gate.hear("sessions", 1)
        gate.hear("person ben", 1)
        self.assertEqual(gate.admit("192.0.2.1", trusted=False), "too many sessions")
        found = sessions("imap", gate)
        self.assertEqual(found, Sessions("imap", {"anna": 2, "ben": 2}, 1, {"too many sessions": 1}))
        self.assertEqual(found.total, 5)

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
        parts.live.config.listeners, parts.realm.accounts, parts.threads = (), list, {}
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
        self.assertEqual(
            gate.refused(), {"too many connections from this address": 1, "too many sessions": 1}
        )
