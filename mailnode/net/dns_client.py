"""A stub resolver: asks the recursive servers it is given, over UDP, and over TCP what does not fit.

dnspython reads and writes the messages; sockets and time are Twisted's. Each question has its own socket,
connected to the server, a random id and its name in letters of random case: who forges an answer has to
guess all of that. An answer that gives the name back in other letters is asked for again over TCP.
DNSSEC is left to the server. Its AD bit is believed only over loopback, or where somebody said so: on the
way from elsewhere anybody could set it.
"""

import os
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from dns.message import Message, QueryMessage
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import CannotListenError, ConnectError, ConnectionClosed
from twisted.internet.interfaces import IReactorTCP, IReactorUDP
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from mailnode.config_sending import Dns
from mailnode.fs import FileSystem
from mailnode.net.listen import is_loopback
from mailnode.net.resolver import (
    Answer,
    Kind,
    LookupFailed,
    Mx,
    NoAnswer,
    NoRecords,
    NoSuchName,
    Record,
    Tlsa,
    in_time,
)
from mailnode.runtime import Runtime
from mailnode.values import frozen

RESOLV_CONF = "/etc/resolv.conf"
PORT = 53
PAYLOAD = 1232  # octets over UDP that no path cuts in pieces, so that nobody can exchange a piece
LARGEST = 65535  # octets of any answer
TIMEOUTS = (2.0, 4.0)  # seconds for each server, round by round
TCP_TIMEOUT = 5.0
SERVERS = 3  # that are asked, as resolv.conf(5) has it
ALIASES = 8  # CNAMEs that are followed
CACHE_SIZE = 4096
LONGEST = 3600  # seconds that an answer is kept
LONGEST_NOTHING = 300  # the same for the answer that there is nothing

MALFORMED = Tlsa(255, 255, 255, b"")  # stands for a TLSA record that cannot be read

Server = tuple[str, int]  # IP address and port

_WITH_PORT = re.compile(r"(?:\[([^]]+)\]|([^:]+)):([0-9]+)")


def nameservers(text: str) -> tuple[Server, ...]:
    """The servers that a resolv.conf(5) names, else the one on this machine, as that page says."""
    lines = [line.split() for line in text.splitlines()]
    found = tuple((words[1], PORT) for words in lines if len(words) > 1 and words[0] == "nameserver")
    return found[:SERVERS] or (("127.0.0.1", PORT),)


def server(text: str) -> Server:
    """The server in "192.0.2.1", "192.0.2.1:5353", "2001:db8::1" or "[2001:db8::1]:5353"."""
    found = _WITH_PORT.fullmatch(text)
    return (found[1] or found[2], int(found[3])) if found else (text.strip("[]"), PORT)


def make_client(reactor: Any, runtime: Runtime, settings: Dns, files: FileSystem) -> "DnsClient":
    """The client that the configuration wants, or the machine's own resolv.conf."""
    servers = tuple(map(server, settings.servers))
    if not servers:
        try:
            text = files.read(os.path.realpath(RESOLV_CONF)).decode("utf-8", "replace")
        except OSError:
            text = ""
        servers = nameservers(text)
    return DnsClient(reactor, runtime, servers, trusted=settings.trusted)


@frozen
class _Kept:
    """What is known until some time."""

    outcome: Answer | NoAnswer
    until: float


