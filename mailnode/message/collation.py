"""i;unicode-casemap (RFC 5051), the one way in which texts are compared (RFC 5255 sections 4.2 and 4.6).

SEARCH asks whether a folded text stands in another; SORT and THREAD compare keys, which are folded texts in
UTF-8. So a search and an order never disagree on what is the same.
"""

import functools
import hashlib
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from mailnode.message.encoded import decode_words_strictly, octets_of_words

NAME: Final = "i;unicode-casemap"
KEY_OCTETS: Final = 512  # of one key; two longer ones are still equal only where all of both is

_ASCII = re.compile(r"[\x00-\x7f]")
_BLOCK: Final = 512  # characters
_DIGEST: Final = 16
_UNKNOWN: Final = b"\xff"  # before the octets of what is no text; no UTF-8 begins with it


def fold(text: str) -> str:
    """The text as i;unicode-casemap compares it (RFC 5051 section 2): titlecase, then decomposed.

    Decomposing takes quadratic time where combining marks follow each other without end; so it is done in
    blocks, which begin with US-ASCII, on which nothing before it depends.
    """
    if text.isascii():
        return text.upper()
    return "".join(map(_folded, blocks(text, _BLOCK)))


def _folded(block: str) -> str:
    """The titlecase of nearly every character is its uppercase, which is found several times as fast."""
    if block.isascii():
        return block.upper()
    others, titlecase = _others()
    pieces = others.split(block)
    pieces[::2] = map(str.upper, pieces[::2])
    pieces[1::2] = [run.translate(titlecase) for run in pieces[1::2]]
    return unicodedata.normalize("NFKD", "".join(pieces))


def blocks(text: str, size: int) -> Iterator[str]:
    """The text in blocks of `size` or more, twice as much at most, cut before US-ASCII where there is any."""
    start = 0
    while True:
        cut = _ASCII.search(text, start + size, start + 2 * size)
        end = cut.start() if cut else start + 2 * size
        yield text[start:end]
        if end >= len(text):
            return
        start = end


@functools.cache
def _others() -> tuple["re.Pattern[str]", dict[int, str]]:
    """Runs of the some 160 characters whose simple titlecase mapping is not str.upper(), and the mapping."""
    mapping = {}
    for character in map(chr, range(0x1E944)):
        title = character.title() if len(character.title()) == 1 else character
        if title != character.upper():
            mapping[ord(character)] = title
    return re.compile(f"([{re.escape(''.join(map(chr, mapping)))}]+)"), mapping


def decoded(value: bytes) -> tuple[str, bool]:
    """The text of an unfolded header value without its MIME encoding, and whether its charsets are known.

    Where one is not, or octets are not in the charset that is named, a character stands for each octet.
    """
    try:
        return decode_words_strictly(value), True
    except UnicodeError:
        return octets_of_words(value).decode("latin-1"), False


def collation_key(text: str, known: bool = True) -> bytes:
    """What stands for a text of decoded() in an order: octets, to be compared as they are.

    Texts whose charset is not known come after all others, in the order of their octets (RFC 5255 section
    4.6). Texts that are the same in their first `KEY_OCTETS` come in any order, but always the same.
    """
    key = fold(text).encode("utf-8") if known else _UNKNOWN + text.encode("latin-1")
    if len(key) <= KEY_OCTETS:
        return key
    return key[: KEY_OCTETS - _DIGEST] + hashlib.blake2b(key, digest_size=_DIGEST).digest()
