"""CAPA and the table of what is announced (RFC 2449 section 5): nothing that is not there.

USER stands in it only where passwords may be sent, SASL with the mechanisms of this connection, STLS only
where it would be answered with +OK, LOGIN-DELAY only where logins are refused for being early. UTF8
says USER because names and passwords may be UTF-8 at any time. EXPIRE says NEVER because no message goes
without a DELE.
"""

from collections.abc import Callable
from operator import attrgetter

from mailnode.pop3.commands.authorization import passwords_allowed, tls_offered
from mailnode.pop3.state import Session
from mailnode.values import frozen
from mailnode.wire.pop3 import ok


@frozen
class Capability:
    """A line of the CAPA response, the document that defines it, and whether it is true in a session now.

    `words` are what follows on the line in this session.
    """

    line: str
    reference: str
    holds: Callable[[Session], object] = lambda session: True
    words: Callable[[Session], tuple[str, ...]] = lambda session: ()


def _login_delay(session: Session) -> tuple[str, ...]:
    delay = session.limits.pop3_login_delay
    return (str(delay),) if delay else ()


def _utf8(session: Session) -> tuple[str, ...]:
    return ("USER",) if passwords_allowed(session) else ()


CAPABILITIES = (
    Capability("TOP", "RFC 2449 section 6.1"),
    Capability("UIDL", "RFC 2449 section 6.8"),
    Capability("USER", "RFC 2449 section 6.2", passwords_allowed),
    Capability("SASL", "RFC 2449 section 6.3", attrgetter("mechanisms"), attrgetter("mechanisms")),
    Capability("STLS", "RFC 2595 section 4", tls_offered),
    Capability("RESP-CODES", "RFC 2449 section 6.4"),
    Capability("AUTH-RESP-CODE", "RFC 3206 section 6"),
    Capability("UTF8", "RFC 6856 section 2", words=_utf8),
    Capability("LANG", "RFC 6856 section 3"),
    Capability("PIPELINING", "RFC 2449 section 6.6"),
    Capability("LOGIN-DELAY", "RFC 2449 section 6.5", _login_delay, _login_delay),
    Capability("EXPIRE NEVER", "RFC 2449 section 6.7"),
    Capability("IMPLEMENTATION mailnode", "RFC 2449 section 6.9"),
)


async def capa(session: Session, argument: bytes) -> bytes:
    """CAPA (RFC 2449 section 5): the capabilities that hold in this session now."""
    lines = [" ".join((row.line, *row.words(session))) for row in CAPABILITIES if row.holds(session)]
    text = "".join(f"{line}\r\n" for line in lines)
    return ok(session.say("Capability list follows")) + text.encode() + b".\r\n"
