"""From an accepted socket to a session: whose it is, limits, implicit TLS, its coroutine, and its end.

On a listener behind a proxy a connection is nobody's until the proxy has said whose it is: only then is it
counted, as that peer's, and only that peer's address decides what it may do.
"""

from collections.abc import Awaitable, Callable, Container, Coroutine, Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from mailnode.config import Listener
from mailnode.events.log import Log
from mailnode.net.breath import Breather
from mailnode.net.limits import Admission, Gate
from mailnode.net.proxy import relayed
from mailnode.net.stream import ConnectionClosed, Stream, TimedOut
from mailnode.net.tls import TlsServer
from mailnode.net.wait import Running
from mailnode.net.young import Young
from mailnode.runtime import Runtime
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax

UNKNOWN = "unknown"  # the peer that somebody relays and cannot name: a stranger

Network = IPv4Network | IPv6Network


class CannotListen(Exception):
    """A listener cannot begin; the text says which one, why, and what to do."""

    def __init__(self, endpoint: str, reason: object, remedy: str) -> None:
        super().__init__(f"cannot listen on {endpoint}: {reason}; {remedy}")


@dataclass(slots=True)
class Connection:
    """One connection and the facts about it that sessions ask for."""

    id: str
    stream: Stream
    peer: str  # the address, without the port; "" on a UNIX socket
    local: str
    trusted: bool
    loopback: bool
    listener: Listener
    admission: Admission
    log: Log
    login_failures: int = field(default=0)

    def become(self, peer: str, local: str, trusted_networks: Iterable[Network]) -> str:
        """Be the connection of another peer from now on, who has not logged in.

        Gives why there is no place for that peer, "" where there is. For whoever may speak for others. A
        password in clear has come over a network unless both ends of its way here are on this machine.
        """
        self.peer, self.local = peer, local
        self.trusted = is_trusted(peer, trusted_networks)
        self.loopback = self.loopback and is_loopback(peer)
        self.login_failures = 0
        return self.admission.move(peer, trusted=self.trusted)


Serve = Callable[[Connection], Awaitable[None]]


