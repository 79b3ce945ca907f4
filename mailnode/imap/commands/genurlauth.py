"""GENURLAUTH and RESETKEY (RFC 4467 section 7): authorize URLs of messages, and take that back.

The mailboxes are the client's own. What is wrong with a URL is said in one way, so that nobody learns of
others by it.
"""

from mailnode.auth.names import login_address
from mailnode.imap.places import Place
from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.session import Session
from mailnode.imap.url_tokens import MECHANISM, URLMECH, token
from mailnode.store.errors import NoSuchMailbox
from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import url as urls
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.imap.url import EXPECTED, AuthorizedUrl
from mailnode.wire.imap.writer import string

URLS = 100  # in one command


@frozen
class Reset:
    """A mailbox that is to have another key, or None: no mailbox is to have one."""

    mailbox: str | None


# Grammar


def parse(args: Cursor) -> tuple[bytes, ...]:
    """genurlauth = "GENURLAUTH" 1*(SP url-rump SP mechanism)"""
    found = [_rump(args)]
    while not args.at_end():
        found.append(_rump(args))
        check_count(len(found))
    return tuple(found)


def _rump(args: Cursor) -> bytes:
    url = args.sp().astring()
    _mechanism(args)
    return url


def _mechanism(args: Cursor) -> None:
    """mechanism = "INTERNAL" / 1*(ALPHA / DIGIT / "-" / "."), of which there is but the first"""
    if args.sp().keyword() != MECHANISM:
        raise BadSyntax("There is no such mechanism")


def check_count(urls: int) -> None:
    """Raise Refused for more URLs than a command may have."""
    if urls > URLS:
        raise Refused(b"LIMIT", f"There may be {URLS} URLs")


def parse_reset(args: Cursor) -> Reset:
    """resetkey = "RESETKEY" [SP mailbox *(SP mechanism)]"""
    if args.at_end():
        return Reset(None)
    mailbox = args.sp().mailbox()
    while not args.at_end():
        _mechanism(args)
    return Reset(mailbox)


# GENURLAUTH


async def run(session: Session, rumps: tuple[bytes, ...]) -> Reply:
    """All of them, or none: genurlauth-data = "*" SP "GENURLAUTH" 1*(SP url-full)"""
    places = [await _place(session, urls.parse_rump(rump)) for rump in rumps]
    made = []
    for rump, place in zip(rumps, places, strict=True):
        try:
            key = await session.lane(session.account.store.url_keys.made, place.name)
        except NoSuchMailbox:
            raise BadSyntax(EXPECTED) from None
        made.append(b"%b:%b:%b" % (rump, MECHANISM.encode(), token(key, rump).encode()))
    session.untagged(b" ".join([b"GENURLAUTH", *map(string, made)]))
    return ok("Authorized")


async def _place(session: Session, wanted: AuthorizedUrl) -> Place:
    """Where the mailbox is. Whom the URL names as its reader is not looked at: nobody learns who there is."""
    owner = login_address(session.shared.live, wanted.user)
    if wanted.host != session.config.hostname.lower() or owner != session.account.address:
        raise BadSyntax(EXPECTED)
    try:
        place = await session.place(wanted.message.mailbox or "")
    except (NoSuchMailbox, Refused):
        raise BadSyntax(EXPECTED) from None
    if place.reader:
        raise BadSyntax(EXPECTED)
    return place


# RESETKEY


async def reset(session: Session, wanted: Reset) -> Reply:
    """Whatever was authorized with the keys that were there is so no more, as soon as the OK comes."""
    keys = session.account.store.url_keys
    if wanted.mailbox is None:
        await session.lane(keys.forget_all)
        return ok("There are no keys any more")
    place = await session.place(wanted.mailbox)
    if place.reader:
        await session.lane(place.check, "l", of=place.account)
        raise Refused(b"CANNOT", "The key of that mailbox cannot be changed")
    await session.lane(_reset, place)
    session.shared.feed.announce(place.key)
    return ok("There is another key", URLMECH)


def _reset(place: Place) -> None:
    place.account.store.url_keys.reset(place.name)
    place.mailbox().key_resets += 1  # its sessions tell that, see imap.selected
