"""A report on the delivery of a message, as the octets of another message (RFC 3464, in RFC 6522's form).

Three parts: what happened in plain words, the same for programs, and the message or its header. Addresses of
other than ASCII are written in the form that every program reads (utf-8-addr-xtext, RFC 6533 section 3).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mailnode.envelope import Body, Envelope
from mailnode.message import trace
from mailnode.queue.entry import Fate, Outcome
from mailnode.wire.address import Address

LARGEST_RETURNED = 1_048_576  # octets of a message that comes back whole

_SUBJECTS = {
    Fate.FAILED: "Your message could not be delivered",
    Fate.WAITING: "Your message is delayed",
    Fate.DELIVERED: "Your message was delivered",
    Fate.EXPANDED: "Your message was delivered",
    Fate.RELAYED: "Your message was sent on",
}
_HEADINGS = {
    Fate.FAILED: "It could not be delivered to:",
    Fate.WAITING: "It is not yet delivered, and will be tried again, to:",
    Fate.DELIVERED: "It is in the mailbox of:",
    Fate.EXPANDED: "It was delivered to all members of:",
    Fate.RELAYED: "It was sent on to a server that will not report what becomes of it, for:",
}
_STATUS = {Fate.FAILED: "5.0.0", Fate.WAITING: "4.0.0"}  # where none is known; else success (RFC 3463)
_WHAT_TO_DO = (
    "Nobody will try it again. Check the address and send the message once more, or ask the\r\n"
    "postmaster of this server, with the whole of this report.\r\n"
)
_NOT_PLAIN = re.compile(r"[^!-*,-<>-\[\]-~]")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_NOT_SHOWN = re.compile(r"[^ -~]")


@dataclass(frozen=True, slots=True)
class Report:
    """What a report is made of.

    `outcomes` are those the sender is told of; there is one at least. `original` is the message in wire form,
    or only its header with the empty line.
    """

    id: str
    hostname: str
    seconds: float  # since the epoch: now, and when the message came
    arrived: float
    envelope: Envelope
    outcomes: Sequence[Outcome]
    original: bytes
    until: float = 0.0  # when those are given up who still wait


def returned_whole(envelope: Envelope, outcomes: Sequence[Outcome]) -> bool:
    """Whether the sender wants the message back, and may have it (RFC 3461 sections 4.3 and 6.2).

    Only where it failed; and not where it may hold octets that no report can carry.
    """
    failed = any(progress.fate is Fate.FAILED for _, progress in outcomes)
    return failed and envelope.full is True and envelope.body is not Body.BINARY


def compose(report: Report) -> bytes:
    """The report in wire form, without Return-Path."""
    boundary = f"report-{report.id}"
    parts = [(part("text/plain; charset=utf-8", "8bit"), _words(report).encode())]
    parts.append((part("message/delivery-status", "7bit"), _status(report)))
    parts.append(returned(report.original))
    content = b"".join(b"--%s\r\n%s\r\n%s\r\n" % (boundary.encode(), head, body) for head, body in parts)
    return _header(report, boundary) + b"\r\n" + content + b"--%s--\r\n" % boundary.encode()


def _header(report: Report, boundary: str) -> bytes:
    host, to = report.hostname, str(report.envelope.reverse_path)
    fields = [
        ("From", f"Mail Delivery System <MAILER-DAEMON@{host}>"),
        ("To", f"<{to}>"),
        ("Subject", _SUBJECTS[_worst(report)]),
        ("Date", trace.date_time(report.seconds)),
        ("Message-ID", f"<{int(report.seconds)}.{report.id}@{host}>"),
        ("Auto-Submitted", "auto-replied"),  # RFC 3834 section 5
        ("MIME-Version", "1.0"),
        (
            "Content-Transfer-Encoding",
            "8bit",
        ),  # that of its parts (RFC 2045 section 6.4)
    ]
    kind = ("multipart/report; report-type=delivery-status;", f'boundary="{boundary}"')
    head = b"".join(trace.field(*one, utf8=not to.isascii()) for one in fields)
    return head + trace.field("Content-Type", *kind)


def _worst(report: Report) -> Fate:
    fates = {progress.fate for _, progress in report.outcomes}
    return next(fate for fate in _SUBJECTS if fate in fates)


def part(kind: str, encoding: str) -> bytes:
    """The header of a part of a message, with the encoding of what is in it."""
    return trace.field("Content-Type", kind) + trace.field("Content-Transfer-Encoding", encoding)


def _words(report: Report) -> str:
    """What a person reads."""
    lines = [
        f"This is the mail server {report.hostname}. You sent a message that came here on",
        f"{trace.date_time(report.arrived)}.",
    ]
    for fate, heading in _HEADINGS.items():
        these = [outcome for outcome in report.outcomes if outcome[1].fate is fate]
        if these:
            lines += ["", heading, ""]
        for recipient, progress in these:
            why = f": {progress.reason}" if progress.reason else ""
            lines.append(f"  <{recipient.address}>{why}")
            if progress.diagnostic:
                said = progress.diagnostic.partition("; ")[2] or progress.diagnostic
                lines.append(f"    The other server said: {said}")
    text = "".join(f"{''.join(one if one.isprintable() else '?' for one in line)}\r\n" for line in lines)
    if _worst(report) is Fate.FAILED:
        text += "\r\n" + _WHAT_TO_DO
    return text


def _status(report: Report) -> bytes:
    """message/delivery-status: per-message fields, then a group for each recipient (RFC 3464 section 2)."""
    head = trace.field("Reporting-MTA", f"dns; {report.hostname}")
    if report.envelope.envelope_id:
        head = trace.field("Original-Envelope-Id", _ascii(report.envelope.envelope_id)) + head
    head += trace.field("Arrival-Date", trace.date_time(report.arrived))
    return b"\r\n".join([head, *(_group(outcome, report.until) for outcome in report.outcomes)])


def _group(outcome: Outcome, until: float) -> bytes:
    recipient, progress = outcome
    fields = []
    if recipient.original is not None:
        kind, address = recipient.original.kind, recipient.original.address
        shown = _xtext(address) if kind == "utf-8" else _ascii(address)
        fields.append(("Original-Recipient", f"{kind}; {shown}"))
    fields += [
        ("Final-Recipient", _typed(recipient.address)),
        ("Action", progress.fate.value),
        ("Status", progress.status or _STATUS.get(progress.fate, "2.0.0")),
    ]
    if progress.diagnostic:
        fields.append(("Diagnostic-Code", _ascii(progress.diagnostic)[:900]))
    if progress.fate is Fate.WAITING:
        fields.append(("Will-Retry-Until", trace.date_time(until)))
    return b"".join(trace.field(*one) for one in fields)


def _typed(address: Address) -> str:
    text = str(address)
    return f"rfc822; {text}" if text.isascii() else f"utf-8; {_xtext(text)}"


def _xtext(text: str) -> str:
    r"""utf-8-addr-xtext: what is not plain is \x{HEXPOINT} (RFC 6533 section 3)."""
    return _NOT_PLAIN.sub(lambda found: rf"\x{{{ord(found[0]):02X}}}", text)


def _ascii(text: str) -> str:
    return _NOT_SHOWN.sub("?", text)


def returned(original: bytes) -> tuple[bytes, bytes]:
    """The third part: the message, or its header (RFC 6522 section 4, RFC 6533 section 5)."""
    head, empty_line, body = original.partition(b"\r\n\r\n")
    whole = bool(body)
    if (head + b"\r\n").isascii():
        kind = "message/rfc822" if whole else "text/rfc822-headers"
    else:
        kind = "message/global" if whole else "message/global-headers"
    plain = original.isascii()
    return part(kind, "7bit" if plain else "8bit"), original if whole else _lines(head) + empty_line[:2]


def _lines(header: bytes) -> bytes:
    """A header as 8bit can carry it (RFC 2045 section 2.8): that of a binary message may hold anything."""
    return _LINE_END.sub(b"\r\n", header.replace(b"\0", b"?"))
