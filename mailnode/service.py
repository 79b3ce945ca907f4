"""Builds every part once, in order; what twistd starts. The only place that touches the global reactor."""

import gc
import os
import random
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from threading import Thread
from typing import Any

from twisted.application.service import Service
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, DeferredList, FirstError, gatherResults
from twisted.internet.endpoints import UNIXServerEndpoint, serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.python import usage
from twisted.python.failure import Failure

from mailnode import __version__
from mailnode.admin.control import ControlFactory
from mailnode.admin.queue_control import queue_commands
from mailnode.auth.allowance import Senders
from mailnode.auth.checker import PasswordChecker, ProofChecker
from mailnode.auth.keys import lasting_key
from mailnode.auth.live import Live
from mailnode.auth.login import Logins
from mailnode.auth.neighbours import Neighbours
from mailnode.auth.passwords import Hasher
from mailnode.auth.realm import Realm
from mailnode.auth.throttle import LoginThrottle
from mailnode.auth.tokens import JwtChecker
from mailnode.checks.spf import Spf
from mailnode.delivery.letters import Letters
from mailnode.delivery.live import LiveCourier
from mailnode.delivery.local import FreeSpace, LocalCourier
from mailnode.delivery.moderation import Moderation
from mailnode.delivery.queued import QueuedDelivery
from mailnode.delivery.reporting import Reporter
from mailnode.delivery.tls_reporting import TlsReporting
from mailnode.delivery.waiting import CalledFor
from mailnode.delivery.way_out import make_way_out
from mailnode.events.feed import ChangeFeed
from mailnode.events.life import Bus, write_to
from mailnode.events.log import Log
from mailnode.events.output import take_over
from mailnode.events.presence import LiveSessions
from mailnode.fs import FileSystem
from mailnode.imap.protocol import Imap
from mailnode.imap.session import Surroundings
from mailnode.net.blocking import Lane, ThreadedExecutor
from mailnode.net.dirwatch import DirectoryWatches, KernelWatcher
from mailnode.net.tls import TlsServer
from mailnode.pop3.session import Pop3
from mailnode.queue.admission import Admission
from mailnode.queue.changes import Change
from mailnode.queue.entry import Entry
from mailnode.queue.runner import Runner
from mailnode.queue.spool import Spool
from mailnode.runtime import Runtime
from mailnode.service_listeners import make_room, session_factories
from mailnode.service_reading import CANNOT_START, changed_people, read, waits_for_a_start
from mailnode.smtp.server import Smtp
from mailnode.upkeep.expiry import Expiry
from mailnode.upkeep.indexer import Indexer
from mailnode.upkeep.memory import ShortCollections
from mailnode.wire.srs import Srs

STORE_THREADS = 8
PASSWORD_THREADS = 1

# Seconds a thread may keep the interpreter while another waits for it: what is dear for one session then
# delays the others by this, at a cost that is hardly measured.
SWITCH_INTERVAL = 0.001

# Seconds when the server stops: first for the sessions to end what they work at, then for the disk.
PATIENCE = 10.0
DISK_PATIENCE = 5.0


class Options(usage.Options):
    """twistd mailnode --config FILE"""

    synopsis = "[--config FILE]"
    longdesc = "A mail server for a small office: SMTP, POP3 and IMAP over one Maildir store."
    optParameters = (("config", "c", "/etc/mailnode/mailnode.toml", "The configuration file."),)
    optFlags = (("announce", None, "Print the line 'mailnode ready' when all listeners listen."),)

    def opt_version(self) -> None:
        """Print the version and exit."""
        sys.stdout.write(f"mailnode {__version__}\n")
        sys.exit(0)


def makeService(options: Options) -> Service:
    """twistd's: the whole server as a service; exits with all mistakes when the configuration has any."""
    from twisted.internet import reactor  # noqa: TID251

    path = os.path.abspath(options["config"])
    try:
        return MailNode(path, reactor, announce=bool(options["announce"]), twistd=options.parent)
    except CANNOT_START as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


_STOPPING = b"The server is shutting down"
_CHANGED = b"Your account has changed, log in again"


