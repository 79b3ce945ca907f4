"""With which envelope a message goes on to other hosts: as it came, through an alias, or from a list."""

from collections.abc import Iterator
from dataclasses import replace

from mailnode.auth.live import Live
from mailnode.delivery.route import Elsewhere, Route
from mailnode.envelope import Envelope, Recipient
from mailnode.wire.address import Address, parse_address
from mailnode.wire.esmtp import Notify, OriginalRecipient


def forwarded(
    live: Live, envelope: Envelope, recipient: Recipient, route: Route
) -> Iterator[tuple[Envelope, Recipient]]:
    """For each address elsewhere that a recipient leads to: it, and the envelope, without recipients.

    An alias does not change what the sender wants to know, but of several addresses none can tell for all:
    success is reported by this host then, as an expansion (RFC 3461 section 5.2.7.3, choice c). A
    reverse-path in a domain of others becomes one in our first domain, for those who check SPF (wire/srs.py).
    What goes to members of a list comes from its owner, who gets the errors (RFC 5321 section 3.9.2), and
    nothing of it is what the sender has asked for (RFC 3461 section 5.2.7.1). A message without reverse-path
    is a report also when a list has it: it stays without.
    """
    for target in route.elsewhere:
        utf8 = envelope.utf8 or target.address.international
        changed = replace(envelope, recipients=(), utf8=utf8)
        if not route.ours:
            yield changed, recipient
        elif target.owner and envelope.reverse_path is not None:
            yield _from_list(changed, target.owner), Recipient(target.address)
        else:
            sent_on = _renamed(recipient, target, alone=route.copies == 1)
            yield _rewritten(live, changed), sent_on


def _rewritten(live: Live, envelope: Envelope) -> Envelope:
    sender, ours = envelope.reverse_path, live.config.domains
    if sender is None or sender.domain_key in ours or live.srs is None or not live.config.srs:
        return envelope
    return replace(envelope, reverse_path=live.srs.rewritten(sender, ours[0]))


def _from_list(envelope: Envelope, owner: str) -> Envelope:
    sender = parse_address(owner, utf8=True)
    utf8 = envelope.utf8 or sender.international
    return replace(envelope, reverse_path=sender, utf8=utf8, full=None, envelope_id="")


def _renamed(recipient: Recipient, target: Elsewhere, *, alone: bool) -> Recipient:
    notify = recipient.notify
    if notify is not None and not alone:
        notify &= ~Notify.SUCCESS
    return Recipient(target.address, notify, recipient.original or _original(recipient.address))


def _original(address: Address) -> OriginalRecipient:
    """The address before it was another, for the reports (RFC 3461 section 4.2, RFC 6533 section 3)."""
    return OriginalRecipient("utf-8" if address.international else "rfc822", str(address))
