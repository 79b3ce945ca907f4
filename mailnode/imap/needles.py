"""What TEXT and BODY look for (RFC 3501 section 6.4.4): all needles of a command in one pass over a message.

Texts are dear: a part is decoded, folded and searched once, however many keys ask for it, and only a part at
a time is in memory.
"""

from collections.abc import Generator, Iterable
from collections.abc import Set as AbstractSet

from mailnode.message.text import Searchable, stretches
from mailnode.values import frozen


@frozen
class Needle:
    """A folded string; TEXT looks for it in the message's header too."""

    text: str
    in_header: bool


class TextsUnread(Exception):
    """The answer hangs on the texts of the message, which nobody has looked at so far."""


def standing(needles: AbstractSet[Needle], said: Searchable) -> AbstractSet[Needle]:
    """Those needles that stand in the texts of a message."""
    return {
        needle
        for needle in needles
        if (needle.in_header and needle.text in said.header)
        or any(needle.text in part for part in said.parts)
    }


def seek(needles: AbstractSet[Needle], texts: Iterable[str]) -> Generator[None, None, AbstractSet[Needle]]:
    """Those needles that stand in the texts, of which the first is the header.

    Gives None after each stretch of work, for others to have their turn.
    """
    overlap = max([1, *(len(needle.text) for needle in needles)]) - 1
    found: set[Needle] = set()
    sought: AbstractSet[Needle] = {needle for needle in needles if needle.in_header}
    for text in texts:
        for stretch in stretches(text, overlap) if sought else ():
            found.update([needle for needle in sought - found if needle.text in stretch])
            yield None
        if len(found) == len(needles):
            break
        sought = needles
    return found
