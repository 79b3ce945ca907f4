"""The service extensions: what EHLO announces, and the parameters they give to MAIL and RCPT.

One row for each. What is announced is what works now, for this peer, on this listener; a parameter of an
extension that does not work now is unknown. A parameter turns an envelope, or a recipient, into another one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import UTC, datetime

from mailnode.envelope import Body, Deadline, Envelope, Kind, Recipient
from mailnode.smtp.outcome import UNKNOWN_PARAMETER, Refused
from mailnode.smtp.session import Session
from mailnode.values import frozen, replace
from mailnode.wire import esmtp
from mailnode.wire.errors import BadSyntax
from mailnode.wire.smtp import Reply, decode_xtext, parse_parameters, parse_size
from mailnode.wire.xclient import ATTRIBUTES

MailParameter = Callable[[Session, Envelope, bytes | None], Envelope]
RcptParameter = Callable[[Session, Recipient, bytes | None], Recipient]


def size(session: Session, envelope: Envelope, value: bytes | None) -> Envelope:
    """SIZE=octets (RFC 1870 section 6.1): refused here, when it is known to be too large."""
    octets = parse_size(value)
    if octets > size_limit(session, envelope.kind):
        raise Refused(too_large(session, envelope.kind))
    return replace(envelope, size=octets)


def size_limit(session: Session, kind: Kind = Kind.MAIL) -> int:
    """The octets a message may have; one that is only shown must be short."""
    return session.config.messages.limit if kind is Kind.SEND else session.limits.message_size


def too_large(session: Session, kind: Kind = Kind.MAIL) -> Reply:
    """The refusal of a message over the limit."""
    return Reply(552, "5.3.4", f"The message is larger than {size_limit(session, kind)} octets")


def body(_session: Session, envelope: Envelope, value: bytes | None) -> Envelope:
    """BODY=7BIT, 8BITMIME (RFC 6152) or BINARYMIME (RFC 3030)."""
    try:
        return replace(envelope, body=Body((value or b"").decode("ascii", "replace").upper()))
    except ValueError:
        raise Refused(Reply(555, "5.5.4", "BODY is 7BIT, 8BITMIME or BINARYMIME")) from None


def auth(_session: Session, envelope: Envelope, value: bytes | None) -> Envelope:
    """AUTH=mailbox (RFC 4954 section 5): must be xtext, and is believed of nobody."""
    if value is None:
        raise BadSyntax("AUTH needs a value")
    decode_xtext(value)
    return envelope


def ret(_session: Session, envelope: Envelope, value: bytes | None) -> Envelope:
    """RET=FULL or HDRS: how much of the message a report of failure brings back (RFC 3461 section 4.3)."""
    return replace(envelope, full=esmtp.parse_full(value))


def envid(_session: Session, envelope: Envelope, value: bytes | None) -> Envelope:
    """ENVID: the sender's own name for this sending (RFC 3461 section 4.4)."""
    return replace(envelope, envelope_id=esmtp.parse_envelope_id(value))


def notify(_session: Session, recipient: Recipient, value: bytes | None) -> Recipient:
    """NOTIFY (RFC 3461 section 4.1)."""
    return replace(recipient, notify=esmtp.parse_notify(value))


def orcpt(session: Session, recipient: Recipient, value: bytes | None) -> Recipient:
    """ORCPT (RFC 3461 section 4.2), in a message with SMTPUTF8 also as RFC 6533 section 3 writes it."""
    utf8 = session.transaction is not None and session.transaction.envelope.utf8
    return replace(recipient, original=esmtp.parse_original_recipient(value, utf8=utf8))


def deliver_by(session: Session, envelope: Envelope, value: bytes | None) -> Envelope:
    """BY: the deadline, counted from now (RFC 2852 section 4)."""
    wanted = esmtp.parse_deliver_by(value)
    time = session.shared.runtime.now() + wanted.seconds
    return _in_order(replace(envelope, deadline=Deadline(time, wanted.return_, wanted.trace)))


