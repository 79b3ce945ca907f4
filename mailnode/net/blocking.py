"""Blocking work off the reactor thread, in order.

A Lane runs the jobs of one owner (an account, a message being written) one after the other on a shared
executor: what runs in it needs no lock against its own kind, and owners do not wait for each other. A
thread cannot be cancelled, so every job is whole in itself; a job started is a job finished, also when
the connection that asked for it is gone.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from socket import socket
from threading import Lock, Thread
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailnode.net.breath import BREATH
from mailnode.net.stream import Stream
from mailnode.net.wait import Wait
from mailnode.runtime import Executor

T = TypeVar("T")

PIECE = 131072
SLICE_SECONDS = 0.02
PUSH_SECONDS = 0.004  # while others wait
ALONE_SECONDS = 0.01  # while nobody does
_VECTORS = 512  # pieces that the kernel is handed together; it takes 1024

# Seconds for which the reactor's thread stands aside; after a job that took longer it does not do so for
# others like it, for REST seconds at first.
PATIENCE = 0.001
SLEEP = 0.0002  # seconds in which the reactor would have had something better to do: the same as being late
REST, LONGEST_REST = 0.02, 2.0


class Reactor(Protocol):
    """What is used of one: IReactorFromThreads and IReactorTime."""

    def callFromThread(self, call: Callable[..., object], *args: object) -> object: ...
    def callLater(self, delay: float, call: Callable[..., object], *args: object) -> object: ...


class _Job:
    """A call for a thread to make, and how its result comes back: to who waits for it, or by the reactor."""

    __slots__ = ("_args", "_function", "done", "over", "result", "slept", "waiter")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._function = function
        self._args = args
        self.done: Wait[Any] = Wait()
        self.result: Any = None
        self.over = False
        self.slept = 0.0  # seconds that it did not need the interpreter or the processor
        self.waiter: Lock | None = None  # released at the end, if somebody waits

    def call(self) -> None:
        """In the thread."""
        began, worked = time.monotonic(), time.thread_time()
        try:
            self.result = self._function(*self._args)
        except BaseException:  # also a SystemExit: the thread goes on, and somebody waits
            self.result = Failure()
        self.slept = time.monotonic() - began - (time.thread_time() - worked)

    def tell(self) -> None:
        """On the reactor thread: a Failure given to callback() becomes the error."""
        self.done.callback(self.result)


class _Worker:
    """A thread that is handed one job after the other, and sleeps between them."""

    def __init__(self, work: Callable[["_Worker"], None], name: str) -> None:
        self._job: _Job | None = None
        self._given = Lock()
        self._given.acquire()
        self.thread = Thread(target=work, args=(self,), name=name, daemon=True)

    def give(self, job: _Job | None) -> None:
        """Wake the thread with a job, or with None to end it."""
        self._job = job
        self._given.release()

    def wait(self) -> _Job | None:
        """In the thread: sleep until something is given."""
        self._given.acquire()
        job, self._job = self._job, None
        return job


class Patience:
    """Whether to wait for calls of a function: who took too long is not waited for, for longer each time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._rests: dict[object, tuple[float, float]] = {}  # by function: how long, until when

    @staticmethod
    def kind(function: Callable[..., Any]) -> object:
        """What calls that take about the same time have in common: the code they run."""
        inner = getattr(function, "func", function)  # of a functools.partial
        return getattr(getattr(inner, "__func__", inner), "__code__", type(inner))

    def is_left(self, kind: object) -> bool:
        """Whether the next one is waited for."""
        rest = self._rests.get(kind)
        return rest is None or rest[1] <= self._now()

    def was_rewarded(self, kind: object) -> None:
        """One was quick."""
        if self._rests:
            self._rests.pop(kind, None)

    def was_tried(self, kind: object) -> None:
        """One was not."""
        length = min(2 * self._rests.get(kind, (REST / 2, 0.0))[0], LONGEST_REST)
        self._rests[kind] = length, self._now() + length


