"""Blocking work off the reactor thread, in order.

A Lane runs the jobs of one owner (an account, a message being written) one after the other on a shared
executor: what runs in it needs no lock against its own kind, and owners do not wait for each other. A
thread cannot be cancelled, so every job is whole in itself; a job started is a job finished, also when
the connection that asked for it is gone.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

from mailnode.net.stream import Stream
from mailnode.runtime import Executor

T = TypeVar("T")

PIECE = 131072
SLICE_SECONDS = 0.02


class ThreadedExecutor:
    """An Executor with threads of its own.

    Most jobs are so short that what they cost is the way to a thread and back. Twisted's ThreadPool takes
    several locks and a second queue for each; here it is one put and one callFromThread().
    The process does not wait for these threads at its end: one may hang in a disk that does not answer.
    """

    def __init__(self, reactor: IReactorFromThreads, threads: int, name: str) -> None:
        self._reactor = reactor
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [Thread(target=self._work, name=name, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        """Begin with the jobs; those that were given earlier have waited for it."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait until all jobs that were given are done, and the threads have ended."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def run(self, function: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Run in one of the threads."""
        done: Deferred[T] = Deferred()

        def job() -> None:
            try:
                result: Any = function(*args)
            except BaseException:  # also a SystemExit: the thread goes on, and somebody waits
                result = Failure()
            self._reactor.callFromThread(done.callback, result)  # a Failure becomes the error

        self._jobs.put(job)
        return done

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # what it worked at is not kept until the next one comes


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
