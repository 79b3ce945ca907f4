"""Strings as IMAP writes them (RFC 3501 section 4.3 and 9): atom, quoted or literal."""

from mailnode.wire.abnf import ASTRING_CHAR, is_all

NIL = b"NIL"

# TEXT-CHAR except quoted-specials, which need a backslash: what a quoted string may carry.
_QUOTABLE = frozenset(range(0x01, 0x80)) - frozenset(b"\r\n")
_PLAIN = bytes(octet for octet in range(0x20, 0x7F) if octet not in b'"\\')  # as it is, between quotes
_UNQUOTABLE = frozenset(b"\0\r\n")
_QUOTED_LIMIT = 1024


def string(text: bytes) -> bytes:
    """`string = quoted / literal`: quoted where that is allowed and short, else a literal.

    A literal cannot hold NUL (`CHAR8 = %x01-ff`): it is sent as 0x80, so that the length stays true.
    """
    if len(text) > _QUOTED_LIMIT:
        return literal(text)
    odd = text.translate(None, _PLAIN)
    if not odd:
        return b'"%b"' % text
    if is_all(odd, _QUOTABLE):
        return b'"%b"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return literal(text)


def quoted_utf8(text: str) -> bytes:
    """quoted =/ DQUOTE *uQUOTED-CHAR DQUOTE (RFC 6855 section 3); a literal where no quoted string can be."""
    octets = text.encode("utf-8", "replace")
    if len(octets) > _QUOTED_LIMIT or not _UNQUOTABLE.isdisjoint(octets):
        return literal(octets)
    return b'"%b"' % octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def literal(text: bytes) -> bytes:
    """`literal = "{" number "}" CRLF *CHAR8`."""
    return b"{%d}\r\n" % len(text) + text.replace(b"\0", b"\x80")


def nstring(text: bytes | None) -> bytes:
    """`nstring = string / nil`."""
    return NIL if text is None else string(text)


def nstring8(text: bytes | None) -> bytes:
    """`nstring / literal8` (RFC 3516 section 7): octets with NUL as `"~{" number "}" CRLF *OCTET`."""
    if text is not None and b"\0" in text:
        return b"~{%d}\r\n" % len(text) + text
    return nstring(text)


def astring(text: bytes) -> bytes:
    """`astring = 1*ASTRING-CHAR / string`; an atom that reads NIL is quoted, to be safe with clients."""
    if text and is_all(text, ASTRING_CHAR) and text.upper() != NIL:
        return text
    return string(text)
