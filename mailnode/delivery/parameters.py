"""The parameters of MAIL and RCPT as a client sends them: each where its extension is announced."""

from collections.abc import Callable

from mailnode.envelope import Body, Envelope, Recipient
from mailnode.values import frozen
from mailnode.wire.smtp_client import (
    Capabilities,
    command,
    encode_notify,
    encode_original_recipient,
    encode_xtext,
    path,
)

LONGEST_SECONDS = 999_999_999  # RFC 2852 section 4: by-time has 1*9DIGIT


@frozen
class Sending:
    """A message as it goes to one peer; `octets` is its size, `now` in seconds since the epoch."""

    envelope: Envelope
    octets: int
    body: Body
    utf8: bool
    now: float
    capabilities: Capabilities


def _body(sending: Sending) -> str:
    return "" if sending.body is Body.SEVEN_BIT else f"BODY={sending.body.value}"


def _smtputf8(sending: Sending) -> str:
    return "SMTPUTF8" if sending.utf8 else ""


def _ret(sending: Sending) -> str:
    full = sending.envelope.full
    return "" if full is None else f"RET={'FULL' if full else 'HDRS'}"


def _envid(sending: Sending) -> str:
    name = sending.envelope.envelope_id
    return f"ENVID={encode_xtext(name)}" if name else ""


def _by(sending: Sending) -> str:
    deadline = sending.envelope.deadline
    if deadline is None:
        return ""
    left = int(deadline.time - sending.now)
    left = max(-LONGEST_SECONDS, min(left, LONGEST_SECONDS))
    return f"BY={left};{'R' if deadline.return_ else 'N'}{'T' if deadline.trace else ''}"


def _priority(sending: Sending) -> str:
    priority = sending.envelope.priority
    return f"MT-PRIORITY={priority}" if priority else ""


def _require_tls(sending: Sending) -> str:
    return "REQUIRETLS" if sending.envelope.require_tls else ""


def _solicit(sending: Sending) -> str:
    keywords = sending.envelope.solicitation
    return f"SOLICIT={','.join(keywords)}" if keywords else ""


def _notify(_sending: Sending, recipient: Recipient) -> str:
    return "" if recipient.notify is None else f"NOTIFY={encode_notify(recipient.notify)}"


def _orcpt(sending: Sending, recipient: Recipient) -> str:
    if recipient.original is None:
        return ""
    return f"ORCPT={encode_original_recipient(recipient.original, utf8=sending.utf8)}"


MAIL: tuple[tuple[str, Callable[[Sending], str]], ...] = (
    ("SIZE", lambda sending: f"SIZE={sending.octets}"),
    ("8BITMIME", _body),
    ("SMTPUTF8", _smtputf8),
    ("DSN", _ret),
    ("DSN", _envid),
    ("DELIVERBY", _by),
    ("MT-PRIORITY", _priority),
    ("REQUIRETLS", _require_tls),
    ("NO-SOLICITING", _solicit),
)
RCPT: tuple[tuple[str, Callable[[Sending, Recipient], str]], ...] = (("DSN", _notify), ("DSN", _orcpt))


def mail(sending: Sending) -> bytes:
    """The whole MAIL command. Raises BadCommand."""
    wanted = [value(sending) for keyword, value in MAIL if keyword in sending.capabilities]
    sender = path(sending.envelope.reverse_path, utf8=sending.utf8)
    return command(f"MAIL FROM:{sender}", *filter(None, wanted))


def rcpt(sending: Sending, recipient: Recipient) -> bytes:
    """The whole RCPT command. Raises BadCommand."""
    wanted = [value(sending, recipient) for keyword, value in RCPT if keyword in sending.capabilities]
    return command(f"RCPT TO:{path(recipient.address, utf8=sending.utf8)}", *filter(None, wanted))
