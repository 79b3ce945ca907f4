"""UIDONLY (RFC 9586): once it is enabled, sequence numbers are neither taken nor told.

- A command that names messages by number is BAD with UIDREQUIRED, whatever it names (sections 3.2 and 3.8):
  FETCH, STORE, SEARCH, SORT, THREAD, COPY, MOVE, REPLACE. So is a sequence-set among the keys of a search
  (3.5), and as "$" is one, it needs UID before it; and so are the pairs of SELECT with QRESYNC (3.7). In a
  set of UIDs "*" stands for the highest one, as ever.
- UIDFETCH, which begins with the UID, comes in the place of every FETCH response (3.3, 3.6, 3.7). The item
  UID is in it only for who asks for it.
- VANISHED comes in the place of EXPUNGE, without QRESYNC too (3.4, 3.6).
- EXISTS and RECENT stay what they are (3.6). UNSEEN of SELECT tells a number, so it is left out (3).
- COPYUID is told, and UIDNOTSTICKY never (3.6).

A search that is followed by number ends when the client enables this.
"""

from collections.abc import Set as AbstractSet

from mailnode.imap.replies import BadWithCode

NAME = "UIDONLY"


def is_on(enabled: AbstractSet[str]) -> bool:
    """Whether the client has enabled it."""
    return NAME in enabled


def refuse_numbers(enabled: AbstractSet[str]) -> None:
    """A client names messages by number: raise BadWithCode if that is over."""
    if is_on(enabled):
        raise BadWithCode("Message numbers are not taken after ENABLE UIDONLY", b"UIDREQUIRED")


def fetch_start(enabled: AbstractSet[str], number: int, uid: int) -> bytes:
    """message-data up to the items of msg-att; uidfetch-resp = uniqueid SP "UIDFETCH" SP msg-att"""
    return b"* %d UIDFETCH (" % uid if is_on(enabled) else b"* %d FETCH (" % number
