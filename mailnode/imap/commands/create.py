"""CREATE (RFC 3501 section 6.3.3), which tells the MAILBOXID (RFC 8474 section 4.1)."""

from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session


async def run(session: Session, text: str) -> Reply:
    """A separator at the end announces inferiors, which every mailbox can have here anyway.

    Levels above are not made: they are listed with \\Noselect, and can be made at any time.
    """
    name = session.name(text.removesuffix(session.config.store.separator))
    made = await session.lane(session.account.store.create, name)
    return ok("Created", b"MAILBOXID (%b)" % made.encode("ascii"))
