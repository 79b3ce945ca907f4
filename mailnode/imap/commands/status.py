"""STATUS (RFC 3501 section 6.3.10), with MAILBOXID (RFC 8474 section 4.3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mailnode.imap import names
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.store.synchronised import Status as Counts
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

STATUS_ITEMS: Mapping[str, Callable[[Counts], int | str]] = {
    "MAILBOXID": lambda counts: f"({counts.mailbox_id})",
    "MESSAGES": lambda counts: counts.messages,
    "RECENT": lambda counts: counts.recent,
    "UIDNEXT": lambda counts: counts.uid_next,
    "UIDVALIDITY": lambda counts: counts.uid_validity,
    "UNSEEN": lambda counts: counts.unseen,
    "HIGHESTMODSEQ": lambda counts: counts.highest_modseq,
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
    if item not in STATUS_ITEMS:
        raise BadSyntax("There is no such status item")
    return item


async def run(session: Session, status: Status) -> Reply:
    """Each item once, in the order it was asked for."""
    name = session.name(status.mailbox)
    if "HIGHESTMODSEQ" in status.items:
        session.use_modseqs()
    counts = await session.lane(session.account.store.status, name)
    items = b" ".join(
        f"{item} {STATUS_ITEMS[item](counts)}".encode("ascii") for item in dict.fromkeys(status.items)
    )
    wire = names.encode(session.config.store.separator.join(name))
    session.untagged(b"STATUS %s (%s)" % (wire, items))
    return ok("Done")
