"""IMAP URLs of messages and their parts (RFC 5092).

Relative to the account that is logged in (section 11), as CATENATE has them; the second form names a message
of the selected mailbox:

    "/" enc-mailbox [";UIDVALIDITY=" nz-number] "/" message
    message

    message = ";UID=" nz-number ["/;SECTION=" enc-section] ["/;PARTIAL=" number ["." nz-number]]

Absolute, with what is needed to fetch them (RFC 4467 section 9, as section 11 words it):

    rump = "imap://" enc-user [";AUTH=" type] "@" host [":" port] "/" enc-mailbox [validity] "/" message
           [";EXPIRE=" date-time] ";URLAUTH=" access
    full = rump ":" mechanism ":" token

The token is calculated from the rump as it stands, octet by octet (RFC 4467 section 6). Mailbox, section and
user names are percent-encoded UTF-8. Dot segments are not resolved: no mailbox name has them.
"""

import re
from urllib.parse import quote, unquote_to_bytes

from mailnode.values import frozen
from mailnode.wire import abnf
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.sequence import LARGEST

_ACHAR = rb"(?:[A-Za-z0-9._~!$'()*+,&=-]|%[0-9A-Fa-f]{2})"
_BCHAR = rb"(?:[A-Za-z0-9._~!$'()*+,&=:@/-]|%[0-9A-Fa-f]{2})"
_MAILBOX = rb"/(?!/)(?P<mailbox>" + _BCHAR + rb"+)(?:;UIDVALIDITY=(?P<validity>[1-9][0-9]*+))?/"
_MESSAGE = (
    rb";UID=(?P<uid>[1-9][0-9]*+)(?:/;SECTION=(?P<section>" + _BCHAR + rb"+))?"
    rb"(?:/;PARTIAL=(?P<start>[0-9]++)(?:\.(?P<count>[1-9][0-9]*+))?)?"
)
_URL = re.compile(rb"(?:" + _MAILBOX + rb")?" + _MESSAGE, re.IGNORECASE)
_HOST = rb"(?P<host>[A-Za-z0-9.-]++|\[[0-9A-Fa-f:.]++\])(?::[0-9]*+)?"
_ACCESS = rb"(?:(?P<access>authuser|anonymous)|(?P<named>submit|user)\+(?P<who>" + _ACHAR + rb"++))"
_SERVER = rb"imap://(?P<user>" + _ACHAR + rb"++)(?:;AUTH=" + _ACHAR + rb"++)?@" + _HOST
_EXPIRE = rb"(?:;EXPIRE=(?P<expire>[0-9A-Za-z:.+-]++))?"
_TOKEN = rb"(?P<authority>:(?P<mechanism>[A-Za-z0-9.-]++):(?P<token>[0-9A-Fa-f]{32,}+))?"
_RUMP = _SERVER + _MAILBOX + _MESSAGE + _EXPIRE + rb";URLAUTH=" + _ACCESS
_FULL = re.compile(rb"(?P<rump>" + _RUMP + rb")" + _TOKEN, re.IGNORECASE)
_SHOWN = 1000
EXPECTED = "URL of a message of this account expected"  # one text for all that is wrong: it betrays nothing


@frozen
class MessageUrl:
    """A message, or a section of it; without a mailbox, of the selected one.

    `partial` is the first octet and how many are wanted, None for all that follow.
    """

    mailbox: str | None
    validity: int | None
    uid: int
    section: bytes = b""
    partial: tuple[int, int | None] | None = None


@frozen
class AuthorizedUrl:
    """What may be fetched by whom: a message of `user`, until `expire` (seconds since the epoch).

    `access` is "submit", "user", "authuser" or "anonymous"; `who` is the user that the first two name.
    Mechanism and token are empty in a rump.
    """

    rump: bytes
    user: str
    host: str
    message: MessageUrl
    expire: float | None
    access: str
    who: str
    mechanism: str = ""
    token: str = ""


def parse(url: bytes) -> MessageUrl:
    """A relative URL. Raises BadSyntax for every other URL."""
    return _message(_matched(_URL, url))


def parse_rump(url: bytes) -> AuthorizedUrl:
    """url-rump: a URL that is to be authorized. Raises BadSyntax."""
    found = _matched(_FULL, url)
    if found["authority"] is not None:
        raise BadSyntax(EXPECTED)
    return _authorized(found)


def parse_full(url: bytes) -> AuthorizedUrl:
    """url-full: one that was authorized. Raises BadSyntax."""
    found = _matched(_FULL, url)
    if found["authority"] is None:
        raise BadSyntax(EXPECTED)
    return _authorized(found)


def _matched(pattern: "re.Pattern[bytes]", url: bytes) -> "re.Match[bytes]":
    found = pattern.fullmatch(url)
    if found is None:
        raise BadSyntax(EXPECTED)
    return found


def _message(found: "re.Match[bytes]") -> MessageUrl:
    validity, start, count = found["validity"], found["start"], found["count"]
    try:
        name = None if found["mailbox"] is None else _text(found["mailbox"])
    except UnicodeDecodeError:
        raise BadSyntax("A mailbox name in a URL is in UTF-8") from None
    return MessageUrl(
        name,
        None if validity is None else abnf.number(validity, limit=LARGEST),
        abnf.number(found["uid"], limit=LARGEST),
        unquote_to_bytes(found["section"] or b""),
        None if start is None else (abnf.number(start, limit=LARGEST), _count(count)),
    )


def _count(digits: bytes | None) -> int | None:
    return None if digits is None else abnf.number(digits, limit=LARGEST)


def _authorized(found: "re.Match[bytes]") -> AuthorizedUrl:
    access, expire = found["access"] or found["named"], found["expire"]
    try:
        user, who = _text(found["user"]), _text(found["who"] or b"")
        until = None if expire is None else abnf.date_time(expire)
    except (UnicodeDecodeError, BadSyntax):
        raise BadSyntax(EXPECTED) from None
    return AuthorizedUrl(
        found["rump"],
        user,
        found["host"].decode("ascii").lower(),
        _message(found),
        until,
        access.decode("ascii").lower(),
        who,
        (found["mechanism"] or b"").decode("ascii").upper(),
        (found["token"] or b"").decode("ascii").lower(),
    )


def _text(encoded: bytes) -> str:
    return unquote_to_bytes(encoded).decode("utf-8")


def shown(url: bytes) -> bytes:
    """url-resp-text of RFC 4469 section 5: the URL, with what cannot stand in a response code escaped."""
    return quote(url[:_SHOWN], safe="/;=:@!$&'()*+,?#%\"<>").encode("ascii") or b'""'
