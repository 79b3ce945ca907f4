"""LSUB (RFC 3501 section 6.3.9): LIST over the subscriptions, with attributes of its own meaning."""

from collections.abc import Iterator

from mailnode.imap.lent import of_others, of_removed
from mailnode.imap.listing import Patterns, above
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.store.values import INBOX, Name
from mailnode.values import frozen
from mailnode.wire.imap.cursor import Cursor


@frozen
class Lsub:
    """A reference and a pattern, which make one pattern together."""

    reference: str
    pattern: str


def parse(args: Cursor) -> Lsub:
    """lsub = "LSUB" SP mailbox SP list-mailbox"""
    parsed = Lsub(args.sp().mailbox(), args.sp().list_mailbox())
    args.end()
    return parsed


async def run(session: Session, parsed: Lsub) -> Reply:
    """An empty pattern asks for the separator and the root, which has no name here."""
    separator = session.config.store.separator
    if not parsed.pattern:
        session.untagged(b'LSUB (\\Noselect) "%s" ""' % separator.encode())
    else:
        patterns = Patterns([parsed.reference + parsed.pattern], separator)
        lent = {**await of_others(session), **await of_removed(session)}
        others = {name for name, one in lent.items() if one.listed}
        await session.send(_lines(session, separator, patterns, others))
    return ok("Listed")


def _lines(session: Session, separator: str, matches: Patterns, others: set[Name]) -> Iterator[bytes]:
    r"""A parent that is not subscribed stands, with \Noselect, for what `%` keeps out of sight below it."""
    store = session.account.store
    subscribed = list(map(session.places.read, store.subscriptions()))
    existing = others.union(store.names())
    shown = {name: name in existing for name in subscribed if matches(name)}
    hidden = [name for name in subscribed if name not in shown]
    shown.update({name: False for name in above(hidden) if name not in shown and matches(name)})
    for name in sorted(shown, key=lambda name: (name != INBOX, name)):
        said = b"" if shown[name] else b"\\Noselect"
        yield b'* LSUB (%s) "%s" %s\r\n' % (said, separator.encode("ascii"), session.wire_name(name))
