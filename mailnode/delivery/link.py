"""A stream as an SMTP client sees it: commands go out, replies come in, each within the time it has."""

from twisted.internet.interfaces import IReactorTime

from mailnode.delivery.outcome import Broken, Stage, Verdict, own
from mailnode.net.stream import ConnectionClosed, Stream, TimedOut
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import Reply
from mailnode.wire.smtp_client import BadReply, ReplyReader


@frozen
class Timeouts:
    """Seconds (RFC 5321 section 4.5.3.2).

    `block` is for the peer to take what was written; `idle` is how long a session is kept without a message.
    """

    connect: float = 30.0
    greeting: float = 300.0
    command: float = 300.0
    data: float = 120.0
    block: float = 180.0
    end: float = 600.0
    handshake: float = 30.0
    quit: float = 5.0
    idle: float = 60.0

    def reply(self, stage: Stage) -> float:
        """How long the whole reply may take at that stage."""
        match stage:
            case Stage.MAIL | Stage.RCPT:
                return self.command
            case Stage.CONTENT | Stage.END:
                return self.end
            case Stage.DATA:
                return self.data
            case Stage.GREETING:
                return self.greeting
            case Stage.QUIT:
                return self.quit
        return self.command


class StreamLink:
    """The connection to one peer."""

    def __init__(self, stream: Stream, clock: IReactorTime, timeouts: Timeouts) -> None:
        self.stream = stream
        self.timeouts = timeouts
        self._clock = clock

    @property
    def pending(self) -> bool:
        """Whether the peer has said something that was not yet read."""
        return self.stream.pending > 0

    async def send(self, data: bytes, stage: Stage) -> None:
        """Write, and wait until the peer has taken enough of it. Raises Broken."""
        try:
            self.stream.write(data)
            # Content may come piece after piece; behind all else a reply is waited for.
            if stage is Stage.CONTENT or not self.stream.flows:
                await self.stream.drain()
        except ConnectionClosed:
            raise self.broken(f"The connection was lost at {stage.value}", stage) from None

    async def reply(self, stage: Stage) -> Reply:
        """The next reply. Raises Broken where none comes in time, where it is none, and for 421."""
        try:
            reply = await self._reply(self.timeouts.reply(stage))
        except TimedOut:
            raise self.broken(f"No reply at {stage.value} in time", stage) from None
        except ConnectionClosed:
            raise self.broken(f"The connection was lost at {stage.value}", stage) from None
        except (BadReply, BadSyntax) as error:
            raise self.broken(f"No SMTP reply at {stage.value}: {error}", stage, "4.5.0") from None
        if reply.code == 421:
            self.stream.abort()
            raise Broken(Verdict(reply, stage))
        return reply

    async def _reply(self, seconds: float) -> Reply:
        stream, reader, began = self.stream, ReplyReader(), self._clock.seconds()
        stream.timeout = seconds
        while (reply := reader.feed(await stream.line(max(0, reader.room)))) is None:
            stream.timeout = max(0.0, began + seconds - self._clock.seconds())
        return reply

    async def ask(self, line: bytes, stage: Stage) -> Reply:
        """Send one command and hear its reply, which cannot have come before. Raises Broken."""
        if self.pending:
            raise self.broken(f"The server speaks before {stage.value}", stage, "4.5.0")
        await self.send(line, stage)
        return await self.reply(stage)

    async def quit(self) -> None:
        """Say goodbye; a peer that does not answer is cut off (RFC 5321 section 4.1.1.10)."""
        try:
            await self.ask(b"QUIT\r\n", Stage.QUIT)
        except Broken:
            return  # it is gone already
        self.stream.close()

    def broken(self, text: str, stage: Stage, enhanced: str = "4.4.2") -> Broken:
        """Cut the connection; this host's verdict on it."""
        self.stream.abort()
        return Broken(own(421, enhanced, text, stage))
