"""One mail transaction: what MAIL and RCPT have said (RFC 5321 section 3.3)."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mailnode.auth.allowance import Reservation
from mailnode.delivery.route import Local
from mailnode.envelope import Envelope, Recipient
from mailnode.wire.address import Address
from mailnode.wire.dot import LineEnds

if TYPE_CHECKING:
    from mailnode.smtp.receiving import Receiving


@dataclass(slots=True)
class Transaction:
    """Made by MAIL and dropped on every way out, as a whole; nothing of it lives anywhere else."""

    envelope: Envelope
    accounts: dict[str, None] = field(default_factory=dict)  # an ordered set: each gets one copy
    always: set[str] = field(default_factory=set)  # those of them that get it even when they are full
    leads_to: list[tuple[str, ...]] = field(default_factory=list)  # the mailboxes of each recipient
    receiving: "Receiving | None" = None  # the content, once it has begun to come
    line_ends: LineEnds = field(default_factory=LineEnds)  # of content that comes in chunks
    reservation: Reservation | None = None  # of what the account may send, on submission

    @property
    def recipients(self) -> list[Address]:
        """The forward-paths, in the order they came."""
        return [recipient.address for recipient in self.envelope.recipients]

    def accept(self, recipient: Recipient, route: Local) -> None:
        """Add a recipient and where it leads."""
        self.envelope = replace(self.envelope, recipients=(*self.envelope.recipients, recipient))
        self.leads_to.append(route.accounts)
        self.accounts.update(dict.fromkeys(route.accounts))
        if route.always:
            self.always.update(route.accounts)
