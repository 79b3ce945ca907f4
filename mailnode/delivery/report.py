"""A report on the delivery of a message, as the octets of another message (RFC 3464, in RFC 6522's form).

Three parts: what happened in plain words, the same for programs, and the message or its header. The words are
those of one language (delivery.words); what another server said, and technical details, stay as they are.
Addresses of other than ASCII are written for programs in the form that every one reads (utf-8-addr-xtext,
RFC 6533 section 3).
"""

import re
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime

from mailnode.delivery.words.english import ENGLISH
from mailnode.delivery.words.shape import Words, kind_of
from mailnode.envelope import Body, Envelope
from mailnode.message import trace
from mailnode.message.encoded import decode_words, encode_words
from mailnode.message.header import scan
from mailnode.queue.entry import Fate, Outcome, Progress
from mailnode.queue.runner import DAY, LIFETIME
from mailnode.values import frozen
from mailnode.wire.address import Address

LARGEST_RETURNED = 1_048_576  # octets of a message that comes back whole

_WORST_FIRST = (Fate.FAILED, Fate.WAITING, Fate.DELIVERED, Fate.EXPANDED, Fate.RELAYED)
_STATUS = {Fate.FAILED: "5.0.0", Fate.WAITING: "4.0.0"}  # where none is known; else success (RFC 3463)
_DAYS = round(LIFETIME / DAY)
_LINE = 76  # characters of a line that a person reads
_LONGEST_WORD = 240  # characters; a line may have 998 octets (RFC 5322 section 2.1.1)
_LONGEST_SUBJECT = 200
_NOT_PLAIN = re.compile(r"[^!-*,-<>-\[\]-~]")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_NOT_SHOWN = re.compile(r"[^ -~]")
_TOO_LONG = re.compile(rf"\S{{{_LONGEST_WORD}}}")


@frozen
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
    words: Words = ENGLISH


def returned_whole(envelope: Envelope, outcomes: Sequence[Outcome]) -> bool:
    """Whether the sender wants the message back, and may have it (RFC 3461 sections 4.3 and 6.2).

    Only where it failed; and not where it may hold octets that no report can carry.
    """
    failed = any(progress.fate is Fate.FAILED for _, progress in outcomes)
    return failed and envelope.full is True and envelope.body is not Body.BINARY


def compose(report: Report) -> bytes:
    """The report in wire form, without Return-Path."""
    boundary = f"report-{report.id}"
    language = trace.field("Content-Language", report.words.tag)  # RFC 3282
    parts = [(part("text/plain; charset=utf-8", "8bit") + language, _text(report).encode())]
    parts.append((part("message/delivery-status", "7bit"), _status(report)))
    parts.append(returned(report.original))
    content = b"".join(b"--%s\r\n%s\r\n%s\r\n" % (boundary.encode(), head, body) for head, body in parts)
    return _header(report, boundary) + b"\r\n" + content + b"--%s--\r\n" % boundary.encode()


def _header(report: Report, boundary: str) -> bytes:
    host, to = report.hostname, str(report.envelope.reverse_path)
    fields = [
        ("From", f"Mail Delivery System <MAILER-DAEMON@{host}>"),
        ("To", f"<{to}>"),
        ("Subject", *encode_words(report.words.subjects[_worst(report)])),
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
    return next(fate for fate in _WORST_FIRST if fate in fates)


def part(kind: str, encoding: str) -> bytes:
    """The header of a part of a message, with the encoding of what is in it."""
    return trace.field("Content-Type", kind) + trace.field("Content-Transfer-Encoding", encoding)


def _text(report: Report) -> str:
    """What a person reads."""
    words = report.words
    opening = words.opening.format(host=report.hostname, date=_date(words, report.arrived))
    lines = _folded(opening)
    if subject := _shown(decode_words(scan(report.original).get(b"subject") or b"")).strip():
        lines += _folded(words.about.format(subject=subject[:_LONGEST_SUBJECT]))
    for fate in _WORST_FIRST:
        these = [outcome for outcome in report.outcomes if outcome[1].fate is fate]
        if these:
            lines += ["", *_folded(words.headings[fate])]
        for recipient, progress in these:
            lines += ["", f"  <{_shown(str(recipient.address))}>", *_why(words, progress)]
    return "".join(f"{line}\r\n" for line in [*lines, *_what_to_do(report)])


def _why(words: Words, progress: Progress) -> list[str]:
    """What happened to one recipient, below the address."""
    told = []
    if progress.fate in _STATUS:
        what = words.cases[kind_of(_status_of(progress))].what
        told.append(what.format(days=_DAYS))
    if progress.diagnostic:
        reply = _shown(progress.diagnostic.partition("; ")[2] or progress.diagnostic)
        by = words.said_by if progress.host else words.said
        told.append(by.format(reply=reply, host=_shown(progress.host)))
    elif progress.reason and progress.fate in _STATUS:
        told.append(words.details.format(reason=_shown(progress.reason)))
    return [line for text in told for line in _folded(text, "    ")]


def _what_to_do(report: Report) -> list[str]:
    """What the sender can do about what failed, each piece of advice once; or until when it is tried."""
    words = report.words
    if _worst(report) is Fate.WAITING:
        return ["", *_folded(words.goes_on.format(date=_date(words, report.until)))]
    failed = [progress for _, progress in report.outcomes if progress.fate is Fate.FAILED]
    if not failed:
        return []
    advice = dict.fromkeys(words.cases[kind_of(_status_of(progress))].advice for progress in failed)
    lines = ["", *_folded(words.given_up), "", *_folded(words.to_do), ""]
    for text in advice:
        lines += _folded(text, "  - ", "    ")
    return [*lines, "", *_folded(words.ask.format(postmaster=f"postmaster@{report.hostname}"))]


def _date(words: Words, seconds: float) -> str:
    when = datetime.fromtimestamp(int(seconds), UTC)
    day = words.first_day if when.day == 1 else str(when.day)
    month = words.months[when.month - 1]
    return words.date.format(day=day, month=month, year=when.year, time=f"{when:%H:%M}")


def _folded(text: str, indent: str = "", later: str | None = None) -> list[str]:
    """Lines that are short where the words are; none of them is cut, but for monsters."""
    pieces = _TOO_LONG.sub(r"\g<0> ", text)
    return textwrap.wrap(
        pieces,
        _LINE,
        initial_indent=indent,
        subsequent_indent=indent if later is None else later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _shown(text: str) -> str:
    """One line of what came from others, without anything that does not show or turns the text around."""
    return "".join(one if one.isprintable() else "?" for one in text)


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
        ("Status", _status_of(progress)),
    ]
    if progress.diagnostic:
        fields.append(("Diagnostic-Code", _ascii(progress.diagnostic)[:900]))
    if progress.fate is Fate.WAITING:
        fields.append(("Will-Retry-Until", trace.date_time(until)))
    return b"".join(trace.field(*one) for one in fields)


def _status_of(progress: Progress) -> str:
    return progress.status or _STATUS.get(progress.fate, "2.0.0")


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
