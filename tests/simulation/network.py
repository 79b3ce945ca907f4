"""Connections between the machines: octets that take their time, arrive in pieces, or do not arrive.

A connection may be refused, or never come about; it may be cut after any octet, or go silent (wire.py).
"""

import random
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.python.failure import Failure

from tests.simulation.clock import Clock, Timeline
from tests.simulation.wire import LARGEST_BUFFER, End, Machine, Tell, Trouble, Wire

LATENCY = (0.002, 0.2)  # seconds, from machine to machine
LONGEST_LUCK = 4000  # octets that go through before a connection breaks

Factory = Any  # Twisted's, or anything with buildProtocol


class Endpoint:
    """A way from a machine to an address."""

    def __init__(self, network: "Network", machine: Machine, address: str, port: int, source: str) -> None:
        self._make = (network, machine, source)
        self._to = (address, port)

    def connect(self, factory: Factory) -> "Deferred[Any]":
        """As an endpoint does."""
        network, machine, source = self._make
        return network.connect(machine, source, *self._to, factory)


class Network:
    """All of them. `bad` is the share of connections that have trouble, until `calm`."""

    def __init__(
        self, timeline: Timeline, rng: random.Random, tell: Tell, *, bad: float, calm: float
    ) -> None:
        self.tell = tell
        self.ends: dict[Wire, None] = {}
        self._clock = Clock(timeline)
        self._timeline = timeline
        self._rng = rng
        self._bad = bad
        self._calm = calm
        self._listening: dict[tuple[str, int], tuple[Machine, Factory]] = {}

    def later(self, seconds: float, function: Callable[..., object], *args: Any) -> None:
        """What happens on the wires, whoever is dead meanwhile."""
        self._clock.callLater(seconds, function, *args)

    def listen(self, machine: Machine, port: int, factory: Factory) -> None:
        """Take connections; who listened there before does not any more."""
        self._listening[machine.address, port] = machine, factory

    def close(self, machine: Machine) -> None:
        """Take no more connections."""
        self._listening = {key: one for key, one in self._listening.items() if one[0] is not machine}

    def endpoint(self, machine: Machine, address: str, port: int, source: str = "") -> IStreamClientEndpoint:
        """A way; `source` is the address that the other side sees, if not the machine's own."""
        return cast(IStreamClientEndpoint, Endpoint(self, machine, address, port, source or machine.address))

    def connect(
        self, machine: Machine, source: str, address: str, port: int, factory: Factory
    ) -> "Deferred[Any]":
        """A Deferred of the protocol; it may never fire, and can be cancelled."""
        waiting: Deferred[Any] = Deferred()
        latency = self._rng.uniform(*LATENCY)
        there = self._listening.get((address, port))
        trouble = self._trouble()
        luck = self._rng.random() if trouble else 0.5
        if there is None or (there[0].dead and not there[0].silent) or luck < 0.2:
            self.later(latency, self._refuse, machine, waiting)
            return waiting
        if there[0].silent or luck > 0.85:
            self.tell("network", f"{machine.name} calls {there[0].name} and hears nothing")
            return waiting
        here = End(self, machine, source, self._rng.randrange(1024, 65536))
        away = End(self, there[0], address, port)
        here.other, away.other = away, here
        if trouble is not None:
            (here if trouble.up else away).trouble = trouble

        def made() -> None:
            if waiting.called or machine.dead:
                return
            if away.machine.dead:
                self._refuse(machine, waiting)
                return
            buffer = self._rng.choice((LARGEST_BUFFER, LARGEST_BUFFER, 200))
            self.ends[here] = self.ends[away] = None
            accepted = there[1].buildProtocol(None)
            called = factory.buildProtocol(None)
            away.begin(accepted, latency, buffer)
            here.begin(called, latency, buffer)
            waiting.callback(called)

        self.later(latency, made)
        return waiting

    def _refuse(self, machine: Machine, waiting: "Deferred[Any]") -> None:
        if not waiting.called and not machine.dead:
            waiting.errback(Failure(ConnectionRefusedError()))

    def _trouble(self) -> Trouble | None:
        if self._timeline.now > self._calm or self._rng.random() >= self._bad:
            return None
        octets = self._rng.randrange(LONGEST_LUCK) if self._rng.random() < 0.6 else self._rng.randrange(400)
        return Trouble(self._rng.random() < 0.5, octets, self._rng.random() < 0.3)

    def piece(self, data: bytearray) -> bytes:
        """What arrives together."""
        if self._rng.random() < 0.7:
            return bytes(data[:16384])
        return bytes(data[: self._rng.randrange(1, len(data) + 1)])

    def ended(self, end: Wire) -> None:
        """An end hears nothing more."""
        self.ends.pop(end, None)

    def kill(self, machine: Machine) -> None:
        """All connections of a machine that has died."""
        for end in [one for one in self.ends if one.machine is machine]:
            end.vanish(resets=self._rng.random() < 0.5)
