"""COMPARATOR (RFC 5255 section 4.7): the client asks for a way in which texts are compared.

There is one, i;unicode-casemap, which is all that I18NLEVEL=2 asks for (section 4.4). So the active
comparator never changes, and the client is told whether it is one of those that it would take.
"""

import re
from fnmatch import fnmatchcase

from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.session import Session
from mailnode.message.collation import NAME
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor

_LONGEST = 254  # letters

# collation-order = ["+" / "-"] collation-wild   (RFC 4790 section 3.3)
# collation-wild = ("*" / (ALPHA ["*"])) *(collation-char ["*"])
# collation-char = ALPHA / DIGIT / "-" / ";" / "=" / "."
_ORDER = re.compile(r"(?P<direction>[+-]?)(?P<wild>(?:\*|[A-Za-z]\*?)(?:[A-Za-z0-9;=.-]\*?)*)")


def parse(args: Cursor) -> list[re.Match[str]]:
    """comparator-cmd = "COMPARATOR" *(SP comp-order-quoted)  ;  comp-order-quoted = astring"""
    orders = []
    while args.accept(b" "):
        orders.append(_order(args.astring()))
    args.end()
    return orders


def _order(text: bytes) -> re.Match[str]:
    order = _ORDER.fullmatch(text.decode("ascii", "replace"))
    if order is None or len(order["wild"]) > _LONGEST:
        raise BadSyntax("That is not a comparator")
    return order


async def run(session: Session, orders: list[re.Match[str]]) -> Reply:
    """The active comparator (section 4.8). Raises Refused where only others are asked for (4.9)."""
    if orders and not any(map(_matches, orders)):
        raise Refused(b"BADCOMPARATOR", "There is no such comparator")
    session.untagged(b"COMPARATOR " + NAME.encode("ascii"))
    return ok("That is the active comparator")


def _matches(order: re.Match[str]) -> bool:
    """Whether the one that there is was meant; it has no inverted order."""
    wild = order["wild"].lower()
    return order["direction"] != "-" and (wild == "default" or fnmatchcase(NAME, wild))
