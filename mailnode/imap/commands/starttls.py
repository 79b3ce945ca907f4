"""STARTTLS (RFC 3501 section 6.2.1)."""

from mailnode.imap.replies import Reply, bad, ok
from mailnode.imap.session import Session
from mailnode.imap.words.languages import DEFAULT


async def run(session: Session, _: None) -> Reply | None:
    """The OK goes out in clear; what the client sent behind its command ends the connection.

    What comes after the OK belongs to the handshake, also in the reactor's next turn: nothing waits here.
    The session has learned nothing yet that would have to be forgotten (section 6.2.1: cached capabilities)
    but a language, which somebody else may have asked for (RFC 5255 section 7).
    """
    if not session.starttls_offered or session.shared.tls is None:
        return bad("STARTTLS is not possible here")
    session.write(ok("Begin TLS negotiation now"))
    await session.stream.start_tls(session.shared.tls, timeout=session.config.limits.tls_handshake_timeout)
    session.bad_in_a_row = 0
    session.speak(DEFAULT)
    return None
