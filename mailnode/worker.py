"""A process in which mail comes in and is read, started by the main one (service_workers).

The first ones are copies of it. Those that come later are programs of their own:

    python -m mailnode.worker '{"config": PATH, "word": WORD, "lines_only": BOOLEAN,
                               "ports": {ENDPOINT: [DESCRIPTOR, FAMILY], ...}}'

It takes connections from sockets that listen already, and does what the main process says. When that dies the
kernel ends this one in the same moment: what is half written then, the next start takes for remains.
"""

import ctypes
import errno
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from twisted.internet.default import install
from twisted.internet.defer import Deferred
from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
    globalLogBeginner,
    globalLogPublisher,
)

from mailnode.auth.keys import lasting_key
from mailnode.delivery.moderation import Answer, Decided
from mailnode.events.log import Fact, Fields, Log, cut, line_of
from mailnode.events.output import all_fields_of
from mailnode.fs import FileSystem
from mailnode.net.link import Link, LinkEnd, Message
from mailnode.net.short_turns import shorten, take_turns
from mailnode.queue.admission import FromElsewhere
from mailnode.queue.entry import Entry
from mailnode.queue.spool import Spool
from mailnode.service_arrivals import Arrivals
from mailnode.service_entrance import IN_WORKERS, READING, Entrance
from mailnode.service_listeners import make_gates, make_room, session_factories
from mailnode.service_reading import CANNOT_START, Reading, read
from mailnode.service_stopping import CHANGED, STOPPING, SWITCH_INTERVAL, Stopping
from mailnode.service_together import Together, event_message
from mailnode.service_workers import DECIDED, LINK
from mailnode.upkeep.memory import ShortCollections
from mailnode.wire.srs import Srs

LINGER = 2.0  # seconds for the last words of sessions to go out
DRAIN = 300.0  # seconds for sessions to end by themselves when another worker takes over
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15  # of Linux's prctl()


class Worker:
    """The process."""

    def __init__(self, told: Mapping[str, Any], reading: Reading, reactor: Any) -> None:
        path, ports = str(told["config"]), told["ports"]
        self._reactor = reactor
        self._log = Log("mailnode.worker")
        self._entrance = entrance = Entrance(path, reading, reactor, str(told["word"]))
        live, runtime = entrance.live, entrance.runtime
        gates = make_gates(live, runtime, IN_WORKERS, quiet=True)
        self._together = Together(entrance, gates)
        spool = Spool(entrance.files, live.config.queue_directory)
        way_in = FromElsewhere(runtime, spool, self._accepted)
        smtp = Arrivals(entrance, way_in.begin, self._decide).smtp(entrance.tls)
        serve = {**entrance.serve(), "smtp": smtp.serve, "lmtp": smtp.serve}
        people = dict.fromkeys(READING, entrance.asking)
        self._factories = session_factories(live, runtime, serve, people, entrance.tls, gates)
        self._ports = ports
        self._listening: list[Any] = []
        self._collections = ShortCollections(reactor, gc, quiet=lambda: not entrance.realm.crowded)
        self._stopping = Stopping(reactor, self._log)
        self._ends = False
        self.link = Link(
            {
                **self._together.hears,
                "hello": self._begin,
                "leave": self._leave,
                "stop": self.stop,
            },
            partial(os._exit, 1),  # a moment later the kernel would do it
            reactor,
            {"reload": self._reload},
        )

    # Telling the main process

    def _accepted(self, entry: Entry) -> None:
        self.link.say("queued", entry.id, entry.due, entry.came, entry.envelope.priority)

    async def _decide(self, answer: Answer) -> None:
        outcome = await self.link.ask("decide", answer.word, answer.message)
        if outcome == DECIDED:
            raise Decided
        if outcome:
            raise OSError(errno.EAGAIN, outcome)

    # Working

    def _begin(self, key: str) -> None:
        """The main process has said what all of them have together."""
        entrance = self._entrance
        sys.setswitchinterval(SWITCH_INTERVAL)
        make_room(entrance.live.config.limits)
        entrance.throttle.key = bytes.fromhex(key)
        entrance.logins.verifiers.key = lasting_key(entrance.live.config.login_key, entrance.files)
        entrance.live.srs = Srs(
            lasting_key(entrance.live.config.sender_key, entrance.files), entrance.runtime.now
        )
        self._together.tell(self.link.say, self.link.say_soon_once)
        entrance.bus.subscribe(partial(self.link.make_soon, event_message))
        entrance.disk.start()
        entrance.passwords.start()
        self._collections.start()
        entrance.certificates.renewal.start()
        for endpoint, (descriptor, family) in self._ports.items():
            factory = self._factories[endpoint]
            port = self._reactor.adoptStreamPort(descriptor, family, factory)
            if factory.serves in ("smtp", "lmtp"):
                take_turns(self._reactor, port)
            self._listening.append(port)
            os.close(descriptor)
        self.link.say("ready")

    async def _reload(self) -> None:
        try:
            _, changed = await self._entrance.reload()
        except CANNOT_START as error:  # the files have changed since the main process read them
            self._log.warn("reload refused", mistake=error)
            return
        for factory in self._factories.values():
            factory.dismiss(CHANGED, changed)

    # Ending

    def _leave(self) -> None:
        """Another one takes what comes from here on."""
        self._stop_listening()
        sessions = [session for factory in self._factories.values() for session in factory.sessions()]
        ended = self._stopping.ended("sessions", sessions, DRAIN)
        ended.addCallback(lambda _: self._reactor.callLater(LINGER, self.stop))

    def _stop_listening(self) -> None:
        for port in self._listening:
            port.stopListening()
        self._listening = []

    def stop(self) -> None:
        """Send everybody away, put everything away, and end."""
        if not self._ends:
            self._ends = True
            Deferred.fromCoroutine(self._stop()).addBoth(lambda _: self._end())

    def _end(self) -> None:
        self.link.flush()
        self._reactor.stop()

    async def _stop(self) -> None:
        self._stop_listening()
        self._collections.stop()
        self._entrance.certificates.renewal.stop()
        await self._stopping.send_away(self._factories.values(), STOPPING, [])
        self._entrance.watches.close()
        await self._stopping.put_away(self._entrance, [])


