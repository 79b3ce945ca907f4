"""Copies of this process that go on with something else: fork() with no new program behind it.

What the process has loaded and read a copy has too, at once, and in the same memory as long as neither of the
two changes it. That is safe of a process with a single thread only: locks that others hold would be held in
the copy for ever. So it is done at the start, before there are threads; `possible` tells.
"""

import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.interfaces import IProcessProtocol, IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

_ABOVE_ALL = 65_536  # numbers of descriptors are given from the lowest on, and at the start there are few


def possible() -> bool:
    """Whether this process may be copied, and would hear of the end of a copy (pidfd_open, Linux 5.3)."""
    if threading.active_count() > 1:
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


def settle() -> None:
    """Before copies are made: have the collector leave alone what there is, as a look copies all of it."""
    gc.collect()  # first: what is garbage now, a copy would close a descriptor of later on
    gc.freeze()


def make_copy(
    protocol: IProcessProtocol, reactor: IReactorFDSet, keep: Iterable[int], life: Callable[[], None]
) -> None:
    """Start a copy that has these descriptors, and the first three, and ends when `life` returns.

    The protocol has it for its transport, and hears of its end, as of a process of Twisted's.
    """
    pid = os.fork()
    if pid:
        try:
            transport: Any = _Copy(pid, protocol, reactor)
        except OSError:  # nobody would hear of its end
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        protocol.makeConnection(transport)
        return
    status = 1
    try:
        _close_all_but({0, 1, 2, *keep})
        life()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else status
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(status)  # what called this is the other process's


def _close_all_but(keep: set[int]) -> None:
    """Close the others; whoever has them in this process is never asked again, nor ends."""
    kept = [-1, *sorted(keep), _ABOVE_ALL]
    for one, another in pairwise(kept):
        if one + 1 < another:  # of an empty range closerange() closes everything
            os.closerange(one + 1, another)


@implementer(IReadDescriptor)
class _Copy:
    """One, as the process knows it that it is a copy of."""

    def __init__(self, pid: int, protocol: Any, reactor: IReactorFDSet) -> None:
        self.pid: int | None = pid
        self._protocol = protocol
        self._reactor = reactor
        self._descriptor = os.pidfd_open(pid)
        reactor.addReader(self)

    def signalProcess(self, name: str) -> None:
        """Twisted's: send it the signal of this name, such as "KILL"."""
        if self.pid is not None:
            os.kill(self.pid, signal.Signals[f"SIG{name}"])

    def fileno(self) -> int:
        """Twisted's: the descriptor that can be read when the copy has ended."""
        return self._descriptor

    def logPrefix(self) -> str:
        """Twisted's."""
        return "copy"

    def doRead(self) -> None:
        """Twisted's: it has ended."""
        pid, self.pid = self.pid, None
        if pid is not None:
            self._reactor.removeReader(self)
            self.connectionLost()
            _, status = os.waitpid(pid, 0)
            self._protocol.processEnded(Failure(_reason(status)))

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Twisted's: the reactor has ended."""
        os.close(self._descriptor)


def _reason(status: int) -> Exception:
    """Why a process has ended, from the status that wait() gives."""
    if os.WIFSIGNALED(status):
        return ProcessTerminated(None, os.WTERMSIG(status), status)
    code = os.WEXITSTATUS(status)
    return ProcessTerminated(code, None, status) if code else ProcessDone(status)
