"""A message in the queue, as a value and as the text of its envelope file.

The text is JSON that a person can read, mostly with a field on each line. Every field of the envelope goes
into it by its name, so that a new one needs no code here. One that has its default is left out, and read as
that: a default is part of the format. Times are seconds since the epoch.
"""

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

import cattrs

from mailnode.envelope import Envelope, Recipient
from mailnode.values import frozen, replace
from mailnode.wire.address import Address, parse_address
from mailnode.wire.esmtp import Notify

VERSION = 1
_LARGEST = 253_402_300_800  # seconds until the year 10000, the last that a date can be in

# RFC 3461 section 4.1: without NOTIFY, a failure is reported and a delay may be.
_UNASKED = Notify.FAILURE | Notify.DELAY


class Fate(Enum):
    """What has become of a message for one recipient; the words are those of Action (RFC 3464 2.3.3)."""

    WAITING = "delayed"
    DELIVERED = "delivered"
    EXPANDED = "expanded"
    RELAYED = "relayed"
    FAILED = "failed"


_ASKED_BY = {
    Fate.WAITING: Notify.DELAY,
    Fate.DELIVERED: Notify.SUCCESS,
    Fate.EXPANDED: Notify.SUCCESS,
    Fate.RELAYED: Notify.SUCCESS,
    Fate.FAILED: Notify.FAILURE,
}


@frozen
class Progress:
    """How far one recipient is.

    `status` is an enhanced status code (RFC 3463), `reason` says it to a person, `diagnostic` is what another
    host replied, such as "smtp; 550 5.1.1 No such user", and `host` its name. `told` is whether the
    sender got a report of it.
    """

    fate: Fate = Fate.WAITING
    status: str = ""
    reason: str = ""
    diagnostic: str = ""
    told: bool = False
    host: str = ""


class Approval(Enum):
    """Whether a message for a moderated list may go to it."""

    GIVEN = "given"
    WANTED = "wanted"  # nobody has been asked yet
    ASKED = "asked"  # its moderators have until its release to answer


class Proof(Enum):
    """Whether a stranger is to be told of a failure only when it is proved who the stranger is."""

    NEEDED = "needed"
    MISSING = "missing"  # the message is kept for the administrator until its release, then it goes
    WAIVED = "waived"


class Delay(Enum):
    """Whether the sender was told that a message is late, which happens once at most."""

    UNSAID = "unsaid"
    DUE = "due"
    TOLD = "told"


WAITING = Progress()
Outcome = tuple[Recipient, Progress]


@frozen
class Entry:
    """One message. `progress` has one value for each recipient of the envelope, in their order.

    `came` is when it was accepted, `due` when it is to be tried next, `tries` how often it was. `reached` are
    the mailboxes of this host that have it already: a second try passes them over. `head` has header fields
    that belong on top of what is in the body file, such as those of a list.
    """

    id: str
    envelope: Envelope
    came: float
    due: float
    progress: tuple[Progress, ...]
    tries: int = 0
    reached: tuple[str, ...] = ()
    delay: Delay = Delay.UNSAID
    head: str = ""
    approval: Approval = Approval.GIVEN
    proof: Proof = Proof.NEEDED

    @property
    def waiting(self) -> bool:
        """Whether there is a recipient left to try."""
        return any(one.fate is Fate.WAITING for one in self.progress)

    def waiting_for(self, domains: Collection[str]) -> list[int]:
        """The places of the recipients in these domains who still wait."""
        return [
            number
            for number, one in enumerate(self.progress)
            if one.fate is Fate.WAITING and self.envelope.recipients[number].address.domain_key in domains
        ]

    @property
    def owed(self) -> tuple[Outcome, ...]:
        """What the sender is to be told, and was not yet."""
        return owed(self.envelope, self.progress, late=self.delay is Delay.DUE)

    def with_everything_told(self) -> "Entry":
        """The same, once the sender knows what is final, and what is late."""
        told = (one if one.fate is Fate.WAITING else replace(one, told=True) for one in self.progress)
        delay = Delay.TOLD if self.delay is Delay.DUE else self.delay
        return replace(self, progress=tuple(told), delay=delay)

    def with_nobody_told(self, until: float) -> "Entry":
        """The same, as nothing proves who the sender is: what is final is kept for that long."""
        delay = Delay.TOLD if self.delay is Delay.DUE else self.delay
        if self.waiting:
            return replace(self, delay=delay)
        envelope = replace(self.envelope, release=until)
        return replace(self, delay=delay, proof=Proof.MISSING, envelope=envelope)

    def with_progress(self, found: Mapping[int, Progress]) -> "Entry":
        """The same, with that known of recipients, which are given by their places."""
        progress = (found.get(number, one) for number, one in enumerate(self.progress))
        return replace(self, progress=tuple(progress))

    def failed(self, status: str, reason: str) -> "Entry":
        """The same, with everybody given up who still waits; what was known of each is kept."""
        given_up = (
            replace(one, fate=Fate.FAILED, status=status, reason=f"{reason}. {one.reason}".rstrip(". "))
            if one.fate is Fate.WAITING
            else one
            for one in self.progress
        )
        return replace(self, progress=tuple(given_up))


