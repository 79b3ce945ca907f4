"""The main process and its workers: processes in which mail comes in and is read, SMTP, LMTP, POP3 and IMAP.

The main process holds the listening sockets, accepts nothing on them, and starts the workers, who do. What
goes on in one of them the others hear through the main one (service_together). Mail waits and goes out in the
main process alone, people send in it, and what is done once is done there: upkeep, the queue, the log.

A worker that dies takes its sessions along, whose clients come again, and nothing else: what was written is
on the disk, what was not was not acknowledged. Its place in the counts is given back, another one is started,
and the queue looks for what it has accepted, by the ids, which begin with a word for each worker. Connections
that come meanwhile wait in the listening socket.

The first ones are copies of the main process (service_copies), which has loaded and read all that they need.
Those that come later are programs of their own: the main process has threads by then.
"""

import json
import os
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping
from functools import cache, partial
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from mailnode import service_copies as copies
from mailnode.delivery.moderation import Answer, Decided
from mailnode.events.life import Bus
from mailnode.events.log import Log, emit, no_fields
from mailnode.net.limits import HAPPENED
from mailnode.net.link import Hear, Link, LinkEnd
from mailnode.queue.runner import Busy, Runner
from mailnode.queue.spool import Unreadable
from mailnode.service_together import Together, event_of

DECIDED = "decided"  # the answer to who asks for what a moderator has decided on before
MOST = 4  # workers, where the configuration leaves their number to the machine
LINK, FIRST_PORT = 3, 4  # descriptors of a worker that is a program of its own
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds before another one is started for one that died
LONG_LIFE = 60.0  # seconds after which a death is no sign that the next one dies too

# What a copy does: it has been told so much, and the descriptor of its link.
Life = Callable[[Mapping[str, Any], int], None]

_NO_FIELDS: Mapping[str, object] = {}
_LEVELS = {level.name: level for level in LogLevel.iterconstants()}


def how_many(wanted: int) -> int:
    """The number of workers; 1 means that there are none beside the main process."""
    return wanted or min(MOST, len(os.sched_getaffinity(0)))


class _Worker(ProcessProtocol):
    """One process as the main one knows it; `ready` says whether it serves, or has ended before it did."""

    def __init__(self, began: float, word: str, over: Callable[["_Worker", str], None]) -> None:
        self.began = began
        self.word = word  # with which its ids begin
        self.link: Link | None = None
        self.ready: Deferred[bool] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self.leaves = False
        self.counts: Counter[tuple[str, str]] = Counter()
        self._over = over

    def say(self, *message: object) -> None:
        """Tell it something."""
        if self.link is not None:
            self.link.say(*message)

    def say_soon_once(self, *message: Hashable) -> None:
        """The same for what can wait for a moment, and is not said twice meanwhile."""
        if self.link is not None:
            self.link.say_soon_once(*message)

    def count(self, steps: list[tuple[str, str, int]]) -> None:
        """Remember what it has counted, as far as that ends with it."""
        for group, name, by in steps:
            if name.startswith(HAPPENED):
                continue
            self.counts[group, name] += by
            if not self.counts[group, name]:
                del self.counts[group, name]

    def known(self, sign: int = 1) -> list[tuple[str, str, int]]:
        """Its part of all counters; or the steps that take it back."""
        return [(group, name, sign * number) for (group, name), number in self.counts.items()]

    def hang_up(self) -> None:
        """Its end of the link is lost: it ends, or is ended."""
        if self.transport is not None and self.transport.pid:
            self.transport.signalProcess("KILL")

    def processEnded(self, reason: Failure) -> None:
        """Twisted's."""
        self._over(self, reason.getErrorMessage())
        if not self.ready.called:
            self.ready.callback(False)
        self.ended.callback(None)


