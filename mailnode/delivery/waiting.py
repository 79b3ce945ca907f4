"""Mail for other hosts that waits here until they call for it (RFC 1985, RFC 2645).

It waits in the queue as any other mail that cannot go on now. The files say what is there, so each call reads
them: it is rare, and nothing has to be kept true meanwhile.
"""

import contextlib
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any, Protocol, cast

from mailnode.auth.live import Live
from mailnode.delivery.client import Client
from mailnode.delivery.connections import Connections
from mailnode.delivery.destination import Destination, NoDestination
from mailnode.delivery.fitting import Message
from mailnode.delivery.link import StreamLink
from mailnode.delivery.opening import Manner, Opening
from mailnode.delivery.outcome import Broken, Outcome
from mailnode.delivery.queued import QueuedDelivery
from mailnode.delivery.remote import RemoteCourier
from mailnode.delivery.tls_policy import Level, TlsPolicy
from mailnode.events.life import Bus
from mailnode.events.log import Log
from mailnode.net.stream import Stream
from mailnode.queue.runner import Busy, Runner
from mailnode.queue.spool import Spool, Unreadable
from mailnode.runtime import Runtime
from mailnode.values import frozen
from mailnode.wire.address import Address

SLICE = 100  # messages that are looked at in one job of a thread


class WaitingMail(Protocol):
    """The messages that wait, by the domain of their recipients. Its methods raise OSError."""

    async def waiting(self, domain: str) -> int:
        """How many messages wait for a domain."""

    async def start(self, domain: str) -> None:
        """Have them sent to the host of the domain soon, over a new connection; returns at once."""

    async def send_over(self, stream: Stream, domains: Sequence[str]) -> None:
        """Send them over a connection that was reversed: the peer begins with its 220 greeting.

        Returns when QUIT was said, or the peer is gone; the caller closes.
        """


class CalledFor:
    """WaitingMail, of the queue."""

    def __init__(
        self,
        live: Live,
        runtime: Runtime,
        spool: Spool,
        queue: Runner,
        queued: QueuedDelivery,
        bus: Bus,
        connections: Connections,
    ) -> None:
        self._live = live
        self._runtime = runtime
        self._spool = spool
        self._queue = queue
        self._queued = queued
        self._bus = bus
        self._connections = connections
        self._log = Log("mailnode.queue")

    async def waiting(self, domain: str) -> int:
        """Those that are held do not count."""
        return len(await self._found([domain]))

    async def start(self, domain: str) -> None:
        """Hosts that were found dead a short time ago are called all the same."""
        self._connections.hurry()
        self._queue.hurry(await self._found([domain]))

    async def send_over(self, stream: Stream, domains: Sequence[str]) -> None:
        """One message after the other; what is just being sent elsewhere is left out."""
        peer = cast(Any, stream.transport).getPeer()
        manner = Manner(self._live.config.hostname, tls=TlsPolicy(Level.CLEAR))
        link = StreamLink(stream, self._runtime.clock, manner.timeouts)
        opening = Opening(link, domains[0], str(getattr(peer, "host", "")), manner, self._runtime)
        try:
            await opening.run()
        except Broken as broken:
            self._log.info("no session over a reversed connection", reason=broken.verdict.reply)
            return
        client = Client(link, opening.peer, opening.capabilities, manner, self._runtime)
        courier = RemoteCourier(self._runtime.clock, _OneHost(), _OneConnection(client), self._bus)
        deliver = partial(self._queued.deliver_by, courier, domains)
        try:
            for name in await self._found(domains):
                if not client.usable:
                    break
                with contextlib.suppress(Busy):
                    await self._queue.work(name, deliver)
        except OSError as error:  # the peer is a server now: there is no reply to tell it by
            self._log.warn("waiting mail cannot be found", reason=error.strerror)
        await client.close()

    async def _found(self, domains: Collection[str]) -> list[str]:
        names = sorted(await self._runtime.blocking.run(self._spool.names))
        found: list[str] = []
        for start in range(0, len(names), SLICE):
            some = names[start : start + SLICE]
            found += await self._runtime.blocking.run(self._those, some, domains)
        return found

    def _those(self, names: Iterable[str], domains: Collection[str]) -> list[str]:
        """The names of messages that wait for one of the domains, and are not held."""
        now = self._runtime.now()
        found = []
        for name in names:
            with contextlib.suppress(FileNotFoundError, Unreadable):
                entry = self._spool.read(name)
                if entry.envelope.release <= now and entry.waiting_for(domains):
                    found.append(name)
        return found


@frozen
class _OneHost:
    """Destinations: whoever has called is the host of all the domains."""

    async def find(
        self,
        _domain: str,
        *,
        sender: Address | None = None,
        require_tls: bool = False,
        tls_optional: bool = False,
    ) -> Destination:
        """Raises NoDestination where nobody can know that it is the right one (RFC 8689)."""
        if require_tls:
            raise NoDestination("4.7.5", "It is to go only to a host that has proved who it is")
        return Destination("who has called", ())


@frozen
class _OneConnection:
    """Connections: the one that was reversed."""

    client: Client

    async def deliver(self, _destination: Destination, message: Message) -> tuple[Outcome, ...]:
        """What became of it for each recipient."""
        return await self.client.deliver(message)
