"""What a session has done to messages, told as events."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from mailnode.events.deeds import NAMED, Copied, Flagged, Moved
from mailnode.events.life import Expunged
from mailnode.imap.places import Place
from mailnode.imap.session import Session
from mailnode.store import identity
from mailnode.store.errors import NoSuchMessage
from mailnode.store.mailbox import Mailbox, Mode
from mailnode.store.values import Flags, Name
from mailnode.wire.imap.sequence import encode

FEW = 100  # messages that are named where flags change; of more there are UIDs alone

Names = Mapping[int, str]  # lasting names by UID


def names_of(mailbox: Mailbox, uids: Iterable[int]) -> dict[int, str]:
    """The lasting names of those that are there; in the lane of the account."""
    found = {}
    for uid in uids:
        with suppress(NoSuchMessage):
            found[uid] = identity.guid_of(mailbox.record(uid))
    return found


@dataclass(slots=True)
class Marked:
    """Messages whose flags were changed, gathered in the lane; told on the reactor thread."""

    uids: list[int] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)

    def add(self, mailbox: Mailbox, uids: Iterable[int]) -> None:
        """These too."""
        more = list(uids)
        self.uids += more
        if len(self.uids) <= FEW:
            self.names.update(names_of(mailbox, more))

    def tell(self, session: Session, place: Place, mode: Mode, flags: Flags) -> None:
        """Publish what was gathered."""
        if not self.uids:
            return
        few = len(self.uids) <= FEW
        names = tuple(self.names.get(uid, "") for uid in self.uids) if few else ()
        where = place.account.address, shown(place.name)
        event = Flagged(session.connection.id, *where, _set(self.uids), names, mode, tuple(sorted(flags)))
        session.shared.bus.publish(event)


def tell_expunged(session: Session, place: Place, uids: Sequence[int], names: Names) -> None:
    """Messages were removed for good."""
    for start in range(0, len(uids), NAMED):
        some = uids[start : start + NAMED]
        told = _set(some), tuple(names.get(uid, "") for uid in some)
        where = place.account.address, shown(place.name)
        session.shared.bus.publish(Expunged(session.connection.id, *where, len(some), *told))


def tell_copied(
    session: Session, place: Place, pairs: Sequence[tuple[int, int]], names: Names, *, moved: bool = False
) -> None:
    """Messages of the selected mailbox were copied or moved to a place: UIDs here and there."""
    source = session.view.place
    kind = Moved if moved else Copied
    for start in range(0, len(pairs), NAMED):
        some = pairs[start : start + NAMED]
        named = tuple(names.get(here, "") for here, _ in some)
        event = kind(
            session.connection.id,
            source.account.address,
            shown(source.name),
            _set(here for here, _ in some),
            named,
            place.account.address,
            shown(place.name),
            _set(there for _, there in some),
        )
        session.shared.bus.publish(event)


def shown(name: Name) -> str:
    """A mailbox in words."""
    return "/".join(name)


def _set(uids: Iterable[int]) -> str:
    return encode(uids).decode("ascii")
