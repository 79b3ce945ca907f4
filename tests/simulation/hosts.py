"""Other people's mail servers: good ones, and those that do everything that can be done wrong.

A host remembers exactly what it has taken. It has habits; on each connection it may fall into one of them,
until somebody mends it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater

from mailnode.net.stream import ConnectionClosed, Stream, TimedOut
from mailnode.wire.errors import BadSyntax, LineTooLong
from tests.simulation.habits import GARBAGE, SPOILT, STAGES, Habit
from tests.simulation.wire import Machine, Tell

PATIENCE = 3600.0
SMALL = 900  # octets of a message
FEW = 1  # recipients


@dataclass(frozen=True)
class Taken:
    """A message that a host has, for one recipient."""

    sender: str
    recipient: str
    octets: bytes
    converted: bool  # whether it was announced that octets of eight bits are not taken


@dataclass
class Host:
    """One of them. `rudeness` is the share of connections in which it has a habit, until `mended`."""

    name: str
    machine: Machine
    rng: random.Random
    tell: Tell
    habits: tuple[Habit, ...] = ()
    rudeness: float = 1.0
    mended: float = 0.0
    taken: list[Taken] = field(default_factory=list)
    promised: set[str] = field(default_factory=set)  # to whom it said yes too early, and did not keep it
    failures: list[str] = field(default_factory=list)  # of this simulation, which must not be
    took: Callable[["Host", Taken], None] = lambda host, taken: None

    def habit(self) -> Habit | None:
        """How it behaves on this connection."""
        rude = self.machine.clock.seconds() < self.mended and self.rng.random() < self.rudeness
        return self.rng.choice(self.habits) if rude and self.habits else None

    def factory(self) -> "HostFactory":
        """What listens."""
        return HostFactory(self)

    def begin(self, stream: Stream) -> None:
        """A connection was made."""
        session = Deferred.fromCoroutine(self._session(stream))
        session.addErrback(lambda failure: self.failures.append(failure.getTraceback()))

    async def _session(self, stream: Stream) -> None:
        stream.timeout = PATIENCE
        talk = Talk(self, stream, self.habit())
        try:
            await talk.run()
        except (ConnectionClosed, TimedOut, LineTooLong, BadSyntax, Dropped):
            pass
        finally:
            stream.close()


class HostFactory(Factory):
    """Twisted's: makes the stream of a connection."""

    noisy = False

    def __init__(self, host: Host) -> None:
        self._host = host

    def buildProtocol(self, addr: object) -> Stream:
        """Twisted's."""
        return Stream(self._host.machine.clock, opened=self._host.begin)


class Dropped(Exception):
    """The host has had enough."""


