"""Who a submitted message says it is from: one who may say so, nobody else (RFC 6409 sections 6.3, 8.1)."""

from collections.abc import Iterator

from mailnode.message.address_list import ADDRESS_LIMIT, FIELD_LIMIT, parse
from mailnode.message.header import field_lines, values_of
from mailnode.message.parameters import content_type
from mailnode.smtp.outcome import Refused
from mailnode.smtp.session import Session
from mailnode.wire.address import Address, parse_address
from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import Reply

NO_FROM = Reply(550, "5.6.0", "The message has no From")
TWO_FROMS = Reply(550, "5.7.1", "The message has more than one From")
NO_AUTHOR = Reply(550, "5.7.1", "The From has no address")
NOT_YOURS = Reply(550, "5.7.1", "You may not send with this address in From")
NOT_SENDER = Reply(550, "5.7.1", "You may not send with this address in Sender")
NO_REPORT = Reply(550, "5.7.1", "Only reports and automatic answers go without a reverse-path")


def check_authors(session: Session, reverse_path: Address | None, header: bytes) -> None:
    """Look at who is named in the header. Raises Refused for somebody the one logged in may not send as.

    There is one From field (RFC 5322 section 3.6) with one address at least, and at most one Sender with one
    address. The rule for each address is that for the reverse-path. What is too long to be looked at to its
    end is refused too. Without a reverse-path, only reports go out (vector B4).
    """
    froms = list(_values(header, b"from"))
    if len(froms) != 1:
        raise Refused(TWO_FROMS if froms else NO_FROM)
    authors = _addresses(froms[0])
    if authors == []:
        raise Refused(NO_AUTHOR)
    if authors is None or not all(map(session.may_send_as, authors)):
        raise Refused(NOT_YOURS)
    senders = list(_values(header, b"sender"))
    named = _addresses(senders[0]) if senders else []
    if len(senders) > 1 or (senders and (named is None or len(named) != 1)):
        raise Refused(NOT_SENDER)
    if named and not session.may_send_as(named[0]):
        raise Refused(NOT_SENDER)
    if reverse_path is None and not is_report(header):
        raise Refused(NO_REPORT)


def missing_sender(session: Session, header: bytes) -> Address | None:
    """Who is to be named in Sender: the one logged in, where nobody is and From is somebody else.

    RFC 6409 section 8.1. The header is one that check_authors() has let pass.
    """
    if session.account is None or not session.config.submission.add_sender or any(_values(header, b"sender")):
        return None
    authors = _addresses(next(_values(header, b"from"))) or []
    if any(map(session.is_own, authors)):
        return None
    local, _, domain = session.account.address.rpartition("@")
    return Address(local, domain)


def is_report(header: bytes) -> bool:
    """Whether it is a report (RFC 6522 section 3), or was made by a program (RFC 3834 section 5)."""
    automatic = any(
        value.split(b";")[0].strip().lower() not in (b"", b"no")
        for value in values_of(header, b"auto-submitted")
    )
    kinds = [content_type(value) for value in values_of(header, b"content-type")]
    return automatic or any(kind and (kind.type, kind.subtype) == (b"multipart", b"report") for kind in kinds)


def _values(header: bytes, name: bytes) -> Iterator[bytes]:
    """The values of all fields of that name in lower case, however many fields there are."""
    for written, _, value, stop in field_lines(header, 0, len(header)):
        if written.lower() == name:
            yield header[value:stop]


def _addresses(value: bytes) -> list[Address] | None:
    """The addresses in a field, which may be in UTF-8 (RFC 6532 section 3.2).

    None if it is too long, or one of them can be no address.
    """
    found = parse(value)
    if len(value) > FIELD_LIMIT or len(found) >= ADDRESS_LIMIT:
        return None
    try:
        return [_mailbox(one.mailbox or b"", one.host) for one in found if one.host is not None]
    except (UnicodeDecodeError, BadSyntax):
        return None


def _mailbox(local: bytes, domain: bytes) -> Address:
    return parse_address(str(Address(local.decode(), domain.decode())), utf8=True)
