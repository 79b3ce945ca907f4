"""In which languages somebody who wrote a message may be answered (RFC 3282)."""

import re
from typing import Final

from mailnode.message.header import values_of
from mailnode.message.lexical import without_comments
from mailnode.message.parameters import PARAMETER_LIMIT, language

_ACCEPTED = re.compile(
    rb"([A-Za-z]{1,8})(?:-[A-Za-z0-9-]{1,80})?"  # a language-range, of which the primary subtag counts
    rb"(?:[ \t]*;[ \t]*[qQ][ \t]*=[ \t]*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)
_TAG = re.compile(rb"([A-Za-z]{1,8})(?:-[A-Za-z0-9-]{1,80})?")
_LONGEST: Final = 4096  # octets of a field that are looked at


def languages(header: bytes) -> tuple[str, ...]:
    """Primary subtags in lower case, the best first: what Accept-Language says, then Content-Language.

    A language with q=0 is not among them. "*" names none, and what is no language is passed over.
    """
    weighed: dict[str, float] = {}
    for value in values_of(header, b"accept-language")[:1]:
        for part in without_comments(value[:_LONGEST]).split(b",")[:PARAMETER_LIMIT]:
            if found := _ACCEPTED.fullmatch(part.strip(b" \t")):
                weighed.setdefault(found[1].lower().decode(), float(found[2] or 1))
    for value in values_of(header, b"content-language")[:1]:
        for tag in language(value[:_LONGEST]):
            if found := _TAG.fullmatch(tag):
                weighed.setdefault(found[1].lower().decode(), 0.0001)
    return tuple(sorted((one for one in weighed if weighed[one]), key=weighed.__getitem__, reverse=True))
