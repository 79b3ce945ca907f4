"""From an accepted socket to a session: limits, implicit TLS, the session's coroutine, and its end."""

from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from mailnode.config import Listener
from mailnode.events.log import Log
from mailnode.net.limits import Admission, Gate
from mailnode.net.stream import ConnectionClosed, Stream, TimedOut
from mailnode.net.tls import TlsServer
from mailnode.runtime import Runtime

Network = IPv4Network | IPv6Network


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


Serve = Callable[[Connection], Awaitable[None]]


def plain_address(text: str) -> IPv4Address | IPv6Address | None:
    """The IP address in a host text, IPv4 for a mapped one; None when there is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _host(address: IAddress) -> str:
    return str(getattr(address, "host", ""))


@dataclass(frozen=True, slots=True)
class Door:
    """Everything a listener needs to turn a connection into a session of its protocol."""

    listener: Listener
    runtime: Runtime
    gate: Gate
    serve: Serve
    sent_away: bytes  # how the protocol sends a peer away; the reason follows
    tls: TlsServer | None
    trusted_networks: Callable[[], tuple[Network, ...]]
    handshake_timeout: Callable[[], float]
    write_timeout: Callable[[], float]
    log: Log


class SessionFactory(Factory):
    """Makes a Stream for each connection and runs the session on it."""

    noisy = False

    def __init__(self, door: Door) -> None:
        self.open: dict[Stream, Connection] = {}
        self._door = door
        self._ending: set[Deferred[None]] = set()

    def buildProtocol(self, addr: IAddress | None) -> Stream:
        """Twisted's: a connection came in."""
        door = self._door
        return Stream(door.runtime.clock, opened=self._opened, write_timeout=door.write_timeout())

    def _opened(self, stream: Stream) -> None:
        connection = self._connection(stream)
        if connection is None:
            return
        self.open[stream] = connection
        session = Deferred.fromCoroutine(self._session(connection))
        self._ending.add(session)
        session.addBoth(lambda _: self._ending.discard(session))

    async def _session(self, connection: Connection) -> None:
        """The whole life of a connection; raises nothing."""
        door, stream = self._door, connection.stream
        connection.log.info("connected", peer=connection.peer, listener=door.listener.endpoint)
        try:
            if door.listener.tls == "implicit" and door.tls is not None:
                await stream.start_tls(door.tls, timeout=door.handshake_timeout())
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

    def _connection(self, stream: Stream) -> Connection | None:
        """The facts; or None, when the connection was one too many and has been sent away."""
        door = self._door
        assert stream.transport is not None
        peer, local = _host(stream.transport.getPeer()), _host(stream.transport.getHost())
        address = plain_address(peer)
        loopback = address.is_loopback if address else not peer
        trusted = not peer or (
            address is not None and any(address in network for network in door.trusted_networks())
        )
        name = door.runtime.new_id()
        log = door.log.bind(connection=name)
        admission = door.gate.admit(peer, trusted=trusted)
        if isinstance(admission, str):
            log.warn("connection refused", peer=peer, listener=door.listener.endpoint, reason=admission)
            if door.listener.tls != "implicit":
                stream.write(door.sent_away + b"Too many connections, try again later\r\n")
            stream.close()
            return None
        return Connection(name, stream, peer, local, trusted, loopback, door.listener, admission, log)

    def sessions(self) -> list["Deferred[None]"]:
        """The sessions that are still running; each fires when it has ended."""
        return list(self._ending)

    def dismiss(self, reason: bytes, people: Container[str] | None = None) -> None:
        """Send away these people, or everybody, each as soon as the session waits for its peer."""
        for stream, connection in list(self.open.items()):
            if people is None or connection.admission.person in people:
                stream.dismiss(self._door.sent_away + reason + b"\r\n")

    def close_all(self) -> None:
        """Close all connections, whatever their sessions do, letting what is written go out first."""
        for stream in list(self.open):
            stream.close()
