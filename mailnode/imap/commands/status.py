"""STATUS (RFC 3501 section 6.3.10), with MAILBOXID (RFC 8474) and the items of QUOTA (RFC 9208)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mailnode.imap import names
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.store.mailbox import Mailbox
from mailnode.store.synchronised import Status as Counts
from mailnode.store.values import Name
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
    "DELETED": lambda counts: counts.deleted,
}

# Those that take more than the counts.
OTHER_ITEMS: Mapping[str, Callable[[Session, Mailbox], int]] = {
    "DELETED-STORAGE": lambda _, mailbox: mailbox.deleted_octets(),
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
    if item not in STATUS_ITEMS and item not in OTHER_ITEMS:
        raise BadSyntax("There is no such status item")
    return item


async def run(session: Session, status: Status) -> Reply:
    """Each item once, in the order it was asked for."""
    name = session.name(status.mailbox)
    if "HIGHESTMODSEQ" in status.items:
        session.use_modseqs()
    session.untagged(await session.lane(response, session, name, status.items))
    return ok("Done")


def response(session: Session, name: Name, items: Iterable[str]) -> bytes:
    """mailbox-data = "STATUS" SP mailbox SP "(" [status-att-list] ")"; in the lane. Raises NoSuchMailbox."""
    mailbox = session.account.store.mailbox(name)
    counts = mailbox.status()

    def value(item: str) -> int | str:
        return STATUS_ITEMS[item](counts) if item in STATUS_ITEMS else OTHER_ITEMS[item](session, mailbox)

    said = b" ".join(f"{item} {value(item)}".encode("ascii") for item in dict.fromkeys(items))
    return b"STATUS %s (%s)" % (names.encode(session.config.store.separator.join(name)), said)
