"""People who send: by submission from beside their server, or as another server on the Internet.

They behave as good clients do: what got no answer is sent again, what was refused is not, and each notes what
it was told.
"""

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater

from mailnode.net.stream import ConnectionClosed, Stream, TimedOut
from mailnode.wire.errors import BadSyntax, LineTooLong
from tests.simulation.clock import Clock
from tests.simulation.wire import Tell

PATIENCE = 700.0  # longer than our client's: who gives up early makes windows
PAUSES = (30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0)

Call = Callable[[Any], "Deferred[Any]"]  # an endpoint's connect


@dataclass
class Message:
    """One message, what was said of it, and what its sender knows.

    `parameters` are those of MAIL, and `wishes` those of RCPT, by recipient. `windows` counts for each
    recipient how often all was sent and nothing was answered.
    """

    token: str
    sender: str
    recipients: tuple[str, ...]
    octets: bytes
    login: str = ""
    parameters: str = ""
    wishes: dict[str, str] = field(default_factory=dict)
    eight_bit: bool = False
    binary: bool = False
    chunks: int = 0  # in which it goes by BDAT; 0 for DATA
    accepted: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    windows: dict[str, int] = field(default_factory=dict)

    @property
    def deadline(self) -> bool:
        """Whether it is to come back when it is late."""
        return ";R" in self.parameters

    @property
    def left(self) -> list[str]:
        """Who is still to be tried."""
        return [one for one in self.recipients if one not in self.accepted | self.refused]


class _No(Exception):
    """The server has said no."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Streams(Factory):
    """Twisted's: makes the stream of a connection."""

    noisy = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def buildProtocol(self, addr: object) -> Stream:
        """Twisted's."""
        return Stream(self._clock, opened=lambda stream: None)


class Sender:
    """Sends one message until there is an answer for every recipient."""

    def __init__(self, message: Message, call: Call, clock: Clock, rng: random.Random, tell: Tell) -> None:
        self._message = message
        self._call = call
        self._clock = clock
        self._rng = rng
        self._tell = tell

    async def run(self) -> None:
        """As often as is sensible."""
        message = self._message
        for pause in PAUSES:
            await self._once()
            if not message.left:
                break
            await deferLater(self._clock, pause * self._rng.uniform(0.5, 1.5))
        yes, no, left = sorted(message.accepted), sorted(message.refused), message.left
        self._tell(message.token, f"its sender knows: taken for {yes}, refused for {no}, unknown for {left}")

    async def _once(self) -> None:
        try:
            waiting = self._call(_Streams(self._clock))
            stream: Stream = await waiting.addTimeout(30, self._clock)
        except Exception:
            return
        stream.timeout = PATIENCE
        try:
            await self._transaction(stream)
            stream.write(b"QUIT\r\n")
            await _reply(stream)
        except (ConnectionClosed, TimedOut, LineTooLong, BadSyntax, _No):
            pass  # there is another time
        finally:
            stream.close()

    async def _transaction(self, stream: Stream) -> None:
        message = self._message
        await _ask(stream, None)
        await _ask(stream, "EHLO sender.example")
        if message.login:
            plain = base64.b64encode(f"\0{message.login}\0secret".encode()).decode()
            await _ask(stream, f"AUTH PLAIN {plain}")
        try:
            await _ask(stream, f"MAIL FROM:<{message.sender}>{message.parameters}")
            there = [one for one in message.left if await self._recipient(stream, one)]
        except _No as no:
            self._refused(message.left, no.code)
            return
        if not there:
            return
        try:
            last = await (self._chunks(stream) if message.chunks else self._data(stream))
        except _No:
            return
        stream.write(last)
        try:
            code = await _reply(stream)
        except (ConnectionClosed, TimedOut):
            self._tell(message.token, f"no answer to its content, for {there}")
            for one in there:
                message.windows[one] = message.windows.get(one, 0) + 1
            raise
        if code // 100 == 2:
            message.accepted.update(there)
        else:
            self._refused(there, code)

    async def _data(self, stream: Stream) -> bytes:
        """Get ready for the content; gives it as it is to go."""
        await _ask(stream, "DATA")
        body = self._message.octets.replace(b"\r\n.", b"\r\n..")
        return (b"." if body.startswith(b".") else b"") + body + b".\r\n"

    async def _chunks(self, stream: Stream) -> bytes:
        """Send all but the last chunk; gives that."""
        octets = self._message.octets
        size = len(octets) // self._message.chunks
        for _ in range(self._message.chunks - 1):
            stream.write(f"BDAT {size}\r\n".encode() + octets[:size])
            octets = octets[size:]
            if await _reply(stream) != 250:
                raise _No(0)
        return f"BDAT {len(octets)} LAST\r\n".encode() + octets

    async def _recipient(self, stream: Stream, recipient: str) -> bool:
        try:
            await _ask(stream, f"RCPT TO:<{recipient}>{self._message.wishes.get(recipient, '')}")
        except _No as no:
            if no.code == 421:
                raise
            self._refused([recipient], no.code)
            return False
        return True

    def _refused(self, recipients: list[str], code: int) -> None:
        if code >= 500:
            self._tell(self._message.token, f"refused with {code} for {recipients}")
            self._message.refused.update(recipients)


async def _ask(stream: Stream, line: str | None) -> None:
    """Say it and hear a yes. Raises _No."""
    if line is not None:
        stream.write(f"{line}\r\n".encode())
    code = await _reply(stream)
    if code // 100 not in (2, 3):
        raise _No(code)


async def _reply(stream: Stream) -> int:
    while True:
        line = await stream.line(2000)
        if line[3:4] != b"-":
            return int(line[:3])
