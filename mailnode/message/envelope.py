"""ENVELOPE (RFC 3501 section 7.4.2)."""

from mailnode.message.address_list import ADDRESS_LIMIT, Address, parse
from mailnode.message.header import Header
from mailnode.message.remembered import remembered
from mailnode.wire.imap.writer import NIL, nstring


def envelope(header: Header) -> bytes:
    """The envelope of a message in IMAP syntax, one line but for the literals in it.

    Sender and reply-to without an address are those of From. Of an originator field that stands twice the
    first counts; To, Cc and Bcc that stand twice are joined, as RFC 5322 section 4.5.3 says. The addresses
    of a field end after `ADDRESS_LIMIT`.
    """
    author = _addresses(header.all(b"from")[:1])
    members = (
        nstring(header.get(b"date")),
        nstring(header.get(b"subject")),
        author or NIL,
        _addresses(header.all(b"sender")[:1]) or author or NIL,
        _addresses(header.all(b"reply-to")[:1]) or author or NIL,
        _addresses(header.all(b"to")) or NIL,
        _addresses(header.all(b"cc")) or NIL,
        _addresses(header.all(b"bcc")) or NIL,
        nstring(header.get(b"in-reply-to")),
        nstring(header.get(b"message-id")),
    )
    return b"(" + b" ".join(members) + b")"


def _addresses(values: list[bytes]) -> bytes:
    """`"(" 1*address ")"`, or nothing where the fields hold no address."""
    return _one_field(values[0]) if len(values) == 1 else _fields(values)


@remembered
def _one_field(value: bytes) -> bytes:
    return _fields([value])


def _fields(values: list[bytes]) -> bytes:
    found: list[Address] = []
    for value in values:
        if len(found) >= ADDRESS_LIMIT:
            break
        found += parse(value, ADDRESS_LIMIT - len(found))
    return b"(" + b"".join(map(_address, found)) + b")" if found else b""


def _address(address: Address) -> bytes:
    """`address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"`."""
    members = (address.name, address.route, address.mailbox, address.host)
    return b"(" + b" ".join(map(nstring, members)) + b")"
