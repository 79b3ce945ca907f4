"""IMAP URLs of messages and their parts (RFC 5092 section 11), relative to the account that is logged in.

    "/" enc-mailbox [";UIDVALIDITY=" nz-number] "/;UID=" nz-number ["/;SECTION=" enc-section]
    ";UID=" nz-number ["/;SECTION=" enc-section]

The second names a message of the selected mailbox. Mailbox and section are percent-encoded UTF-8. Dot
segments are not resolved: no mailbox name has them.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from mailnode.wire import abnf
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.sequence import LARGEST

_BCHAR = rb"(?:[A-Za-z0-9._~!$'()*+,&=:@/-]|%[0-9A-Fa-f]{2})"
_URL = re.compile(
    rb"(?:/(?!/)(?P<mailbox>" + _BCHAR + rb"+)(?:;UIDVALIDITY=(?P<validity>[1-9][0-9]*+))?/)?"
    rb";UID=(?P<uid>[1-9][0-9]*+)(?:/;SECTION=(?P<section>" + _BCHAR + rb"++))?",
    re.IGNORECASE,
)
_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class MessageUrl:
    """A message, or a section of it; without a mailbox, of the selected one."""

    mailbox: str | None
    validity: int | None
    uid: int
    section: bytes = b""


def parse(url: bytes) -> MessageUrl:
    """Raises BadSyntax for every other URL."""
    found = _URL.fullmatch(url)
    if found is None:
        raise BadSyntax("URL of a message of this account expected")
    mailbox, validity, section = found["mailbox"], found["validity"], found["section"]
    try:
        name = None if mailbox is None else unquote_to_bytes(mailbox).decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("A mailbox name in a URL is in UTF-8") from None
    return MessageUrl(
        name,
        None if validity is None else abnf.number(validity, limit=LARGEST),
        abnf.number(found["uid"], limit=LARGEST),
        unquote_to_bytes(section or b""),
    )


def shown(url: bytes) -> bytes:
    """url-resp-text of RFC 4469 section 5: the URL, with what cannot stand in a response code escaped."""
    return quote(url[:_SHOWN], safe="/;=:@!$&'()*+,?#%\"<>").encode("ascii") or b'""'
