"""VRFY and EXPN (RFC 5321 section 3.5): who an address is, and whom an alias or list leads to.

Only our own people and trusted networks are told (section 7.3).
"""

from collections.abc import Callable

from mailnode.delivery.route import Named
from mailnode.smtp.outcome import NO_SUCH_MAILBOX, Refused, bad_address, told
from mailnode.smtp.session import Session
from mailnode.wire.address import Address, parse_address, parse_path
from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import Reply, split_smtputf8

Look = Callable[[Address], tuple[Named, ...]]

NO_NAME = Reply(501, "5.5.4", "Name a mailbox")
CANNOT_VERIFY = Reply(252, "2.5.2", "Cannot VRFY, but will take a message and try to deliver it")
ACCESS_DENIED = Reply(550, "5.7.1", "Access denied")
NO_LIST = Reply(550, "5.2.4", "That is a mailbox, not a list")


async def vrfy(session: Session, argument: bytes) -> Reply:
    """VRFY string [SMTPUTF8]: strangers get the same answer for every name."""
    if argument and not session.known:
        return CANNOT_VERIFY
    string, utf8 = split_smtputf8(argument)
    return _answer(_meanings(session, string, session.router.verify), utf8=utf8)


async def expn(session: Session, argument: bytes) -> Reply:
    """EXPN string [SMTPUTF8]: the members, one line each."""
    string, utf8 = split_smtputf8(argument)
    members = _meanings(session, string, session.router.expand)
    if not members and _meanings(session, string, session.router.verify):
        raise Refused(NO_LIST)
    return _answer(members, utf8=utf8)


def _answer(meanings: list[tuple[Named, ...]], *, utf8: bool) -> Reply:
    """Those whom the one meaning has. Raises Refused where there is none, or more than one."""
    if not meanings:
        raise Refused(NO_SUCH_MAILBOX)
    reply = told([named for meaning in meanings for named in meaning], utf8=utf8)
    if len(meanings) > 1:
        raise Refused(Reply(553, "5.1.4", f"Ambiguous; Possibilities are\n{reply.text}", reply.utf8))
    return reply


def _meanings(session: Session, string: bytes, look: Look) -> list[tuple[Named, ...]]:
    """What the addresses that the string may stand for are found to be, each once. Raises Refused."""
    if not string:
        raise Refused(NO_NAME)
    try:
        addresses = _addresses(session, string)
    except BadSyntax as wrong:
        raise bad_address(wrong, string, "5.1.3") from None
    return list(dict.fromkeys(found for address in addresses if (found := look(address))))


def _addresses(session: Session, string: bytes) -> list[Address]:
    """One address; or of a name alone, that local part in all our domains, and who is called so.

    A name that nobody has is in the first domain: it may have a catch-all. Raises BadSyntax.
    """
    if string.startswith(b"<"):
        path, _ = parse_path(string, utf8=True)
        if path is None:
            raise BadSyntax("Name a mailbox")
        return [path]
    try:
        text = string.decode()
    except UnicodeDecodeError:
        raise BadSyntax("The address is not in UTF-8") from None
    if "@" in text:
        return [parse_address(text, utf8=True)]
    people = session.shared.live.mailboxes.mailboxes.items()
    called = [address for address, entry in people if entry.name.casefold() == text.casefold()]
    found = [parse_address(address, utf8=True) for address in called]
    try:
        local_parts = [parse_address(f"{text}@{domain}", utf8=True) for domain in session.config.domains]
    except BadSyntax:
        if not found:
            raise
        return found
    return [*filter(session.router.has_name, local_parts), *found] or local_parts[:1]
