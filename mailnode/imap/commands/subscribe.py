"""SUBSCRIBE and UNSUBSCRIBE (RFC 3501 sections 6.3.6 and 6.3.7)."""

from mailnode.imap.own import Subscribed
from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.session import Session


async def subscribe(session: Session, text: str) -> Reply:
    """The name need not exist: section 6.3.6 leaves that check to the server."""
    name = session.name(text)
    await session.lane(session.account.store.subscribe, session.places.stored(name))
    session.announce_account(session.account, Subscribed(name, wanted=True))
    return ok("Subscribed")


async def unsubscribe(session: Session, text: str) -> Reply:
    """A name that is not subscribed is refused (section 6.3.7: "can't unsubscribe that name").

    In IMAP4rev2 it is not (RFC 9051 section 6.3.8).
    """
    name = session.name(text)
    stored = session.places.stored(name)
    store = session.account.store

    def remove() -> None:
        if "IMAP4rev2" not in session.enabled and stored not in store.subscriptions():
            raise Refused(b"NONEXISTENT", "There is no subscription to that name")
        store.unsubscribe(stored)

    await session.lane(remove)
    session.announce_account(session.account, Subscribed(name, wanted=False))
    return ok("Unsubscribed")
