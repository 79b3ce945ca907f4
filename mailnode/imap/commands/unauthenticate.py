"""UNAUTHENTICATE (RFC 8437): another person may log in on this connection."""

from mailnode.imap.extensions import capabilities
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session


async def run(session: Session, _: None) -> Reply | None:
    """Nothing is kept but TLS, and how many logins have failed on this connection.

    A mailbox that was selected is not expunged, and NO is no answer: another login may be pipelined behind
    the command (section 3). The OK is the last that is compressed (section 4.1).
    """
    session.log_out()
    session.write(ok("Logged out; another login is possible", capabilities(session)))
    session.stream.end_compression()
    await session.stream.drain()
    return None
