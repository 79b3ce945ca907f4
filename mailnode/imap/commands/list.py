r"""LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9).

Levels above a mailbox that are no mailboxes themselves are shown with \Noselect.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mailnode.imap import names
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.store.account import Account
from mailnode.store.values import INBOX, Name
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.listpattern import ListPattern


@dataclass(frozen=True, slots=True)
class List:
    """A reference and a pattern, which make one pattern together."""

    reference: str
    pattern: str


def parse(args: Cursor) -> List:
    """list = "LIST" SP mailbox SP list-mailbox  ;  lsub = "LSUB" SP mailbox SP list-mailbox"""
    parsed = List(args.sp().mailbox(), args.sp().list_mailbox())
    args.end()
    return parsed


class _Pattern:
    """A pattern over mailbox names of one separator; INBOX matches in any case of its letters."""

    def __init__(self, parsed: List, separator: str, *, utf8: bool) -> None:
        self.separator = separator
        self._utf8 = utf8
        self._pattern = ListPattern(parsed.reference + parsed.pattern, separator)

    def matches(self, name: Name) -> bool:
        shown = names.shown(name, self.separator)
        caseless = len(INBOX[0]) if name[:1] == INBOX else 0
        return shown is not None and self._pattern.matches(shown, caseless=caseless)

    def line(self, command: bytes, name: Name, *, selectable: bool) -> bytes:
        """mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox"""
        flags = b"" if selectable else b"\\Noselect"
        wire = names.encode(self.separator.join(name), utf8=self._utf8)
        return b'* %s (%s) "%s" %s\r\n' % (command, flags, self.separator.encode(), wire)


async def list_mailboxes(session: Session, parsed: List) -> Reply:
    """An empty pattern asks for the separator and the root, which has no name here."""
    separator = session.config.store.separator
    if not parsed.pattern:
        session.untagged(b'LIST (\\Noselect) "%s" ""' % separator.encode())
    else:
        await session.send(_existing(session.account.store, _Pattern(parsed, separator, utf8=session.utf8)))
    return ok("Listed")


async def list_subscribed(session: Session, parsed: List) -> Reply:
    """The same over subscriptions."""
    separator = session.config.store.separator
    if not parsed.pattern:
        session.untagged(b'LSUB (\\Noselect) "%s" ""' % separator.encode())
    else:
        await session.send(_subscribed(session.account.store, _Pattern(parsed, separator, utf8=session.utf8)))
    return ok("Listed")


def _existing(store: Account, pattern: _Pattern) -> Iterator[bytes]:
    found = names.with_parents(store.names())
    for name in sorted(found, key=lambda name: (name != INBOX, name)):
        if pattern.matches(name):
            yield pattern.line(b"LIST", name, selectable=found[name])


def _subscribed(store: Account, pattern: _Pattern) -> Iterator[bytes]:
    r"""A parent that is not subscribed stands, with \Noselect, for what `%` keeps out of sight below it."""
    subscribed = store.subscriptions()
    existing = set(store.names())
    shown = {name: name in existing for name in subscribed if pattern.matches(name)}
    for name in subscribed:
        if name not in shown:
            shown.update(dict.fromkeys(_parents(name, pattern, shown), False))
    for name in sorted(shown, key=lambda name: (name != INBOX, name)):
        yield pattern.line(b"LSUB", name, selectable=shown[name])


def _parents(name: Name, pattern: _Pattern, shown: Iterable[Name]) -> list[Name]:
    above = (name[:depth] for depth in range(1, len(name)))
    return [parent for parent in above if parent not in shown and pattern.matches(parent)]
