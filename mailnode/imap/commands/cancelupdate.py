"""CANCELUPDATE (RFC 5267 section 4.3.5): no more is to be heard of some searches."""

from mailnode.imap.replies import Reply, no, ok
from mailnode.imap.session import Session
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor


def parse(args: Cursor) -> list[bytes]:
    """ "CANCELUPDATE" 1*(SP quoted)"""
    tags = [_quoted(args.sp())]
    while args.accept(b" "):
        tags.append(_quoted(args))
    args.end()
    return tags


def _quoted(args: Cursor) -> bytes:
    if not args.at(b'"'):
        raise BadSyntax("Quoted tag expected")
    return args.string()


async def run(session: Session, tags: list[bytes]) -> Reply:
    """All that are known are ended; that one is not known does no harm to the others."""
    known = [session.view.contexts.pop(tag, None) is not None for tag in dict.fromkeys(tags)]
    return ok("No further updates") if all(known) else no("No search with such a tag sends updates")
