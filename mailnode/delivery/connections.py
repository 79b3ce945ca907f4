"""The connections to other hosts: few for each destination, kept for the next message, and none in vain.

A destination begins with two connections; each message that gets through allows one more, up to the limit
of the configuration. Hosts and their addresses are tried in order, until one begins a session. Where none
does, nobody tries again for a minute, then for two, and so on: meanwhile all messages get the answer of that
try. So a dead host costs one round of attempts a minute at most, however many messages wait for it.
"""

import heapq
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from mailnode.delivery.client import NotConnected
from mailnode.delivery.destination import Destination, Host, Login
from mailnode.delivery.fitting import Message
from mailnode.delivery.outcome import Outcome, Peer, Result, Stage, own
from mailnode.events.log import Log
from mailnode.net.turns import Turns
from mailnode.runtime import Runtime
from mailnode.values import replace

CONNECTIONS = 100  # that are used at a time, to all destinations together
KEPT = 20  # that are open though nobody uses them
START = 2  # to a destination, at first
MESSAGES = 100  # on one connection
FURTHER = 20  # connections for one message, to a host that hears of few recipients on each
SESSIONS = 2  # hosts that are heard out, of those that answer but take no mail (vector O5)
PAUSE = 60.0  # seconds without an attempt, after one that failed; doubles
LONGEST_PAUSE = 900.0
REMEMBERED = 1000  # destinations

_BEGINNING = frozenset({Stage.CONNECT, Stage.RSET, Stage.MAIL})
_GONE = 421


class Connection(Protocol):
    """A session with a host, such as client.Client."""

    peer: Peer

    @property
    def usable(self) -> bool:
        """Whether another message can be sent."""

    async def deliver(self, message: Message) -> tuple[Outcome, ...]:
        """Send it; the outcome for each recipient, in their order."""

    async def close(self) -> None:
        """End the session."""


Connect = Callable[[Destination, Host, str], Awaitable[Connection]]
_Key = tuple[str, Login | None]  # of a destination: what one login does there is nothing to another


@dataclass(eq=False, slots=True)
class _Open:
    """A connection, what it is for, and how many messages went over it."""

    connection: Connection
    key: str
    host: Host
    login: Login | None
    messages: int = 0

    def serves(self, destination: Destination) -> bool:
        """Whether it is what would be made for the destination now."""
        mine = (self.host.name, self.host.port, self.host.tls)
        return mine in ((one.name, one.port, one.tls) for one in destination.hosts)


@dataclass(eq=False, slots=True)
class _Way:
    """What is known of a destination.

    `width` is how many connections it may have now, `ceiling` how many it has been found to take, `used` how
    many messages have their turn, and `sending` how many of them have a connection. Of those in `waiting`, a
    heap, the most important is first, then who came first.
    """

    opening: Turns
    width: int = START
    ceiling: int = CONNECTIONS
    used: int = 0
    sending: int = 0
    waiting: list[tuple[int, int, "Deferred[None]"]] = field(default_factory=list)
    pause: float = 0.0
    closed_until: float = 0.0
    why: NotConnected | None = None