class DnsClient:
    """A Resolver. The reactor has the sockets, the runtime has the time."""

    def __init__(
        self, reactor: Any, runtime: Runtime, servers: Sequence[Server], *, trusted: bool = False
    ) -> None:
        self._reactor: IReactorTCP = reactor
        self._datagrams: IReactorUDP = reactor
        self._runtime = runtime
        self._servers = servers[:SERVERS]
        self._trusted = trusted
        self._cache: OrderedDict[tuple[str, Kind], _Kept] = OrderedDict()

    async def query(self, name: str, kind: Kind) -> Answer:
        """As of a Resolver."""
        key = (name.lower(), kind)
        kept = self._cache.get(key)
        if kept is None or kept.until <= self._runtime.now():
            kept = await self._asked(name, kind)
            self._cache[key] = kept
            if len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        if isinstance(kept.outcome, NoAnswer):
            raise kept.outcome.with_traceback(None)
        return kept.outcome

    async def _asked(self, name: str, kind: Kind) -> _Kept:
        """What the first server says that says anything."""
        reason = LookupFailed("there is no DNS server to ask")
        for timeout in TIMEOUTS:
            for host, port in self._servers:
                try:
                    message = await self._exchange((host, port), self._question(name, kind), timeout)
                    return self._kept(message, name, kind, believed=self._trusted or is_loopback(host))
                except LookupFailed as failure:
                    reason = failure
        raise reason

    def _kept(self, message: QueryMessage, name: str, kind: Kind, *, believed: bool) -> _Kept:
        outcome, seconds = interpreted(message, name, kind, believed=believed)
        longest = LONGEST if isinstance(outcome, Answer) else LONGEST_NOTHING
        return _Kept(outcome, self._runtime.now() + min(seconds, longest))

    def _question(self, name: str, kind: Kind) -> QueryMessage:
        pick = self._runtime.random
        letters = "".join(pick.choice((one.lower(), one.upper())) for one in name)
        try:
            asked = dns.name.from_text(letters.encode("ascii").decode())
        except (dns.exception.DNSException, UnicodeEncodeError):
            raise NoSuchName(f"{name} cannot be a domain name") from None
        flags = dns.flags.RD | dns.flags.AD
        return dns.message.make_query(
            asked, kind, use_edns=0, payload=PAYLOAD, flags=int(flags), id=pick.randrange(65536)
        )

    async def _exchange(self, server: Server, question: QueryMessage, timeout: float) -> QueryMessage:
        """The answer of a server, whole. Raises LookupFailed."""
        clock = self._runtime.clock
        try:
            message = await in_time(self._by_datagram(server, question), timeout, clock)
            if message.flags & dns.flags.TC or not _same_letters(question, message):
                message = await in_time(self._by_stream(server, question), TCP_TIMEOUT, clock)
        except (OSError, ConnectError, ConnectionClosed, CannotListenError) as error:
            raise LookupFailed(f"the DNS server {server[0]} cannot be reached: {error}") from None
        if message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise LookupFailed(f"the DNS server says {dns.rcode.to_text(message.rcode())}")
        return message

    async def _by_datagram(self, server: Server, question: QueryMessage) -> QueryMessage:
        asking = _Datagram(server, question)
        port = self._datagrams.listenUDP(0, asking, "::" if ":" in server[0] else "", LARGEST)
        try:
            return await asking.answer
        finally:
            closed = port.stopListening()
            if isinstance(closed, Deferred):
                await closed

    async def _by_stream(self, server: Server, question: QueryMessage) -> QueryMessage:
        endpoint = TCP6ClientEndpoint if ":" in server[0] else TCP4ClientEndpoint
        asking = _Stream(question)
        client = endpoint(self._reactor, *server, timeout=TCP_TIMEOUT)
        await client.connect(Factory.forProtocol(lambda: asking))
        try:
            return await asking.answer
        finally:
            asking.close()
            await asking.closed


def read_answer(question: QueryMessage, data: bytes) -> QueryMessage | None:
    """The answer to the question in these octets; None for anything else.

    Records that cannot be read are left out, and noted in its `errors`.
    """
    try:
        message = dns.message.from_wire(data, ignore_trailing=True, continue_on_error=True)
    except dns.exception.DNSException:
        return None
    return cast(QueryMessage, message) if question.is_response(message) else None


def _same_letters(question: Message, answer: Message) -> bool:
    """Whether the name came back as it was sent; an answer without question counts as such."""
    asked = question.question[0].name.labels
    return all(one.name.labels == asked for one in answer.question)


