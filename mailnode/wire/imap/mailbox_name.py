"""Mailbox names on the wire, in modified UTF-7 (RFC 3501 section 5.1.3) or in UTF-8 (RFC 6855 section 3).

A client chooses UTF-8 by ENABLE, and then "&" is a letter like others. A name with octets above 127 is UTF-8
in any case.
"""

from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap import mutf7
from mailnode.wire.imap.writer import astring, quoted_utf8


def decode(wire: bytes, *, utf8: bool) -> str:
    """The name. Raises BadSyntax for what is neither."""
    if not utf8 and wire.isascii():
        return mutf7.decode(wire)
    try:
        return wire.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("Mailbox name is not UTF-8") from None


def encode(name: str, *, utf8: bool) -> bytes:
    """mailbox: the name as an astring."""
    if not utf8:
        return astring(mutf7.encode(name))
    return astring(name.encode("ascii")) if name.isascii() else quoted_utf8(name)
