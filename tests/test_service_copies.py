"""Copies of a process; each here does one thing and ends."""

import errno
import gc
import os
import threading
from collections.abc import Callable
from select import select
from typing import Any

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mailnode import service_copies as copies


class Reactor:
    """Its readers, which are served one by one."""

    def __init__(self) -> None:
        self.readers: list[Any] = []
        self.addReader = self.readers.append
        self.removeReader = self.readers.remove

    def serve(self) -> None:
        """Wait till one can be read."""
        ready, _, _ = select(self.readers, [], [], 60)
        for reader in ready:
            reader.doRead()


class Protocol(ProcessProtocol):
    """Keeps why it ended."""

    reason: Any = None

    def processEnded(self, reason: Failure) -> None:
        """Twisted's."""
        self.reason = reason.value


class CopyTests(SynchronousTestCase):
    """What a copy has, and how it ends."""

    def setUp(self) -> None:
        self.reading, self.writing = os.pipe()
        self.addCleanup(os.close, self.reading)
        self.addCleanup(os.close, self.writing)

    def ended(self, life: Callable[[], None], kill: bool = False) -> Any:
        """Why a copy with this life ends, of which nothing is left then."""
        reactor: Any = Reactor()
        protocol = Protocol()
        before = os.listdir("/proc/self/fd")
        copies.make_copy(protocol, reactor, [self.writing], life)
        transport: Any = protocol.transport
        pid = transport.pid
        self.assertNotEqual(pid, os.getpid())
        if kill:
            transport.signalProcess("KILL")
        reactor.serve()
        self.assertEqual((transport.pid, reactor.readers), (None, []))
        transport.signalProcess("KILL")  # nobody any more
        self.assertRaises(ChildProcessError, os.waitpid, pid, 0)
        self.assertEqual(os.listdir("/proc/self/fd"), before)
        return protocol.reason

    def test_descriptors(self) -> None:
        """It has those that it is to have, and the first three; not our end of the pipe."""

        def life() -> None:
            names = os.listdir("/proc/self/fd")
            there = [int(name) for name in names if os.path.exists(f"/proc/self/fd/{name}")]
            os.write(self.writing, repr(there).encode())

        self.assertIsInstance(self.ended(life), ProcessDone)
        self.assertEqual(os.read(self.reading, 1000).decode(), repr([0, 1, 2, self.writing]))

    def test_ends(self) -> None:
        """How it ended is told as of any process."""

        def leaves() -> None:
            raise SystemExit(7)

        def breaks() -> None:
            os.dup2(self.writing, 2)
            raise ZeroDivisionError("of a copy")

        def waits() -> None:
            threading.Event().wait()

        for life, kill, code, signal in (
            (leaves, False, 7, None),
            (breaks, False, 1, None),
            (waits, True, None, 9),
        ):
            reason = self.ended(life, kill)
            self.assertIsInstance(reason, ProcessTerminated)
            self.assertEqual((reason.exitCode, reason.signal), (code, signal))
        self.assertIn("ZeroDivisionError: of a copy", os.read(self.reading, 10_000).decode())

    def test_nobody_would_hear(self) -> None:
        """One of which nobody would hear the end is ended at once, and nothing is left of it."""

        def refused(_: int) -> int:
            raise OSError(errno.EMFILE, "too many")

        forked: list[int] = []
        fork = os.fork

        def note() -> int:
            forked.append(fork())
            return forked[-1]

        self.patch(os, "fork", note)
        self.patch(os, "pidfd_open", refused)
        reactor: Any = Reactor()
        wait = threading.Event().wait
        self.assertRaises(OSError, copies.make_copy, Protocol(), reactor, [self.writing], wait)
        self.assertRaises(ChildProcessError, os.waitpid, forked[0], 0)

    def test_possible(self) -> None:
        """Not while there is another thread, nor where nobody would hear of the end."""

        def refused(_: int) -> int:
            raise PermissionError

        go = threading.Event()
        thread = threading.Thread(target=go.wait)
        thread.start()
        self.assertFalse(copies.possible())
        go.set()
        thread.join()
        self.patch(threading, "active_count", lambda: 1)  # those of other tests may go on
        self.assertTrue(copies.possible())
        self.patch(os, "pidfd_open", refused)
        self.assertFalse(copies.possible())

    def test_settle(self) -> None:
        """The collector does not look again at what there is."""
        self.addCleanup(gc.unfreeze)
        copies.settle()
        self.assertLess(len(gc.get_objects()), 1000)