def new_entry(name: str, envelope: Envelope, *, came: float, due: float) -> Entry:
    """The entry of a message that nobody has tried to deliver."""
    return Entry(name, envelope, came, due, (WAITING,) * len(envelope.recipients))


def owed(envelope: Envelope, progress: tuple[Progress, ...], *, late: bool = False) -> tuple[Outcome, ...]:
    """The outcomes that the sender has asked to hear of, by NOTIFY or its absence (RFC 3461 section 4.1).

    Who waits still is one of them when the message is `late`. Nothing is owed to nobody: a message without
    reverse-path is a report itself (RFC 5321 section 4.5.5).
    """
    if envelope.reverse_path is None:
        return ()
    return tuple(
        (recipient, one)
        for recipient, one in zip(envelope.recipients, progress, strict=True)
        if not one.told and (late or one.fate is not Fate.WAITING) and _ASKED_BY[one.fate] & _asked(recipient)
    )


def _asked(recipient: Recipient) -> Notify:
    return _UNASKED if recipient.notify is None else recipient.notify


# The text


def encode(entry: Entry) -> bytes:
    """The octets of the envelope file."""
    content = {"version": VERSION, **_converter.unstructure(entry)}
    return _written(content).encode() + b"\n"


def decode(data: bytes) -> Entry:
    """The entry in an envelope file. Raises ValueError with what is wrong, for a person."""
    with _wrong_is_value_error():
        entry = _converter.structure(_content(data), Entry)
    if len(entry.progress) != len(entry.envelope.recipients):
        raise ValueError("it does not say of each recipient how far it is")
    if entry.tries < 0 or min(entry.came, entry.due, entry.envelope.release) < 0:
        raise ValueError("a number is below 0")
    return entry


class Glance(NamedTuple):
    """What the queue needs to know of a message that waits."""

    id: str
    due: float
    release: float
    priority: int
    came: float


def glance(data: bytes) -> Glance:
    """That of an envelope file: a quarter of the work of decode().

    Raises ValueError, but not for everything that decode() does.
    """
    with _wrong_is_value_error():
        content = _content(data)
        envelope = content["envelope"]
        return Glance(
            _text(content["id"], str),
            _number(content["due"], float),
            _number(envelope.get("release", 0.0), float),
            int(_number(envelope.get("priority", 0), int)),
            _number(content["came"], float),
        )


def _content(data: bytes) -> dict[str, Any]:
    content = json.loads(data)
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise ValueError(f"no envelope of version {VERSION}")
    return content


@contextlib.contextmanager
def _wrong_is_value_error() -> Iterator[None]:
    """Whatever can be wrong with a file."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"no envelope can be read in it: {type(error).__name__}: {error}") from None


def _address(text: Any, _: object) -> Address:
    """An address from its text; that of <Postmaster> has no domain (RFC 5321 section 4.1.1.3)."""
    return parse_address(text, utf8=True) if "@" in text else Address(text, "")


def _notify(text: Any, _: object) -> Notify:
    words = [Notify[word] for word in text.split(",")]
    return Notify(sum(word.value for word in set(words)))


def _notify_text(notify: Notify) -> str:
    return ",".join(str(one.name) for one in notify) or "NEVER"


def _number(value: Any, _: object) -> float:
    """A time, or anything else below the year 10000."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
        raise ValueError("a number is not one")
    return float(value)


def _text(value: Any, _: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text is none")
    return value


# With an indentation the encoder would be the one in Python; made once, as that costs as much as a text.
_written = json.JSONEncoder(ensure_ascii=False, separators=(",\n ", ": ")).encode

_converter = cattrs.Converter(detailed_validation=False, omit_if_default=True)
_converter.register_structure_hook(Address, _address)
_converter.register_unstructure_hook(Address, str)
_converter.register_structure_hook(Notify, _notify)
_converter.register_unstructure_hook(Notify, _notify_text)
_converter.register_structure_hook(float, _number)
_converter.register_structure_hook(str, _text)