@lru_cache(4096)
def plain_address(text: str) -> IPv4Address | IPv6Address | None:
    """The IP address in a host text, IPv4 for a mapped one; None when there is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def is_among(peer: str, networks: Iterable[Network]) -> bool:
    """Whether a peer has an IP address in one of the networks."""
    address = plain_address(peer)
    return address is not None and any(address in network for network in networks)


def is_trusted(peer: str, networks: Iterable[Network]) -> bool:
    """The same; and who may open a UNIX socket is one of us."""
    return not peer or is_among(peer, networks)


def is_loopback(peer: str) -> bool:
    """Whether a peer is on this machine."""
    address = plain_address(peer)
    return not peer or (address is not None and address.is_loopback)


def _plain(text: str) -> str:
    """The IP address of an end, "" on a UNIX socket; IPv4 where a socket for both kinds has it mapped."""
    found = plain_address(text) if ":" in text else None
    return str(found) if isinstance(found, IPv4Address) else text


@frozen
class _Ends:
    """The two ends of a connection; `proxy` is who has told of them, "" for nobody."""

    peer: str
    local: str
    loopback: bool
    proxy: str = ""


@frozen
class Door:
    """Everything a listener needs to turn a connection into a session of its protocol."""

    listener: Listener
    runtime: Runtime
    breather: Breather
    young: Young
    gate: Gate
    serve: Serve
    sent_away: bytes  # how the protocol sends a peer away; the reason follows
    tls: TlsServer | None
    trusted_networks: Callable[[], tuple[Network, ...]]
    proxy_networks: Callable[[], tuple[Network, ...]]
    handshake_timeout: Callable[[], float]
    write_timeout: Callable[[], float]
    log: Log


class SessionFactory(Factory):
    """Makes a Stream for each connection and runs the session on it."""

    noisy = False

    def __init__(self, door: Door) -> None:
        self.open: dict[Stream, Connection] = {}
        self.serves = door.listener.protocol
        self._door = door
        self._arriving: set[Stream] = set()  # a proxy has not yet said whose they are
        self._sessions: set[Running] = set()

    def buildProtocol(self, addr: IAddress | None) -> Stream:
        """Twisted's: a connection came in."""
        door = self._door
        return Stream(
            door.runtime.clock,
            opened=partial(self._opened, addr),
            write_timeout=door.write_timeout(),
            breather=door.breather,
            young=door.young,
        )

    def _opened(self, addr: IAddress | None, stream: Stream) -> None:
        door = self._door
        name = door.runtime.new_id()
        log = door.log.bind(connection=name)
        assert stream.transport is not None
        far = stream.transport.getPeer() if addr is None else addr
        peer, local = _plain(getattr(far, "host", "")), _plain(stream.local)
        ends = _Ends(peer, local, is_loopback(peer))
        if door.listener.proxy:
            self._run(self._relayed(stream, ends, name, log))
        elif connection := self._admitted(stream, ends, name, log):
            self._run(self._session(connection, ends))

    def _run(self, life: Coroutine[Any, Any, None]) -> None:
        session = Running(life, self._sessions.discard)
        self._sessions.add(session)
        session.go()

    async def _relayed(self, stream: Stream, own: _Ends, name: str, log: Log) -> None:
        """The whole life of a connection of a proxy."""
        ends = await self._introduced(stream, own, log)
        if ends is None:
            stream.close()
        elif connection := self._admitted(stream, ends, name, log):
            await self._session(connection, ends)

    async def _session(self, connection: Connection, ends: _Ends) -> None:
        """The whole life of a connection that was admitted; raises nothing."""
        door, stream = self._door, connection.stream
        self.open[stream] = connection
        try:
            told = {"proxy": ends.proxy} if ends.proxy else {}
            connection.log.info("connected", peer=ends.peer, listener=door.listener.endpoint, **told)
            if door.listener.tls == "implicit" and door.tls is not None:
                behind = door.listener.proxy
                await stream.start_tls(door.tls, timeout=door.handshake_timeout(), begun=behind)
            await door.serve(connection)
        except (ConnectionClosed, TimedOut) as end:
            connection.log.info("connection lost" if isinstance(end, ConnectionClosed) else "timed out")
        except Exception:
            connection.log.bug("session failed", Failure())
        else:
            connection.log.info("disconnected")
        finally:
            stream.close()
            del self.open[stream]
            stream.when_lost(connection.admission.release)  # till then a descriptor is in use

    async def _introduced(self, stream: Stream, own: _Ends, log: Log) -> _Ends | None:
        """Whose connection this is, as a proxy says that is believed; None for nobody's."""
        door, peer = self._door, own.peer
        reason = "not in proxy_networks"
        if is_trusted(peer, door.proxy_networks()):
            self._arriving.add(stream)
            try:
                told = await relayed(stream, door.runtime)
                if told is None:
                    return own
                named = told.peer or UNKNOWN
                return _Ends(named, told.local, own.loopback and is_loopback(named), peer or "unix")
            except BadSyntax as wrong:
                reason = str(wrong)
            except TimedOut:
                reason = "the PROXY header came too late"
            except ConnectionClosed:
                reason = "closed before the end of the PROXY header"
            finally:
                self._arriving.discard(stream)
        log.warn("proxy refused", peer=peer, listener=door.listener.endpoint, reason=reason)
        return None

    def _admitted(self, stream: Stream, ends: _Ends, name: str, log: Log) -> Connection | None:
        """The connection, counted; or None, when it was one too many, has been told so, and is closed."""
        door = self._door
        trusted = is_trusted(ends.peer, door.trusted_networks())
        admission = door.gate.admit(ends.peer, trusted=trusted)
        if isinstance(admission, str):
            log.warn("connection refused", peer=ends.peer, listener=door.listener.endpoint, reason=admission)
            if door.listener.tls != "implicit":
                stream.write(door.sent_away + b"Too many connections, try again later\r\n")
            stream.close()
            return None
        return Connection(
            name, stream, ends.peer, ends.local, trusted, ends.loopback, door.listener, admission, log
        )

    def sessions(self) -> list["Deferred[None]"]:
        """The sessions that are still running; each fires when it has ended."""
        return [session.ended() for session in self._sessions]

    def dismiss(self, reason: bytes, people: Container[str] | None = None) -> None:
        """Send away these people, or everybody, each as soon as the session waits for its peer."""
        if people is None:
            self._close_arriving()
        for stream, connection in list(self.open.items()):
            if people is None or connection.admission.person in people:
                stream.dismiss(self._door.sent_away + reason + b"\r\n")

    def close_all(self) -> None:
        """Close all connections, whatever their sessions do, letting what is written go out first."""
        self._close_arriving()
        for stream in list(self.open):
            stream.close()

    def _close_arriving(self) -> None:
        for stream in list(self._arriving):
            stream.close()
