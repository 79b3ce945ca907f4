"""What this server itself has to say, by mail: to mailboxes here, and through the queue to other hosts.

A letter has no reverse-path, so nobody is ever told what became of it (RFC 5321 section 4.5.5).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from mailnode.auth.live import Live
from mailnode.delivery.forwarding import forwarded
from mailnode.delivery.local import LocalCourier, LocalDelivery
from mailnode.delivery.route import Route, Router
from mailnode.delivery.together import Together
from mailnode.envelope import Body, Envelope, Recipient
from mailnode.message import trace
from mailnode.queue.admission import Admission
from mailnode.queue.entry import Entry, new_entry
from mailnode.runtime import Runtime
from mailnode.wire.address import Address


class Letters:
    """Sends them; `begin` is the way into the queue."""

    def __init__(
        self,
        live: Live,
        runtime: Runtime,
        courier: LocalCourier,
        *,
        begin: Callable[[Entry, bytes], Admission],
    ) -> None:
        self._live = live
        self._runtime = runtime
        self._courier = courier
        self._begin = begin

    async def send(self, name: str, octets: bytes, to: Sequence[Address]) -> bool:
        """Send a letter, whose id is `name`; False where there is no way to anybody.

        Raises OSError and StoreError; then nobody has it.
        """
        routes = [Router(self._live).everybody(one) for one in to]
        accounts = tuple(dict.fromkeys(account for route in routes for account in route.accounts))
        admissions = self._queued(name, to, routes, octets.isascii())
        if not accounts and not admissions:
            return False
        delivery = Together(self._to_mailboxes(name, accounts), admissions)
        try:
            await delivery.write(octets)
            await delivery.commit()
        finally:
            await delivery.abort()
        return True

    def _to_mailboxes(self, name: str, accounts: Sequence[str]) -> LocalDelivery | None:
        if not accounts:
            return None
        return self._courier.begin(accounts, trace.final(None, accounts), message=name, connection="")

    def _queued(
        self, name: str, to: Sequence[Address], routes: Sequence[Route], plain: bool
    ) -> list[tuple[int, Admission]]:
        """The way to those on other hosts."""
        body = Body.SEVEN_BIT if plain else Body.EIGHT_BIT
        wanted = Envelope(None, body=body, utf8=any(one.international for one in to))
        copies = [
            copy
            for address, route in zip(to, routes, strict=True)
            for copy in forwarded(self._live, wanted, Recipient(address), route)
        ]
        if not copies:
            return []
        recipients = {one.recipient.address.key: one.recipient for one in copies}
        utf8 = any(one.envelope.utf8 for one in copies)
        now = self._runtime.now()
        envelope = replace(wanted, recipients=tuple(recipients.values()), utf8=utf8)
        return [(0, self._begin(new_entry(name, envelope, came=now, due=now), b""))]
