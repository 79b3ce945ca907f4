"""Internationalised addresses (RFC 6531): which spellings are one address, and what is none.

Domains are compared as A-labels; IDNA2008 (RFC 5891) says which there are. What a local part means only its
own host knows. Here it is compared in NFC and lower case, and refused where it holds what nobody sees, or
what would pass for the `@` and the dots of an address.
"""

import unicodedata

import idna

from mailnode.wire.errors import BadSyntax

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})  # controls, overrides of direction, odd blanks
_JOINERS = frozenset("\u200c\u200d")  # in Cf, but some scripts cannot be written without them
_FALSE_MARKS = frozenset("\u2024\u3002\ufe52\uff0e\uff61\ufe6b\uff20")  # other full stops and commercial ats


def folded(text: str) -> str:
    """The text as it is compared: in NFC and lower case."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def a_labels(domain: str) -> str:
    """The domain in lower case with A-labels for U-labels (RFC 5890 section 2.3.2.1). Raises BadSyntax.

    Letters may come in any case and form. Other than in IDNA2003, nothing else is mapped: a full-width letter
    is none, and only "." divides labels. Address literals stay as they are.
    """
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(folded(domain), strict=True).decode("ascii")
    except ValueError:
        raise BadSyntax("The domain of the address is wrong") from None


def u_labels(domain: str) -> str:
    """The domain as people read it: in lower case with U-labels for A-labels, where all of them are good."""
    if "xn--" not in domain.lower():
        return domain
    try:
        return idna.decode(domain, strict=True)
    except ValueError:
        return domain


def check_local_part(local: str) -> None:
    """Raise BadSyntax for a local part that does not show what is in it."""
    for character in local:
        unseen = unicodedata.category(character) in _UNSEEN and character not in _JOINERS
        if not character.isascii() and (unseen or character in _FALSE_MARKS):
            raise BadSyntax(f"The local part of the address holds U+{ord(character):04X}")
