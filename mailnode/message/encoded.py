"""Octets to text: transfer encodings (RFC 2045 section 6), charsets, encoded words (RFC 2047)."""

import binascii
import re
from collections.abc import Iterator
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import Final

from mailnode.message.remembered import remembered

_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64: Final = bytes(set(range(256)) - set(_BASE64))

# Charset names that mail uses and Python does not know.
_OTHER_NAMES: Final = {
    "cp_850": "cp850",
    "gb2312": "gb18030",
    "iso_8859_6_i": "iso8859_6",
    "iso_8859_8_i": "iso8859_8",
    "koi8_u": "koi8_u",
    "unicode_1_1_utf_7": "utf_7",
    "utf8mb4": "utf_8",
    "windows_31j": "cp932",
    "windows_874": "cp874",
    "x_gbk": "gbk",
    "x_mac_roman": "mac_roman",
    "x_sjis": "cp932",
}

# Only these are looked up: a name from a peer must reach neither the import system nor the slow codecs.
_CODECS: Final = (frozenset(aliases.values()) | frozenset(_OTHER_NAMES.values())) - {
    "base64_codec", "bz2_codec", "hex_codec", "mbcs", "quopri_codec", "rot_13", "uu_codec", "zlib_codec",
}  # fmt: skip

_WORD_TEXT: Final = 75 - len("=?utf-8?q??=")
_ENCODED_WORD = re.compile(rb"=\?([^?\s]+)\?([bBqQ])\?([^?\r\n]*)\?=")


def decode_charset(octets: bytes, charset: bytes | None) -> str:
    """The text of octets in a charset; what the charset does not know becomes U+FFFD.

    US-ASCII, no charset and an unknown one: UTF-8 if it is that, else ISO-8859-1, which never fails.
    """
    codec = _codec(charset) if charset else ""
    if codec in _CODECS and codec != "ascii":
        text = octets.decode(codec, "replace")
        # UTF-7 alone lets half a surrogate pair through, which no UTF-8 can carry on.
        return text.encode("utf-8", "replace").decode("utf-8") if codec == "utf_7" else text
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


@remembered
def _codec(charset: bytes) -> str:
    """What Python calls the charset; it may not know it."""
    name = normalize_encoding(charset.decode("latin-1").strip()).lower()
    return _OTHER_NAMES.get(name) or aliases.get(name, name)


def decode_base64(text: bytes) -> bytes:
    """The octets of base64; characters outside the alphabet and an incomplete end are left out."""
    try:
        return binascii.a2b_base64(text + b"===")
    except binascii.Error:
        known = text.translate(None, _NOT_BASE64)
        return binascii.a2b_base64(known[: len(known) // 4 * 4])


def decode_quoted_printable(text: bytes) -> bytes:
    """The octets of quoted-printable; what is not an escape stays as it is."""
    return binascii.a2b_qp(text)


def decode_transfer(body: bytes, encoding: bytes) -> bytes:
    """The octets of a body in that Content-Transfer-Encoding (in lower case); unknown ones change nothing."""
    if encoding == b"base64":
        return decode_base64(body)
    if encoding == b"quoted-printable":
        return decode_quoted_printable(body)
    return body


def encode_words(text: str, *, always: bool = False) -> list[str]:
    """A text for a header field, as lines that it is to be folded into; as it is where it is ASCII.

    Else, or always, as encoded words of at most 75 characters in UTF-8 and "Q", each with whole characters
    in it (RFC 2047 section 5).
    """
    if text.isascii() and not always:
        return [text]
    words = [""]
    for letter in text:
        escaped = _escaped(letter)
        if len(words[-1]) + len(escaped) > _WORD_TEXT:
            words.append("")
        words[-1] += escaped
    return [f"=?utf-8?q?{word}?=" for word in words]


def _escaped(letter: str) -> str:
    if letter == " ":
        return "_"
    plain = letter.isascii() and letter.isalnum()
    return letter if plain else "".join(f"={octet:02X}" for octet in letter.encode())


def decode_words(value: bytes) -> str:
    """The text of an unfolded header value: encoded words decoded, all else UTF-8 or ISO-8859-1.

    White space between two encoded words is left out, and neighbours of one charset are decoded as one, as
    some senders cut characters in two (RFC 2047 section 6.2). The language of RFC 2231 section 5 is dropped.
    """
    if b"=?" not in value:
        return decode_charset(value, None)
    return "".join(decode_charset(octets, charset) for octets, charset in _words(value))


def decode_words_strictly(value: bytes) -> str:
    """The same; raises UnicodeError where a charset is not known, or octets are not in theirs, or UTF-8."""
    return "".join(_strictly(octets, charset) for octets, charset in _words(value))


def octets_of_words(value: bytes) -> bytes:
    """The octets of that text, in whatever charset they are."""
    return b"".join(octets for octets, _ in _words(value))


def _strictly(octets: bytes, charset: bytes | None) -> str:
    if charset is None:
        return octets.decode("utf-8")
    codec = _codec(charset)
    if codec not in _CODECS:
        raise UnicodeError("there is no such charset")
    text = octets.decode("utf-8" if codec == "ascii" else codec)
    if codec == "utf_7":
        text.encode("utf-8")  # which has no half of a surrogate pair
    return text


def _words(value: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """Octets and their charset, None outside of encoded words."""
    pending: list[bytes] = []
    charset = b""
    position = 0
    for word in _ENCODED_WORD.finditer(value):
        between = value[position : word.start()]
        name = word[1].partition(b"*")[0].lower()
        if pending and (name != charset or not between.isspace()):
            yield b"".join(pending), charset
            pending.clear()
        if between and not (position and between.isspace()):
            yield between, None
        pending.append(decode_base64(word[3]) if word[2] in b"bB" else binascii.a2b_qp(word[3], header=True))
        charset, position = name, word.end()
    if pending:
        yield b"".join(pending), charset
    if position < len(value):
        yield value[position:], None
