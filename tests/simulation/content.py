"""What a message is, by its octets as they were found somewhere."""

import email
import re
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage

_TOKEN = re.compile(rb"^X-Simulation: (\w+)", re.MULTILINE)
_REPORT = re.compile(rb"^From: Mail Delivery System <MAILER-DAEMON@", re.MULTILINE)
_GROUP = re.compile(rb"^Final-Recipient: [\w-]+; (\S+)\nAction: (\w+)", re.MULTILINE)
_LONE = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_TRACE = {"return-path", "received", "delivered-to", "sender", "precedence", "x-loop"}


@dataclass(frozen=True)
class Seen:
    """A message: which one of the senders' it is or, for a report, is about; what a report says of whom."""

    token: str
    report: bool = False
    about_report: bool = False
    says: tuple[tuple[str, str], ...] = ()  # address and action


def look(octets: bytes) -> Seen:
    """What it is."""
    text = octets.replace(b"\r\n", b"\n")
    head, _, rest = text.partition(b"\n\n")
    report = bool(_REPORT.search(head))
    found = _TOKEN.search(rest if report else head)
    token = found[1].decode() if found else ""
    if not report:
        return Seen(token)
    says = tuple((address.decode(), action.decode()) for address, action in _GROUP.findall(rest))
    return Seen(token, True, len(_REPORT.findall(text)) > 1, says)


def difference(found: bytes, sent: bytes, *, wire: bool, converted: bool) -> str:
    """What is wrong with a message as it was found, "" for nothing: trace fields may stand before it."""
    if not wire and not _LONE.search(sent):
        sent = sent.replace(b"\r\n", b"\n")  # so a mailbox has what has no other line ends
    if converted and not found.endswith(sent):
        return "" if _text(found) == _text(sent) else "converted to another text"
    if not found.endswith(sent):
        return "other octets than were sent"
    names = [line.partition(b":")[0].decode("latin-1").lower() for line in found[: -len(sent)].splitlines()]
    strange = [name for name in names if name and name[0] not in " \t" and not _is_ours(name)]
    return f"strange fields {strange}" if strange else ""


def _is_ours(name: str) -> bool:
    return name in _TRACE or name.startswith("list-")


def _text(octets: bytes) -> bytes:
    message = email.message_from_bytes(octets, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return b"\n".join(bytes(message.get_payload(decode=True)).splitlines())
