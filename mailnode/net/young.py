"""Connections that have just begun: most are over before they need a timer.

A timer for each, which is made, sorted and taken back, costs as much as to answer a command. So those that
begin in the same seconds are looked at together when these are over; whoever is still there then has its
own.
"""

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

ROUND = 5.0  # seconds


class Waiting(Protocol):
    """A connection, as it is known here."""

    def look(self) -> None:
        """The round is over: it has to look after itself. Raises nothing."""


class Young:
    """What all connections of a reactor share. While there is none it plans nothing."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._connections: dict[Waiting, None] = {}  # an ordered set
        self._over: IDelayedCall | None = None
        self._ends_at = 0.0

    def join(self, connection: Waiting) -> float:
        """Have it looked at when the round is over; gives when that is."""
        if self._over is None:
            self._ends_at = self._clock.seconds() + ROUND
            self._over = self._clock.callLater(ROUND, self._end)
        self._connections[connection] = None
        return self._ends_at

    def leave(self, connection: Waiting) -> None:
        """It is over; does nothing where it has not joined, or the round is over."""
        self._connections.pop(connection, None)
        if not self._connections and self._over is not None:
            self._over.cancel()
            self._over = None

    def _end(self) -> None:
        self._over = None
        connections, self._connections = self._connections, {}
        for connection in connections:
            connection.look()
