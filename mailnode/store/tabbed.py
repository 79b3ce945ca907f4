r"""The escapes of Dovecot's text files: \x01 and 0, 1, t, r, n for NUL, \x01, TAB, CR, LF."""

_ESCAPES = {b"\0": b"\x010", b"\t": b"\x01t", b"\r": b"\x01r", b"\n": b"\x01n"}


def escape(octets: bytes) -> bytes:
    """The octets as they stand in a line."""
    octets = octets.replace(b"\x01", b"\x011")
    for octet, escaped in _ESCAPES.items():
        octets = octets.replace(octet, escaped)
    return octets


def unescape(octets: bytes) -> bytes:
    """What the octets of a line mean."""
    for octet, escaped in _ESCAPES.items():
        octets = octets.replace(escaped, octet)
    return octets.replace(b"\x011", b"\x01")
