"""SASLprep (RFC 4013): names and passwords in the one form in which they are compared.

The tables are those of stringprep (RFC 3454), which stands on Unicode 3.2. Code points that Unicode got
later are let through, for names and passwords alike (RFC 3454 section 7, query strings): no client could log
in with a password that only the server refuses, and such characters are on every telephone's keyboard.
"""

import stringprep
import unicodedata

from mailnode.wire.errors import BadSyntax

# RFC 4013 section 2.3
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str:
    """The prepared text. Raises BadSyntax for what RFC 4013 prohibits, and where nothing is left."""
    if text and text.isascii() and text.isprintable():
        return text  # nothing in the tables is printable ASCII
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in text if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    if not prepared:
        raise BadSyntax("A name or password must not be empty")
    if any(prohibited(char) for char in prepared for prohibited in _PROHIBITED):
        raise BadSyntax("A name or password holds a character that is not allowed")
    _check_direction(prepared)
    return prepared


def _check_direction(text: str) -> None:
    """RFC 3454 section 6: what has a right-to-left character starts and ends with one, and has no other."""
    right_to_left = [stringprep.in_table_d1(char) for char in text]
    if any(right_to_left) and (
        not (right_to_left[0] and right_to_left[-1]) or any(map(stringprep.in_table_d2, text))
    ):
        raise BadSyntax("A name or password mixes directions of writing")
