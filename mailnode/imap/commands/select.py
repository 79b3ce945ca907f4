"""SELECT and EXAMINE (RFC 3501 sections 6.3.1 and 6.3.2), with what was missed (RFC 7162 section 3.2.5)."""

from dataclasses import dataclass

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
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

PARAMETERS = {"CONDSTORE": arguments.flag, "QRESYNC": resync.parse}


@dataclass(frozen=True, slots=True)
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
        session.status(ok("The mailbox is closed", b"CLOSED"))
    if select.condstore:
        session.use_modseqs()
    place = await session.place(select.mailbox)
    account, name = place.account, session.places.shown(place)

    def view() -> Selected:
        return Selected(place, read_only=select.read_only, enabled=session.enabled)

    selected = await session.lane(view, of=account)
    selected.language = session.language
    selected.introduce = introduce
    await session.send(selected.summary(), of=account)
    if "IMAP4rev2" in session.enabled:
        attributes = await session.lane(_attributes, session, place, of=account)
        if not tell_old_name(session, select.mailbox, name, attributes):
            session.untagged(response(attributes, session.wire_name(name), session.config.store.separator))
    if select.resync is not None:
        await session.send(resync.missed(selected, select.resync), of=account)
    session.selected = selected
    return ok("Selected", b"READ-WRITE" if selected.writable else b"READ-ONLY")


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