def hold_for(session: Session, envelope: Envelope, value: bytes | None) -> Envelope:
    """HOLDFOR: seconds from now (RFC 4865 section 4)."""
    return _held(session, envelope, session.shared.runtime.now() + esmtp.parse_hold_for(value))


def hold_until(session: Session, envelope: Envelope, value: bytes | None) -> Envelope:
    """HOLDUNTIL: a date-time (RFC 4865 section 4); one that is past holds nothing."""
    return _held(session, envelope, esmtp.parse_hold_until(value))


def _held(session: Session, envelope: Envelope, release: float) -> Envelope:
    if envelope.release:
        raise BadSyntax("HOLDFOR and HOLDUNTIL do not go together")
    if release > session.shared.runtime.now() + session.longest_hold:
        raise BadSyntax(f"Messages are held for {session.longest_hold} seconds at most")
    return _in_order(replace(envelope, release=release))


def _in_order(envelope: Envelope) -> Envelope:
    """The same; BadSyntax for one that would be late before it is released."""
    if envelope.deadline is not None and envelope.deadline.time < envelope.release:
        raise BadSyntax("BY names a time before the message is to be released")
    return envelope


def priority(session: Session, envelope: Envelope, value: bytes | None) -> Envelope:
    """MT-PRIORITY (RFC 6710 section 4.1): believed of our own people and of trusted networks."""
    asked = esmtp.parse_priority(value)
    believed = session.account is not None or session.connection.trusted
    return replace(envelope, priority=asked if believed else min(asked, 0))


def require_tls(_session: Session, envelope: Envelope, value: bytes | None) -> Envelope:
    """REQUIRETLS (RFC 8689 section 2)."""
    return replace(envelope, require_tls=esmtp.parse_nothing(value))


def smtputf8(_session: Session, envelope: Envelope, value: bytes | None) -> Envelope:
    """SMTPUTF8 (RFC 6531 section 3.4): addresses and header may be in UTF-8."""
    return replace(envelope, utf8=esmtp.parse_nothing(value))


def solicit(session: Session, envelope: Envelope, value: bytes | None) -> Envelope:
    """SOLICIT: what kinds of solicitation the message is (RFC 3865 section 2.3)."""
    keywords = esmtp.parse_solicitation(value)
    check_solicitation(session, keywords)
    return replace(envelope, solicitation=keywords)


def check_solicitation(session: Session, keywords: Iterable[str]) -> None:
    """Raise Refused for a kind of solicitation that is not wanted here (RFC 3865 section 2.4)."""
    for keyword in keywords:
        if keyword in session.config.no_soliciting:
            raise Refused(Reply(550, "5.7.1", f"No soliciting here: {keyword}"))


def always(_session: Session) -> str:
    """For extensions that work everywhere and need no words in EHLO."""
    return ""


def _future_release(session: Session) -> str | None:
    """The words of FUTURERELEASE: the longest interval, and the date-time at its end (RFC 4865 section 4)."""
    if not session.longest_hold:
        return None
    latest = datetime.fromtimestamp(session.shared.runtime.now() + session.longest_hold, UTC)
    return f"{session.longest_hold} {latest:%Y-%m-%dT%H:%M:%SZ}"


def _limits(session: Session) -> str:
    """The words of LIMITS (RFC 9422 section 4); a trusted network may send any number of messages."""
    limits = session.limits
    mails = "" if session.connection.trusted else f"MAILMAX={limits.messages_per_session} "
    return f"{mails}RCPTMAX={limits.recipients}"


def _live(session: Session) -> str | None:
    return "" if session.takes_live else None


def _on_demand(session: Session) -> str | None:
    """Before the login too: clients of RFC 2645 look for ATRN first, and log in then."""
    return "" if session.offers_on_demand else None


