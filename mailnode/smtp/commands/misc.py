"""RSET, NOOP, VRFY and QUIT (RFC 5321 sections 4.1.1.5 to 4.1.1.10)."""

from mailnode.delivery.route import Router
from mailnode.smtp.outcome import (
    NO_ARGUMENT,
    NO_SUCH_MAILBOX,
    OK,
    Farewell,
    Refused,
    bad_address,
    told,
)
from mailnode.smtp.session import Session
from mailnode.wire.address import Address, parse_address, parse_path
from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import Reply, split_smtputf8

NO_NAME = Reply(501, "5.5.4", "Name a mailbox")
CANNOT_VERIFY = Reply(252, "2.5.2", "Cannot VRFY, but will take a message and try to deliver it")


async def rset(session: Session, argument: bytes) -> Reply:
    """Drop the open transaction, if there is one."""
    if argument:
        raise Refused(NO_ARGUMENT)
    await session.drop_transaction()
    return OK


async def noop(_session: Session, _argument: bytes) -> Reply:
    """Nothing; an argument may be any text."""
    return OK


async def quit_(session: Session, argument: bytes) -> Reply:
    """Say goodbye; the connection is closed after the reply."""
    if argument:
        raise Refused(NO_ARGUMENT)
    raise Farewell(Reply(221, "2.0.0", f"{session.config.hostname} closing connection"))


async def vrfy(session: Session, argument: bytes) -> Reply:
    """Which mailboxes an address means; strangers get the same answer for every name (section 7.3)."""
    if not argument:
        raise Refused(NO_NAME)
    if session.account is None and not session.connection.trusted:
        return CANNOT_VERIFY
    string, utf8 = split_smtputf8(argument)
    try:
        people = Router(session.shared.live).verify(_named(session, string))
    except BadSyntax as wrong:
        raise bad_address(wrong, string, "5.1.3") from None
    if not people:
        raise Refused(NO_SUCH_MAILBOX)
    return told(people, utf8=utf8)


def _named(session: Session, argument: bytes) -> Address:
    """An address with or without angle brackets, or a local part alone."""
    if argument.startswith(b"<"):
        path, _ = parse_path(argument, utf8=True)
        if path is None:
            raise BadSyntax("Name a mailbox")
        return path
    try:
        text = argument.decode()
    except UnicodeDecodeError:
        raise BadSyntax("The address is not in UTF-8") from None
    return parse_address(text if "@" in text else f"{text}@{session.config.domains[0]}", utf8=True)
