"""One mail transaction: what MAIL and RCPT have said (RFC 5321 section 3.3)."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mailnode.auth.allowance import Reservation
from mailnode.delivery.forwarding import forwarded
from mailnode.delivery.route import Route
from mailnode.envelope import Envelope, Recipient
from mailnode.wire.address import Address
from mailnode.wire.dot import LineEnds

if TYPE_CHECKING:
    from mailnode.smtp.receiving import Receiving


# Of a message that goes on, by the number of the recipient (only where each has an answer of its own, else 0)
# and the envelope without recipients: whom it is for, by address.
Outgoing = dict[tuple[int, Envelope], dict[str, Recipient]]


@dataclass(slots=True)
class Transaction:
    """Made by MAIL and dropped on every way out, as a whole; nothing of it lives anywhere else."""

    envelope: Envelope
    accounts: dict[str, None] = field(default_factory=dict)  # an ordered set: each gets one copy
    always: set[str] = field(default_factory=set)  # those of them that get it even when they are full
    leads_to: list[Route] = field(default_factory=list)  # one for each recipient
    outgoing: Outgoing = field(default_factory=dict)
    receiving: "Receiving | None" = None  # the content, once it has begun to come
    line_ends: LineEnds = field(default_factory=LineEnds)  # of content that comes in chunks
    reservation: Reservation | None = None  # of what the account may send, on submission

    @property
    def recipients(self) -> list[Address]:
        """The forward-paths, in the order they came."""
        return [recipient.address for recipient in self.envelope.recipients]

    def accept(self, recipient: Recipient, route: Route, *, apart: bool = False) -> None:
        """Add a recipient and where it leads; `apart` when it will have an answer of its own."""
        number = len(self.leads_to) if apart else 0
        for envelope, copy in forwarded(self.envelope, recipient, route):
            copies = self.outgoing.setdefault((number, envelope), {})
            known = copies.get(copy.address.key)
            copies[copy.address.key] = known.joined(copy) if known else copy
        self.envelope = replace(self.envelope, recipients=(*self.envelope.recipients, recipient))
        self.leads_to.append(route)
        self.accounts.update(dict.fromkeys(route.accounts))
        if route.always:
            self.always.update(route.accounts)

    @property
    def copies(self) -> int:
        """How many get the message."""
        return len(self.accounts) + sum(map(len, self.outgoing.values()))
