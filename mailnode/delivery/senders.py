"""Who may send as whom."""

from mailnode.auth.live import Live
from mailnode.delivery.route import Router
from mailnode.wire.address import Address


def leads_to(live: Live, account: str, address: Address) -> bool:
    """Whether mail for the address reaches this mailbox: it is its own address, or an alias of it."""
    return account in Router(live).everybody(address).accounts


def may_send_as(live: Live, account: str, address: Address) -> bool:
    """Whether this mailbox may send from the address: it leads there, or the administrator granted it.

    The one rule for the reverse-path, From and Sender (RFC 6409 sections 6.1 and 6.3). Who was granted an
    address may send from its subaddresses too.
    """
    entry = live.mailboxes.mailboxes.get(account)
    if entry is None:
        return False
    local, _, domain = address.key.rpartition("@")
    separator = live.config.subaddress
    base = local.partition(separator)[0] if separator else local
    granted = {address.key, f"{base}@{domain}", f"@{domain}"}
    return leads_to(live, account, address) or not granted.isdisjoint(entry.send_as)
