"""The SMTP and LMTP client: one connection to one host, for one message after the other.

    client = await connect(place, manner, runtime)       # raises NotConnected
    outcomes = await client.deliver(message)             # one for each recipient, in their order
    await client.close()

Whatever the peer does ends in outcomes. Of a message without a clear yes to its end the answer is never
"delivered": it is tried again, perhaps in vain, perhaps for a second copy (`maybe_delivered`).
"""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.protocol import Factory
from twisted.internet.tcp import Connection

from mailnode.delivery.fitting import Fitted, Message, NotForThisPeer, fit
from mailnode.delivery.link import StreamLink
from mailnode.delivery.opening import HandshakeFailed, Manner, Opening, Place
from mailnode.delivery.outcome import Broken, Outcome, Peer, Result, Stage, Verdict, own
from mailnode.delivery.tls_policy import Level, TlsPolicy
from mailnode.delivery.transaction import Script, Transaction
from mailnode.envelope import Recipient
from mailnode.net.identity import VALIDATION_FAILURE
from mailnode.net.stream import Stream, send_at_once
from mailnode.runtime import Runtime
from mailnode.values import replace
from mailnode.wire.smtp_client import Capabilities, limit, shown

_OVER = own(421, "4.4.2", "The connection is over", Stage.CONNECT)


class NotConnected(Exception):
    """There is no session with the host; the verdict says why."""

    def __init__(self, verdict: Verdict, peer: Peer) -> None:
        super().__init__(f"{peer.name}: {verdict.reply}")
        self.verdict = verdict
        self.peer = peer

    def outcomes(self, recipients: Sequence[Recipient]) -> tuple[Outcome, ...]:
        """The same one for everybody."""
        return tuple(Outcome(recipient, self.verdict, self.peer) for recipient in recipients)


async def connect(place: Place, manner: Manner, runtime: Runtime) -> "Client":
    """A session in which mail may be sent. Raises NotConnected.

    Where TLS is only welcome, a host that cannot do it after all is called once more, in clear.
    """
    try:
        return await _connect(place, manner, runtime)
    except HandshakeFailed as failed:
        peer = Peer(place.name, tls_result=VALIDATION_FAILURE)
        if manner.tls.needed:
            raise NotConnected(failed.verdict, peer) from None
    client = await _connect(place, replace(manner, tls=TlsPolicy(Level.CLEAR)), runtime)
    client.peer = replace(client.peer, tls_result=VALIDATION_FAILURE)
    return client


async def _connect(place: Place, manner: Manner, runtime: Runtime) -> "Client":
    stream = await _stream(place, manner, runtime)
    link = StreamLink(stream, runtime.clock, manner.timeouts)
    address = str(getattr(cast(Any, stream.transport).getPeer(), "host", ""))
    opening = Opening(link, place.name, address, manner, runtime)
    try:
        await opening.run()
    except HandshakeFailed:
        raise
    except Broken as broken:
        raise NotConnected(broken.verdict, opening.peer) from None
    except BaseException:
        stream.abort()
        raise
    return Client(link, opening.peer, opening.capabilities, manner, runtime)


async def _stream(place: Place, manner: Manner, runtime: Runtime) -> Stream:
    waiting = place.endpoint.connect(_Streams(runtime, manner))
    late = runtime.clock.callLater(manner.timeouts.connect, waiting.cancel)
    try:
        return cast(Stream, await waiting)
    except Exception as error:  # whatever an endpoint has to say: nobody is there now
        text = f"No connection: {shown(str(error).encode()) or type(error).__name__}"
        raise NotConnected(own(421, "4.4.1", text, Stage.CONNECT), Peer(place.name)) from None
    finally:
        if late.active():
            late.cancel()


class _Streams(Factory):
    """Twisted's: makes the stream of a connection."""

    noisy = False

    def __init__(self, runtime: Runtime, manner: Manner) -> None:
        self._runtime = runtime
        self._block = manner.timeouts.block

    def buildProtocol(self, addr: IAddress | None) -> Stream:
        """Twisted's."""
        return Stream(self._runtime.clock, opened=_opened, write_timeout=self._block)


def _opened(stream: Stream) -> None:
    """The connection is there, and is handed on by the endpoint."""
    transport: Any = stream.transport
    if isinstance(transport, Connection):
        send_at_once(transport.getHandle())


def _too_many(verdict: Verdict) -> bool:
    """Whether the recipient was one too many, and belongs into another transaction."""
    reply = verdict.reply
    return verdict.stage is Stage.RCPT and reply.code == 452 and reply.enhanced in ("", "4.5.3")


