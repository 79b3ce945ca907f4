"""The fields a server puts on top of a message (RFC 5321 section 4.4): Return-Path, Received and their kin.

Every field is built by `field`, which refuses what could end the line: no value, wherever it came from, can
add a line of its own to a message. UTF-8 stands only in messages that came as such (RFC 6531 section 3.7.3).
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from mailnode.message.date import MONTHS
from mailnode.values import frozen
from mailnode.wire.address import Address, literal
from mailnode.wire.international import u_labels

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOLD = "\r\n\t"
_LINE = 990  # octets; RFC 5322 section 2.1.1 has room for 998 in a line
_UTF8_VALUE = re.compile(r"[ -~\u00a0-\u2027\u202a-\ud7ff\ue000-\U0010ffff]*")  # no controls, no separators


@frozen
class Hop:
    """One transfer of a message, as its Received field tells it."""

    hello: str  # what the client called itself
    peer: str  # its IP address; "" on a UNIX socket
    by: str
    protocol: str
    id: str
    recipient: Address | None  # named only where naming it tells nobody of somebody else
    seconds: float  # since the epoch
    priority: int = 0  # RFC 6710 section 4.1
    utf8: bool = False
    solicitation: tuple[str, ...] = ()  # RFC 3865 section 2.6


def field(name: str, *lines: str, utf8: bool = False) -> bytes:
    """One field in wire form, folded where the lines say.

    Raises ValueError for other than printable ASCII; with `utf8` only for controls and what ends a line.
    """
    text = "".join(lines)
    if not (text.isascii() and text.isprintable()) and not (utf8 and _UTF8_VALUE.fullmatch(text)):
        raise ValueError("a header field must be printable")
    return f"{name}: {_FOLD.join(lines)}\r\n".encode()


def return_path(reverse_path: Address | None, *, utf8: bool = False) -> bytes:
    """Return-Path, "<>" for no reverse-path; with U-labels where UTF-8 may be."""
    if utf8 and reverse_path:
        reverse_path = reverse_path.shown
    return field("Return-Path", f"<{reverse_path or ''}>", utf8=utf8)


def delivered_to(address: str, *, utf8: bool = False) -> bytes:
    """Delivered-To with the mailbox; for a message that only this mailbox gets."""
    return field("Delivered-To", address, utf8=utf8)


def final(reverse_path: Address | None, mailboxes: Sequence[str], *, utf8: bool = False) -> bytes:
    """What final delivery puts on top of all: Return-Path, and Delivered-To where there is one mailbox.

    Mailboxes share one file, so one of them is named only where there is no other who would read it. A name
    in UTF-8 gets into no message that is none (RFC 6531 section 3.7.3).
    """
    fields = [return_path(reverse_path, utf8=utf8)]
    if len(mailboxes) == 1 and (utf8 or mailboxes[0].isascii()):
        fields.append(delivered_to(mailboxes[0], utf8=utf8))
    return b"".join(fields)


def received(hop: Hop) -> bytes:
    """Received: From-domain By-domain [With] [ID] [For] [PRIORITY] ";" date-time

    A priority other than 0 has a clause of its own (RFC 6710 section 4.1). Kinds of solicitation stand in a
    comment behind the protocol (RFC 3865 section 2.6), if a line has room for them. In a UTF-8 message
    domains have U-labels (RFC 6531 section 3.7.3), but what the client called itself.
    """
    by, recipient = hop.by, hop.recipient and str(hop.recipient)
    if hop.utf8:
        by, recipient = u_labels(by), hop.recipient and hop.recipient.shown
    lines = [f"from {hop.hello} ({literal(hop.peer)})" if hop.peer else f"from {hop.hello}"]
    solicitation = f"(SOLICIT={','.join(hop.solicitation)})"
    if hop.solicitation and len(solicitation) <= _LINE:
        lines += [f"by {by} with {hop.protocol}", solicitation, f"id {hop.id}"]
    else:
        lines.append(f"by {by} with {hop.protocol} id {hop.id}")
    if recipient is not None:
        lines.append(f"for <{recipient}>")
    if hop.priority:
        lines.append(f"PRIORITY {hop.priority}")
    return field("Received", *lines[:-1], f"{lines[-1]};", date_time(hop.seconds), utf8=hop.utf8)


def protocol(
    *, extended: bool, secure: bool, authenticated: bool, lmtp: bool = False, utf8: bool = False
) -> str:
    """The registered name of the protocol: SMTP; ESMTP or LMTP, and both with S, A or SA (RFC 3848).

    With SMTPUTF8 they are UTF8SMTP and UTF8LMTP with the same letters behind (RFC 6531 section 4.3).
    """
    if not extended:
        return "SMTP"
    base = ("UTF8" if utf8 else "E" * (not lmtp)) + ("LMTP" if lmtp else "SMTP")
    return f"{base}{'S' * secure}{'A' * authenticated}"


def date_time(seconds: float) -> str:
    """date-time in UTC (RFC 5322 section 3.3), such as "Thu, 1 Jan 1970 00:00:00 +0000", of epoch seconds."""
    return _date_time(int(seconds))


@lru_cache(maxsize=4)
def _date_time(seconds: int) -> str:
    when = _EPOCH + timedelta(seconds=seconds)
    day, month = _DAYS[when.weekday()], MONTHS[when.month - 1].decode("ascii")
    return f"{day}, {when.day} {month} {when.year:04} {when:%H:%M:%S} +0000"
