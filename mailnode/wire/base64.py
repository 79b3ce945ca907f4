"""Base64 in one line, as SASL sends it and as SCRAM writes salts and keys (RFC 4648 section 4)."""

import binascii

from mailnode.wire.errors import BadSyntax


def canonical_base64(text: bytes) -> bytes:
    """The octets of a base64 text. Raises BadSyntax.

    Only the canonical form is taken: no blanks, full padding, no stray bits (RFC 4648 section 3.5).
    """
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise BadSyntax("Invalid base64") from None
    if base64(data) != text:
        raise BadSyntax("Invalid base64")
    return data


def base64(data: bytes) -> bytes:
    """The octets as base64, without a line end."""
    return binascii.b2a_base64(data, newline=False)
