"""DELETE (RFC 3501 section 6.3.4)."""

from mailnode.imap.old_name import tell_old_name
from mailnode.imap.own import Deleted
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session


async def run(session: Session, text: str) -> Reply:
    """Inferiors stay, and their parent is then a name that cannot be selected."""
    name = session.name(text)
    await session.lane(session.account.store.delete, name)
    if session.selected is not None and session.selected.mailbox.name == name:
        session.selected = None
    tell_old_name(session, text, name, ["\\NonExistent"])
    session.announce(name)
    session.announce_account(Deleted(name))
    return ok("Deleted")