class Talk:
    """One connection."""

    def __init__(self, host: Host, stream: Stream, habit: Habit | None) -> None:
        self.habit = habit
        self._host = host
        self._stream = stream
        self._rng = host.rng
        self._stage = self._rng.choice(STAGES)  # where a spoilt reply comes
        self._sender = ""
        self._recipients: list[str] = []

    async def run(self) -> None:
        """From greeting to goodbye."""
        match self.habit:
            case Habit.HANGS:
                await self._stream.line(1000)
            case Habit.BUSY:
                await self._say("greeting", "421 4.3.2 Busy")
                return
            case Habit.CLOSED:
                await self._say("greeting", "554 5.3.2 No mail here")
            case _:
                await self._say("greeting", f"220 {self._host.name} ESMTP")
        while True:
            try:
                line = (await self._stream.line(2000)).decode("utf-8", "replace")
            except TimedOut:
                self._stream.write(self._rng.choice((b"", b"421 4.4.2 I am tired\r\n")))
                return
            verb, _, rest = line.partition(" ")
            match verb.upper():
                case "EHLO" if self.habit is not Habit.OLD:
                    await self._say("EHLO", *self._announced())
                case "HELO":
                    await self._say("EHLO", f"250 {self._host.name}")
                case "MAIL":
                    self._sender, self._recipients = _path(rest), []
                    await self._say("MAIL", "250 2.1.0 Ok")
                case "RCPT":
                    await self._say("RCPT", self._answer(_path(rest)))
                case "DATA":
                    await self._data()
                case "RSET":
                    self._recipients = []
                    await self._say("", "250 2.0.0 Ok")
                case "STARTTLS" if self.habit in (Habit.NO_TLS, Habit.INJECTS):
                    await self._no_tls()
                case "QUIT":
                    if self.habit is Habit.STAYS:
                        await self._stream.line(1000)
                    await self._say("", "221 2.0.0 Bye")
                    return
                case _:
                    await self._say("", "500 5.5.1 What?")

    async def _say(self, stage: str, *lines: str) -> None:
        if self.habit is Habit.SLOW:
            await deferLater(self._host.machine.clock, self._rng.choice((1.0, 20.0, 110.0)))
        if self.habit in SPOILT and stage == self._stage:
            await self._spoil()
            return
        parted = [f"{line[:3]}-{line[4:]}" for line in lines[:-1]] + [lines[-1]]
        self._stream.write("".join(f"{line}\r\n" for line in parted).encode())

    async def _spoil(self) -> None:
        """A reply as it should not be; for ENDLESS as long as anybody listens."""
        match self.habit:
            case Habit.ENDLESS:
                for _ in range(3000):
                    self._stream.write(b"250-and so on\r\n" * 20)
                    await self._stream.drain()
            case Habit.GARBAGE:
                self._stream.write(self._rng.choice(GARBAGE))
            case Habit.TWO_CODES:
                self._stream.write(b"250-one\r\n550 other\r\n")
            case Habit.WRONG_CODE:
                yes = b"250" if self._stage in ("DATA", "greeting") else b"354"
                self._stream.write(self._rng.choice((b"000", b"199", b"600", yes)) + b" x\r\n")
            case _:
                self._stream.write(b"421 4.3.2 Goodbye\r\n")
                raise Dropped

    def _announced(self) -> list[str]:
        lines = [f"250 {self._host.name}", "250 ENHANCEDSTATUSCODES"]
        if self.habit is not Habit.NO_PIPELINING:
            lines.append("250 PIPELINING")
        if self.habit is not Habit.SEVEN_BIT:
            lines.append("250 8BITMIME")
        if self.habit is Habit.TOO_SMALL:
            lines.append(f"250 SIZE {SMALL}")
        if self.habit in (Habit.NO_TLS, Habit.INJECTS):
            lines.append("250 STARTTLS")
        return lines

    def _answer(self, recipient: str) -> str:
        """To RCPT."""
        if recipient.startswith("nobody"):
            return "550 5.1.1 No such user"
        if self.habit is Habit.PUTS_OFF_ONE and self._rng.random() < 0.4:
            return "450 4.2.1 Later"
        if self.habit is Habit.REFUSES_ONE and self._rng.random() < 0.4:
            return "550 5.7.1 Not from you"
        if self.habit is Habit.FEW_RECIPIENTS and len(self._recipients) >= FEW:
            return self._rng.choice(("452 4.5.3 Too many recipients", "552 Too many recipients"))
        self._recipients.append(recipient)
        return "250 2.1.5 Ok"

    async def _data(self) -> None:
        if not self._recipients:
            await self._say("DATA", "554 5.5.1 Nobody")
            return
        if self.habit is Habit.LATE_GO_AHEAD:
            await self._say("DATA", "250 2.0.0 Ok")
        go_on = ["354 Go on"] + ["250 2.0.0 Taken"] * (self.habit is Habit.EARLY_YES)
        for line in go_on:
            await self._say("DATA", line)
        if self.habit is Habit.EARLY_YES:
            self._host.promised.update(self._recipients)
        if self.habit is Habit.STALLS:
            self._stream.transport.pauseProducing()  # type: ignore[union-attr]
            await deferLater(self._host.machine.clock, PATIENCE)
            raise Dropped
        octets = await self._content()
        await self._end(octets)

    async def _content(self) -> bytes:
        """The message, read by a rule of its own."""
        data = b"\r\n"
        while not data.endswith(b"\r\n.\r\n"):
            data += await self._stream.some(65536)
        return data.replace(b"\r\n..", b"\r\n.")[2:-3]

    async def _end(self, octets: bytes) -> None:
        spoilt = self.habit in SPOILT and self._stage == "end"
        match self.habit:
            case Habit.DROPS_UNTAKEN:
                raise Dropped
            case Habit.DROPS_TAKEN:
                self._take(octets)
                raise Dropped
            case Habit.PUTS_OFF_ALL:
                await self._say("end", "451 4.3.0 Later")
            case Habit.REFUSES_ALL:
                await self._say("end", "554 5.7.1 I do not like it")
            case Habit.EARLY_YES:
                self._take(octets)
            case _:
                if not spoilt or (self.habit is not Habit.LEAVES and self._rng.random() < 0.5):
                    self._take(octets)
                await self._say("end", "250 2.0.0 Taken")
                if self.habit is Habit.TIRES:
                    self._stream.timeout = self._rng.choice((0.001, 0.2, 30.0))
        self._recipients = []

    def _take(self, octets: bytes) -> None:
        for recipient in self._recipients:
            taken = Taken(self._sender, recipient, octets, self.habit in (Habit.SEVEN_BIT, Habit.OLD))
            self._host.taken.append(taken)
            self._host.took(self._host, taken)

    async def _no_tls(self) -> None:
        if self.habit is Habit.INJECTS:
            self._stream.write(b"220 2.0.0 Go on\r\n250-evil.example\r\n250 AUTH PLAIN\r\n")
            await self._stream.line(1000)
        elif self._rng.random() < 0.5:
            await self._say("", "454 4.7.0 No TLS now")
            return
        else:
            self._stream.write(b"220 2.0.0 Go on\r\n")
            await self._stream.some(10)
        raise Dropped


def _path(argument: str) -> str:
    """The address in FROM:<...> or TO:<...>."""
    return argument.partition("<")[2].partition(">")[0]
