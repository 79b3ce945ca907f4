"""With which envelope a message goes on from a recipient: as it came, through an alias, or to a list."""

from collections.abc import Iterator

from mailnode.auth.live import Live
from mailnode.delivery.route import Route
from mailnode.envelope import Envelope, Recipient
from mailnode.values import frozen, replace
from mailnode.wire.address import Address, parse_address
from mailnode.wire.esmtp import Notify, OriginalRecipient


@frozen
class Copy:
    """What goes through the queue for one recipient: the envelope is without recipients.

    `list` is the name of the list of ours that the recipient is, or "".
    """

    envelope: Envelope
    recipient: Recipient
    list: str = ""


def forwarded(live: Live, envelope: Envelope, recipient: Recipient, route: Route) -> Iterator[Copy]:
    """A copy for each address elsewhere, and each list, that a recipient leads to.

    An alias does not change what the sender wants to know, but of several addresses none can tell for all:
    success is reported by this host then, as an expansion (RFC 3461 section 5.2.7.3, choice c). A
    reverse-path in a domain of others becomes one in our first domain, for those who check SPF (wire/srs.py).
    A list gets the message as it came: the queue sends it to the members.
    """
    alone = route.copies == 1
    for address in route.elsewhere:
        changed = replace(envelope, recipients=(), utf8=envelope.utf8 or address.international)
        if route.ours:
            yield Copy(_rewritten(live, changed), _renamed(recipient, address, alone=alone))
        else:
            yield Copy(changed, recipient)
    for name in route.lists:
        address = parse_address(name, utf8=True)
        changed = replace(envelope, recipients=(), utf8=envelope.utf8 or address.international)
        # Success is told when the list has it; what its moderators do may still fail.
        yield Copy(changed, _renamed(recipient, address, alone=False), name)


def _rewritten(live: Live, envelope: Envelope) -> Envelope:
    sender, ours = envelope.reverse_path, live.config.domains
    if sender is None or sender.domain_key in ours or live.srs is None or not live.config.srs:
        return envelope
    return replace(envelope, reverse_path=live.srs.rewritten(sender, ours[0]))


def _renamed(recipient: Recipient, address: Address, *, alone: bool) -> Recipient:
    notify = recipient.notify
    if notify is not None and not alone:
        notify &= ~Notify.SUCCESS
    return Recipient(address, notify, recipient.original or _original(recipient.address))


def _original(address: Address) -> OriginalRecipient:
    """The address before it was another, for the reports (RFC 3461 section 4.2, RFC 6533 section 3)."""
    return OriginalRecipient("utf-8" if address.international else "rfc822", str(address))