class ThreadedExecutor:
    """An Executor with threads of its own.

    Most jobs are so short that what they cost is the way to a thread and back: only one thread can have the
    interpreter, and has to get it from the reactor's again after every system call. So the reactor's thread,
    which could only get in the way, stands aside while a job runs, for PATIENCE seconds. What takes longer,
    as a disk may, is heard of by callFromThread(). And a job wakes the thread that worked last, whose memory
    is still near, where a queue that all of them wait for would wake two.
    The process does not wait for these threads at its end: one may hang in a disk that does not answer.
    """

    def __init__(self, reactor: Reactor, threads: int, name: str) -> None:
        self._reactor = reactor
        self._turn_began: float | None = None
        self._patience = Patience(time.monotonic)
        self._mutex = Lock()  # of what follows, and of the ends of jobs
        self._backlog: deque[_Job] = deque()
        self._idle: list[_Worker] = []
        self._stopping = False
        self._workers = [_Worker(self._work, name) for _ in range(threads)]

    def start(self) -> None:
        """Begin with the jobs; those that were given earlier have waited for it."""
        for worker in self._workers:
            worker.thread.start()

    def stop(self) -> None:
        """Wait until all jobs that were given are done, and the threads have ended."""
        with self._mutex:
            self._stopping = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.give(None)
        for worker in self._workers:
            if worker.thread.is_alive():
                worker.thread.join()

    @property
    def waiting(self) -> int:
        """Jobs that no thread has begun with."""
        return len(self._backlog)

    @property
    def busy(self) -> int:
        """Threads that are working."""
        return len(self._workers) - len(self._idle)

    def run(self, function: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Run in one of the threads; the result may be there already."""
        job = _Job(function, args)
        kind = self._patience.kind(function)
        waiter = self._begin(job, stays=self._patience.is_left(kind))
        if waiter is None:
            return job.done
        if waiter.acquire(timeout=PATIENCE):
            if job.slept < SLEEP:
                self._patience.was_rewarded(kind)
            else:
                self._patience.was_tried(kind)
        else:
            self._patience.was_tried(kind)
            with self._mutex:
                job.waiter = None
                if not job.over:
                    return job.done
        self._tell(job)
        return job.done

    def _tell(self, job: _Job) -> None:
        """At once; in the next turn of the reactor where this one has been long with what was at once."""
        now = time.monotonic()
        if self._turn_began is None:
            self._turn_began = now
            self._reactor.callLater(0, self._end_turn)
        if now - self._turn_began < BREATH:
            job.tell()
        else:
            self._reactor.callLater(0, job.tell)

    def _end_turn(self) -> None:
        self._turn_began = None

    def _begin(self, job: _Job, *, stays: bool) -> "Lock | None":
        """Hand it to a thread if one is free; then, for a caller that stays, gives what to wait for."""
        with self._mutex:
            if not self._idle:
                self._backlog.append(job)
                return None
            worker = self._idle.pop()
        if stays:
            job.waiter = Lock()
            job.waiter.acquire()
        waiter = job.waiter
        worker.give(job)
        return waiter

    def _work(self, worker: _Worker) -> None:
        while (job := self._next(worker)) is not None:
            job.call()
            with self._mutex:
                job.over = True
                waiter = job.waiter
            if waiter is not None:
                waiter.release()
            else:
                self._reactor.callFromThread(job.tell)
            del job  # what it worked at is not kept until the next one comes

    def _next(self, worker: _Worker) -> _Job | None:
        with self._mutex:
            if self._backlog:
                return self._backlog.popleft()
            if self._stopping:
                return None
            self._idle.append(worker)
        return worker.wait()


class InlineExecutor:
    """An Executor that runs at once in the caller's thread: for tests, and for tools without a reactor."""

    waiting = 0

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
        self._going = False

    def run(self, function: Callable[..., T], *args: Any) -> "Deferred[T]":
        """Run after all jobs that were given before."""
        done: Wait[T] = Wait()
        self._jobs.append((done, function, args))
        self._go_on()
        return done

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self._busy

    @property
    def is_idle(self) -> bool:
        """Whether nobody uses, or is about to use, what belongs to the owner."""
        return not (self._busy or self._jobs)

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for the job that is running, or for the thread that it has."""
        return bool(self._jobs) or self._executor.waiting > 0

    @property
    def waiting(self) -> int:
        """How many jobs wait for the one that is running."""
        return len(self._jobs)

    def _go_on(self) -> None:
        """Run what waits, in a loop: a job may be over at once, and what follows it may bring the next."""
        if self._going:
            return
        self._going = True
        while self._jobs and not self._busy:
            self._busy = True
            done, function, args = self._jobs.popleft()
            self._executor.run(function, *args).addBoth(self._finished, done)
        self._going = False

    def _finished(self, result: Any, done: "Deferred[Any]") -> None:
        self._busy = False
        done.callback(result)  # a Failure given to callback() becomes the error
        self._go_on()


def _gather(chunks: Iterator[bytes], until: float) -> tuple[list[bytes], bool, Exception | None]:
    """Take chunks until a piece is full, the time is used up, or they end (then True).

    Where an error ends them it comes behind what was made before it: that is meant to be sent.
    """
    taken: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            taken.append(chunk)
            size += len(chunk)
            if size >= PIECE or time.monotonic() >= until:
                return taken, False, None
    except Exception as error:
        return taken, True, error
    return taken, True, None


def _piece(chunks: Iterator[bytes]) -> tuple[bytes, bool, Exception | None]:
    """A piece, as _gather() gives it."""
    taken, finished, error = _gather(chunks, time.monotonic() + SLICE_SECONDS)
    return b"".join(taken), finished, error


def _push(chunks: Iterator[bytes], outlet: socket, lane: Lane) -> tuple[bytes, bool, Exception | None]:
    """Send pieces while the peer takes them, for a slice of time; gives what is left, like _piece().

    The slice is short where others wait for the lane, or for a thread. The last piece is left in any case:
    it may go out with what follows. The outlet is closed: while it is open a connection that is cut goes on.
    """
    began = time.monotonic()
    with outlet:
        while True:
            taken, finished, error = _gather(chunks, time.monotonic() + PUSH_SECONDS)
            if finished:
                return b"".join(taken), True, error
            left = _left(outlet, taken)
            enough = PUSH_SECONDS if lane.is_wanted else ALONE_SECONDS
            if left or time.monotonic() - began >= enough:
                return left, False, None


def _left(outlet: socket, pieces: list[bytes]) -> bytes:
    """What the kernel does not take at once."""
    for start in range(0, len(pieces), _VECTORS):
        some = pieces[start : start + _VECTORS]
        try:
            sent = outlet.sendmsg(some)
        except OSError:  # no room, or the end, which the reactor will find again
            sent = 0
        if sent < sum(map(len, some)):
            return b"".join(pieces[start:])[sent:]
    return b""


async def send(
    stream: Stream,
    lane: Lane,
    chunks: Iterator[bytes],
    writing: Callable[[], None] = lambda: None,
    *,
    last: bool = True,
) -> None:
    """Write what a generator gives to the stream, as fast as the peer reads and in bounded memory.

    The generator runs in the lane, a slice at a time, so that other jobs of the same owner get their turn.
    What is made after the first octets is sent from there too, as long as the peer takes it at once: the way
    to the reactor and back takes longer than to read some small messages. It is closed in the lane too, also
    when the connection is lost half-way.

    `writing` is called before the first octets are written: until all are, nobody else may write to the
    stream. It is called again whenever what was made so far was sent, or is about to be. What is not the
    `last` of a reply may go out with what follows.
    """
    finished = begun = False
    error: Exception | None = None
    gathering = lane.run(_piece, chunks)
    try:
        while not finished:
            piece, finished, error = await gathering
            begun = begun or bool(piece)
            if begun:
                writing()
            if finished and not last:
                stream.write_with_next(piece)
                continue
            if finished:
                stream.write(piece)
            elif piece:
                stream.write_through(piece)
            if not finished:
                outlet = stream.outlet() if begun else None
                gathering = (
                    lane.run(_piece, chunks) if outlet is None else lane.run(_push, chunks, outlet, lane)
                )
            await stream.drain()
    finally:
        close = getattr(chunks, "close", None)
        if not finished and close is not None:
            gathering.addErrback(lambda _: None)  # nobody waits for that piece any more
            await lane.run(close)
    if error is not None:
        raise error
