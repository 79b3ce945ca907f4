"""One mail transaction: what MAIL and RCPT have said (RFC 5321 section 3.3)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailnode.auth.allowance import Reservation
from mailnode.delivery.forwarding import Copy
from mailnode.delivery.moderation import Answer
from mailnode.delivery.route import Route
from mailnode.envelope import Envelope, Recipient
from mailnode.values import replace
from mailnode.wire.dot import LineEnds

if TYPE_CHECKING:
    from mailnode.smtp.receiving import Receiving


# Of a message that goes on: whom it is for, by address. What goes together has the same number (of the
# recipient, where each has an answer of its own, else 0), envelope without recipients, and list it is for.
Outgoing = dict[tuple[int, Envelope, str], dict[str, Recipient]]


@dataclass(slots=True)
class Transaction:
    """Made by MAIL and dropped on every way out, as a whole; nothing of it lives anywhere else.

    `envelope` is what MAIL has said: without recipients.
    """

    envelope: Envelope
    recipients: list[Recipient] = field(default_factory=list)  # in the order they came
    accounts: dict[str, None] = field(default_factory=dict)  # an ordered set: each gets one copy
    always: set[str] = field(default_factory=set)  # those of them that get it even when they are full
    leads_to: list[Route] = field(default_factory=list)  # one for each recipient
    outgoing: Outgoing = field(default_factory=dict)
    receiving: "Receiving | None" = None  # the content, once it has begun to come
    line_ends: LineEnds = field(default_factory=LineEnds)  # of content that comes in chunks
    reservation: Reservation | None = None  # of what the account may send, on submission
    answer: Answer | None = None  # what the message says to a question, whatever else is in it

    @property
    def addresses(self) -> tuple[str, ...]:
        """The forward-paths, in the order they came."""
        return tuple([str(recipient.address) for recipient in self.recipients])

    @property
    def whole_envelope(self) -> Envelope:
        """The envelope with its recipients."""
        return replace(self.envelope, recipients=tuple(self.recipients))

    def accept(
        self, recipient: Recipient, route: Route, copies: Iterable[Copy], *, apart: bool = False
    ) -> None:
        """Add a recipient, where it leads, and how it goes on; `apart` when it will have its own answer."""
        number = len(self.leads_to) if apart else 0
        for copy in copies:
            group = self.outgoing.setdefault((number, copy.envelope, copy.list), {})
            known = group.get(copy.recipient.address.key)
            group[copy.recipient.address.key] = known.joined(copy.recipient) if known else copy.recipient
        self.recipients.append(recipient)
        self.leads_to.append(route)
        self.accounts.update(dict.fromkeys(route.accounts))
        if route.always:
            self.always.update(route.accounts)

    @property
    def copies(self) -> int:
        """How many get the message."""
        return len(self.accounts) + sum(map(len, self.outgoing.values()))
