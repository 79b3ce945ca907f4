"""What is told of mailboxes as such: LIST and METADATA responses (RFC 5465 sections 5.4 to 5.7)."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from mailnode.imap import names
from mailnode.imap.census_changes import Changes
from mailnode.imap.events import (
    MAILBOX_METADATA_CHANGE,
    MAILBOX_NAME,
    SERVER_METADATA_CHANGE,
    SUBSCRIPTION_CHANGE,
    Wanted,
)
from mailnode.imap.listing import Tree, response
from mailnode.imap.outlook import Outlook
from mailnode.imap.session import Session
from mailnode.store.glance import Census
from mailnode.store.values import Name
from mailnode.wire.imap.writer import astring


def account_news(
    session: Session,
    outlook: Outlook,
    wanted: Wanted,
    changes: Changes,
    now: Census,
    turned: AbstractSet[Name] = frozenset(),
) -> Iterator[bytes]:
    """The responses, as far as they are wanted; in the account's lane.

    Of what has `turned` other things may be known than before (section 5.9): that concerns all events.
    """
    subscribed = now.subscribed | changes.subscriptions  # a set that a name has left still has it
    separator = session.config.store.separator
    affected = _affected(wanted, changes, subscribed)
    affected.update(name for name in turned if wanted.any_of(name, now.subscribed))
    listed = {name for name in affected if names.shown(name, separator) is not None}
    if listed:
        tree = Tree(frozenset(now.guids), now.subscribed, outlook.special_uses())
        for name in sorted(listed):
            old = changes.renamed.get(name, ())
            old = old if names.shown(old, separator) else ()
            yield _listed(session, tree, name, old, shut=name in outlook.shut)
    for place, entries in changes.entries.items():
        if _concerns(wanted, place, subscribed) and names.shown(place or (), separator) is not None:
            yield _metadata(session, place, entries)


def shut(session: Session, outlook: Outlook, wanted: Wanted, now: Census) -> Iterator[bytes]:
    """LIST responses for what is meant, and may not be read by this client (section 3.1)."""
    tree = Tree(frozenset(now.guids), now.subscribed)
    for name in sorted(outlook.shut):
        if wanted.any_of(name, now.subscribed):
            yield _listed(session, tree, name, (), shut=True)


def _affected(wanted: Wanted, changes: Changes, subscribed: AbstractSet[Name]) -> set[Name]:
    """Names that were made or are gone, the levels right above them, and those that are new or subscribed."""
    above = {name[:-1] for name in changes.affected if len(name) > 1}
    found = {name for name in changes.affected | above if wanted.of(MAILBOX_NAME, name, subscribed)}
    for new, old in changes.renamed.items():
        if any(wanted.of(MAILBOX_NAME, name, subscribed) for name in (new, old)):
            found.add(new)
    found.update(name for name in changes.subscriptions if wanted.of(SUBSCRIPTION_CHANGE, name, subscribed))
    return found


def _listed(session: Session, tree: Tree, name: Name, old: Name, *, shut: bool) -> bytes:
    """oldname-extended-item = "OLDNAME" SP "(" mailbox ")" """
    attributes = tree.attributes(name, absent="\\NonExistent")
    if shut:
        attributes.insert(0, "\\NoAccess")
    if name in tree.subscribed:
        attributes.insert(0, "\\Subscribed")
    extended = b'"OLDNAME" (%b)' % session.wire_name(old) if old else b""
    said = response(attributes, session.wire_name(name), session.config.store.separator, extended)
    return b"* " + said + b"\r\n"


def _concerns(wanted: Wanted, place: Name | None, subscribed: AbstractSet[Name]) -> bool:
    if place is None:
        return SERVER_METADATA_CHANGE in wanted
    return wanted.of(MAILBOX_METADATA_CHANGE, place, subscribed)


def _metadata(session: Session, place: Name | None, entries: list[str]) -> bytes:
    """metadata-resp = "METADATA" SP mailbox SP entry-list  (RFC 5464 section 4.4.2)"""
    named = b" ".join(astring(entry.encode("ascii")) for entry in entries)
    return b"* METADATA %b %b\r\n" % (session.wire_name(place or ()), named)
