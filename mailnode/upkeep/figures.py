"""How the server is at a moment, in numbers: what its metrics and `mailnode status` are made of."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field

from twisted.internet.defer import Deferred

from mailnode import __version__
from mailnode.auth.live import Live
from mailnode.auth.realm import Realm
from mailnode.events.tally import Key, Tally
from mailnode.fs import FileSystem
from mailnode.net.blocking import ThreadedExecutor
from mailnode.net.limits import Gate
from mailnode.queue.runner import Runner
from mailnode.queue.state import QueueState
from mailnode.runtime import Runtime
from mailnode.upkeep.in_time import done_in_time
from mailnode.upkeep.pulse import Delay, Pulse
from mailnode.values import frozen

PATIENCE = 2.0  # seconds that the system has for its answer
_PAGE = os.sysconf("SC_PAGE_SIZE")


@frozen
class Sessions:
    """The sessions of a protocol: of each person who has logged in, and of all others together.

    `refused` are connections there was no place for, by the reason.
    """

    protocol: str
    people: Mapping[str, int] = field(default_factory=dict)
    others: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All of them."""
        return self.others + sum(self.people.values())


@frozen
class Store:
    """Mailboxes that there are and whose caches are open, caches that were broken, jobs of the lanes, and the
    free octets of the disk, None where they cannot be found out.
    """

    mailboxes: int = 0
    open: int = 0
    discarded: int = 0
    busy: int = 0
    waiting: int = 0
    free: int | None = None


@frozen
class Threads:
    """Those of an executor that work, and the jobs that wait for one."""

    name: str
    busy: int
    waiting: int


@frozen
class Process:
    """Octets of memory and open descriptors of all processes; 0 where the system does not tell."""

    memory: int = 0
    descriptors: int = 0
    workers: int = 0  # processes beside the main one


@frozen
class Figures:
    """All of it; times are seconds since the epoch.

    `totals` count since the start, `lately` in the last hour; `certificates` are the times at which they run
    out, by file.
    """

    now: float
    started: float
    version: str = __version__
    hostname: str = ""
    sessions: Sequence[Sessions] = ()
    queue: QueueState = field(default_factory=QueueState)
    totals: Mapping[Key, int] = field(default_factory=dict)
    lately: Mapping[Key, int] = field(default_factory=dict)
    store: Store = Store()
    threads: Sequence[Threads] = ()
    delay: Delay = field(default_factory=Delay)
    process: Process = Process()
    certificates: Mapping[str, float] = field(default_factory=dict)


@frozen
class Parts:
    """What is looked at."""

    live: Live
    realm: Realm
    queue: Runner
    tally: Tally
    pulse: Pulse
    gates: Mapping[str, Gate]  # by protocol
    threads: Mapping[str, ThreadedExecutor]
    certificates: Callable[[], Mapping[str, float]]
    workers: Callable[[], Sequence[int]] = lambda: ()  # their numbers


class Observer:
    """Looks at all of it, on the reactor thread; what needs the system is asked for in a thread.

    Where that does not answer, the figures have what it said last.
    """

    def __init__(self, parts: Parts, runtime: Runtime, files: FileSystem) -> None:
        self._parts = parts
        self._runtime = runtime
        self._files = files
        self._started = runtime.now()
        self._measuring = False
        self._measured: tuple[int | None, Process] = (None, Process())
        self._measurement: Deferred[None]

    async def look(self) -> Figures:
        """How things are now. Raises nothing."""
        parts = self._parts
        await self._measure()
        free, process = self._measured
        return Figures(
            now=self._runtime.now(),
            started=self._started,
            hostname=parts.live.config.hostname,
            sessions=self._sessions(),
            queue=parts.queue.state(),
            totals=parts.tally.totals(),
            lately=parts.tally.lately(),
            store=self._store(free),
            threads=[Threads(name, pool.busy, pool.waiting) for name, pool in parts.threads.items()],
            delay=parts.pulse.delay(),
            process=process,
            certificates=parts.certificates(),
        )

    async def _measure(self) -> None:
        if not self._measuring:
            self._measuring = True
            processes = ("self", *map(str, self._parts.workers()))
            work = self._runtime.blocking.run(_measure, self._files, self._parts.realm.mail_root, processes)
            self._measurement = work.addCallback(self._take)
        await done_in_time(self._measurement, PATIENCE, self._runtime.clock)

    def _take(self, measured: tuple[int | None, Process]) -> None:
        self._measuring, self._measured = False, measured

    def _sessions(self) -> list[Sessions]:
        """Of all processes, by the protocols that there are listeners for, in their order."""
        protocols = dict.fromkeys(listener.protocol for listener in self._parts.live.config.listeners)
        return [sessions(protocol, self._parts.gates[protocol]) for protocol in protocols]

    def _store(self, free: int | None) -> Store:
        realm = self._parts.realm
        accounts = realm.accounts()
        return Store(
            mailboxes=len(self._parts.live.mailboxes.mailboxes),
            open=realm.open_stores,
            discarded=sum(one.store.caches_discarded for one in accounts),
            busy=sum(one.lane.busy for one in accounts),
            waiting=sum(one.lane.waiting for one in accounts),
            free=free,
        )


def sessions(protocol: str, gate: Gate) -> Sessions:
    """The sessions of a protocol."""
    people = gate.people()
    return Sessions(protocol, people, gate.sessions - sum(people.values()), gate.refused())


def _measure(files: FileSystem, path: str, processes: Sequence[str]) -> tuple[int | None, Process]:
    """In a thread: the free octets where the mail lies, and what the processes have."""
    free: int | None = None
    memory = descriptors = 0
    with suppress(OSError):
        free = files.free_space(path)
    for one in processes:
        with suppress(OSError, ValueError, IndexError):
            memory += int(files.read(f"/proc/{one}/statm").split()[1]) * _PAGE
        with suppress(OSError):
            descriptors += len(files.names(f"/proc/{one}/fd"))
    return free, Process(memory, descriptors, len(processes) - 1)
