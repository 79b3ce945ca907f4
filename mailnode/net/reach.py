"""Which addresses are this machine's, and which may be connected to when somebody else names them."""

import socket
from collections.abc import Iterable, Iterator
from itertools import chain, zip_longest

from mailnode.net.listen import plain_address


def is_ours(address: str) -> bool:
    """Whether an IP address leads to this machine: loopback, the unspecified one, or one of an interface.

    Only what is ours, or a broadcast address, can be bound to; asking the kernel so takes no time and reaches
    nobody.
    """
    plain = plain_address(address)
    if plain is None:
        return False
    if plain.is_loopback or plain.is_unspecified:
        return True
    family = socket.AF_INET if plain.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as trial:
            trial.bind((str(plain), 0))
    except OSError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether an IP address belongs to one host of the Internet: not private, link-local or multicast."""
    plain = plain_address(address)
    return plain is not None and plain.is_global and not plain.is_multicast


def interleaved(addresses: Iterable[str]) -> tuple[str, ...]:
    """The same with families in turn, IPv6 first, each in its own order (RFC 8305 section 4)."""
    found = list(addresses)
    turns: Iterator[str | None] = chain.from_iterable(
        zip_longest((one for one in found if ":" in one), (one for one in found if ":" not in one))
    )
    return tuple(one for one in turns if one)