def _observer(link: Link, *, lines_only: bool = False) -> Any:
    """The log goes to the main process: as lines, and the fields of each where not `lines_only`."""

    def observe(event: LogEvent) -> None:
        level = event.get("log_level") or LogLevel.info
        text = event.get("line") or formatEvent(event)
        failure = event.get("log_failure")
        if failure is not None:
            text = f"{text}\n{failure.getTraceback()}"
        if text and (level is not LogLevel.debug):
            fact: tuple[object, ...] = ()
            if not lines_only:
                fields = {name: cut(value) for name, value in all_fields_of(event).items()}
                fact = str(event.get("event_name", "")), fields
            link.say_soon("log", event.get("log_namespace", "mailnode"), level.name, text, *fact)
            if level is not LogLevel.info:  # a crash may come next
                link.flush()

    return observe


class Facts:
    """Has the main process write lines of the log."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.flush = link.flush

    def add(self, fact: Fact, /) -> None:
        """One more."""
        self._link.make_soon(_log_message, *fact)


def _log_message(
    when: float, source: str, level: str, beginning: str, fields: Callable[[Any], Fields], subject: Any
) -> Message:
    return "log", source, level, line_of(beginning, fields, subject)


def live_as_copy(reading: Reading, told: Mapping[str, Any], link: int) -> None:
    """What a copy of the main process does, which has read the configuration already."""
    for other in list(globalLogPublisher._observers):
        globalLogPublisher.removeObserver(other)  # it would write into the main process's log itself
    sys.modules.pop("twisted.internet.reactor")  # that too
    install()
    _run(told, link, lambda: reading, globalLogPublisher.addObserver)


def main() -> None:
    """What the main process starts, where it does not make a copy of itself."""
    told = json.loads(sys.argv[1])
    _run(
        told,
        LINK,
        lambda: read(str(told["config"]), FileSystem()),
        lambda observer: globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False),
    )


def _run(
    told: Mapping[str, Any],
    link: int,
    configuration: Callable[[], Reading],
    log_to: Callable[[ILogObserver], object],
) -> None:
    """Live till the reactor ends; `link` is the descriptor of that to the main process."""
    from twisted.internet import reactor as running  # noqa: TID251

    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(_PR_SET_NAME, b"mailnode-worker")  # to tell them apart, in ps and top
    reactor: Any = running
    shorten(reactor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a keyboard: the main process gets it too
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # to reopen the log, which is the main process's
    try:
        worker = Worker(told, configuration(), reactor)
    except CANNOT_START as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    lines_only = bool(told["lines_only"])
    log_to(_observer(worker.link, lines_only=lines_only))
    Log.lines = Facts(worker.link) if lines_only else None
    reactor.adoptStreamConnection(link, socket.AF_UNIX, LinkEnd(worker.link))
    os.close(link)
    reactor.callWhenRunning(
        lambda: signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(worker.stop))
    )
    reactor.run()


if __name__ == "__main__":
    main()
