"""ETRN (RFC 1985): has the mail that waits for a domain sent to its host now."""

import re

from mailnode.smtp.outcome import AUTHENTICATE_FIRST, HELLO_FIRST, IN_TRANSACTION, Refused
from mailnode.smtp.session import Session
from mailnode.wire.address import is_domain
from mailnode.wire.smtp import Reply

NO_NODE = Reply(501, "5.5.4", "ETRN needs a domain, with @ before it for those below it too, or #queue")

_NODE = re.compile(rb"([@#]?)([A-Za-z0-9.-]+)")


async def run(session: Session, argument: bytes) -> Reply:
    """ETRN [@ / #] node: "@" stands for the node and what is below it; queues are named by their domains."""
    check_state(session)
    found = _NODE.fullmatch(argument)
    node = found[2].decode("ascii") if found else ""
    if found is None or not is_domain(node) or ("." not in node and found[1] != b"#"):
        raise Refused(NO_NODE)
    domains = [domain for domain in session.on_demand if _is_meant(domain, node.lower(), found[1] == b"@")]
    if not domains:
        raise Refused(Reply(459, "4.7.1", f"Node {node} not allowed: it is not yours"))
    mail = session.for_people.waiting
    try:
        counts = {domain: await mail.waiting(domain) for domain in domains}
        for domain, count in counts.items():
            if count:
                await mail.start(domain)
    except OSError as error:
        session.connection.log.warn("waiting mail cannot be sent", node=node, reason=error.strerror)
        raise Refused(Reply(458, "4.3.0", f"Unable to queue messages for node {node}")) from error
    if not any(counts.values()):
        return Reply(251, "2.0.0", f"No messages waiting for node {node}")
    return Reply(253, "2.0.0", f"{sum(counts.values())} pending messages for node {node} started")


def check_state(session: Session) -> None:
    """Between transactions, and after the login. Raises Refused."""
    if session.hello is None:
        raise Refused(HELLO_FIRST)
    if session.account is None:
        raise Refused(AUTHENTICATE_FIRST)
    if session.transaction is not None:
        raise Refused(IN_TRANSACTION)


def _is_meant(domain: str, node: str, below: bool) -> bool:
    return domain == node or (below and domain.endswith(f".{node}"))
