"""Builds every part once, in order; what twistd starts. The only place that touches the global reactor."""

import gc
import os
import signal
import sys
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, FirstError
from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.python import usage
from twisted.python.failure import Failure

from mailnode import __version__
from mailnode.admin.control import ControlFactory
from mailnode.admin.queue_control import queue_commands
from mailnode.auth.keys import lasting_key
from mailnode.events.deeds import EVERYDAY
from mailnode.events.journal import Journal
from mailnode.events.life import Event, write_to
from mailnode.events.log import Log
from mailnode.events.log_file import LogFile
from mailnode.events.output import Lines, Output, log_path, take_over
from mailnode.events.soon import Soon
from mailnode.events.tally import Tally
from mailnode.fs import FileSystem
from mailnode.net.listen import CannotListen, Serve
from mailnode.net.short_turns import shorten
from mailnode.service_certificates import NewCertificates
from mailnode.service_entrance import IN_WORKERS, READING, Entrance
from mailnode.service_listeners import PROTOCOLS, Ports, make_gates, make_room, session_factories
from mailnode.service_reading import CANNOT_START, read
from mailnode.service_sending import Sending
from mailnode.service_stopping import CHANGED, STOPPING, SWITCH_INTERVAL, Stopping
from mailnode.service_systemd import ENDING, READY, Watchdog, notify_systemd
from mailnode.service_together import Together
from mailnode.service_web import web_side
from mailnode.service_workers import Workers, how_many
from mailnode.upkeep.expiry import Expiry
from mailnode.upkeep.figures import Parts
from mailnode.upkeep.indexer import Indexer
from mailnode.upkeep.memory import ShortCollections
from mailnode.upkeep.pulse import Pulse
from mailnode.upkeep.recorder import Recorder
from mailnode.wire.srs import Srs
from mailnode.worker import live_as_copy


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

    gc.freeze()  # the modules: they stay, and no collection need look at them
    path = os.path.abspath(options["config"])
    try:
        return MailNode(path, reactor, announce=bool(options["announce"]), twistd=options.parent)
    except CANNOT_START as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


