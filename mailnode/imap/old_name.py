"""OLDNAME (RFC 9051 section 6.3.9.7): the client's spelling of a name that is written otherwise here."""

from collections.abc import Iterable

from mailnode.imap import names
from mailnode.imap.listing import response
from mailnode.imap.session import Session
from mailnode.store.values import Name


def tell_old_name(session: Session, text: str, name: Name, attributes: Iterable[str] = ()) -> bool:
    """Tell by what name a mailbox is known that the client called `text`; IMAP4rev2 only.

    Gives whether that is another one.

    oldname-extended-item = "OLDNAME" SP "(" mailbox ")"
    """
    separator = session.config.store.separator
    known = separator.join(name)
    differs = "IMAP4rev2" in session.enabled and known != text
    if differs:
        old = b'"OLDNAME" (%s)' % names.encode(text, utf8=session.utf8)
        session.untagged(response(attributes, session.wire_name(name), separator, old))
    return differs
