"""LANGUAGE (RFC 5255 section 3): the language in which the server speaks to people."""

import re

from mailnode.imap.replies import Refused, Reply, ok
from mailnode.imap.session import Session, State
from mailnode.imap.words.languages import DEFAULT
from mailnode.wire.errors import BadSyntax
from mailnode.wire.imap.cursor import Cursor
from mailnode.wire.language import LANGUAGES, chosen

# language-range = (1*8ALPHA *("-" 1*8alphanum)) / "*"   (RFC 4647 section 2.1)
_RANGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*")


def parse(args: Cursor) -> list[str]:
    """language-cmd = "LANGUAGE" *(SP lang-range-quoted)  ;  lang-range-quoted = astring"""
    ranges = []
    while args.accept(b" "):
        ranges.append(_range(args.astring()))
    args.end()
    return ranges


def _range(text: bytes) -> str:
    wanted = text.decode("ascii", "replace")
    if not _RANGE.fullmatch(wanted):
        raise BadSyntax("That is not a language range")
    return wanted.lower()


async def run(session: Session, ranges: list[str]) -> Reply:
    """The first of them that there is; without any, a list.

    There is no NAMESPACE response: the prefix of a namespace is the same in all languages (section 3.4).
    """
    if not ranges:
        session.untagged(b"LANGUAGE (%s)" % " ".join((*LANGUAGES, DEFAULT)).encode("ascii"))
        return ok("Supported languages have been enumerated")
    tag = next((found for one in ranges if (found := _found(session, one))), None)
    if tag is None:
        raise Refused(b"", "This language is not known here")
    session.speak(tag)
    session.untagged(b"LANGUAGE (%s)" % tag.encode("ascii"))
    return ok("Language changed")


def _found(session: Session, wanted: str) -> str | None:
    if wanted == DEFAULT:
        return DEFAULT
    return chosen("*" if wanted == "default" else wanted, _preferred(session))


def _preferred(session: Session) -> str:
    """The mailbox's only after the login: nobody learns before whose name is known."""
    known = session.state is not State.NOT_AUTHENTICATED
    entry = session.shared.live.mailboxes.mailboxes.get(session.account.address) if known else None
    return (entry.language if entry else "") or session.config.language
