"""Arguments that several commands share."""

from collections.abc import Callable, Mapping
from typing import Any

from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor


def nothing(args: Cursor) -> None:
    """Nothing follows the command's name."""
    args.end()


def mailbox(args: Cursor) -> str:
    """SP mailbox"""
    name = args.sp().mailbox()
    args.end()
    return name


def options(
    args: Cursor, known: Mapping[str, Callable[[Cursor], Any]], *, empty: bool = False
) -> dict[str, Any]:
    """ "(" name [SP value] *(SP name [SP value]) ")" (RFC 4466 section 2): values by name.

    `known` says how what follows each name is read. Raises BadSyntax for another name, and for one twice.
    """
    found: dict[str, Any] = {}

    def option(args: Cursor) -> None:
        name = args.keyword()
        if name not in known:
            raise BadSyntax(f"There is no option {name} here")
        if name in found:
            raise BadSyntax(f"{name} stands there twice")
        found[name] = known[name](args)

    args.list_of(option, empty=empty)
    return found


def flag(args: Cursor) -> bool:
    """An option without a value."""
    return True
