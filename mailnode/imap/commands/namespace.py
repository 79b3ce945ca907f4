"""NAMESPACE (RFC 2342): one personal namespace, at the root."""

from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session


async def run(session: Session, _: None) -> Reply:
    """Personal, other users', shared; the latter two are not there."""
    session.untagged(b'NAMESPACE (("" "%s")) NIL NIL' % session.config.store.separator.encode())
    return ok("That is all")
