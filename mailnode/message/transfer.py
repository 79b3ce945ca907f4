"""Transfer encodings undone piece by piece, in bounded memory (RFC 2045 section 6).

What a sender got wrong never fails: octets that belong to no encoding are left out (base64) or stay
(quoted-printable). How the input is cut makes no difference, but within white space of more than LINE octets.
"""

import binascii
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from mailnode.message.mime import IDENTITY

LINE: Final = 4096  # octets of an encoded line without an end that are held

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NO_BASE64: Final = bytes(set(range(256)) - set(_ALPHABET))
_BLANK: Final = b" \t"


class Decoder(Protocol):
    """One body."""

    def feed(self, chunk: bytes) -> bytes:
        """What can be said of the octets so far."""

    def end(self) -> bytes:
        """The rest."""


class _Identity:
    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def end(self) -> bytes:
        return b""


class _Base64:
    """RFC 2045 section 6.8. A "=" that can be padding is the end of the data."""

    def __init__(self) -> None:
        self._held = b""
        self._ended = False

    def feed(self, chunk: bytes) -> bytes:
        if self._ended:
            return b""
        known = self._held + chunk.translate(None, _NO_BASE64)
        if b"=" in known:
            known = self._until_padding(known)
        whole = len(known) if self._ended else len(known) // 4 * 4
        self._held = known[whole:]
        return binascii.a2b_base64(known + b"==" if self._ended else known[:whole])

    def _until_padding(self, known: bytes) -> bytes:
        pieces = known.split(b"=")
        octets = 0
        for number, piece in enumerate(pieces[:-1], 1):
            octets += len(piece)
            if octets % 4 >= 2:
                self._ended = True
                return b"".join(pieces[:number])
        return b"".join(pieces)

    def end(self) -> bytes:
        held, self._held = self._held, b""
        return binascii.a2b_base64(held + b"==") if len(held) >= 2 else b""


class _QuotedPrintable:
    """RFC 2045 section 6.7. White space at the end of a line was added by a transport: it goes (rule 3)."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        text = self._held + chunk
        cut = text.rfind(b"\n") + 1
        if len(text) - cut > LINE:
            cut = _between_escapes(text)
        self._held = text[cut:]
        return _decode_lines(text[:cut])

    def end(self) -> bytes:
        held, self._held = self._held, b""
        return _decode_lines(held.rstrip(_BLANK))


def _between_escapes(text: bytes) -> int:
    """Where a long line can be cut: before an escape, or white space, that may go on."""
    end = len(text.rstrip(b" \t\r"))
    escape = text.find(b"=", max(0, end - 2), end)
    cut = end if escape < 0 else escape
    return cut if len(text) - cut <= LINE else len(text)


def _decode_lines(text: bytes) -> bytes:
    if any(blank in text for blank in (b" \r\n", b"\t\r\n", b" \n", b"\t\n")):
        *lines, last = text.split(b"\n")
        text = b"".join(_without_blanks(line) + b"\n" for line in lines) + last
    return binascii.a2b_qp(text)


def _without_blanks(line: bytes) -> bytes:
    return line[:-1].rstrip(_BLANK) + b"\r" if line.endswith(b"\r") else line.rstrip(_BLANK)


def decoder(encoding: bytes) -> Decoder | None:
    """A decoder for a Content-Transfer-Encoding in lower case; None for one that is not known."""
    if encoding in IDENTITY:
        return _Identity()
    if encoding == b"base64":
        return _Base64()
    return _QuotedPrintable() if encoding == b"quoted-printable" else None


def decoded(chunks: Iterable[bytes], by: Decoder) -> Iterator[bytes]:
    """The decoded octets of a body, in chunks."""
    for chunk in chunks:
        yield by.feed(chunk)
    yield by.end()