class Workers:
    """All of them."""

    def __init__(
        self,
        path: str,
        number: int,
        *,
        reactor: Any,
        together: Together,
        bus: Bus,
        queue: Runner,
        decide: Callable[[Answer], Awaitable[None]],
        key: bytes,
    ) -> None:
        self.lines_only = False  # whether of a fact in a worker's log nothing but its line is wanted
        self._queue = queue
        self._decide = decide
        self._path = path
        self._number = number
        self._reactor = reactor
        self._together = together
        self._bus = bus
        self._key = key
        self._log = Log("mailnode.workers")
        self._ports: dict[str, Any] = {}  # by endpoint
        self._workers: list[_Worker] = []
        self._pause = FIRST_PAUSE
        self._begun = False  # whether they are to accept
        self._stopping = False
        self._waiting: list[Any] = []
        self._words = map("{}U".format, count(1))

    @property
    def pids(self) -> list[int]:
        """Of those that run."""
        return [worker.transport.pid for worker in self._workers if worker.transport is not None]

    # Starting

    def copy(self, ports: Mapping[str, Any], life: Life) -> None:
        """Have all of them ready for `start`, as copies of this process, as far as that is possible."""
        if self._number and copies.possible():
            copies.settle()
            self._ports = dict(ports)
            try:
                for _ in range(self._number):
                    self._make(partial(self._copy, life))
            except OSError as error:
                self._log.warn("no copy", reason=error.strerror)

    async def start(self, ports: Mapping[str, Any]) -> None:
        """Have all of them accept on these ports, by endpoint; fires when they do, or have died."""
        self._ports = dict(ports)
        self._begun = True
        if self._number:
            self._together.tell(self._say_to_all, self._say_to_all_soon)
        for worker in self._workers:
            self._greet(worker)
        while len(self._workers) < self._number:
            self._start_one()
        await DeferredList([worker.ready for worker in self._workers])

    def _start_one(self) -> _Worker:
        worker = self._make(self._spawn)
        self._greet(worker)
        return worker

    def _make(self, begin: Callable[[_Worker, int], None]) -> _Worker:
        """Another one, which waits to be greeted; `begin` has the descriptor of its end of the link."""
        worker = _Worker(self._reactor.seconds(), next(self._words), self._over)
        ours, theirs = socket.socketpair()
        with theirs:
            begin(worker, theirs.fileno())
        hears: dict[str, Hear] = {
            **self._relayed(worker),
            "ready": lambda: worker.ready.callback(True),
            "event": self._publish,
            "log": _write,
            "queued": self._queue.hear,
        }
        worker.link = Link(hears, worker.hang_up, self._reactor, {"decide": self._decided})
        self._reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, LinkEnd(worker.link))
        ours.close()
        self._workers.append(worker)
        return worker

    def _copy(self, life: Life, worker: _Worker, link: int) -> None:
        places = {endpoint: port.fileno() for endpoint, port in self._ports.items()}
        told = self._told(worker, places)
        copies.make_copy(worker, self._reactor, [link, *places.values()], partial(life, told, link))

    def _spawn(self, worker: _Worker, link: int) -> None:
        places = {endpoint: FIRST_PORT + number for number, endpoint in enumerate(self._ports)}
        descriptors = {place: self._ports[endpoint].fileno() for endpoint, place in places.items()}
        self._reactor.spawnProcess(
            worker,
            sys.executable,
            [sys.executable, "-m", "mailnode.worker", json.dumps(self._told(worker, places))],
            env=os.environ,
            childFDs={0: 0, 1: 1, 2: 2, LINK: link, **descriptors},
        )

    def _told(self, worker: _Worker, places: Mapping[str, int]) -> dict[str, Any]:
        """What it has to know from its beginning on; its descriptors of the ports are at these places."""
        families = {endpoint: int(port.socket.family) for endpoint, port in self._ports.items()}
        return {
            "config": self._path,
            "word": worker.word,
            "lines_only": self.lines_only,
            "ports": {endpoint: [place, families[endpoint]] for endpoint, place in places.items()},
        }

    def _greet(self, worker: _Worker) -> None:
        """Tell it what all of them have together; it accepts from now on."""
        worker.say("hello", self._key.hex())
        for message in self._together.known():
            worker.say(*message)
        for other in self._workers:
            if other is not worker and other.counts:
                worker.say("count", other.known())

    # Talking

    def _say_to_all(self, *message: object) -> None:
        for worker in self._workers:
            worker.say(*message)

    def _say_to_all_soon(self, *message: Hashable) -> None:
        for worker in self._workers:
            worker.say_soon_once(*message)

    def _relayed(self, worker: _Worker) -> Mapping[str, Callable[..., None]]:
        """What one says, the others and the main process hear."""

        def relay(kind: str) -> Callable[..., None]:
            def hear(*message: Any) -> None:
                if kind == "count":
                    worker.count(*message)
                self._relay(worker, kind, *message)

            return hear

        def feed(address: str, levels: list[str]) -> None:
            self._together.hears["feed"](address, levels)
            for other in self._workers:
                if other is not worker:
                    other.say_soon_once("feed", address, tuple(levels))

        return {**{kind: relay(kind) for kind in self._together.hears}, "feed": feed}

    def _relay(self, origin: _Worker, kind: str, *message: Any) -> None:
        self._together.hears[kind](*message)
        for other in self._workers:
            if other is not origin:
                other.say(kind, *message)

    def _publish(self, name: str, *values: Any) -> None:
        self._bus.publish(event_of(name, *values))

    async def _decided(self, word: str, message: str) -> str:
        """Do what a moderator wants; gives why not."""
        try:
            await self._decide(Answer(word, message))
        except Decided:
            return DECIDED
        except (Busy, Unreadable, OSError) as error:
            return f"{type(error).__name__} {error}"
        return ""

    async def reload(self) -> None:
        """Have all of them read the configuration again; returns when what they took of it is in force."""
        links = [worker.link for worker in self._workers if worker.link is not None]
        await DeferredList([Deferred.fromCoroutine(link.ask("reload")) for link in links], consumeErrors=True)

    # Ending

    def _over(self, worker: _Worker, reason: str) -> None:
        self._workers.remove(worker)
        self._relay(worker, "count", worker.known(-1))
        if self._stopping:
            return
        if not self._begun:
            self._log.warn("worker died", reason=reason)
            return
        taken = Deferred.fromCoroutine(self._queue.take_over(worker.word))
        taken.addErrback(lambda why: self._log.bug("its messages not taken over", why))
        if worker.leaves:
            return
        lived = self._reactor.seconds() - worker.began
        self._pause = FIRST_PAUSE if lived > LONG_LIFE else self._pause
        self._log.warn("worker died", reason=reason, lived=int(lived), next_in=self._pause)
        self._waiting.append(self._reactor.callLater(self._pause, self._replace))
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _replace(self) -> None:
        self._waiting = [call for call in self._waiting if call.active()]
        if not self._stopping:
            self._start_one()

    async def restart(self) -> bool:
        """Put another worker in the place of each, one after the other; sessions go on to their end.

        Gives whether that could be done. Where one dies at once, those that are not replaced so far stay.
        """
        for worker in list(self._workers):
            fresh = self._start_one()
            fresh.leaves = True  # till it serves: who takes nobody's place is not replaced
            if not await fresh.ready:
                return False
            fresh.leaves, worker.leaves = False, True
            worker.say("leave")
        return True

    def stop(self) -> "list[Deferred[None]]":
        """Have all of them end; gives what fires when they have."""
        self._stopping = True
        for call in self._waiting:
            if call.active():
                call.cancel()
        if self._begun:
            self._say_to_all("stop")
        else:
            self.kill()
        return [worker.ended for worker in self._workers]

    def kill(self) -> None:
        """End those that have not ended."""
        for worker in self._workers:
            worker.hang_up()


def _write(
    namespace: str, level: str, text: str, event: str = "", fields: Mapping[str, object] = _NO_FIELDS
) -> None:
    """A line of a worker's log, and the fact that it is made of, where somebody wants to know that."""
    if Log.lines is not None:
        _log(namespace).about(_LEVELS[level], text, no_fields, None)
        return
    emit(_logger(namespace), _LEVELS[level], text, event, fields)


@cache
def _log(namespace: str) -> Log:
    return Log(namespace)


@cache
def _logger(namespace: str) -> Logger:
    return Logger(namespace=namespace)
