"""Blocking work off the reactor thread, in order.

A Lane runs the jobs of one owner (an account, a message being written) one after the other on a shared
executor: what runs in it needs no lock against its own kind, and owners do not wait for each other. A
thread cannot be cancelled, so every job is whole in itself; a job started is a job finished, also when
the connection that asked for it is gone.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from mailnode.net.stream import Stream
from mailnode.runtime import Executor

T = TypeVar("T")

PIECE = 131072
SLICE_SECONDS = 0.02


class ThreadedExecutor:
    """An Executor on a thread pool."""

    def __init__(self, reactor: IReactorFromThreads, pool: ThreadPool) -> None:
        self._reactor = reactor
        self._pool = pool

    def run(self, function: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Run in a thread of the pool."""
        return deferToThreadPool(self._reactor, self._pool, function, *args)


class InlineExecutor:
    """An Executor that runs at once in the caller's thread: for tests, and for tools without a reactor."""

    def run(self, function: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Run now."""
        result: Deferred[T] = Deferred()
        try:
            value = function(*args)
        except Exception:
            result.errback(Failure())
        else:
            result.callback(value)
        return result


class Lane:
    """A serial queue of blocking jobs."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._jobs: deque[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = deque()
        self._busy = False

    def run(self, function: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Run after all jobs that were given before."""
        done: Deferred[T] = Deferred()
        self._jobs.append((done, function, args))
        if not self._busy:
            self._next()
        return done

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self._busy

    @property
    def waiting(self) -> bool:
        """Whether jobs wait for the one that is running."""
        return bool(self._jobs)

    def _next(self) -> None:
        if not self._jobs:
            self._busy = False
            return
        self._busy = True
        done, function, args = self._jobs.popleft()
        self._executor.run(function, *args).addBoth(self._finished, done)

    def _finished(self, result: Any, done: "Deferred[Any]") -> None:
        self._next()
        done.callback(result)  # a Failure given to callback() becomes the error


def _gather(chunks: Iterator[bytes]) -> tuple[bytes, bool]:
    """Take chunks until a piece is full, the slice of time is used up, or they end (then True)."""
    taken: list[bytes] = []
    size = 0
    until = time.monotonic() + SLICE_SECONDS
    for chunk in chunks:
        taken.append(chunk)
        size += len(chunk)
        if size >= PIECE or time.monotonic() >= until:
            return b"".join(taken), False
    return b"".join(taken), True


async def send(stream: Stream, lane: Lane, chunks: Iterator[bytes]) -> None:
    """Write what a generator gives to the stream, as fast as the peer reads and in bounded memory.

    The generator runs in the lane, a slice at a time, so that other jobs of the same owner get their turn;
    while the peer takes one piece the next is made. It is closed in the lane too, also when the connection is
    lost half-way.
    """
    finished = False
    gathering = lane.run(_gather, chunks)
    try:
        while not finished:
            piece, finished = await gathering
            if not finished:
                gathering = lane.run(_gather, chunks)
            stream.write(piece)
            await stream.drain()
    finally:
        close = getattr(chunks, "close", None)
        if not finished and close is not None:
            gathering.addErrback(lambda _: None)  # nobody waits for that piece any more
            await lane.run(close)
