"""Modified UTF-7, the form of mailbox names on the wire (RFC 3501 section 5.1.3).

Every name has exactly one right form, and only that is taken: another one could smuggle a hierarchy
separator or a second spelling of a name past every check made on the wire form.
"""

import binascii

from mailnode.wire.errors import BadSyntax

_PRINTABLE = range(0x20, 0x7F)


def encode(name: str) -> bytes:
    """The wire form; `name` is any text without lone surrogates."""
    pieces: list[bytes] = []
    shifted: list[str] = []
    for letter in name:
        if ord(letter) not in _PRINTABLE:
            shifted.append(letter)
            continue
        if shifted:
            pieces.append(_shift("".join(shifted)))
            shifted.clear()
        pieces.append(b"&-" if letter == "&" else letter.encode("ascii"))
    if shifted:
        pieces.append(_shift("".join(shifted)))
    return b"".join(pieces)


def _shift(text: str) -> bytes:
    coded = binascii.b2a_base64(text.encode("utf-16-be"), newline=False)
    return b"&" + coded.rstrip(b"=").replace(b"/", b",") + b"-"


def decode(wire: bytes) -> str:
    """The name; raises BadSyntax for everything that encode() would not have written."""
    pieces: list[str] = []
    plain, *shifts = wire.split(b"&")
    try:
        pieces.append(plain.decode("ascii"))
        for shift in shifts:
            coded, minus, plain = shift.partition(b"-")
            if not minus:
                raise BadSyntax("Mailbox name is not modified UTF-7")
            pieces.append(_unshift(coded) + plain.decode("ascii"))
        name = "".join(pieces)
        canonical = encode(name)
    except (UnicodeError, binascii.Error):
        raise BadSyntax("Mailbox name is not modified UTF-7") from None
    if canonical != wire:
        raise BadSyntax("Mailbox name is not in the canonical form of modified UTF-7")
    return name


def _unshift(coded: bytes) -> str:
    if not coded:
        return "&"
    padded = coded.replace(b",", b"/") + b"=" * (-len(coded) % 4)
    return binascii.a2b_base64(padded).decode("utf-16-be")
