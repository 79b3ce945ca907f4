"""One mail transaction: what MAIL and RCPT have said (RFC 5321 section 3.3)."""

from dataclasses import dataclass, field

from mailnode.wire.address import Address


@dataclass(slots=True)
class Transaction:
    """Made by MAIL and dropped on every way out, as a whole; nothing of it lives anywhere else."""

    reverse_path: Address | None
    size: int = 0  # octets as declared in MAIL, 0 when they were not
    recipients: list[Address] = field(default_factory=list)
    accounts: dict[str, None] = field(default_factory=dict)  # an ordered set: each gets one copy

    def accept(self, recipient: Address, accounts: tuple[str, ...]) -> None:
        """Add a forward-path and the mailboxes it leads to."""
        self.recipients.append(recipient)
        self.accounts.update(dict.fromkeys(accounts))
