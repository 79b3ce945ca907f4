"""XCLIENT (Postfix, XCLIENT_README): a proxy or a filter says for whom it speaks."""

from mailnode.net.listen import UNKNOWN
from mailnode.smtp.outcome import IN_TRANSACTION, NOT_FOR_STRANGERS, Farewell, Refused
from mailnode.smtp.session import Hello, Session
from mailnode.wire.smtp import Reply
from mailnode.wire.xclient import parse_xclient

TOO_MANY = Reply(421, "4.3.2", "Too many connections, try again later")


async def run(session: Session, argument: bytes) -> Reply:
    """XCLIENT 1*(SP attribute=value): begin anew, with the greeting, as with the client that is named.

    What that client may do follows from its address alone: whoever is no peer for XCLIENT by it cannot be
    named again, and a stranger has no LMTP. TLS stays. A name in HELO holds until EHLO comes, as the proxy
    may have heard it already.
    """
    if session.transaction is not None:
        raise Refused(IN_TRANSACTION)
    said = parse_xclient(argument)
    connection = session.connection
    before = connection.peer
    peer = said["ADDR"] or UNKNOWN if "ADDR" in said else before
    no_place = connection.become(
        peer, said.get("DESTADDR", connection.local), session.config.trusted_networks
    )
    facts = {name.lower(): value for name, value in said.items() if name != "ADDR"}
    connection.log.info("client named", peer=peer, by=before, **facts)
    if no_place:
        connection.log.warn("connection refused", peer=peer, reason=no_place)
        raise Farewell(TOO_MANY)
    if session.lmtp and not connection.trusted:
        raise Farewell(NOT_FOR_STRANGERS)
    await session.forget()
    session.accepted = session.errors = 0
    if said.get("HELO"):
        session.hello = Hello(said["HELO"], extended=said.get("PROTO") != "SMTP")
    return session.greeting
