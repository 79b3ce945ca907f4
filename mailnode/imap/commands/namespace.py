"""NAMESPACE (RFC 2342): a personal namespace, at the root, one for what others have opened, and a third.

The third, among those that are shared, has what the client has removed. It is none of the personal ones, as
clients fetch all that is there.
"""

from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session


async def run(session: Session, _: None) -> Reply:
    """Personal, other users', shared."""
    places, separator = session.places, session.config.store.separator.encode()

    def words() -> list[str]:
        return [places.word if places.there() else "", places.word_of_removed if places.has_removed() else ""]

    def said(word: str) -> bytes:
        prefix = session.wire_name((word, ""))
        quoted = prefix if prefix.startswith(b'"') else b'"%s"' % prefix
        return b'((%s "%s"))' % (quoted, separator) if word else b"NIL"

    others, removed = map(said, await session.lane(words))
    session.untagged(b'NAMESPACE (("" "%s")) %s %s' % (separator, others, removed))
    return ok("That is all")
