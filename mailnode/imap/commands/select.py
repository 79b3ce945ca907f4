"""SELECT and EXAMINE (RFC 3501 sections 6.3.1 and 6.3.2), with what was missed (RFC 7162 section 3.2.5)."""

from mailnode.imap import resync, uidonly
from mailnode.imap.commands import arguments
from mailnode.imap.commands.fetch import introduce
from mailnode.imap.listing import Tree, response
from mailnode.imap.old_name import tell_old_name
from mailnode.imap.places import Place
from mailnode.imap.replies import Reply, ok
from mailnode.imap.resync import Resync
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

PARAMETERS = {"CONDSTORE": arguments.flag, "QRESYNC": resync.parse}


@frozen
class Select:
    """A mailbox, whether it may be changed, whether modification sequences are told, and what is known."""

    mailbox: str
    read_only: bool
    condstore: bool = False
    resync: Resync | None = None


def parse_select(args: Cursor) -> Select:
    """select = "SELECT" SP mailbox [SP "(" select-param *(SP select-param) ")"]"""
    return _parse(args, read_only=False)


def parse_examine(args: Cursor) -> Select:
    """examine = "EXAMINE" SP mailbox [SP "(" select-param *(SP select-param) ")"]"""
    return _parse(args, read_only=True)


def _parse(args: Cursor, *, read_only: bool) -> Select:
    mailbox = args.sp().mailbox()
    found = arguments.options(args, PARAMETERS) if args.accept(b" ") else {}
    args.end()
    return Select(mailbox, read_only, "CONDSTORE" in found, found.get("QRESYNC"))


async def run(session: Session, select: Select) -> Reply:
    """Whatever was selected is not any more, also when this fails."""
    if select.resync is not None and "QRESYNC" not in session.enabled:
        raise BadSyntax("QRESYNC has to be enabled first")
    if select.resync is not None and select.resync.pairs is not None:
        uidonly.refuse_numbers(session.enabled)
    if session.selected is not None:
        session.selected = None
        closed = ok("The mailbox is closed", b"CLOSED")
        session.stream.write_with_next(closed.encode(b"*", session.language))
    if select.condstore:
        session.use_modseqs()
    place = await session.place(select.mailbox)
    opened = _at_hand(session, place, select)
    if opened is None:
        opened = await session.lane(_opened, session, place, select, of=place.account)
    session.stream.write_with_next(opened.summary)
    if opened.attributes is not None:
        name = session.places.shown(place)
        if not tell_old_name(session, select.mailbox, name, opened.attributes):
            listed = response(opened.attributes, session.wire_name(name), session.config.store.separator)
            session.untagged(listed)
    if select.resync is None:
        session.told()
    else:
        await session.send(resync.missed(opened.view, select.resync), of=place.account)
    session.selected = opened.view
    return ok("Selected", b"READ-WRITE" if opened.view.writable else b"READ-ONLY")


@frozen
class _Opened:
    """A mailbox, what is said of it, and its attributes for who wants to hear them."""

    view: Selected
    summary: bytes
    attributes: list[str] | None = None


def _at_hand(session: Session, place: Place, select: Select) -> _Opened | None:
    """The mailbox from memory, without a way to a thread and back, where all that is asked is known there."""
    mailbox = place.at_hand()
    known = mailbox is not None and mailbox.knows_first_unseen and not mailbox.recent
    if mailbox is None or not known or "IMAP4rev2" in session.enabled:
        return None
    view = Selected(place, mailbox, read_only=select.read_only, enabled=session.enabled)
    return _Opened(view, _summary(session, view))


def _opened(session: Session, place: Place, select: Select) -> _Opened:
    """The mailbox as it is now; in the lane of its account. Raises NoSuchMailbox, NoRight."""
    view = Selected.opened(place, read_only=select.read_only, enabled=session.enabled)
    attributes = _attributes(session, place) if "IMAP4rev2" in session.enabled else None
    return _Opened(view, _summary(session, view), attributes)


def _summary(session: Session, view: Selected) -> bytes:
    view.language = session.language
    view.introduce = introduce
    return b"".join(view.summary())


def _attributes(session: Session, place: Place) -> list[str]:
    """Those of the LIST response that IMAP4rev2 asks for (RFC 9051 section 6.3.2)."""
    store = place.account.store
    if place.reader:
        tree = Tree(
            frozenset(name for name, held in store.sharing.shown_to(place.reader).items() if "l" in held)
        )
    else:
        tree = Tree(frozenset(store.names()), uses=store.annotations.special_uses())
    return tree.attributes(place.name, absent="\\NonExistent")
