"""The listeners: how many connections each protocol may have, what makes sessions of them, and the ports."""

import errno
import resource
from collections.abc import Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory

from mailnode.auth.live import Live
from mailnode.config import Limits
from mailnode.config_rules import with_backlog
from mailnode.events.log import Log
from mailnode.net.breath import Breather
from mailnode.net.limits import ConnectionLimits, Gate
from mailnode.net.listen import CannotListen, Door, Serve, SessionFactory, is_loopback
from mailnode.net.stream import send_at_once
from mailnode.net.tls import TlsServer
from mailnode.net.young import Young
from mailnode.runtime import Runtime

# How a peer is sent away, by the protocol of the listener; then why.
_SENT_AWAY = {
    "smtp": b"421 4.3.2 ",
    "submission": b"421 4.3.2 ",
    "lmtp": b"421 4.3.2 ",
    "pop3": b"-ERR [SYS/TEMP] ",
    "imap": b"* BYE [UNAVAILABLE] ",
    "http": b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n",
}

_SENT_AWAY["metrics"] = _SENT_AWAY["http"]

PROTOCOLS = tuple(_SENT_AWAY)

_WITH_LOGIN = ("submission", "pop3", "imap")

# Connections that wait to be accepted; who finds no place among them tries again after a second or three.
BACKLOG = 1024

# What to do where a listener cannot begin, by the error.
_REMEDIES = {
    errno.EADDRINUSE: "is another server (or mailnode itself) running there?",
    errno.EACCES: "ports below 1024 need privileges, and folders of sockets a user who may write there",
    errno.ENOENT: "make the folder in which the socket is to be",
}
_NO_SOCKET = "start it by its units mailnode.socket and mailnode.service, or write tcp: and a port"

_OTHER_DESCRIPTORS = 1000  # caches of the accounts in use, listeners, the log, files, connections of HTTP


def connection_limits(protocol: str, numbers: Limits) -> ConnectionLimits:
    """How many connections a protocol may have.

    Other mail servers never log in, nor does who asks by HTTP: there the limit before login is that of all
    sessions. Stress is SMTP's: the other protocols give strangers little time anyway.
    """
    sessions, per_person = {
        "smtp": (numbers.smtp_sessions, numbers.smtp_sessions),
        "submission": (numbers.smtp_sessions, numbers.sessions_per_user_submission),
        "lmtp": (numbers.smtp_sessions, numbers.smtp_sessions),
        "pop3": (numbers.pop3_sessions, numbers.sessions_per_user_pop3),
        "imap": (numbers.imap_sessions, numbers.sessions_per_user_imap),
        "http": (numbers.http_sessions, numbers.http_sessions),
        "metrics": (numbers.http_sessions, numbers.http_sessions),
    }[protocol]
    return ConnectionLimits(
        per_address=numbers.connections_per_address,
        rate=numbers.connection_rate,
        before_login=numbers.preauth_connections if protocol in _WITH_LOGIN else sessions,
        sessions=sessions,
        per_person=per_person,
        stress_percent=numbers.stress_percent if protocol in ("smtp", "submission") else 100,
    )


def make_gates(
    live: Live, runtime: Runtime, protocols: Iterable[str], *, quiet: bool = False
) -> dict[str, Gate]:
    """The limits of each protocol; `quiet` where another process that counts the same writes the log."""
    return {protocol: _gate(protocol, live, runtime, quiet=quiet) for protocol in protocols}


def session_factories(
    live: Live,
    runtime: Runtime,
    serve: Mapping[str, Serve],
    people: Mapping[str, TlsServer | None],
    others: TlsServer | None,
    gates: Mapping[str, Gate],
) -> dict[str, SessionFactory]:
    """A factory for each listener that is served, by endpoint; those of one protocol share its gate.

    `people` is the TLS of the protocols at which people log in, `others` that of the rest.
    """
    breather, young = Breather(runtime.clock), Young(runtime.clock)
    return {
        listener.endpoint: SessionFactory(
            Door(
                listener=listener,
                runtime=runtime,
                breather=breather,
                young=young,
                gate=gates[listener.protocol],
                serve=serve[listener.protocol],
                sent_away=_SENT_AWAY[listener.protocol],
                tls=people.get(listener.protocol, others),
                trusted_networks=lambda: live.config.trusted_networks,
                proxy_networks=lambda: live.config.proxy_networks,
                handshake_timeout=lambda: float(live.config.limits.tls_handshake_timeout),
                write_timeout=lambda: float(live.config.limits.write_timeout),
                log=Log(f"mailnode.{listener.protocol}"),
            )
        )
        for listener in live.config.listeners
        if listener.protocol in serve
    }


