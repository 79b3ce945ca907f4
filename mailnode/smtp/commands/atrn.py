"""ATRN (RFC 2645) and TURN (RFC 821): the connection is reversed, and waiting mail goes over it.

TURN gave our mail to whoever said it (RFC 5321 appendix F.1). Here both are for those who have logged in, and
for the domains that are configured for them.
"""

from collections.abc import Sequence

from mailnode.smtp.commands.etrn import check_state
from mailnode.smtp.outcome import NO_ARGUMENT, NOT_IMPLEMENTED, OUT_OF_STEP, Farewell, Refused
from mailnode.smtp.session import Session
from mailnode.wire.address import is_domain
from mailnode.wire.smtp import Reply

NO_DOMAIN = Reply(501, "5.5.4", "ATRN takes domains with commas between them")
NOT_YOURS = Reply(450, "4.7.1", "ATRN request refused")
UNABLE = Reply(451, "4.3.0", "Unable to process ATRN request now")
NO_MAIL = Reply(453, "4.7.0", "You have no mail")
REVERSING = Reply(250, "2.0.0", "OK now reversing the connection")


async def atrn(session: Session, argument: bytes) -> None:
    """ATRN [domain *("," domain)]: all of one's own where none is named; one that is not refuses all."""
    check_state(session)
    text = argument.decode("ascii", "replace").lower()
    domains = text.split(",") if text else list(session.on_demand)
    if not argument.isascii() or not all(map(is_domain, domains)):
        raise Refused(NO_DOMAIN)
    if not domains or not set(domains).issubset(session.on_demand):
        raise Refused(NOT_YOURS)
    if not await _waits(session, domains):
        raise Refused(NO_MAIL)
    await _reverse(session, domains)


async def turn(session: Session, argument: bytes) -> None:
    """TURN: refused where no mail waits, as RFC 821 section 3.8 lets us."""
    check_state(session)
    if argument:
        raise Refused(NO_ARGUMENT)
    if not await _waits(session, session.on_demand):
        raise Refused(NOT_IMPLEMENTED)
    await _reverse(session, session.on_demand)


async def _waits(session: Session, domains: Sequence[str]) -> bool:
    try:
        counts = [await session.for_people.waiting.waiting(domain) for domain in domains]
    except OSError as error:
        session.connection.log.warn("waiting mail cannot be counted", reason=error.strerror)
        raise Refused(UNABLE) from error
    return any(counts)


async def _reverse(session: Session, domains: Sequence[str]) -> None:
    """Become the client. What the peer has sent before our reply cannot be its greeting."""
    if session.stream.pending:
        raise Farewell(OUT_OF_STEP)
    await session.say(REVERSING)
    session.reversed = True
    session.connection.log.info("reversed", domains=",".join(domains))
    await session.for_people.waiting.send_over(session.stream, domains)