class _Datagram(DatagramProtocol):
    """Sends the question; what does not answer it is passed over, as anybody can send that."""

    def __init__(self, server: Server, question: QueryMessage) -> None:
        self.answer: Deferred[QueryMessage] = Deferred()
        self._server = server
        self._question = question

    def startProtocol(self) -> None:
        """Twisted's: there is a socket."""
        transport = cast(Any, self.transport)
        transport.connect(*self._server)
        transport.write(self._question.to_wire())

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Twisted's: the server, or who passes for it, sent something."""
        message = read_answer(self._question, datagram)
        if message is not None and not self.answer.called:
            self.answer.callback(message)

    def connectionRefused(self) -> None:
        """Twisted's: nobody listens there."""
        self.stopProtocol()

    def stopProtocol(self) -> None:
        """Twisted's: the socket is closed, which an error does too."""
        if not self.answer.called:
            self.answer.errback(LookupFailed(f"no DNS server listens at {self._server[0]}"))


class _Stream(Protocol):
    """The same over TCP, where each message has its length before it (RFC 1035 section 4.2.2)."""

    def __init__(self, question: QueryMessage) -> None:
        self.answer: Deferred[QueryMessage] = Deferred()
        self.closed: Deferred[None] = Deferred()
        self._question = question
        self._buffer = b""

    def connectionMade(self) -> None:
        """Twisted's: the server takes the question."""
        wire = self._question.to_wire()
        cast(Any, self.transport).write(len(wire).to_bytes(2, "big") + wire)

    def dataReceived(self, data: bytes) -> None:
        """Twisted's: a piece of the answer."""
        self._buffer += data
        end = 2 + int.from_bytes(self._buffer[:2], "big")
        if len(self._buffer) < end or self.answer.called:
            return
        message = read_answer(self._question, self._buffer[2:end])
        if message is None:
            self.answer.errback(LookupFailed("the DNS server answered with nonsense"))
        else:
            self.answer.callback(message)

    def close(self) -> None:
        """Want nothing more."""
        cast(Any, self.transport).abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Twisted's: the connection is gone."""
        if not self.answer.called:
            self.answer.errback(LookupFailed("the DNS server closed the connection"))
        self.closed.callback(None)


# From dnspython's messages to values


def interpreted(
    message: QueryMessage, name: str, kind: Kind, *, believed: bool
) -> tuple[Answer | NoAnswer, int]:
    """What a whole answer says, and for how many seconds that holds. Raises LookupFailed."""
    try:
        chain = message.resolve_chaining()
    except dns.exception.DNSException:
        raise LookupFailed("the DNS server answered with nonsense") from None
    if len(chain.cnames) > ALIASES:
        raise LookupFailed(f"{name} is an alias of an alias, and so on")
    secure = believed and bool(message.flags & dns.flags.AD)
    records = tuple(map(_RECORDS[kind], chain.answer or ()))
    if message.errors and kind == "TLSA":
        records += (MALFORMED,)  # not the same as none (RFC 7672 section 2.1.1)
    elif message.errors and not records:
        raise LookupFailed("the DNS server answered with nonsense")
    if not records:
        gone = message.rcode() == dns.rcode.NXDOMAIN
        text = f"{name} does not exist" if gone else f"{name} has no {kind} record"
        return (NoSuchName if gone else NoRecords)(text, secure=secure), chain.minimum_ttl
    canonical = _name(chain.canonical_name)
    return Answer(records, secure, chain.minimum_ttl, canonical, len(chain.cnames)), chain.minimum_ttl


def _name(name: dns.name.Name) -> str:
    """As text; what is not plain in a name is escaped (vector N6)."""
    return name.to_text(omit_final_dot=True).lower().removesuffix(".")


_RECORDS: dict[Kind, Callable[[Any], Record]] = {
    "MX": lambda data: Mx(data.preference, _name(data.exchange)),
    "A": lambda data: str(data.address),
    "AAAA": lambda data: str(data.address),
    "TLSA": lambda data: Tlsa(data.usage, data.selector, data.mtype, bytes(data.cert)),
    "TXT": lambda data: b"".join(data.strings).decode("latin-1"),
    "CNAME": lambda data: _name(data.target),
    "PTR": lambda data: _name(data.target),
    "SRV": lambda data: f"{data.priority} {data.weight} {data.port} {_name(data.target) or '.'}",
}
