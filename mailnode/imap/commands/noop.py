"""NOOP and CHECK (RFC 3501 sections 6.1.2 and 6.4.1): what has changed is told after every command."""

from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session


async def run(session: Session, _: None) -> Reply:
    """Nothing; all that was acknowledged is on disk already, so CHECK has nothing to do either."""
    return ok("Done")
