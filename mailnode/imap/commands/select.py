"""SELECT and EXAMINE (RFC 3501 sections 6.3.1 and 6.3.2)."""

from dataclasses import dataclass

from mailnode.imap.replies import Reply, ok
from mailnode.imap.selected import Selected
from mailnode.imap.session import Session
from mailnode.wire.imap.cursor import Cursor


@dataclass(frozen=True, slots=True)
class Select:
    """A mailbox, and whether it may be changed."""

    mailbox: str
    read_only: bool


def parse_select(args: Cursor) -> Select:
    """select = "SELECT" SP mailbox"""
    return _parse(args, read_only=False)


def parse_examine(args: Cursor) -> Select:
    """examine = "EXAMINE" SP mailbox"""
    return _parse(args, read_only=True)


def _parse(args: Cursor, *, read_only: bool) -> Select:
    select = Select(args.sp().mailbox(), read_only)
    args.end()
    return select


async def run(session: Session, select: Select) -> Reply:
    """Whatever was selected is not any more, also when this fails."""
    session.selected = None
    name = session.name(select.mailbox)

    def view() -> Selected:
        return Selected(session.account.store, name, read_only=select.read_only)

    selected = await session.lane(view)
    selected.language = session.language
    await session.send(selected.summary())
    session.selected = selected
    return ok("Selected", b"READ-ONLY" if select.read_only else b"READ-WRITE")