class MailNode(Service):
    """The server."""

    def __init__(self, path: str, reactor: Any, *, announce: bool = False, twistd: Any = None) -> None:
        self._path = path
        self._twistd = twistd
        self._log_file: LogFile | None = None
        self._lines: Lines | None = None
        self._reactor = reactor
        self._announce = announce
        self._log = Log("mailnode")
        self._reading = reading = read(path, FileSystem())
        for warning in reading.loaded.warnings:
            self._log.warn("configuration", warning=warning)
        self._warnings = [str(warning) for warning in reading.loaded.warnings]
        self._started = config = reading.loaded.config
        self._stopping = Stopping(reactor, self._log)
        self._entrance = entrance = Entrance(path, reading, reactor)
        self._live = live = entrance.live
        self._runtime = runtime = entrance.runtime
        realm = entrance.realm
        files, bus = entrance.files, entrance.bus
        tally = Tally()
        journal = Journal(files, config.log_directory)
        self._recorder = Recorder(runtime, journal, lambda: live.config.log, Log("mailnode.events"))
        bus.subscribe(write_to(Log("mailnode.mail"), without=EVERYDAY))
        self._tally = tally
        self._events: Soon[tuple[float, Event]] = Soon(reactor, self._hear)
        bus.subscribe(lambda event: self._events.add((runtime.now(), event)))
        self._pulse = Pulse(reactor, tally.minute_is_over)
        self._watchdog = Watchdog(reactor)
        self._indexer = Indexer(runtime, realm, entrance.feed, Log("mailnode.upkeep"))
        self._expiry = Expiry(reactor, realm, lambda: live.mailboxes.mailboxes, Log("mailnode.upkeep"))
        self._collections = ShortCollections(reactor, gc, quiet=lambda: not realm.crowded)
        self._sending = sending = Sending(entrance, reactor)
        serve: dict[str, Serve] = {"submission": sending.submission().serve}
        gates = make_gates(live, runtime, PROTOCOLS)
        self._ports = Ports(reactor)
        parts = Parts(
            live,
            realm,
            sending.queue,
            tally,
            self._pulse,
            gates=gates,
            threads={"store": entrance.disk, "passwords": entrance.passwords},
            certificates=entrance.certificates.ends,
            workers=lambda: self._workers.pids,
        )
        self._asking = NewCertificates(live, reactor, files, entrance.rng)
        self._web = web_side(parts, runtime, files, self._ports, self._doubts)
        serve.update(self._web.serve)
        count = how_many(config.workers)
        if count == 1:
            smtp = sending.arrivals.smtp(entrance.tls)
            serve.update({**entrance.serve(), "smtp": smtp.serve, "lmtp": smtp.serve})
        people = dict.fromkeys(("submission", *READING), entrance.asking)
        self._factories = session_factories(live, runtime, serve, people, entrance.tls, gates)
        self._workers = Workers(
            path,
            count if count > 1 else 0,
            reactor=reactor,
            together=Together(entrance, {protocol: gates[protocol] for protocol in IN_WORKERS}),
            bus=bus,
            queue=sending.queue,
            decide=sending.decide,
            key=entrance.throttle.key,
        )

    def _hear(self, events: "list[tuple[float, Event]]") -> None:
        """Count events, and take them down."""
        for time, event in events:
            self._log.each("event not counted", [self._tally.hear], event)
            self._log.each("event not taken down", [self._recorder], time, event)

    def _doubts(self) -> list[str]:
        """What the administrator may have to do something about."""
        return [*self._asking.problems(), *self._warnings]

    # Starting

    def setServiceParent(self, parent: Any) -> None:
        """twistd's: become a part of the application, whose log has not begun yet."""
        super().setServiceParent(parent)
        if self._twistd is not None:
            form = self._started.log.format
            ours = take_over(parent, self._twistd, self._log_output(), form)
            self._lines = ours if isinstance(ours, Lines) else None
            self._workers.lines_only = self._lines is not None
            if not ours and form != "text":
                self._warnings.append("log.format has no effect: twistd's options lead the log elsewhere")

    def _log_output(self) -> Output:
        path = log_path(self._twistd)
        if not path:
            return sys.stdout
        try:
            self._log_file = LogFile(self._entrance.files, path)
        except OSError as error:
            sys.stderr.write(f"cannot write the log to {path}: {error.strerror}\n")
            sys.exit(1)
        return self._log_file

    def _reopen_log(self, file: LogFile) -> None:
        try:
            file.reopen()
        except OSError as error:
            remedy = "let the user of the server write there; till then the old file is used"
            self._log.warn("log not reopened", path=file.path, reason=error.strerror, remedy=remedy)

    def privilegedStartService(self) -> None:
        """twistd's: take the ports while that is still allowed."""
        super().privilegedStartService()
        held = [one.endpoint for one in self._started.listeners if one.endpoint not in self._factories]
        self._listening = self._ports.listen(self._factories, held)

    def startService(self) -> None:
        """twistd's: begin to work."""
        super().startService()
        if not self._ports.silent():
            self._workers.copy(self._ports.held(), partial(live_as_copy, self._reading))
        del self._reading  # what is in force changes
        shorten(self._reactor)
        if self._lines is not None:
            self._lines.begin(self._reactor)
        sys.setswitchinterval(SWITCH_INTERVAL)
        if few := make_room(self._started.limits):
            remedy = "raise it (ulimit -n, LimitNOFILE of systemd), or lower the limits of sessions"
            self._log.warn("too few descriptors", reason=few, remedy=remedy)
        if os.geteuid() == 0:
            remedy = "start it as a user of its own, as etc/systemd does, or with twistd's --uid and --gid"
            self._log.warn("runs as root", remedy=remedy)
        # Not earlier: what is made as root would not be the server's.
        entrance = self._entrance
        entrance.logins.verifiers.key = lasting_key(self._started.login_key, entrance.files)
        self._live.srs = Srs(lasting_key(self._started.sender_key, entrance.files), self._runtime.now)
        entrance.disk.start()
        entrance.passwords.start()
        self._indexer.start()
        self._expiry.start()
        self._sending.start()
        self._collections.start()
        self._pulse.start()
        entrance.certificates.renewal.start()
        if file := self._log_file:
            reopen = partial(self._reactor.callFromThread, self._reopen_log, file)
            signal.signal(signal.SIGUSR1, lambda *_: reopen())
        elif not signal.getsignal(signal.SIGUSR1):
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # else it would end the server
        self._asking.start()
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self._hang_up))
        self._listening.addCallback(lambda _: self._sending.queue.listed)
        self._listening.addCallback(lambda _: Deferred.fromCoroutine(self._workers.start(self._ports.held())))
        self._listening.addCallback(lambda _: Deferred.fromCoroutine(self._open_control_socket()))
        self._listening.addCallbacks(self._ready, self._cannot_listen)

    async def _open_control_socket(self) -> None:
        path = self._live.config.control_socket
        await self._runtime.blocking.run(self._entrance.files.make_directories, self._live.config.state)
        queue = queue_commands(self._sending.queue, self._sending.way_out.connections.hurry)
        factory = ControlFactory(
            {"reload": self._reload_command, "restart": self._restart_command, **queue, **self._web.commands}
        )
        endpoint = UNIXServerEndpoint(self._reactor, path, mode=0o600, wantPID=True)
        self._ports.add(await endpoint.listen(factory))

    def _ready(self, _: object) -> None:
        self._log.info(
            "ready", version=__version__, listeners=",".join(one.endpoint for one in self._started.listeners)
        )
        if self._announce and sys.__stdout__ is not None:  # sys.stdout leads into the log
            sys.__stdout__.write("mailnode ready\n")
            sys.__stdout__.flush()
        notify_systemd(READY)
        self._watchdog.start()

    def _cannot_listen(self, failure: Failure) -> None:
        error: Any = failure.value
        if isinstance(error, FirstError):
            error = error.subFailure.value
        if isinstance(error, CannotListen):
            self._fail(str(error))
        elif isinstance(error, CannotListenError):
            where = f"{error.interface or ''}:{error.port}" if isinstance(error.port, int) else error.port
            remedy = "is another server (or mailnode itself) running there? Ports below 1024 need privileges."
            self._fail(f"cannot listen on {where}: {error.socketError}; {remedy}")
        else:
            self._log.bug("start failed", failure)
            self._fail("cannot start; see the log above")

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
        notify_systemd(ENDING)
        self._events.wait_no_longer()  # the last ones come while the recorder writes
        self._watchdog.stop()
        self._indexer.stop()
        self._expiry.stop()
        self._collections.stop()
        self._pulse.stop()
        self._entrance.certificates.renewal.stop()
        self._asking.stop()
        await DeferredList(self._ports.stop())
        also = [*self._sending.stop(), *self._workers.stop()]
        await self._stopping.send_away(self._factories.values(), STOPPING, also)
        self._workers.kill()
        self._entrance.watches.close()
        last = [*self._sending.put_away(), Deferred.fromCoroutine(self._recorder.flush())]
        await self._stopping.put_away(self._entrance, last)
        self._log.info("stopped")
        if self._lines is not None:
            self._lines.end()
        super().stopService()

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
        warnings, changed = await self._entrance.reload()
        for warning in warnings:
            self._log.warn("configuration", warning=warning)
        self._warnings = warnings
        for factory in self._factories.values():
            factory.dismiss(CHANGED, changed)
        await self._workers.reload()
        self._log.info("reloaded", mailboxes=len(self._live.mailboxes.mailboxes))
        return warnings

    async def _restart_command(self, _: object) -> dict[str, object]:
        """Put another process in the place of each worker."""
        if await self._workers.restart():
            return {"ok": True}
        return {
            "ok": False,
            "mistakes": ["a new process has ended at once, and the old ones stay; see the log"],
        }
