"""ENABLE (RFC 5161): the client asks for responses that older clients would not understand."""

from mailnode.imap import contexts, uidonly
from mailnode.imap.extensions import ENABLEABLE
from mailnode.imap.news import tell_metadata
from mailnode.imap.replies import Reply, ok
from mailnode.imap.selected import uses_modseqs
from mailnode.imap.session import Session
from mailnode.wire.imap.cursor import Cursor


def parse(args: Cursor) -> list[str]:
    """capability-enable = "ENABLE" 1*(SP capability)"""
    names = [args.sp().atom()]
    while args.accept(b" "):
        names.append(args.atom())
    args.end()
    return [name.decode("ascii").upper() for name in names]


async def run(session: Session, names: list[str]) -> Reply:
    """What is unknown, or needs no ENABLE, is passed over; the response tells only what is new."""
    known = [ENABLEABLE[name] for name in dict.fromkeys(names) if name in ENABLEABLE]
    fresh = [name for name in known if name not in session.enabled]
    if "METADATA" in fresh:
        await tell_metadata(session)
    if uses_modseqs(frozenset(fresh)):
        session.use_modseqs()
    session.enabled.update(fresh)
    session.untagged(" ".join(["ENABLED", *fresh]).encode("ascii"))
    if uidonly.NAME in fresh and session.selected is not None:
        contexts.end_numbered(session)
    return ok("Enabled")
