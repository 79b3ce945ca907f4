"""QUIT, and with it the UPDATE state (RFC 1939 sections 4 and 6)."""

from mailnode.events.deeds import NAMED
from mailnode.events.life import Expunged
from mailnode.net.stream import ConnectionClosed
from mailnode.pop3.state import Refused, Session
from mailnode.pop3.trouble import system_code
from mailnode.store.errors import StoreError
from mailnode.store.values import INBOX
from mailnode.wire.imap.sequence import encode
from mailnode.wire.pop3 import ok


async def quit_(session: Session, argument: bytes) -> bytes:
    """QUIT: remove what is marked, let go of the maildrop, say goodbye.

    The lock is released before the reply, so that who reads it can come back at once.
    """
    session.ended = True
    try:
        await _update(session)
    finally:
        session.release()
    return ok(session.say("Goodbye"))


async def _update(session: Session) -> None:
    opened = session.opened
    if opened is None or not opened.maildrop.deleted:
        return
    account, shared = opened.account, session.shared
    if session.stream.lost:  # who has not got what it asked for would never see it again
        raise ConnectionClosed
    try:
        removed = await account.lane.run(opened.maildrop.update)
    except (StoreError, OSError) as trouble:
        reason = getattr(trouble, "strerror", None) or trouble
        session.connection.log.warn("deleted messages not removed", reason=reason)
        raise Refused("some deleted messages not removed", system_code(trouble)) from None
    finally:
        shared.feed.announce(account.key(INBOX))
    if removed:
        for start in range(0, len(removed), NAMED):
            some = removed[start : start + NAMED]
            named = encode(one.uid for one in some).decode(), tuple(one.base for one in some)
            shared.bus.publish(Expunged(session.connection.id, account.address, INBOX[0], len(some), *named))
