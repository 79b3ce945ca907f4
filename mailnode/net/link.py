"""Between the processes of one server: a stream of short messages, each a JSON array.

A line is an array of those that go out together. The first element of a message is what kind it is. Both ends
are this server, so a strange message is a bug, and is logged as one. Who does not read is not waited for: a
link that holds back too much is closed, and whoever is at its other end is then taken for dead. What nobody
waits for goes out a moment later, much of it at once.

A question is a message with a number, ["ask", number, kind, ...], which comes back with what there is to say:
["told", number, answer], or ["failed", number].
"""

import json
from collections.abc import Awaitable, Callable, Hashable, Mapping
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime, ITransport
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.tcp import Connection
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from mailnode.events.log import Log
from mailnode.events.soon import Soon
from mailnode.net.stream import put

LONGEST = 1_048_576  # octets of a message
MOST_HELD_BACK = 33_554_432  # octets

Message = tuple[object, ...]
Hear = Callable[..., None]
Answer = Callable[..., Awaitable[object]]


class NoAnswer(OSError):
    """The other process has gone, or something went wrong there, which its log tells."""


_decode = json.JSONDecoder().decode
_encode = json.JSONEncoder(separators=(",", ":")).encode  # made once: that costs more than a message


class Link(LineOnlyReceiver):
    """One end. `hears` are called with the elements after the first one, by kind of message.

    `answers` are called so by kind of question, and give what goes back.
    """

    delimiter = b"\n"
    MAX_LENGTH = LONGEST

    def __init__(
        self,
        hears: Mapping[str, Hear],
        lost: Callable[[], None],
        clock: IReactorTime,
        answers: Mapping[str, Answer] | None = None,
    ) -> None:
        about: dict[str, Hear] = {"ask": self._asked, "told": self._told, "failed": self._failed}
        self._hears = {**hears, **about}
        self._answers = answers or {}
        self._questions: dict[int, Deferred[Any]] = {}
        self._numbers = count()
        self._lost = lost
        # What goes out in a moment: messages, or what makes one, and of what.
        self._soon: Soon[tuple[Callable[..., Message] | None, Message]] = Soon(clock, self._send_made)
        self._once: set[tuple[Hashable, ...]] = set()  # what of it need not be said again
        self._log = Log("mailnode.link")
        self._held_back = 0

    def connectionMade(self) -> None:
        """Twisted's: the link is there."""
        transport: Any = self.transport
        transport.registerProducer(_Gauge(self), True)

    def say(self, *message: object) -> None:
        """Send a message; one that cannot be sent any more is lost with the process it was for."""
        self._soon.add((None, message))
        self.flush()

    def _say(self, *message: object) -> bool:
        """The same; gives whether it can be sent."""
        self.flush()
        return self._send([message])

    def say_soon(self, *message: object) -> None:
        """The same for what can wait for a moment."""
        self._soon.add((None, message))

    def make_soon(self, make: Callable[..., Message], *about: object) -> None:
        """The same for what is made then, of what does not change."""
        self._soon.add((make, about))

    def say_soon_once(self, *message: Hashable) -> None:
        """The same, for what says only that something is another: it does not go out twice."""
        if message not in self._once:
            self._once.add(message)
            self.say_soon(*message)

    async def ask(self, kind: str, *message: object) -> Any:
        """What the other process answers. Raises NoAnswer."""
        if not self.connected:
            raise NoAnswer
        number = next(self._numbers)
        answer = self._questions[number] = Deferred()
        if not self._say("ask", number, kind, *message):
            self._failed(number)
        return await answer

    def _asked(self, number: int, kind: str, *message: Any) -> None:
        async def answered() -> None:
            if not self._say("told", number, await self._answers[kind](*message)):
                self.say("failed", number)

        def failed(why: Failure) -> None:
            self._log.bug("no answer", why)
            self.say("failed", number)

        Deferred.fromCoroutine(answered()).addErrback(failed)

    def _told(self, number: int, answer: Any) -> None:
        self._questions.pop(number).callback(answer)

    def _failed(self, number: int) -> None:
        self._questions.pop(number).errback(Failure(NoAnswer()))

    def flush(self) -> None:
        """Send what waits for its moment."""
        self._soon.flush()

    def _send_made(self, soon: list[tuple[Callable[..., Message] | None, Message]]) -> None:
        self._once.clear()
        messages: list[Message] = []
        for make, about in soon:
            try:
                messages.append(about if make is None else make(*about))
            except Exception:
                self._log.bug("strange message", Failure())
        self._send(messages)

    def _send(self, messages: list[Message]) -> bool:
        """Whether they can be sent, all of them."""
        transport: Any = self.transport
        if transport is None or not self.connected:
            return False
        try:
            line = _encode(messages).encode() + self.delimiter
        except (TypeError, ValueError):
            if len(messages) == 1:
                raise
            return self._send_one_by_one(messages)
        if len(line) > LONGEST:
            if len(messages) > 1:
                return self._send_one_by_one(messages)
            # Such as the event of a great many messages: the link is worth more.
            self._log.warn("message too long", kind=str(messages[0][0]), octets=len(line))
            return False
        if self._held_back:
            self._held_back += len(line)
            if self._held_back > MOST_HELD_BACK:
                self.connected = False  # the line that tells of it may lead here again
                self.close()
                self._log.warn("the other process does not read")
                return False
        if isinstance(transport, Connection):
            put(transport, line)
        else:
            transport.write(line)
        return True

    def _send_one_by_one(self, messages: list[Message]) -> bool:
        """The same for what cannot go together; what cannot alone is left out."""
        sent = 0
        for message in messages:
            try:
                sent += self._send([message])
            except (TypeError, ValueError):
                self._log.bug("strange message", Failure())
        return sent == len(messages)

    def lineReceived(self, line: bytes) -> None:
        """Twisted's: messages have come."""
        try:
            messages = _decode(line.decode())
        except ValueError:
            messages = [None]
        for message in messages:
            try:
                kind, *about = message
                self._hears[kind](*about)
            except Exception:
                self._log.bug("strange message", Failure())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Twisted's: the other process has gone."""
        self.connected = False
        for number in list(self._questions):
            self._failed(number)
        self._lost()

    def close(self) -> None:
        """End it at once."""
        transport: ITransport | None = self.transport
        if transport is not None:
            transport.abortConnection()  # type: ignore[attr-defined]


class _Gauge:
    """Told by the transport whether it holds anything back."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def pauseProducing(self) -> None:
        """Twisted's: it does."""
        self._link._held_back = 1

    def resumeProducing(self) -> None:
        """Twisted's: it does not."""
        self._link._held_back = 0

    def stopProducing(self) -> None:
        """Twisted's: it never will again."""


class LinkEnd(Factory):
    """Makes a connection the one end of a link that there is."""

    noisy = False

    def __init__(self, link: Link) -> None:
        self._link = link

    def buildProtocol(self, addr: object) -> Link:
        """Twisted's: the connection is there."""
        return self._link
