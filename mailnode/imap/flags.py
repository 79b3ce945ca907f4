r"""Flags that clients name in STORE and APPEND (RFC 3501 section 2.3.2)."""

from collections.abc import Iterable

from mailnode.imap.replies import Refused
from mailnode.store.values import SYSTEM_FLAGS, Flags
from mailnode.wire.errors import BadSyntax

KEYWORD_OCTETS = 50

_SYSTEM = {flag.upper(): flag for flag in SYSTEM_FLAGS}


def checked(flags: Iterable[str]) -> Flags:
    r"""The flags in the store's spelling.

    Raises BadSyntax for \Recent, which no client may set, and for a system flag that there is not; Refused
    for a keyword that is too long.
    """
    return frozenset(map(_checked, flags))


def _checked(flag: str) -> str:
    if flag.startswith("\\"):
        known = _SYSTEM.get(flag.upper())
        if known is None:
            raise BadSyntax("There is no such system flag, or it cannot be changed")
        return known
    if len(flag) > KEYWORD_OCTETS:
        raise Refused(b"LIMIT", f"A keyword has at most {KEYWORD_OCTETS} letters")
    return flag
