r"""What mailboxes are for: the attributes of RFC 6154 section 2 and \Important of RFC 8457 section 3.

\All and \Flagged show messages of other mailboxes, which no mailbox here does: nobody can set them, but they
are told of a tree that another server has marked.
"""

from collections.abc import Iterable

from mailnode.store.errors import BadUse

ASSIGNABLE = ("\\Archive", "\\Drafts", "\\Important", "\\Junk", "\\Sent", "\\Trash")
_KNOWN = {use.lower(): use for use in (*ASSIGNABLE, "\\All", "\\Flagged")}

Uses = tuple[str, ...]


def checked(words: Iterable[str]) -> Uses:
    """The attributes in their own spelling, each once. Raises BadUse for one that cannot be set."""
    uses = tuple(dict.fromkeys(_KNOWN.get(word.lower(), "") for word in words))
    if not all(use in ASSIGNABLE for use in uses):
        raise BadUse("There is no such special use here")
    return uses


def checked_value(value: bytes) -> Uses:
    """The same of a value of /private/specialuse: attributes with a space between two of them."""
    return checked(value.decode("ascii", "replace").split())


def read(value: bytes) -> Uses:
    """What stands in a file; what means nothing is left out."""
    words = value.decode("ascii", "replace").split()
    return tuple(dict.fromkeys(_KNOWN[word.lower()] for word in words if word.lower() in _KNOWN))


def written(uses: Uses) -> bytes:
    """The value that stands in the file and in METADATA."""
    return " ".join(uses).encode("ascii")