class Ports:
    """The listeners as they are: what listens, and on which ports."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._endpoints: frozenset[str] = frozenset()
        self._held: frozenset[str] = frozenset()
        self._taken: dict[str, IListeningPort] = {}  # by endpoint
        self._others: list[IListeningPort] = []

    def listen(
        self, factories: Mapping[str, SessionFactory], held: Iterable[str] = ()
    ) -> "Deferred[list[None]]":
        """Begin on all these endpoints; fires when all listen, or one cannot, with CannotListen.

        On those that are `held` connections wait in the socket, for whoever accepts them there.
        """
        everything: dict[str, Factory] = {**factories, **{endpoint: Factory() for endpoint in held}}
        self._held = frozenset(held)
        self._endpoints = frozenset(everything)
        return gatherResults(
            [Deferred.fromCoroutine(self._take(*one)) for one in everything.items()], consumeErrors=True
        )

    async def _take(self, endpoint: str, factory: Factory) -> None:
        try:
            port: Any = await serverFromString(self._reactor, with_backlog(endpoint, BACKLOG)).listen(factory)
        except LookupError:
            raise CannotListen(endpoint, "systemd has handed over no such socket", _NO_SOCKET) from None
        except (CannotListenError, OSError) as error:
            why: Any = error.socketError if isinstance(error, CannotListenError) else error
            remedy = _REMEDIES.get(getattr(why, "errno", 0), "correct the endpoint of this listener")
            raise CannotListen(endpoint, getattr(why, "strerror", None) or why, remedy) from None
        send_at_once(port.socket)
        if endpoint in self._held:
            port.stopReading()
        self._taken[endpoint] = port

    def held(self) -> dict[str, Any]:
        """The ports where connections wait, by endpoint."""
        return {endpoint: port for endpoint, port in self._taken.items() if endpoint in self._held}

    def add(self, port: IListeningPort) -> None:
        """Another one, of which nobody is told."""
        self._others.append(port)

    def stop(self) -> "list[Deferred[None]]":
        """Listen no more."""
        ports = [*self._taken.values(), *self._others]
        return [stopped for port in ports if (stopped := port.stopListening())]

    def silent(self) -> list[str]:
        """The endpoints on which nothing listens, though it should."""
        return sorted(one for one in self._endpoints if not getattr(self._taken.get(one), "connected", False))

    def taken(self) -> dict[str, int]:
        """The TCP ports of endpoints that systemd has made, where others than this machine may reach them."""
        found = {endpoint: port.getHost() for endpoint, port in self._taken.items()}
        return {
            endpoint: int(getattr(host, "port", 0))
            for endpoint, host in found.items()
            if endpoint.startswith("systemd:") and not is_loopback(str(getattr(host, "host", "")))
        }


def make_room(limits: Limits) -> str:
    """Let the process have a descriptor, and a file of mail, for each session that there may be.

    A shell gives 1,024, and strangers alone could take more. Gives what to say where that is not possible.
    """
    sessions = 3 * limits.smtp_sessions + limits.imap_sessions + limits.pop3_sessions
    wanted = 2 * sessions + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if hard == resource.RLIM_INFINITY or hard >= sessions + _OTHER_DESCRIPTORS:
        return ""
    return f"the system allows {hard} descriptors, which is too few for {sessions} sessions"


def _gate(protocol: str, live: Live, runtime: Runtime, *, quiet: bool) -> Gate:
    numbers = live.config.limits
    limits = connection_limits(protocol, numbers)

    def limits_now() -> ConnectionLimits:
        nonlocal numbers, limits
        if live.config.limits is not numbers:
            numbers = live.config.limits
            limits = connection_limits(protocol, numbers)
        return limits

    return Gate(limits_now, runtime.now, None if quiet else Log(f"mailnode.{protocol}"))
