"""AUTHENTICATE (RFC 3501 section 6.2.2) with an initial response (SASL-IR, RFC 4959)."""

from dataclasses import field
from functools import partial

from mailnode.auth.login import NotOffered
from mailnode.auth.mechanisms import MECHANISMS
from mailnode.auth.sasl import Exchange, decode_base64
from mailnode.imap.commands.login import admit, require_privacy
from mailnode.imap.replies import Refused, Reply
from mailnode.imap.session import Session
from mailnode.values import frozen
from mailnode.wire.base64 import base64
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.command import announcement
from mailnode.wire.imap.cursor import Cursor


@frozen
class Authenticate:
    """A mechanism, and what the client says first."""

    mechanism: str
    initial: bytes | None = field(repr=False)


def parse(args: Cursor) -> Authenticate:
    """authenticate = "AUTHENTICATE" SP auth-type [SP (base64 / "=")] *(CRLF base64)"""
    mechanism = args.sp().atom().decode("ascii").upper()
    initial = decode_base64(args.sp().base64()) if args.at(b" ") else None
    args.end()
    return Authenticate(mechanism, initial)


async def run(session: Session, authenticate: Authenticate) -> Reply:
    """Challenges and responses until the mechanism has what it wants; "*" from the client ends it."""
    exchange = Exchange(authenticate.initial, partial(_ask, session))
    logins = session.shared.logins
    if authenticate.mechanism in MECHANISMS:
        require_privacy(session)
    try:
        return await admit(session, logins.authenticate(authenticate.mechanism, exchange, session.connection))
    except NotOffered:
        raise Refused(b"CANNOT", "There is no such authentication mechanism here") from None


async def _ask(session: Session, challenge: bytes) -> bytes:
    session.stream.write(b"+ " + base64(challenge) + b"\r\n")
    await session.stream.drain()
    line = await session.stream.line(session.config.limits.auth_line)
    if line == b"*":
        raise BadSyntax("Authentication cancelled")
    session.awaited = announcement(line)
    return decode_base64(line)
