"""SMTP as a client speaks it: replies in, commands out (RFC 5321 sections 4.1 and 4.2).

Whatever a peer sends becomes a Reply whose text is printable, or BadReply. Whatever is written is one line:
octets that would end it, or begin another, raise BadCommand and never get out.
"""

import re
from collections.abc import Mapping

from mailnode.wire.abnf import number
from mailnode.wire.address import Address
from mailnode.wire.errors import BadSyntax
from mailnode.wire.esmtp import Notify, OriginalRecipient
from mailnode.wire.international import a_labels
from mailnode.wire.smtp import Reply

REPLY_OCTETS = 65536  # of one reply, all its lines together
REPLY_LINES = 100
LARGEST_LIMIT = 999_999  # RFC 9422 section 4: a value has 1*6DIGIT

# Reply-code = %x32-35 %x30-35 %x30-39 (RFC 5321 section 4.2). No other code passes for a yes; of a no the
# first digit is enough (section 4.3.2), and servers are inventive with the second.
_LINE = re.compile(rb"([23][0-5][0-9]|[45][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_STATUS = re.compile(r"([245])(\.(?:0|[1-9][0-9]{0,2})){2}(?= |$)")
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_NOT_IN_LINE = re.compile(rb"[\r\n\0]")
_NOT_XCHAR = re.compile(r"[^!-*,-<>-~]")

Capabilities = Mapping[str, tuple[str, ...]]


class BadReply(Exception):
    """The peer's octets are no reply; nobody knows what it means, or where the next one would begin."""


class BadCommand(ValueError):
    """This cannot be said in one line of SMTP."""


class ReplyReader:
    """Joins the lines of one reply after the other."""

    __slots__ = ("_code", "_left", "_texts")

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._code = b""
        self._left = REPLY_OCTETS
        self._texts: list[str] = []

    @property
    def room(self) -> int:
        """How many octets the rest of the reply may have, line ends not counted."""
        return self._left

    def feed(self, line: bytes) -> Reply | None:
        """The reply that this line ends; None where more lines must follow. Raises BadReply.

        Every line of a reply has its code (RFC 5321 section 4.2.1). The text may be missing, with its blank.
        """
        found = _LINE.fullmatch(line)
        if not found:
            raise BadReply("no reply code")
        if not self._code and found[2] != b"-" and len(line) <= REPLY_OCTETS:  # one line: nearly all
            return _reply(int(found[1]), [shown(found[3] or b"")])
        if self._code not in (b"", found[1]):
            raise BadReply("the code changes within a reply")
        self._code = found[1]
        self._left -= len(line)
        self._texts.append(shown(found[3] or b""))
        if self._left < 0 or len(self._texts) > REPLY_LINES:
            raise BadReply("an endless reply")
        if found[2] == b"-":
            return None
        code, texts = int(self._code), self._texts
        self._begin()
        return _reply(code, texts)


def _reply(code: int, texts: list[str]) -> Reply:
    """The status code stands on each line (RFC 2034 section 4); its class must fit (RFC 3463 section 2)."""
    found = _STATUS.match(texts[0])
    if not found or int(found[1]) != code // 100:
        return Reply(code, "", "\n".join(texts), utf8=True)
    status = found[0]
    rest = [text[len(status) + 1 :] if f"{text} ".startswith(f"{status} ") else text for text in texts]
    return Reply(code, status, "\n".join(rest), utf8=True)


def shown(octets: bytes) -> str:
    r"""The text of octets from a peer: what is not UTF-8, or does not show, becomes \xNN or \uNNNN."""
    text = octets.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode("ascii") for mark in text
    )


def capabilities(reply: Reply) -> dict[str, tuple[str, ...]]:
    """What an EHLO reply announces: the words behind each keyword, which is in upper case.

    Lines that begin with no keyword are passed over. AUTH may come twice, once as "AUTH=" for clients of
    before RFC 4954: the words of both count.
    """
    found: dict[str, tuple[str, ...]] = {}
    for line in reply.text.split("\n")[1:]:
        keyword, *words = line.replace("AUTH=", "AUTH ", 1).split() or [""]
        if _KEYWORD.fullmatch(keyword):
            found[keyword.upper()] = (*found.get(keyword.upper(), ()), *words)
    return found


def limit(announced: Capabilities, name: str) -> int | None:
    """What LIMITS says of RCPTMAX or another name (RFC 9422 section 4); None where it says nothing of it."""
    for word in announced.get("LIMITS", ()):
        key, _, value = word.partition("=")
        if key.upper() == name:
            try:
                return number(value.encode(), limit=LARGEST_LIMIT) or None
            except BadSyntax:
                return None
    return None


def command(*words: str) -> bytes:
    """A command line: the words with a blank between them. Raises BadCommand for what would be two lines."""
    try:
        line = " ".join(words).encode()
    except UnicodeEncodeError:
        raise BadCommand("no character of UTF-8") from None
    if _NOT_IN_LINE.search(line):
        raise BadCommand("a line end within a command")
    return line + b"\r\n"


def path(address: Address | None, *, utf8: bool) -> str:
    """Reverse-path or forward-path, "<>" for None; without `utf8` its domain has A-labels.

    Raises BadCommand for a local part that needs SMTPUTF8 where there is none.
    """
    if address is None:
        return "<>"
    if utf8 or not address.international:
        return f"<{address}>"
    if not address.local.isascii():
        raise BadCommand("the address needs SMTPUTF8")
    return f"<{Address(address.local, a_labels(address.domain))}>"


def chunk(octets: int, *, last: bool) -> bytes:
    """BDAT in front of that many octets (RFC 3030 section 2)."""
    return command("BDAT", str(octets), *(["LAST"] if last else []))


def encode_xtext(text: str) -> str:
    """xtext = *( xchar / hexchar ) of ASCII (RFC 3461 section 4). Raises BadCommand for other characters."""
    if not text.isascii():
        raise BadCommand("xtext is for ASCII")
    return _NOT_XCHAR.sub(lambda found: f"+{ord(found[0]):02X}", text)


def encode_notify(notify: Notify) -> str:
    """The value of NOTIFY (RFC 3461 section 4.1)."""
    return ",".join(one.name or "" for one in notify) or "NEVER"


def encode_original_recipient(original: OriginalRecipient, *, utf8: bool) -> str:
    r"""The value of ORCPT (RFC 3461 section 4.2).

    An address of type utf-8 goes as utf-8-addr-unitext with `utf8`, else as utf-8-addr-xtext: what xtext
    has no sign for is written \x{HEXPOINT} (RFC 6533 section 3). Raises BadCommand.
    """
    if original.kind != "utf-8":
        return f"{original.kind};{encode_xtext(original.address)}"
    return "utf-8;" + "".join(_qchar(mark, utf8=utf8) for mark in original.address)


def _qchar(mark: str, *, utf8: bool) -> str:
    """QCHAR / UTF8-non-ascii / EmbeddedUnicodeChar (RFC 6533 section 3)."""
    if mark.isascii():
        plain = "!" <= mark <= "~" and mark not in "+=\\"
    else:
        plain = utf8
    return mark if plain else f"\\x{{{ord(mark):X}}}"
