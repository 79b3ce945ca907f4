"""LANG and UTF8 (RFC 6856): the language in which the server speaks to people, and UTF-8 in messages."""

from mailnode.pop3.maildrop import dotted
from mailnode.pop3.state import Refused, Session
from mailnode.wire.language import LANGUAGES, chosen
from mailnode.wire.pop3 import ok


async def lang(session: Session, argument: bytes) -> bytes:
    """LANG [language-range]: a list, or from now on that one; "*" is the mailbox's, or the server's."""
    if not argument:
        lines = (f"{tag} {name}\r\n".encode() for tag, name in LANGUAGES.items())
        return b"".join(dotted(ok(session.say("Languages follow")), lines))
    tag = chosen(argument.decode("ascii", "replace"), _preferred(session))
    if tag is None:
        raise Refused("This language is not known here")
    session.language = tag
    if session.opened is not None:
        session.opened.ahead.forget()  # what it says is said in the other language
    return ok(f"{tag} {session.say('Language changed')}")


def _preferred(session: Session) -> str:
    """The mailbox's only after the login: nobody learns before whose name is known (section 7)."""
    live = session.shared.live
    entry = live.mailboxes.mailboxes.get(session.opened.account.address) if session.opened else None
    return (entry.language if entry else "") or live.config.language


async def utf8(session: Session, argument: bytes) -> bytes:
    """UTF8 (section 2.1): from now on messages come as they are, with UTF-8 in their headers."""
    session.utf8 = True
    return ok(session.say("UTF-8 from now on"))
