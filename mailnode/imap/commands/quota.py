"""GETQUOTA and GETQUOTAROOT (RFC 9208).

An account has a quota root called by its address, which covers all its mailboxes, and one called by "@" and
its domain, which it shares; each as far as there is a limit. The administrator sets limits, in the
configuration: there is no SETQUOTA, and QUOTASET is not announced.
"""

from mailnode.auth.realm import MailAccount
from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.session import Session
from mailnode.store.quota import Quota
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.writer import astring

_UNIT = 1024  # octets in which STORAGE is counted (section 5.1)


def parse(args: Cursor) -> bytes:
    """getquota = "GETQUOTA" SP quota-root-name  ;  an astring"""
    name = args.sp().astring()
    args.end()
    return name


async def get_quota(session: Session, name: bytes) -> Reply:
    """One quota root."""

    def response() -> bytes:
        root = _roots(session.account).get(name)
        if root is None:
            raise Refused(b"NONEXISTENT", "There is no such quota root, or it has no limit")
        return _quota(name, root)

    session.untagged(await session.lane(response))
    return ok("That is the quota")


async def get_quota_root(session: Session, mailbox: str) -> Reply:
    """All quota roots of a mailbox; one of the client's own need not be there.

    They tell how much is in a mailbox, so that of others has to be readable (section 6).
    """
    place = await session.place(mailbox)

    def responses() -> list[bytes]:
        place.check("r")
        roots = _roots(place.account)
        shown = session.wire_name(session.places.shown(place))
        listed = b" ".join([b"QUOTAROOT", shown, *map(astring, roots)])
        return [listed, *(_quota(root, quota) for root, quota in roots.items())]

    for response in await session.lane(responses, of=place.account):
        session.untagged(response)
    return ok("These are the quotas")


def _roots(account: MailAccount) -> dict[bytes, Quota]:
    """Those with a limit, by the names they have for the client; in the lane."""
    address, store = account.address, account.store
    return {(address if quota.name == store.root else quota.name).encode(): quota for quota in store.quotas()}


def _quota(name: bytes, quota: Quota) -> bytes:
    """quota-response = "QUOTA" SP quota-root-name SP quota-list

    A part of a unit counts as one, in usage and limit: what is used up looks so.
    """
    usage, limit = quota.state()
    resources = []
    if limit.octets is not None:
        resources.append(b"STORAGE %d %d" % (-(-usage.octets // _UNIT), -(-limit.octets // _UNIT)))
    if limit.messages is not None:
        resources.append(b"MESSAGE %d %d" % (usage.messages, limit.messages))
    return b"QUOTA %s (%s)" % (astring(name), b" ".join(resources))
