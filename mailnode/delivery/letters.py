"""What this server itself has to say, by mail: to mailboxes here, and through the queue to other hosts.

A letter has no reverse-path, so nobody is ever told what became of it (RFC 5321 section 4.5.5).
"""

from collections.abc import Sequence

from mailnode.auth.live import Live
from mailnode.delivery.forwarding import forwarded
from mailnode.delivery.local import LocalCourier, LocalDelivery
from mailnode.delivery.route import Route, Router
from mailnode.delivery.together import Together
from mailnode.envelope import Body, Envelope, Recipient
from mailnode.message import trace
from mailnode.queue.admission import Admission, WayIn
from mailnode.queue.entry import new_entry
from mailnode.runtime import Runtime
from mailnode.values import replace
from mailnode.wire.address import Address


class Letters:
    """Sends them; `begin` is the way into the queue."""

    def __init__(
        self,
        live: Live,
        runtime: Runtime,
        courier: LocalCourier,
        *,
        begin: WayIn,
    ) -> None:
        self._live = live
        self._runtime = runtime
        self._courier = courier
        self._begin = begin

    async def send(self, name: str, octets: bytes, to: Sequence[Address]) -> bool:
        """Send a letter, whose id is `name`; False where there is no way to anybody.

        A full mailbox keeps it from nobody else. Raises OSError and StoreError; then nobody has it.
        """
        routes = [Router(self._live).everybody(one) for one in to]
        accounts = tuple(dict.fromkeys(account for route in routes for account in route.accounts))
        groups = [*((account,) for account in accounts), ()]  # those on other hosts are behind the mailboxes
        admissions = [(len(accounts), one) for one in self._queued(name, to, routes, octets.isascii())]
        if not accounts and not admissions:
            return False
        delivery = Together(self._to_mailboxes(name, accounts), admissions)
        try:
            await delivery.write(octets)
            errors = await delivery.commit_each(groups)
        finally:
            await delivery.abort()
        failed = [error for error in errors if error is not None]
        if failed and len(failed) == len(accounts) and not admissions:
            raise failed[0]
        return True

    def _to_mailboxes(self, name: str, accounts: Sequence[str]) -> LocalDelivery | None:
        if not accounts:
            return None
        return self._courier.begin(accounts, trace.final(None, accounts), message=name, connection="")

    def _queued(
        self, name: str, to: Sequence[Address], routes: Sequence[Route], plain: bool
    ) -> list[Admission]:
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
        return [self._begin(new_entry(name, envelope, came=now, due=now), b"")]
