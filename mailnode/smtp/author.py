"""Who a submitted message says it is from: the one who is logged in, nobody else (RFC 6409 section 6.1)."""

from mailnode.message.address_list import ADDRESS_LIMIT, FIELD_LIMIT, parse
from mailnode.message.header import field_lines
from mailnode.smtp.outcome import Refused
from mailnode.smtp.session import Session
from mailnode.wire.address import Address, parse_address
from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import Reply

NO_FROM = Reply(550, "5.6.0", "The message has no From")
TWO_FROMS = Reply(550, "5.7.1", "The message has more than one From")
NO_AUTHOR = Reply(550, "5.7.1", "The From has no address")
NOT_YOURS = Reply(550, "5.7.1", "You may not send with this address in From")


def check_from(session: Session, header: bytes) -> None:
    """One From field (RFC 5322 section 3.6), and each address in it is the sender's own.

    The rule for an address is the one for the reverse-path. Raises Refused. What is too long to be looked
    at to its end is refused too.
    """
    values = [
        header[value:stop]
        for name, _, value, stop in field_lines(header, 0, len(header))
        if name.lower() == b"from"
    ]
    if len(values) != 1:
        raise Refused(TWO_FROMS if values else NO_FROM)
    found = parse(values[0])
    authors = [address for address in found if address.host is not None]
    if not authors:
        raise Refused(NO_AUTHOR)
    if len(values[0]) > FIELD_LIMIT or len(found) >= ADDRESS_LIMIT:
        raise Refused(NOT_YOURS)
    for author in authors:
        if not session.is_own(_mailbox(author.mailbox or b"", author.host or b"")):
            raise Refused(NOT_YOURS)


def _mailbox(local: bytes, domain: bytes) -> Address:
    """An address of a From, which may be in UTF-8 (RFC 6532 section 3.2). Raises Refused for what is none."""
    try:
        return parse_address(str(Address(local.decode(), domain.decode())), utf8=True)
    except (UnicodeDecodeError, BadSyntax):
        raise Refused(NOT_YOURS) from None
