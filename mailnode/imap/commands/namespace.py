"""NAMESPACE (RFC 2342): a personal namespace, at the root, and one for what others have opened."""

from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session


async def run(session: Session, _: None) -> Reply:
    """Personal, other users', shared; the last is not there."""
    places, separator = session.places, session.config.store.separator.encode()
    others = b"NIL"
    there = await session.lane(places.there)
    if there:
        prefix = session.wire_name((places.word, ""))
        others = b'((%s "%s"))' % (prefix if prefix.startswith(b'"') else b'"%s"' % prefix, separator)
    session.untagged(b'NAMESPACE (("" "%s")) %s NIL' % (separator, others))
    return ok("That is all")
