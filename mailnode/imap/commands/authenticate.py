"""AUTHENTICATE (RFC 3501 section 6.2.2) with an initial response (SASL-IR, RFC 4959)."""

import binascii
from dataclasses import dataclass, field

from mailnode.auth.sasl import (
    MECHANISMS,
    NOBODY,
    AuthzidRefused,
    Challenge,
    Credentials,
    Mechanism,
    decode_base64,
)
from mailnode.imap.commands.login import admit, require_privacy
from mailnode.imap.replies import Refused, Reply, bad
from mailnode.imap.session import Session
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor


@dataclass(frozen=True, slots=True)
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
    """Challenges and responses until the mechanism has its credentials; "*" from the client ends it."""
    factory = MECHANISMS.get(authenticate.mechanism)
    if factory is None:
        raise Refused(b"CANNOT", "There is no such authentication mechanism")
    require_privacy(session)
    mechanism = factory()
    step = _step(mechanism, authenticate.initial)
    while isinstance(step, Challenge):
        session.stream.write(b"+ " + binascii.b2a_base64(step.data, newline=False) + b"\r\n")
        await session.stream.drain()
        line = await session.stream.line(session.config.limits.auth_line)
        if line == b"*":
            return bad("Authentication cancelled")
        try:
            step = _step(mechanism, decode_base64(line))
        except BadSyntax:
            return bad("The response is not what the mechanism asks for")
    return await admit(session, step.username, step.password)


def _step(mechanism: Mechanism, response: bytes | None) -> Challenge | Credentials:
    try:
        return mechanism.step(response)
    except AuthzidRefused:
        return NOBODY
