"""Arguments that several commands share."""

from mailnode.wire.imap.cursor import Cursor


def nothing(args: Cursor) -> None:
    """Nothing follows the command's name."""
    args.end()


def mailbox(args: Cursor) -> str:
    """SP mailbox"""
    name = args.sp().mailbox()
    args.end()
    return name