class MailNode(Service):
    """The server."""

    def __init__(self, path: str, reactor: Any, *, announce: bool = False, twistd: Any = None) -> None:
        self._path = path
        self._twistd = twistd
        self._reactor = reactor
        self._announce = announce
        self._log = Log("mailnode")
        self._files = files = FileSystem(alarm=partial(reactor.callFromThread, self._disk_failed))
        reading = read(path, files)
        loaded = reading.loaded
        for warning in loaded.warnings:
            self._log.warn("configuration", warning=warning)
        self._started = loaded.config
        self._live = live = Live(loaded.config, loaded.mailboxes)
        # Other mail servers are never asked for a certificate: they would send theirs for nothing.
        self._tls = [TlsServer(context) for context in reading.contexts]
        tls, asking = self._tls or (None, None)

        self._disk = ThreadedExecutor(reactor, STORE_THREADS, "store")
        self._passwords = ThreadedExecutor(reactor, PASSWORD_THREADS, "passwords")
        rng = random.SystemRandom()
        self._runtime = runtime = Runtime(reactor, rng, self._disk)
        self._reads = Lane(runtime.blocking)  # so that what was read last is what is in force
        feed, bus, sessions = ChangeFeed(), Bus(), LiveSessions()
        bus.subscribe(write_to(Log("mailnode.mail")))

        self._realm = realm = Realm(live, runtime, files, rng=rng)
        checker = PasswordChecker(
            live,
            hasher=Hasher(loaded.config.auth),
            executor=self._passwords,
            clock=runtime.now,
        )
        self._tokens = tokens = JwtChecker(reading.issuer, runtime.blocking, runtime.now)
        portal = Portal(realm, [checker, ProofChecker(live)])
        throttle = LoginThrottle(runtime.now, lambda: live.config.limits)
        self._logins = logins = Logins(live, runtime, portal, throttle, bus, tokens)
        self._indexer = Indexer(runtime, realm, feed, Log("mailnode.upkeep"))
        self._expiry = Expiry(reactor, realm, lambda: live.mailboxes.mailboxes, Log("mailnode.upkeep"))
        self._collections = ShortCollections(reactor, gc, quiet=lambda: not realm.crowded)
        courier = LocalCourier(runtime, realm, feed, bus, files)
        free_space = FreeSpace(runtime, files, lambda: realm.mail_root)

        self._way_out = way_out = make_way_out(reactor, live, runtime, files, bus)
        spool = Spool(files, live.config.queue_directory)
        letters = Letters(live, runtime, courier, begin=self._queue_letter)
        reporter = Reporter(live, runtime, letters, spool, bus, Spf(runtime, way_out.resolver))
        moderation = Moderation(live, runtime, spool, letters, change=self._change_queue)
        queued = QueuedDelivery(live, runtime, courier, spool, bus, way_out.courier, moderation)
        self._queue = queue = Runner(
            runtime,
            spool,
            deliver=queued.deliver,
            report=reporter.of_entry,
            bus=bus,
            log=Log("mailnode.queue"),
            delay=lambda: float(live.config.limits.delay_report),
        )
        self._tls_reporting = TlsReporting(
            live, runtime, files, way_out.tls_reports, way_out.resolver, way_out.https, begin=queue.begin
        )
        self._senders = senders = Senders(live, runtime, files)
        live_courier = LiveCourier(live, runtime, sessions, files, courier, bus)
        waiting = CalledFor(live, runtime, spool, queue, queued, bus, way_out.connections)
        ways = (senders, live_courier, waiting, queue, reporter, moderation)
        smtp = Smtp(live, runtime, logins, courier, bus, tls, free_space, *ways)
        submission = Smtp(live, runtime, logins, courier, bus, asking, free_space, *ways)
        pop3 = Pop3(live, runtime, logins, feed, bus, asking)
        self._watches = watches = DirectoryWatches(reactor, partial(KernelWatcher, reactor))
        neighbours = Neighbours(live, realm, files)
        imap = Imap(Surroundings(live, runtime, logins, feed, bus, watches, asking, sessions, neighbours))
        self._factories = session_factories(
            live,
            runtime,
            {
                "smtp": smtp.serve,
                "submission": submission.serve,
                "lmtp": smtp.serve,
                "pop3": pop3.serve,
                "imap": imap.serve,
            },
            {"smtp": tls, "submission": asking, "lmtp": tls, "pop3": asking, "imap": asking},
        )
        self._ports: list[IListeningPort] = []

    def _queue_letter(self, entry: Entry, head: bytes) -> Admission:
        """The way of reports into the queue, which itself asks for reports."""
        return self._queue.begin(entry, head)

    async def _change_queue(self, name: str, change: Change) -> None:
        """The way of moderators' answers into the queue, which itself asks the moderators."""
        await self._queue.change(name, change)

    # Starting

    def setServiceParent(self, parent: Any) -> None:
        """twistd's: become a part of the application, whose log has not begun yet."""
        super().setServiceParent(parent)
        if self._twistd is not None:
            take_over(parent, self._twistd, sys.stdout)

    def privilegedStartService(self) -> None:
        """twistd's: take the ports while that is still allowed."""
        super().privilegedStartService()
        self._listening = gatherResults(
            [
                serverFromString(self._reactor, endpoint).listen(factory).addCallback(self._ports.append)
                for endpoint, factory in self._factories.items()
            ],
            consumeErrors=True,
        )

    def startService(self) -> None:
        """twistd's: begin to work."""
        super().startService()
        sys.setswitchinterval(SWITCH_INTERVAL)
        if few := make_room(self._started.limits):
            remedy = "raise it (ulimit -n, LimitNOFILE of systemd), or lower the limits of sessions"
            self._log.warn("too few descriptors", reason=few, remedy=remedy)
        # Not earlier: what is made as root would not be the server's.
        self._logins.verifiers.key = lasting_key(self._started.login_key, self._files)
        self._live.srs = Srs(lasting_key(self._started.sender_key, self._files), self._runtime.now)
        self._disk.start()
        self._passwords.start()
        self._indexer.start()
        self._expiry.start()
        self._queue.start().addErrback(lambda failure: self._log.bug("queue not started", failure))
        self._tls_reporting.start().addErrback(lambda why: self._log.bug("TLS reports not started", why))
        self._collections.start()
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self._hang_up))
        self._listening.addCallback(lambda _: Deferred.fromCoroutine(self._open_control_socket()))
        self._listening.addCallbacks(self._ready, self._cannot_listen)

    async def _open_control_socket(self) -> None:
        path = self._live.config.control_socket
        await self._runtime.blocking.run(self._files.make_directories, self._live.config.state)
        queue = queue_commands(self._queue, self._way_out.connections.hurry)
        factory = ControlFactory({"reload": self._reload_command, **queue})
        endpoint = UNIXServerEndpoint(self._reactor, path, mode=0o600, wantPID=True)
        self._ports.append(await endpoint.listen(factory))

    def _ready(self, _: object) -> None:
        self._log.info("ready", version=__version__, listeners=",".join(self._factories))
        if self._announce and sys.__stdout__ is not None:  # sys.stdout leads into the log
            sys.__stdout__.write("mailnode ready\n")
            sys.__stdout__.flush()
        notify_systemd(b"READY=1")

    def _cannot_listen(self, failure: Failure) -> None:
        error: Any = failure.value
        if isinstance(error, FirstError):
            error = error.subFailure.value
        if isinstance(error, CannotListenError):
            where = f"{error.interface or ''}:{error.port}" if isinstance(error.port, int) else error.port
            remedy = "is another server (or mailnode itself) running there? Ports below 1024 need privileges."
            self._fail(f"cannot listen on {where}: {error.socketError}; {remedy}")
        else:
            self._log.bug("start failed", failure)
            self._fail("cannot start; see the log above")

    def _disk_failed(self, path: str) -> None:
        remedy = "look at the kernel's log and the disk, restore what it lost, then start the server again"
        self._log.warn(
            "the disk does not keep what is written: no mail is accepted", path=path, remedy=remedy
        )

    def _fail(self, text: str) -> None:
        """Say why the server cannot start, and end with an exit status that systemd and make understand."""
        if sys.__stderr__ is not None:  # sys.stderr leads into the log
            sys.__stderr__.write(f"mailnode: {text}\n")
            sys.__stderr__.flush()
        self._log.warn("start failed", reason=text)
        self._reactor.addSystemEventTrigger("after", "shutdown", os._exit, 1)
        self._reactor.callWhenRunning(self._reactor.stop)

    # Stopping

    def stopService(self) -> "Deferred[None]":
        """twistd's: stop listening, end the sessions, let what is being written be finished.

        Nothing is waited for without limit: a disk that does not answer must not keep the server from ending.
        """
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        notify_systemd(b"STOPPING=1")
        self._indexer.stop()
        self._expiry.stop()
        self._collections.stop()
        await DeferredList([stopped for port in self._ports if (stopped := port.stopListening())])
        factories = self._factories.values()
        for factory in factories:
            factory.dismiss(_STOPPING)
        sessions = [session for factory in factories for session in factory.sessions()]
        sending = [*self._queue.stop(), Deferred.fromCoroutine(self._way_out.connections.close())]
        await self._ended("sessions", [*sessions, *sending], PATIENCE)
        for factory in factories:
            factory.close_all()
        self._watches.close()
        await self._ended("disk", [Deferred.fromCoroutine(self._put_away())], DISK_PATIENCE)
        self._log.info("stopped")
        super().stopService()

    async def _put_away(self) -> None:
        """Close what the lanes have open, after the jobs that are in them; then end the threads."""
        jobs = [Deferred.fromCoroutine(one.stop()) for one in (self._senders, self._tls_reporting)]
        await DeferredList(jobs + [one.lane.run(one.store.close) for one in self._realm.accounts()])
        await DeferredList([self._stopped(one) for one in (self._disk, self._passwords)])

    def _stopped(self, threads: ThreadedExecutor) -> "Deferred[None]":
        """Fires when all these threads have ended; waiting for them is a thread's work, not ours."""
        stopped: Deferred[None] = Deferred()

        def stop() -> None:
            threads.stop()
            self._reactor.callFromThread(stopped.callback, None)

        Thread(target=stop, daemon=True).start()
        return stopped

    def _ended(self, what: str, work: "Sequence[Deferred[None]]", patience: float) -> "Deferred[None]":
        """Fires when all of it has ended or has had its time; nothing is cancelled."""
        over: Deferred[None] = Deferred()

        def give_up() -> None:
            self._log.warn("stopping without waiting longer", what=what)
            over.callback(None)

        late = self._reactor.callLater(patience, give_up)

        def ended(_: object) -> None:
            if late.active():
                late.cancel()
                over.callback(None)

        DeferredList(work).addCallback(ended)
        return over

    # Reloading

    def _hang_up(self) -> None:
        Deferred.fromCoroutine(self.reload()).addErrback(self._reload_failed)

    def _reload_failed(self, failure: Failure) -> None:
        if failure.check(*CANNOT_START):
            for line in str(failure.value).splitlines():
                self._log.warn("reload refused", mistake=line)
        else:
            self._log.bug("reload failed", failure)

    async def _reload_command(self, _: object) -> dict[str, object]:
        try:
            warnings = await self.reload()
        except CANNOT_START as error:
            return {"ok": False, "mistakes": str(error).splitlines()}
        return {"ok": True, "warnings": warnings}

    async def reload(self) -> list[str]:
        """Take the configuration as it is on disk now, whole, or not at all; gives what to know about it.

        Mailboxes, aliases, routes, certificates and limits take effect at once; listeners, directories and
        DNS servers at the next start. Sessions of people whose mailbox is gone or has another password are
        sent away. Raises ConfigurationError, TlsError or TokenKeysError; then the old configuration stays.
        """
        reading = await self._reads.run(read, self._path, self._files)
        loaded = reading.loaded
        for server, context in zip(self._tls, reading.contexts, strict=False):
            server.context = context
        self._tokens.issuer = reading.issuer
        warnings = [str(warning) for warning in loaded.warnings]
        warnings += waits_for_a_start(self._started, loaded.config)
        for warning in warnings:
            self._log.warn("configuration", warning=warning)
        changed = changed_people(self._live.mailboxes, loaded.mailboxes)
        self._live.config, self._live.mailboxes = loaded.config, loaded.mailboxes
        for factory in self._factories.values():
            factory.dismiss(_CHANGED, changed)
        self._log.info("reloaded", mailboxes=len(loaded.mailboxes.mailboxes))
        return warnings


def notify_systemd(state: bytes, environ: Callable[[str], str | None] = os.environ.get) -> None:
    """Tell systemd how we are (sd_notify); nothing happens where nobody asked."""
    path = environ("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifier:
        try:
            notifier.sendto(state, address)
        except OSError as error:
            Log("mailnode").warn("systemd could not be told", reason=error.strerror)