@frozen
class Extension:
    """`announced` gives the words after the keyword, or None where the extension does not work now.

    Its parameters are known where it is announced; or always, with `lasting`. `rfc` is 0 for what no RFC
    defines.
    """

    keyword: str
    rfc: int
    announced: Callable[[Session], str | None] = always
    mail: Mapping[str, MailParameter] = field(default_factory=dict)
    rcpt: Mapping[str, RcptParameter] = field(default_factory=dict)
    lasting: bool = False


EXTENSIONS = (
    Extension("SIZE", 1870, lambda session: str(session.limits.message_size), {"SIZE": size}),
    Extension("8BITMIME", 6152, mail={"BODY": body}),
    Extension("SMTPUTF8", 6531, mail={"SMTPUTF8": smtputf8}),
    Extension("PIPELINING", 2920),
    Extension("CHUNKING", 3030),
    Extension("BINARYMIME", 3030),
    Extension("ENHANCEDSTATUSCODES", 2034),
    Extension(
        "DSN",
        3461,
        lambda session: "" if session.reports_success else None,
        {"RET": ret, "ENVID": envid},
        {"NOTIFY": notify, "ORCPT": orcpt},
    ),
    Extension("DELIVERBY", 2852, mail={"BY": deliver_by}),
    Extension("FUTURERELEASE", 4865, _future_release, {"HOLDFOR": hold_for, "HOLDUNTIL": hold_until}),
    Extension("MT-PRIORITY", 6710, mail={"MT-PRIORITY": priority}),
    Extension("LIMITS", 9422, _limits),
    Extension(
        "NO-SOLICITING",
        3865,
        lambda session: ",".join(session.config.no_soliciting) or None,
        mail={"SOLICIT": solicit},
    ),
    Extension(
        "REQUIRETLS",
        8689,
        lambda session: "" if session.stream.secure else None,
        {"REQUIRETLS": require_tls},
    ),
    Extension("STARTTLS", 3207, lambda session: "" if session.offers_starttls else None),
    Extension(
        "AUTH",
        4954,
        lambda session: " ".join(session.mechanisms) or None,
        {"AUTH": auth},
        lasting=True,  # AUTH= comes after the login, when AUTH is over
    ),
    Extension("SEND", 821, _live),
    Extension("SOML", 821, _live),
    Extension("SAML", 821, _live),
    Extension("ETRN", 1985, _on_demand),
    Extension("ATRN", 2645, _on_demand),
    Extension("EXPN", 5321, lambda session: "" if session.known else None),
    Extension("HELP", 5321),
    Extension("XCLIENT", 0, lambda session: " ".join(ATTRIBUTES) if session.hears_xclient else None),
)


def announcement(session: Session) -> list[str]:
    """The lines of the EHLO reply after the first."""
    rows = [(row.keyword, "" if row.announced is always else row.announced(session)) for row in EXTENSIONS]
    return [f"{keyword} {words}".rstrip() for keyword, words in rows if words is not None]


def with_mail_parameters(
    session: Session, envelope: Envelope, parameters: Mapping[str, bytes | None]
) -> Envelope:
    """The envelope as the parameters behind the reverse-path want it. Raises BadSyntax and Refused."""
    for keyword, value in parameters.items():
        envelope = _known(session, keyword, "mail").mail[keyword](session, envelope, value)
    return envelope


def with_rcpt_parameters(session: Session, recipient: Recipient, text: bytes) -> Recipient:
    """The recipient as the parameters behind the forward-path want it. Raises BadSyntax and Refused."""
    for keyword, value in parse_parameters(text).items():
        recipient = _known(session, keyword, "rcpt").rcpt[keyword](session, recipient, value)
    return recipient


def _known(session: Session, keyword: str, command: str) -> Extension:
    """The extension that has this parameter, if it works now."""
    for row in EXTENSIONS:
        if keyword in getattr(row, command) and (row.lasting or row.announced(session) is not None):
            return row
    raise Refused(UNKNOWN_PARAMETER)
