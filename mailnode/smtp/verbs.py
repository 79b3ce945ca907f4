"""The verbs of SMTP: what each runs, how it is written, and the rules the server holds it to."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
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
from mailnode.values import frozen
from mailnode.wire.smtp import Reply

UNKNOWN_TOPIC = Reply(504, "5.5.4", "There is no such command")


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


@frozen
class Verb:
    """`run` gives the answer. Where it is not `offered` to this session now, the answer is `otherwise`."""

    run: Callable[[Session, bytes], Awaitable[Answer]]
    syntax: str
    offered: Callable[[Session], bool] = everywhere
    otherwise: Reply = NOT_IMPLEMENTED
    last_in_group: bool = False  # its reply has to come before anything behind it (RFC 2920 section 3.1)
    counts_as_junk: bool = False  # moves no mail; so many between two messages, and no more
    in_transaction: bool = False  # its refusals tell what became of a message, and are events
    long_line: bool = False  # may be as long as AUTH's responses (RFC 4954 section 4)


async def help_(session: Session, argument: bytes) -> Reply:
    """HELP [verb] (RFC 5321 section 4.1.1.8); it stands here, as it reads the table below."""
    name = argument.decode("ascii", "replace").upper()
    lines = [verb.syntax for known, verb in VERBS.items() if name in ("", known) and verb.offered(session)]
    if not lines:
        raise Refused(UNKNOWN_TOPIC)
    return Reply(214, "2.0.0", "\n".join(lines))


def _live(kind: Kind) -> Verb:
    """One of the verbs that are MAIL but for where the message goes."""
    run = partial(mail.run, kind=kind)
    return Verb(run, f"{kind.value} FROM:<address>", if_allowed, in_transaction=True)


_greets = partial(Verb, otherwise=UNKNOWN_VERB, last_in_group=True, counts_as_junk=True)
_calls = partial(Verb, offered=on_demand, last_in_group=True, counts_as_junk=True)
_junk = partial(Verb, counts_as_junk=True)
_part = partial(Verb, in_transaction=True)

VERBS: Mapping[str, Verb] = {
    "EHLO": _greets(greeting.ehlo, "EHLO name-or-address-literal", by_smtp),
    "HELO": _greets(greeting.helo, "HELO name-or-address-literal", by_smtp),
    "LHLO": _greets(greeting.ehlo, "LHLO name-or-address-literal", by_lmtp),
    "STARTTLS": Verb(starttls.run, "STARTTLS", with_starttls, last_in_group=True),
    "AUTH": Verb(
        auth.run, "AUTH mechanism [initial-response]", on_submission, last_in_group=True, long_line=True
    ),
    "MAIL": _part(
        mail.run, "MAIL FROM:<address> [SIZE=octets] [BODY=7BIT|8BITMIME|BINARYMIME] [other parameters]"
    ),
    "SEND": _live(Kind.SEND),
    "SOML": _live(Kind.SOML),
    "SAML": _live(Kind.SAML),
    "RCPT": _part(rcpt.run, "RCPT TO:<address> [parameters]"),
    "DATA": _part(data.run, "DATA", last_in_group=True),
    "BDAT": _part(bdat.run, "BDAT octets [LAST]"),
    "RSET": _junk(misc.rset, "RSET"),
    "NOOP": _junk(misc.noop, "NOOP [text]"),
    "VRFY": _junk(vrfy.vrfy, "VRFY name-or-address [SMTPUTF8]"),
    "EXPN": _junk(vrfy.expn, "EXPN alias-or-list [SMTPUTF8]", for_known, vrfy.ACCESS_DENIED),
    "HELP": _junk(help_, "HELP [command]"),
    "XCLIENT": Verb(xclient.run, "XCLIENT attribute=value ...", by_proxy, last_in_group=True),
    "ETRN": _calls(etrn.run, "ETRN [@|#]domain"),
    "ATRN": _calls(atrn.atrn, "ATRN [domain[,domain ...]]"),
    "TURN": _calls(atrn.turn, "TURN"),
    # The last in its group too, but nothing can follow it, so there is nothing to be guarded against.
    "QUIT": Verb(misc.quit_, "QUIT"),
}
