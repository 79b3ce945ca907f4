"""STARTTLS (RFC 3207)."""

from mailnode.smtp.outcome import NO_ARGUMENT, NOT_IMPLEMENTED, OUT_OF_STEP, Farewell, Refused
from mailnode.smtp.session import Session
from mailnode.wire.smtp import Reply

ALREADY = Reply(503, "5.5.1", "TLS is already in use")
READY = Reply(220, "2.0.0", "Ready to start TLS")


async def run(session: Session, argument: bytes) -> None:
    """Become encrypted, and forget everything that was said in clear; 220 is the only reply.

    Octets behind the command are somebody's who wants them taken for encrypted ones (CVE-2011-0411): the
    connection ends, on every listener. Those that come after the 220 belong to the handshake, also in the
    reactor's next turn: nothing may wait in between.
    """
    if argument:
        raise Refused(NO_ARGUMENT)
    if session.stream.secure:
        raise Refused(ALREADY)
    if not session.offers_starttls or session.shared.tls is None:
        raise Refused(NOT_IMPLEMENTED)
    if session.stream.pending:
        raise Farewell(OUT_OF_STEP)
    session.stream.write(READY.encode())
    await session.stream.start_tls(session.shared.tls, timeout=session.limits.tls_handshake_timeout)
    await session.forget()
