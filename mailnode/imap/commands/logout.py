"""LOGOUT (RFC 3501 section 6.1.3)."""

from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session


async def run(session: Session, _: None) -> Reply:
    """BYE comes before the tagged OK."""
    session.stream.write_with_next(Reply(b"BYE", "Logging out").encode(b"*", session.language))
    session.end()
    return ok("Logged out")
