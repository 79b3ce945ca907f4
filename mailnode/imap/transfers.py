"""COPY and MOVE where more than one account may take part: each step runs in the lane of its account."""

from mailnode.imap.places import Place
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.store.errors import NoRight
from mailnode.store.mailbox import Mailbox
from mailnode.store.transfer import Transfer

Pairs = list[tuple[int, int]]  # UIDs here and there

_MOVING = frozenset("te")  # RFC 6851 section 4.2


async def copy(
    session: Session, uids: list[int], place: Place, target: Mailbox, *, moving: bool = False
) -> Pairs:
    """Copy messages of the selected mailbox. All of them, or none."""
    view = session.view
    if _is_own(view, place):
        return await session.lane(view.mailbox.copy, uids, target)
    transfer = Transfer(place.account.store)
    try:
        await session.lane(transfer.take, view.mailbox, uids, of=view.place.account)
        freed = moving and place.account is view.place.account
        made = await session.lane(lambda: transfer.put(target, moving=freed), of=place.account)
    finally:
        await session.lane(transfer.drop, of=place.account)
    return list(zip(uids, made, strict=True))


async def move(session: Session, uids: list[int], place: Place, target: Mailbox) -> Pairs:
    """Copy them, then remove them here; what cannot be removed is not left there either."""
    view = session.view
    if _is_own(view, place):
        return await session.lane(view.mailbox.move, uids, target)
    if not view.mailbox.rights.issuperset(_MOVING):
        raise NoRight
    made = await copy(session, uids, place, target, moving=True)
    try:
        await session.lane(lambda: view.mailbox.expunge(uids, keep=False), of=view.place.account)
    except Exception:
        left = await session.lane(_those_left, view.mailbox, made, of=view.place.account)
        await session.lane(target.take_back, left, of=place.account)
        if left:
            raise
    return made


def _is_own(view: Selected, place: Place) -> bool:
    """Whether both mailboxes are the client's own: then it is one step in one lane."""
    return not (view.place.reader or place.reader)


def _those_left(mailbox: Mailbox, made: Pairs) -> list[int]:
    """The copies of messages that are still here."""
    return [there for here, there in made if mailbox.is_there(here)]
