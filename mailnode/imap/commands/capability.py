"""CAPABILITY (RFC 3501 section 6.1.1)."""

from mailnode.imap.extensions import capabilities
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session


async def run(session: Session, _: None) -> Reply:
    """What the server can do, in this state."""
    session.untagged(capabilities(session))
    return ok("Capabilities are listed")