class Client:
    """A session. One deliver() at a time; left alone for too long it ends by itself."""

    def __init__(
        self, link: StreamLink, peer: Peer, announced: Capabilities, manner: Manner, runtime: Runtime
    ) -> None:
        self.peer = peer
        self.capabilities = announced
        self._link = link
        self._manner = manner
        self._runtime = runtime
        self._unfinished = False
        self._transactions = 0
        self._closed = False
        self._resting_since: float | None = None  # by the clock of the reactor
        self._timer: IDelayedCall | None = None
        link.stream.when_lost(self._stop_timer)
        self._rest()

    @property
    def usable(self) -> bool:
        """Whether another message can be sent: the session is open, and the peer has not had enough."""
        most = limit(self.capabilities, "MAILMAX")  # RFC 9422
        return self._listens and (most is None or self._transactions < most)

    @property
    def _listens(self) -> bool:
        """Whether the peer waits for a command: it is there, and has not said anything unasked."""
        return not (self._closed or self._link.stream.ended or self._link.pending)

    async def deliver(self, message: Message) -> tuple[Outcome, ...]:
        """Send the message; what became of it for each recipient, in their order."""
        self._resting_since = None
        try:
            verdicts = await self._deliver(message)
        except BaseException:
            self._link.stream.abort()
            raise
        self._rest()
        recipients = message.envelope.recipients
        without_dsn = "DSN" not in self.capabilities
        return tuple(
            Outcome(recipient, verdict, self.peer, without_dsn)
            for recipient, verdict in zip(recipients, verdicts, strict=True)
        )

    async def _deliver(self, message: Message) -> list[Verdict]:
        everybody = len(message.envelope.recipients)
        if not self.usable:
            return [_OVER] * everybody
        try:
            fitted = await fit(message, self.peer, self.capabilities, self._runtime)
        except NotForThisPeer as error:
            return [error.verdict] * everybody
        except OSError as error:
            text = f"The message cannot be read: {error.strerror or type(error).__name__}"
            return [own(451, "4.3.0", text, Stage.MAIL)] * everybody
        asked = iter(await self._send(fitted))
        return [line if isinstance(line, Verdict) else next(asked) for line in fitted.recipients]

    async def _send(self, fitted: Fitted) -> list[Verdict]:
        """In as many transactions as the peer needs for so many recipients (RFC 5321 section 4.5.3.1.10)."""
        lines = [line for line in fitted.recipients if isinstance(line, bytes)]
        verdicts = [_OVER] * len(lines)
        most = limit(self.capabilities, "RCPTMAX") or len(lines)
        waiting = list(range(len(lines)))
        while waiting and self.usable:
            batch, waiting = waiting[:most], waiting[most:]
            found = await self._transact(fitted, [lines[number] for number in batch])
            for number, verdict in zip(batch, found, strict=True):
                verdicts[number] = verdict
            if any(verdicts[number].result is Result.DELIVERED for number in batch):
                waiting = [number for number in batch if _too_many(verdicts[number])] + waiting
        return verdicts

    async def _transact(self, fitted: Fitted, lines: list[bytes]) -> list[Verdict]:
        script = Script(
            mail=fitted.mail,
            recipients=tuple(lines),
            reset=self._unfinished,
            pipelining="PIPELINING" in self.capabilities,
            bdat="CHUNKING" in self.capabilities and (fitted.binary or self._manner.chunking),
            binary=fitted.binary,
            lmtp=self._manner.lmtp,
        )
        transaction = Transaction(self._link, script)
        async with aclosing(fitted.content()) as content:
            verdicts = await transaction.run(content)
        self._unfinished = transaction.unfinished
        self._transactions += 1
        if not transaction.usable:
            self._link.stream.abort()
        return verdicts

    async def close(self) -> None:
        """QUIT, where that can still be said; in any case the connection ends."""
        self._stop_timer()
        if self._listens:
            self._closed = True
            await self._link.quit()
        self._closed = True
        if not self._link.stream.ended:
            self._link.stream.abort()

    # One timer, which is not touched by messages: there may be a thousand of them in a second.

    def _rest(self) -> None:
        if not self._link.stream.ended:
            self._resting_since = self._runtime.clock.seconds()
            if self._timer is None:
                self._timer = self._runtime.clock.callLater(self._manner.timeouts.idle, self._expired)

    def _expired(self) -> None:
        self._timer = None
        if self._resting_since is None:
            return  # it begins again with the next rest
        clock, idle = self._runtime.clock, self._manner.timeouts.idle
        left = self._resting_since + idle - clock.seconds()
        if left > 0:
            self._timer = clock.callLater(left, self._expired)
        else:
            Deferred.fromCoroutine(self.close())

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
