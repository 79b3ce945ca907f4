"""URLFETCH (RFC 4467 section 7): messages, or parts of them, for whoever has a URL that was authorized.

Who gets them is what the URL says, and what its user may read at this moment is what can be got. A URL that
is wrong in any way is NIL, whatever there is or is not. Nothing is marked as seen.
"""

from collections.abc import Iterator

from mailnode.auth.names import login_address
from mailnode.auth.realm import MailAccount
from mailnode.imap import names
from mailnode.imap.commands.genurlauth import check_count
from mailnode.imap.literals import exactly
from mailnode.imap.references import Referred, look_up
from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.session import Session
from mailnode.imap.url_tokens import MECHANISM, holds
from mailnode.store.errors import BadMailboxName, NoSuchMailbox, NoSuchMessage
from mailnode.store.values import Name
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import url as urls
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.url import AuthorizedUrl
from mailnode.wire.imap.writer import NIL, string


def parse(args: Cursor) -> tuple[bytes, ...]:
    """urlfetch = "URLFETCH" 1*(SP url-full)"""
    found = [args.sp().astring()]
    while not args.at_end():
        found.append(args.sp().astring())
        check_count(len(found))
    return tuple(found)


async def run(session: Session, wanted: tuple[bytes, ...]) -> Reply:
    """urlfetch-data = "*" SP "URLFETCH" 1*(SP url-full SP nstring), a response for each URL"""
    for url in wanted:
        start = b"* URLFETCH " + string(url) + b" "
        try:
            parsed = urls.parse_full(url)
            name = names.levels(parsed.message.mailbox or "", session.config.store.separator)
            owner = _owner(session, parsed)
        except (BadSyntax, Refused):
            owner = None
        if owner is None:
            session.stream.write(start + NIL + b"\r\n")
        else:
            await session.send(_response(start, parsed, owner, name, utf8=session.utf8), of=owner)
    return ok("Fetched")


def _owner(session: Session, url: AuthorizedUrl) -> MailAccount | None:
    """Whose message it is, if the client is among those whom the URL lets have it now."""
    live, own = session.shared.live, session.account
    if url.host != session.config.hostname.lower() or url.mechanism != MECHANISM:
        return None
    if url.expire is not None and session.shared.runtime.now() > url.expire:
        return None
    if url.access == "user" and login_address(live, url.who) != own.address:
        return None
    if url.access == "submit" and own.address not in live.config.imap.submission_servers:
        return None  # whoever it is that submits, that server has looked at it (section 3)
    address = login_address(live, url.user)
    return own if address == own.address else session.shared.neighbours.account(address)


def _response(
    start: bytes, url: AuthorizedUrl, owner: MailAccount, name: Name, *, utf8: bool
) -> Iterator[bytes]:
    """In the owner's lane. NUL, which no literal can hold, is sent as 0x80, as in BODY[]."""
    try:
        found = _found(url, owner, name, utf8=utf8)
    except (NoSuchMailbox, NoSuchMessage, BadMailboxName, BadSyntax):
        yield start + NIL + b"\r\n"
        return
    if found is None:
        yield start + b'""\r\n'  # a section that the message does not have
        return
    try:
        for piece in exactly(start + b"{%d}\r\n" % found.size, found.chunks, 0, found.size):
            yield piece.replace(b"\0", b"\x80")
        yield b"\r\n"
    finally:
        found.close()


def _found(url: AuthorizedUrl, owner: MailAccount, name: Name, *, utf8: bool) -> Referred | None:
    """Raises NoSuchMessage also where the token is not the right one."""
    try:
        key = owner.store.url_keys.get(name)
    except (NoSuchMailbox, BadMailboxName):
        key = None
    if not holds(key, url.rump, url.token):
        raise NoSuchMessage(url.message.uid)
    return look_up(url.message, owner.store.mailbox(name), utf8=utf8)
