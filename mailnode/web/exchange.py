"""One request and its response over a Stream, by the HTTP parser of twisted.web.

The connection ends with the response: nobody who asks here has a second question, and so nothing of one
request can reach into another. Whoever is slow, or sends more than a request can need, is cut off. A body
stays in memory, where twisted.web would put a large one into a file.
"""

from io import BytesIO
from typing import Any, cast

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request, datetimeToString

from mailnode.net.listen import Connection
from mailnode.net.stream import Stream
from mailnode.runtime import Runtime
from mailnode.web.pages import Answer, Asked, Routes, answered

SECONDS = 20.0  # for the whole request to come
LIMIT = 65_536  # octets of a whole request
_PIECE = 4096

_TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_FAILED = Answer(b"The server has failed; its log says why.\n", status=500)
_FORBIDDEN = Answer(b"Not for you: your address is not in trusted_networks.\n", status=403)


class Web:
    """The sessions of a listener; with `trusted_only`, everybody else is told so, whatever he asks for."""

    def __init__(self, runtime: Runtime, routes: Routes, *, trusted_only: bool = False) -> None:
        self._runtime = runtime
        self._routes = routes
        self._trusted_only = trusted_only

    async def serve(self, connection: Connection) -> None:
        """The whole session. Raises ConnectionClosed and TimedOut."""
        stream = connection.stream
        ends = _Ends(stream)
        channel = _Channel()
        channel.makeConnection(ends)
        try:
            asked = await self._asked(stream, ends, channel)
            if asked is not None:
                answer = await self._answer(connection, asked)
                if channel.complete is not None:
                    _respond(channel.complete, answer, self._runtime.now())
                await stream.drain()
        finally:
            channel.connectionLost(Failure(connectionDone.value))

    async def _asked(self, stream: Stream, ends: "_Ends", channel: "_Channel") -> Asked | None:
        """The request; None for one that is none, which has been answered."""
        until = self._runtime.now() + SECONDS
        taken = 0
        while channel.complete is None and not ends.disconnecting:
            stream.timeout = min(SECONDS, max(0.0, until - self._runtime.now()))
            data = await stream.some(_PIECE)
            taken += len(data)
            if taken > LIMIT:
                stream.write(_TOO_LARGE)
                return None
            channel.dataReceived(data)
        return None if channel.complete is None else _read(channel.complete)

    async def _answer(self, connection: Connection, asked: Asked) -> Answer:
        if self._trusted_only and not connection.trusted:
            answer = _FORBIDDEN
        else:
            try:
                answer = await answered(self._routes, asked)
            except Exception:
                connection.log.bug("page failed", Failure())
                answer = _FAILED
        if answer.status != 200 or not self._trusted_only:  # what looks every few seconds would fill the log
            connection.log.info("answered", method=asked.method, path=asked.path, status=answer.status)
        return answer


class _Ends:
    """What a channel sees of the stream as its transport."""

    def __init__(self, stream: Stream) -> None:
        self.disconnecting = False
        self._stream = stream

    def write(self, data: bytes) -> None:
        """twisted.web's: octets go out."""
        self._stream.write(data)

    def writeSequence(self, pieces: list[bytes]) -> None:
        """twisted.web's: the same, in pieces."""
        self._stream.write(b"".join(pieces))

    def getPeer(self) -> IAddress:
        """twisted.web's: who is at the other end."""
        assert self._stream.transport is not None
        return self._stream.transport.getPeer()

    def getHost(self) -> IAddress:
        """twisted.web's: our end."""
        assert self._stream.transport is not None
        return self._stream.transport.getHost()

    def loseConnection(self) -> None:
        """twisted.web's: nothing more is said; the listener closes when the session has ended."""
        self.disconnecting = True


class _Request(Request):
    """A request that stays in memory, and whose page comes to it later."""

    def __init__(self, channel: Any, queued: object = False) -> None:
        super().__init__(channel, queued, parsePOSTFormSubmission=False)

    def gotLength(self, length: int | None) -> None:
        """twisted.web's: a body is to come."""
        self.content = BytesIO()

    def process(self) -> None:
        """twisted.web's: all of it is here."""
        cast(_Channel, self.channel).complete = self


class _Channel(HTTPChannel):
    """The parser of one request; `complete` is the request when all of it is here."""

    requestFactory: Any = _Request
    complete: Request | None = None

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """twisted.web's: whether another request may follow."""
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False


def _read(request: Request) -> Asked:
    query = {_text(name): _text(values[0]) for name, values in (request.args or {}).items()}
    host = _text(request.requestHeaders.getRawHeaders(b"Host", [b""])[0])
    body = request.content.read() if request.content is not None else b""
    return Asked(_text(request.method), _text(request.path), query, host.lower().partition(":")[0], body)


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")


def _respond(request: Request, answer: Answer, now: float) -> None:
    request.setResponseCode(answer.status)
    fields = {
        "Content-Type": answer.kind,
        "Content-Length": str(len(answer.body)),
        "Date": datetimeToString(now).decode("ascii"),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **answer.fields,
    }
    for name, value in fields.items():
        request.setHeader(name, value)
    request.write(answer.body)
    request.finish()
