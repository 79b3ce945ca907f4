"""STATUS (RFC 3501 section 6.3.10, RFC 9051 section 6.3.11).

With SIZE (RFC 8438), APPENDLIMIT (RFC 7889 section 3.1), HIGHESTMODSEQ (RFC 7162 section 3.1.7), MAILBOXID
(RFC 8474 section 4.3), and the items of QUOTA (RFC 9208 section 4.1.4).
"""

from collections.abc import Callable, Collection, Iterator, Mapping

from mailnode.imap.places import Place
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.message.slices import Steps
from mailnode.store.errors import NoSuchMessage
from mailnode.store.mailbox import Mailbox
from mailnode.store.synchronised import Status as Counts
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

STATUS_ITEMS: Mapping[str, Callable[[Counts], int | str]] = {
    "HIGHESTMODSEQ": lambda counts: counts.highest_modseq,
    "MAILBOXID": lambda counts: f"({counts.mailbox_id})",
    "MESSAGES": lambda counts: counts.messages,
    "RECENT": lambda counts: counts.recent,
    "UIDNEXT": lambda counts: counts.uid_next,
    "UIDVALIDITY": lambda counts: counts.uid_validity,
    "UNSEEN": lambda counts: counts.unseen,
    "DELETED": lambda counts: counts.deleted,
}


def _octets(mailbox: Mailbox, uid: int) -> int:
    """RFC822.SIZE; nothing for a message that has gone meanwhile."""
    try:
        return mailbox.octets(uid)
    except NoSuchMessage:
        return 0


# Those that take more than the counts, or nothing of the mailbox at all.
OTHER_ITEMS: Mapping[str, Callable[[Session, Mailbox], int]] = {
    "SIZE": lambda _, mailbox: sum(_octets(mailbox, uid) for uid in mailbox.uids),
    "DELETED-STORAGE": lambda _, mailbox: mailbox.deleted_octets(),
    "APPENDLIMIT": lambda session, _: session.config.limits.message_size,
}


@frozen
class Status:
    """A mailbox and what the client wants to know of it."""

    mailbox: str
    items: tuple[str, ...]


def parse(args: Cursor) -> Status:
    """status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")" """
    status = Status(args.sp().mailbox(), tuple(args.sp().list_of(item)))
    args.end()
    return status


def item(args: Cursor) -> str:
    """status-att"""
    name = args.keyword()
    if name not in STATUS_ITEMS and name not in OTHER_ITEMS:
        raise BadSyntax("There is no such status item")
    return name


async def run(session: Session, status: Status) -> Reply:
    """Each item once, in the order it was asked for."""
    place = await session.place(status.mailbox)
    if "HIGHESTMODSEQ" in status.items:
        session.use_modseqs()
    mailbox = place.at_hand()
    if mailbox is not None and mailbox.is_counted and STATUS_ITEMS.keys() >= set(status.items):
        session.stream.write_with_next(_said(session, place, mailbox, status.items))
    else:
        await session.send(_line(session, place, status.items), of=place.account)
    return ok("Done")


def _line(session: Session, place: Place, items: Collection[str]) -> Iterator[bytes]:
    yield (yield from response(session, place, items))


def response(session: Session, place: Place, items: Collection[str]) -> Steps[bytes]:
    """mailbox-data = "STATUS" SP mailbox SP "(" [status-att-list] ")", as a line; in the account's lane.

    Raises NoSuchMailbox, NoRight. Sizes that nobody knows so far are found out first, in steps.
    """
    mailbox = place.mailbox()
    for uid in mailbox.uids if "SIZE" in items else ():
        _octets(mailbox, uid)
        yield b""
    return _said(session, place, mailbox, items)


def _said(session: Session, place: Place, mailbox: Mailbox, items: Collection[str]) -> bytes:
    counts = mailbox.status()

    def value(item: str) -> int | str:
        return STATUS_ITEMS[item](counts) if item in STATUS_ITEMS else OTHER_ITEMS[item](session, mailbox)

    said = b" ".join(f"{item} {value(item)}".encode("ascii") for item in dict.fromkeys(items))
    return b"* STATUS %s (%s)\r\n" % (session.wire_name(session.places.shown(place)), said)
