"""Mail for other hosts that waits here until they call for it (RFC 1985, RFC 2645)."""

from collections.abc import Sequence
from typing import Protocol

from mailnode.net.stream import Stream


class WaitingMail(Protocol):
    """The messages that wait, by the domain of their recipients. Its methods raise OSError."""

    async def waiting(self, domain: str) -> int:
        """How many messages wait for a domain."""

    async def start(self, domain: str) -> None:
        """Have them sent to the host of the domain soon, over a new connection; returns at once."""

    async def send_over(self, stream: Stream, domains: Sequence[str]) -> None:
        """Send them over a connection that was reversed: the peer begins with its 220 greeting.

        Returns when QUIT was said; the caller closes. Raises ConnectionClosed and TimedOut too.
        """


class NothingWaits:
    """Where no mail for other hosts is ever taken."""

    async def waiting(self, _domain: str) -> int:
        """None."""
        return 0

    async def start(self, _domain: str) -> None:
        """Nothing is there to be sent."""

    async def send_over(self, _stream: Stream, _domains: Sequence[str]) -> None:
        """Nothing is there to be sent."""
