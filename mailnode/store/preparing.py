"""Reading messages before anybody asks: the answers and the text of each, in one pass.

A call does a bounded piece of the work, in order of UID, above what is done already.
"""

from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING

from mailnode.store.errors import NoSuchMessage
from mailnode.store.text_cache import FolderText
from mailnode.store.text_index import Text
from mailnode.values import frozen

if TYPE_CHECKING:
    from mailnode.store.reading import Reading

TEXT_LIMIT = 1_048_576  # characters of one message; what is longer is searched by reading it

# What is held in memory before it is written, whatever time there is.
_MESSAGES = 64
_CHARACTERS = 2_097_152


@frozen
class Piece:
    """What a call has done: messages read, messages that could not be, and whether there is more to do.

    `anew` says that there is more to do in all mailboxes of the account: its text index was mostly garbage.
    """

    read: int
    unread: int
    more: bool
    anew: bool


def prepare_some(mailbox: "Reading", text: FolderText, enough: Callable[[], bool]) -> Piece:
    """Go on until it is enough, or much has come together; then write it down. One message at least."""
    uids = mailbox.uids
    if not uids or text.until >= uids[-1]:
        text.look_again()
    since = until = text.until
    start = position = bisect_right(uids, since)
    texts: list[Text] = []
    passed_over: list[int] = []
    unread = characters = 0
    while position < len(uids) and position < start + _MESSAGES and characters < _CHARACTERS:
        until = uids[position]
        position += 1
        try:
            found = mailbox.searchable(until, TEXT_LIMIT)
        except (OSError, NoSuchMessage):
            unread += 1
            found = None
        message = mailbox.get(until)
        if found is None or message is None:
            passed_over.append(until)
        else:
            texts.append(Text(until, message.base, found))
            characters += len(found.header) + sum(map(len, found.parts))
        if enough():
            break
    anew = False
    if until > since:
        mailbox.save_prepared()
        text.extend(since, until, texts, passed_over)
        anew = position == len(uids) and text.clean_up()
    more = bool(uids) and text.until < uids[-1]
    return Piece(position - start - unread, unread, more=more, anew=anew)
