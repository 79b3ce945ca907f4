"""Fetching a small text by HTTPS from a host that must prove its name, or bringing it something.

One GET or one POST: no redirect is followed, nothing large, slow or of another type is taken, and no host in
a private network is asked, whatever the DNS says.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from OpenSSL import SSL
from OpenSSL.crypto import X509, X509Store
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IConsumer, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, ResponseDone, ResponseFailed
from twisted.web.error import SchemeNotSupported
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from mailnode.net.identity import Identity, problem
from mailnode.net.reach import interleaved, is_public
from mailnode.net.resolver import Kind, LookupFailed, NoAnswer, Resolver, in_time
from mailnode.net.tls import TlsClient
from mailnode.runtime import Runtime
from mailnode.values import frozen

PORT = 443
SECONDS = 60.0  # for all of it
CONNECT_SECONDS = 15.0
ATTEMPTS = 2  # addresses that are tried
ANSWER_LIMIT = 65_536  # octets of an answer to a POST, which nobody reads

_FAILED = (ResponseFailed, SchemeNotSupported, ConnectError, ConnectionClosed, SSL.Error, OSError)


class FetchFailed(Exception):
    """There is no text, or nothing was taken; `identity` says that the host did not prove its name."""

    def __init__(self, text: str, *, identity: bool = False) -> None:
        super().__init__(text)
        self.identity = identity


@frozen
class _Asked:
    """One request: the fields of its header, what it brings, how long an answer may be, and which is none."""

    method: bytes
    path: str
    fields: dict[bytes, list[bytes]]
    brings: bytes | None
    limit: int
    objection: Callable[[IResponse], str]


class Https:
    """Fetches texts and brings octets.

    The reactor has the sockets, the runtime the time; `roots` are the authorities.
    """

    def __init__(
        self,
        reactor: Any,
        runtime: Runtime,
        resolver: Resolver,
        roots: X509Store,
        *,
        port: int = PORT,
        reachable: Callable[[str], bool] = is_public,
    ) -> None:
        self._reactor = reactor
        self._runtime = runtime
        self._resolver = resolver
        self._roots = roots
        self._port = port
        self._reachable = reachable

    async def fetch(self, host: str, path: str, *, limit: int) -> bytes:
        """The text at a path of a host, `limit` octets at most. Raises FetchFailed."""
        return await self._in_time(
            host, _Asked(b"GET", path, {b"Accept": [b"text/plain"]}, None, limit, _no_text)
        )

    async def post(self, host: str, path: str, content: bytes, *, kind: str) -> None:
        """Bring content of a media type to a path of a host. Raises FetchFailed where it is not taken."""
        fields = {b"Content-Type": [kind.encode("ascii")]}
        await self._in_time(host, _Asked(b"POST", path, fields, content, ANSWER_LIMIT, _no_success))

    async def _in_time(self, host: str, asked: _Asked) -> bytes:
        try:
            return await in_time(self._ask(host, asked), SECONDS, self._runtime.clock)
        except LookupFailed as failure:
            raise FetchFailed(str(failure)) from None

    async def _ask(self, host: str, asked: _Asked) -> bytes:
        until = self._runtime.now() + SECONDS
        addresses = await self._addresses(host)
        failure = FetchFailed(f"{host} has no address that may be asked")
        for address in addresses[:ATTEMPTS]:
            if self._runtime.now() >= until:  # what is given up may look like one that failed
                break
            client = TlsClient(host, lambda chain: self._examine(host, chain), strict=True)
            try:
                return await self._request(address, host, asked, client)
            except _FAILED as error:
                text = f"{host} does not answer: {client.problem or _plain(error)}"
                failure = FetchFailed(text, identity=bool(client.problem))
        raise failure

    def _examine(self, host: str, chain: Sequence[X509]) -> str:
        return problem(chain, Identity((host,)), self._roots, self._runtime.now())

    async def _addresses(self, host: str) -> list[str]:
        found: list[str] = []
        kinds: tuple[Kind, Kind] = ("AAAA", "A")
        for kind in kinds:
            try:
                found += (await self._resolver.query(host, kind)).texts
            except (NoAnswer, LookupFailed):
                continue
        return [one for one in interleaved(found) if self._reachable(one)]

    async def _request(self, address: str, host: str, asked: _Asked, client: TlsClient) -> bytes:
        factory = _Endpoints(self._reactor, address, self._port, client)
        agent = Agent.usingEndpointFactory(self._reactor, factory)
        uri = f"https://{host}{asked.path}".encode("ascii")
        brings = None if asked.brings is None else _Brought(asked.brings)
        try:
            response = await agent.request(asked.method, uri, Headers(asked.fields), brings)
            body = _Body(asked.limit, asked.objection(response))
            response.deliverBody(cast(Any, body))
            return await body.whole
        finally:
            client.abort()


def _no_success(response: IResponse) -> str:
    """Why what was brought is not taken; "" for nothing."""
    return "" if 200 <= response.code < 300 else f"the answer is {response.code}"


def _no_text(response: IResponse) -> str:
    """Why a response is not the text that was asked for; "" for nothing."""
    kind, *_ = (response.headers.getRawHeaders(b"Content-Type") or [b""])[0].split(b";")
    if response.code != 200:
        return f"the answer is {response.code}"
    return "" if kind.strip().lower() == b"text/plain" else "the answer is no text/plain"


def _plain(error: BaseException) -> str:
    """The text of an error, or of what is in it."""
    reasons = getattr(error, "reasons", None)
    return str(reasons[0].value if reasons else error) or type(error).__name__


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Leads to one address, whatever the URI."""

    def __init__(self, reactor: Any, address: str, port: int, client: TlsClient) -> None:
        plain = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
        endpoint = plain(reactor, address, port, timeout=CONNECT_SECONDS)
        self._endpoint = wrapClientTLS(client, endpoint, reactor)

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Twisted's: where to connect to."""
        return self._endpoint


@implementer(IBodyProducer)
class _Brought:
    """The content of a request, all at once: there is not much of it."""

    def __init__(self, content: bytes) -> None:
        self.length = len(content)
        self._content = content

    def startProducing(self, consumer: IConsumer) -> "Deferred[None]":
        """Twisted's: write it."""
        consumer.write(self._content)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Twisted's: nothing is left to be paused."""

    def resumeProducing(self) -> None:
        """Twisted's."""

    def stopProducing(self) -> None:
        """Twisted's."""


class _Body(Protocol):
    """Gathers the body of a response up to a limit; with an objection, nothing of it."""

    def __init__(self, limit: int, objection: str) -> None:
        self.whole: Deferred[bytes] = Deferred()
        self._limit = limit
        self._objection = objection
        self._data = b""

    def connectionMade(self) -> None:
        """Twisted's: the body begins."""
        if self._objection:
            self._refuse(self._objection)

    def dataReceived(self, data: bytes) -> None:
        """Twisted's: a piece."""
        self._data += data
        if len(self._data) > self._limit:
            self._data = b""
            self._refuse("the answer is too long")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Twisted's: the end, or the connection is gone, which is no end that anybody has said."""
        if self.whole.called:
            return
        if reason.check(ResponseDone):
            self.whole.callback(self._data)
        else:
            self.whole.errback(FetchFailed("the answer is cut off"))

    def _refuse(self, why: str) -> None:
        if not self.whole.called:
            self.whole.errback(FetchFailed(why))
