"""CREATE (RFC 3501 section 6.3.3) with special uses (RFC 6154 section 3) and MAILBOXID (RFC 8474)."""

from mailnode.imap.commands import arguments
from mailnode.imap.old_name import tell_old_name
from mailnode.imap.own import Created
from mailnode.imap.places import Place
from mailnode.imap.replies import Reply, ok
from mailnode.imap.session import Session
from mailnode.store import special_use
from mailnode.store.errors import NoRight, NoSuchMailbox
from mailnode.store.special_use import Uses
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor


@frozen
class Create:
    """A name, and what the mailbox is for."""

    mailbox: str
    uses: tuple[str, ...] = ()


def parse(args: Cursor) -> Create:
    """create = "CREATE" SP mailbox [SP "(" create-param *(SP create-param) ")"] (RFC 4466 section 2.2)"""
    mailbox = args.sp().mailbox()
    given = arguments.options(args, {"USE": _uses}) if args.accept(b" ") else {}
    args.end()
    return Create(mailbox, tuple(given.get("USE", ())))


def _uses(args: Cursor) -> list[str]:
    """create-param = "USE" SP "(" [use-attr *(SP use-attr)] ")" """
    uses = args.sp().flag_list()
    if not all(use.startswith("\\") for use in uses):
        raise BadSyntax("A special use begins with a backslash")
    return uses


async def run(session: Session, create: Create) -> Reply:
    r"""A separator at the end announces inferiors, which every mailbox can have here anyway.

    Levels above are not made: they are listed with \Noselect, and can be made at any time.
    """
    text = create.mailbox.removesuffix(session.config.store.separator)
    try:
        place = await session.place(text)
    except NoSuchMailbox:  # below what nobody has opened, whether it is there or not
        raise NoRight from None
    uses = special_use.checked(create.uses)
    made = await session.lane(_create, place, uses, of=place.account)
    name = session.places.shown(place)
    session.announce_account(place.account, Created(name))
    tell_old_name(session, text, name)
    return ok("Created", b"MAILBOXID (%b)" % made.encode("ascii"))


def _create(place: Place, uses: Uses) -> str:
    """What mailboxes are for is for their owner to say."""
    if place.reader and uses:
        raise NoRight
    place.check_new()
    return place.account.store.create(place.name, uses)