class Connections:
    """All of them.

    `connect` begins a session with a host of a destination at one of its addresses, or raises NotConnected.
    `most` is how many connections a destination may have at the moment.
    """

    def __init__(self, runtime: Runtime, connect: Connect, most: Callable[[], int]) -> None:
        self._runtime = runtime
        self._connect = connect
        self._most = most
        self._everywhere = Turns(runtime.clock, CONNECTIONS)
        self._ways: dict[_Key, _Way] = {}
        self._idle: dict[_Open, None] = {}  # who has been idle for longest is first
        self._closing: set[Deferred[None]] = set()
        self._stopped = False
        self._asked = 0  # how many have ever waited for a turn
        self._log = Log("mailnode.connections")

    async def deliver(self, destination: Destination, message: Message) -> tuple[Outcome, ...]:
        """Send a message to a destination when it is its turn; what became of it for each recipient.

        Raises NotConnected when no host of the destination begins a session.
        """
        way = self._way((destination.key, destination.login))
        while True:
            await self._turn(way, message.envelope.priority)
            try:
                return await self._deliver(way, destination, message)
            except NotConnected:
                if not way.sending:
                    raise
                way.ceiling = way.sending  # it does not take more connections than it has
            finally:
                way.used -= 1
                self._call_next(way)
                if not way.used:
                    way.width, way.ceiling = START, CONNECTIONS

    def hurry(self) -> None:
        """Call hosts that did not answer with the next message, however short a time ago that was."""
        for way in self._ways.values():
            way.closed_until = 0.0

    async def close(self) -> None:
        """Begin nothing more, and end what nobody uses; what is used ends with its message."""
        self._stopped = True
        for one in list(self._idle):
            self._end(one)
        await DeferredList(list(self._closing))

    # Turns

    def _way(self, key: _Key) -> _Way:
        if len(self._ways) >= REMEMBERED and key not in self._ways:
            now = self._runtime.now()
            self._ways = {
                name: one
                for name, one in self._ways.items()
                if one.used or one.waiting or one.closed_until > now
            }
        return self._ways.setdefault(key, _Way(Turns(self._runtime.clock)))

    async def _turn(self, way: _Way, priority: int) -> None:
        if way.used >= self._width(way):
            turn: Deferred[None] = Deferred()
            self._asked += 1
            heapq.heappush(way.waiting, (-priority, self._asked, turn))
            await turn
        else:
            way.used += 1

    def _width(self, way: _Way) -> int:
        return min(way.width, way.ceiling, self._most())

    def _call_next(self, way: _Way) -> None:
        """Give free turns to those that wait, each in a call of its own: they may be many."""
        while way.waiting and way.used < self._width(way):
            way.used += 1
            _, _, turn = heapq.heappop(way.waiting)
            self._runtime.clock.callLater(0, turn.callback, None)

    # Sending

    async def _deliver(self, way: _Way, destination: Destination, message: Message) -> tuple[Outcome, ...]:
        """On one connection, and on others for those of whom the host has not heard on it (RFC 9422).

        Were these left for the next try, who is put off each time would keep them waiting for ever.
        """
        async with self._everywhere:
            outcomes = list(await self._on_one(way, destination, message))
            asked = len(outcomes)
            for _ in range(FURTHER):
                left = [number for number, one in enumerate(outcomes) if _not_asked(one)]
                if not left or len(left) == asked:
                    break
                asked = len(left)
                rest = await self._rest(way, destination, message, left)
                for number, outcome in zip(left, rest, strict=True):
                    outcomes[number] = outcome
            return tuple(outcomes)

    async def _rest(
        self, way: _Way, destination: Destination, message: Message, numbers: Sequence[int]
    ) -> Sequence[Outcome]:
        """The outcomes of these recipients on another connection, where there is one."""
        people = tuple(message.envelope.recipients[number] for number in numbers)
        for_them = replace(message, envelope=replace(message.envelope, recipients=people))
        try:
            return await self._on_one(way, destination, for_them)
        except NotConnected as error:
            return error.outcomes(people)

    async def _on_one(self, way: _Way, destination: Destination, message: Message) -> tuple[Outcome, ...]:
        while (kept := self._take(destination)) is not None:
            outcomes = await self._send(way, kept, message)
            if not _was_gone(outcomes):
                return outcomes
        return await self._send(way, await self._open(way, destination), message)

    def _take(self, destination: Destination) -> _Open | None:
        """The connection that was used last, of those that are open."""
        mine = (destination.key, destination.login)
        for one in [one for one in reversed(self._idle) if (one.key, one.login) == mine]:
            if one.connection.usable and one.serves(destination):
                del self._idle[one]
                return one
            self._end(one)
        return None

    async def _send(self, way: _Way, one: _Open, message: Message) -> tuple[Outcome, ...]:
        way.sending += 1
        try:
            outcomes = await one.connection.deliver(message)
        finally:
            way.sending -= 1
            one.messages += 1
            self._keep(one)
        if any(outcome.result is Result.DELIVERED for outcome in outcomes):
            way.width = min(way.width + 1, self._most())
            self._call_next(way)
        return outcomes

    def _keep(self, one: _Open) -> None:
        if self._stopped or one.messages >= MESSAGES or not one.connection.usable:
            self._end(one)
            return
        self._idle[one] = None
        while len(self._idle) > KEPT:
            self._end(next(iter(self._idle)))

    def _end(self, one: _Open) -> None:
        self._idle.pop(one, None)
        ended = Deferred.fromCoroutine(one.connection.close())
        self._closing.add(ended)

        def over(result: object) -> None:
            self._closing.discard(ended)
            if isinstance(result, Failure):
                self._log.bug("a connection was not closed", result)

        ended.addBoth(over)

    # Connecting

    async def _open(self, way: _Way, destination: Destination) -> _Open:
        """A new connection. One at a time: who waited for an attempt that failed makes none of its own."""
        async with way.opening:
            try:
                if self._stopped:
                    stopping = own(421, "4.3.2", "This server is about to stop", Stage.CONNECT)
                    raise NotConnected(stopping, Peer(destination.key))
                if way.why is not None and self._runtime.now() < way.closed_until:
                    raise NotConnected(way.why.verdict, way.why.peer)
                opened = await self._first(destination)
            except NotConnected as error:
                self._pause(way, error)
                raise
        way.pause, way.why = 0.0, None
        return opened

    def _pause(self, way: _Way, error: NotConnected) -> None:
        """Nobody tries again for a while, unless there is another connection, or the answer is for good."""
        paused = self._stopped or self._runtime.now() < way.closed_until
        if paused or way.sending or error.verdict.result is Result.PERMANENT:
            return
        way.pause = min(max(2 * way.pause, PAUSE), LONGEST_PAUSE)
        way.closed_until, way.why = self._runtime.now() + way.pause, error

    async def _first(self, destination: Destination) -> _Open:
        """With the first host that begins a session. Raises NotConnected: a temporary one, if any was."""
        failures: list[NotConnected] = []
        heard = 0
        for host, address in ((one, address) for one in destination.hosts for address in one.addresses):
            try:
                connection = await self._connect(destination, host, address)
            except NotConnected as error:
                failures.append(error)
                heard += error.verdict.stage is not Stage.CONNECT
                if heard >= SESSIONS and not destination.require_tls:  # RFC 8689 section 4.2.1: each host
                    break
            else:
                return _Open(connection, destination.key, host, destination.login)
        raise _told(failures)


def _told(failures: Sequence[NotConnected]) -> NotConnected:
    temporary = [one for one in failures if one.verdict.result is Result.TEMPORARY]
    return (temporary or failures)[-1]


def _not_asked(outcome: Outcome) -> bool:
    """Whether the connection was over before the host heard of the recipient."""
    return outcome.verdict.own and outcome.verdict.stage is Stage.CONNECT


def _was_gone(outcomes: Sequence[Outcome]) -> bool:
    """Whether the session ended before anything of the message was heard: another may be tried at once."""
    return all(
        one.verdict.reply.code == _GONE
        and one.verdict.stage in _BEGINNING
        and not one.verdict.maybe_delivered
        for one in outcomes
    )
