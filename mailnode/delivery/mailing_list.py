"""A message that has come to a list of ours becomes one for its members (RFC 5321 section 3.9.2).

It stays the same file and the same entry of the queue, with another envelope: one write makes the one of the
other, so that a crash sends it to nobody twice. From then on errors are the owner's.
"""

from mailnode.auth.live import Live
from mailnode.config_lists import list_owner
from mailnode.delivery.route import Router
from mailnode.envelope import Recipient
from mailnode.message.list_fields import list_fields
from mailnode.queue.entry import WAITING, Entry
from mailnode.values import replace
from mailnode.wire.address import parse_address


def list_of(live: Live, entry: Entry) -> str:
    """The name of the list that an entry is for; "" where it is for people."""
    if len(entry.envelope.recipients) != 1 or not entry.waiting:
        return ""
    name = entry.envelope.recipients[0].address.key
    return name if Router(live).resolve(entry.envelope.recipients[0].address).lists == (name,) else ""


def for_members(live: Live, entry: Entry, name: str) -> Entry:
    """The entry as the members of the list get it; each of them once, and with those of lists within it.

    A message without reverse-path is a report also when a list has it: it stays without. Nothing is left of
    what the sender wanted to know (RFC 3461 section 5.2.7.1).
    """
    listed = live.mailboxes.lists[name]
    owner = list_owner(name, listed)
    members = Router(live).members(name)
    addresses = [*(parse_address(one, utf8=True) for one in members.accounts), *members.elsewhere]
    sender = entry.envelope.reverse_path and parse_address(owner, utf8=True)
    utf8 = any(one is not None and one.international for one in (sender, *members.elsewhere))
    envelope = replace(
        entry.envelope,
        reverse_path=sender,
        recipients=tuple(map(Recipient, addresses)),
        utf8=entry.envelope.utf8 or utf8,
        full=None,
        envelope_id="",
        origin=None,
    )
    head = list_fields(
        name,
        full_name=listed.name,
        owner=owner,
        moderated=listed.posting == "moderated",
        unsubscribe=listed.unsubscribe,
    )
    return replace(entry, envelope=envelope, progress=(WAITING,) * len(addresses), head=head.decode("ascii"))
