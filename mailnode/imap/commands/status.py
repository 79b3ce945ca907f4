"""STATUS (RFC 3501 section 6.3.10; APPENDLIMIT of RFC 7889 section 3.1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mailnode.imap import names
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.store.synchronised import Status as Counts
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

STATUS_ITEMS: Mapping[str, Callable[[Counts], int]] = {
    "MESSAGES": lambda counts: counts.messages,
    "RECENT": lambda counts: counts.recent,
    "UIDNEXT": lambda counts: counts.uid_next,
    "UIDVALIDITY": lambda counts: counts.uid_validity,
    "UNSEEN": lambda counts: counts.unseen,
}
_LIMITS: Mapping[str, Callable[[Session], int]] = {
    "APPENDLIMIT": lambda session: session.config.limits.message_size,
}


@dataclass(frozen=True, slots=True)
class Status:
    """A mailbox and what the client wants to know of it."""

    mailbox: str
    items: tuple[str, ...]


def parse(args: Cursor) -> Status:
    """status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")" """
    status = Status(args.sp().mailbox(), tuple(args.sp().list_of(_item)))
    args.end()
    return status


def _item(args: Cursor) -> str:
    item = args.keyword()
    if item not in STATUS_ITEMS and item not in _LIMITS:
        raise BadSyntax("There is no such status item")
    return item


async def run(session: Session, status: Status) -> Reply:
    """Each item once, in the order it was asked for."""
    name = session.name(status.mailbox)
    counts = await session.lane(session.account.store.status, name)
    items = b" ".join(
        b"%s %d" % (item.encode(), _LIMITS[item](session) if item in _LIMITS else STATUS_ITEMS[item](counts))
        for item in dict.fromkeys(status.items)
    )
    wire = names.encode(session.config.store.separator.join(name), utf8=session.utf8)
    session.untagged(b"STATUS %s (%s)" % (wire, items))
    return ok("Done")
