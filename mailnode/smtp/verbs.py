"""The verbs of SMTP: what each runs, how it is written, and the rules the server holds it to."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from functools import partial

from mailnode.envelope import Kind
from mailnode.smtp.commands import (
    atrn,
    auth,
    bdat,
    data,
    etrn,
    greeting,
    mail,
    misc,
    rcpt,
    starttls,
    vrfy,
    xclient,
)
from mailnode.smtp.outcome import NOT_IMPLEMENTED, UNKNOWN_VERB, Refused
from mailnode.smtp.session import Session
from mailnode.wire.smtp import Reply

UNKNOWN_TOPIC = Reply(504, "5.5.4", "There is no such command")


class Rule(Flag):
    """What the server does about a verb besides running it."""

    NONE = 0
    LAST_IN_GROUP = auto()  # nothing may be sent behind it before its reply has come (RFC 2920 section 3.1)
    COUNTS_AS_JUNK = auto()  # moves no mail; so many between two messages, and no more
    IN_TRANSACTION = auto()  # its refusals tell what became of a message, and are events
    LONG_LINE = auto()  # may be as long as AUTH's responses (RFC 4954 section 4)


# The reply; or several, for content on LMTP; or None from a command that has replied itself.
Answer = Reply | Sequence[Reply] | None


def everywhere(_session: Session) -> bool:
    """For verbs that every session knows."""
    return True


def by_smtp(session: Session) -> bool:
    """For verbs that LMTP has not."""
    return not session.lmtp


def by_lmtp(session: Session) -> bool:
    """For the verb that only LMTP has."""
    return session.lmtp


def by_proxy(session: Session) -> bool:
    """For the verb that only proxies and filters of ours have."""
    return session.hears_xclient


def on_submission(session: Session) -> bool:
    """For the verb of those who log in."""
    return session.submission


def with_starttls(session: Session) -> bool:
    """For the verb of listeners that offer it, also when it was said already."""
    return session.offers_starttls or session.stream.secure


def for_known(session: Session) -> bool:
    """For the verb that answers our own people and trusted networks."""
    return session.known


def if_allowed(session: Session) -> bool:
    """For verbs that show a message to people who are there."""
    return session.takes_live


def on_demand(session: Session) -> bool:
    """For verbs by which waiting mail is called for."""
    return session.offers_on_demand


@dataclass(frozen=True, slots=True)
class Verb:
    """`run` gives the answer. Where it is not `offered` to this session now, the answer is `otherwise`."""

    run: Callable[[Session, bytes], Awaitable[Answer]]
    syntax: str
    rules: Rule = Rule.NONE
    offered: Callable[[Session], bool] = everywhere
    otherwise: Reply = NOT_IMPLEMENTED


async def help_(session: Session, argument: bytes) -> Reply:
    """HELP [verb] (RFC 5321 section 4.1.1.8); it stands here, as it reads the table below."""
    name = argument.decode("ascii", "replace").upper()
    lines = [verb.syntax for known, verb in VERBS.items() if name in ("", known) and verb.offered(session)]
    if not lines:
        raise Refused(UNKNOWN_TOPIC)
    return Reply(214, "2.0.0", "\n".join(lines))


def _live(kind: Kind) -> Verb:
    """One of the verbs that are MAIL but for where the message goes."""
    return Verb(partial(mail.run, kind=kind), f"{kind.value} FROM:<address>", Rule.IN_TRANSACTION, if_allowed)


_GREETS = Rule.LAST_IN_GROUP | Rule.COUNTS_AS_JUNK
_CALLS = Rule.LAST_IN_GROUP | Rule.COUNTS_AS_JUNK

VERBS: Mapping[str, Verb] = {
    "EHLO": Verb(greeting.ehlo, "EHLO name-or-address-literal", _GREETS, by_smtp, UNKNOWN_VERB),
    "HELO": Verb(greeting.helo, "HELO name-or-address-literal", _GREETS, by_smtp, UNKNOWN_VERB),
    "LHLO": Verb(greeting.ehlo, "LHLO name-or-address-literal", _GREETS, by_lmtp, UNKNOWN_VERB),
    "STARTTLS": Verb(starttls.run, "STARTTLS", Rule.LAST_IN_GROUP, with_starttls),
    "AUTH": Verb(
        auth.run, "AUTH mechanism [initial-response]", Rule.LAST_IN_GROUP | Rule.LONG_LINE, on_submission
    ),
    "MAIL": Verb(
        mail.run,
        "MAIL FROM:<address> [SIZE=octets] [BODY=7BIT|8BITMIME|BINARYMIME] [other parameters]",
        Rule.IN_TRANSACTION,
    ),
    "SEND": _live(Kind.SEND),
    "SOML": _live(Kind.SOML),
    "SAML": _live(Kind.SAML),
    "RCPT": Verb(rcpt.run, "RCPT TO:<address> [parameters]", Rule.IN_TRANSACTION),
    "DATA": Verb(data.run, "DATA", Rule.LAST_IN_GROUP | Rule.IN_TRANSACTION),
    "BDAT": Verb(bdat.run, "BDAT octets [LAST]", Rule.IN_TRANSACTION),
    "RSET": Verb(misc.rset, "RSET", Rule.COUNTS_AS_JUNK),
    "NOOP": Verb(misc.noop, "NOOP [text]", Rule.COUNTS_AS_JUNK),
    "VRFY": Verb(vrfy.vrfy, "VRFY name-or-address [SMTPUTF8]", Rule.COUNTS_AS_JUNK),
    "EXPN": Verb(
        vrfy.expn, "EXPN alias-or-list [SMTPUTF8]", Rule.COUNTS_AS_JUNK, for_known, vrfy.ACCESS_DENIED
    ),
    "HELP": Verb(help_, "HELP [command]", Rule.COUNTS_AS_JUNK),
    "XCLIENT": Verb(xclient.run, "XCLIENT attribute=value ...", Rule.LAST_IN_GROUP, by_proxy),
    "ETRN": Verb(etrn.run, "ETRN [@|#]domain", _CALLS, on_demand),
    "ATRN": Verb(atrn.atrn, "ATRN [domain[,domain ...]]", _CALLS, on_demand),
    "TURN": Verb(atrn.turn, "TURN", _CALLS, on_demand),
    # The last too, but nothing can follow it, so there is nothing to be guarded against.
    "QUIT": Verb(misc.quit_, "QUIT"),
}
