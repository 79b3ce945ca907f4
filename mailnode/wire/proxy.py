"""The PROXY protocol's header: what a proxy says about a connection before it passes it on.

Version 1 is a line of text, version 2 a block of octets behind a signature that is no line of any protocol
here (HAProxy's "The PROXY protocol", sections 2.1 and 2.2). A reader takes START octets first: no header is
shorter, and they tell which version it is. Whatever does not follow the grammar to the letter is refused: who
guesses here believes an address that nobody has stated.
"""

import re
from ipaddress import IPv4Address, IPv6Address

from mailnode.values import frozen
from mailnode.wire.errors import BadSyntax

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
START = len(SIGNATURE)
HEAD = 4  # octets behind the signature: version and command, family, length of the block
LINE = 105  # octets of a line of version 1, without its CRLF

_PORT = rb"(0|[1-9][0-9]{0,4})"
_TCP = re.compile(rb"PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) " + _PORT + b" " + _PORT)
_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: .*)?", re.DOTALL)

_LOCAL, _PROXY = 0x20, 0x21  # version 2 in the upper half
_UNSPECIFIED, _TCP4, _TCP6, _UNIX = 0x00, 0x11, 0x21, 0x31
_ADDRESS_SIZES = {_UNSPECIFIED: 0, _TCP4: 4, _TCP6: 16, _UNIX: 108}


@frozen
class Relayed:
    """The two ends of the connection that a proxy passes on, as IP addresses and ports.

    All are empty and 0 where the proxy knows no IP addresses: UNKNOWN, UNSPEC, or a UNIX socket of its own.
    """

    peer: str = ""
    peer_port: int = 0
    local: str = ""
    local_port: int = 0


def parse_line(line: bytes) -> Relayed:
    """A header of version 1 without its CRLF. Raises BadSyntax."""
    if len(line) <= LINE:
        if found := _TCP.fullmatch(line):
            kind = IPv4Address if found[1] == b"4" else IPv6Address
            peer, local = (_address(kind, found[index].decode("ascii")) for index in (2, 3))
            return Relayed(peer, _port(found[4]), local, _port(found[5]))
        if _UNKNOWN.fullmatch(line):
            return Relayed()
    raise BadSyntax("Malformed PROXY line")


def _address(kind: type[IPv4Address] | type[IPv6Address], text: str) -> str:
    try:
        return str(kind(text))
    except ValueError:
        raise BadSyntax("Malformed address in the PROXY line") from None


def _port(digits: bytes) -> int:
    if int(digits) > 65535:
        raise BadSyntax("Malformed port in the PROXY line")
    return int(digits)


def block_size(head: bytes) -> int:
    """How many octets follow the HEAD octets behind the signature of version 2."""
    return int.from_bytes(head[2:HEAD], "big")


def parse_block(head: bytes, block: bytes) -> Relayed | None:
    """What stands behind the signature of version 2; None for LOCAL, a connection of the proxy's own.

    What follows the addresses (TLVs) is passed over, as is all that comes with LOCAL. Raises BadSyntax, also
    for datagrams, which come over no stream.
    """
    command, family = head[0], head[1]
    if command == _LOCAL:
        return None
    size = _ADDRESS_SIZES.get(family)
    if command != _PROXY or size is None:
        raise BadSyntax("Unknown command or family in the PROXY header")
    ports = 2 * size
    if len(block) < ports + (4 if family in (_TCP4, _TCP6) else 0):
        raise BadSyntax("The PROXY header is too short for its addresses")
    if family not in (_TCP4, _TCP6):
        return Relayed()
    kind = IPv4Address if family == _TCP4 else IPv6Address
    peer, local = str(kind(block[:size])), str(kind(block[size:ports]))
    numbers = (int.from_bytes(block[at : at + 2], "big") for at in (ports, ports + 2))
    return Relayed(peer, next(numbers), local, next(numbers))
