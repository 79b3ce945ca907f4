"""The life of a message and of a login, as values.

Each is published once, by the part that made it true; the log and whoever subscribes read the same stream.
"""

from collections.abc import Callable
from dataclasses import field, fields
from functools import cache
from typing import Any

from twisted.logger import LogLevel

from mailnode.events.log import Fields, Log
from mailnode.values import Getter, frozen, getter_of

_DETAIL = {"detail": True}  # of a field that is too long for a line of the log


@frozen
class Event:
    """What all events carry: the id of the connection it happened on ("" when there was none)."""

    connection: str


@frozen
class LoggedIn(Event):
    """Somebody proved to be `address`."""

    address: str
    protocol: str
    peer: str


@frozen
class LoginRefused(Event):
    """A login failed; `username` is what the peer claimed."""

    username: str
    protocol: str
    peer: str
    reason: str


@frozen
class GuessedAt(Event):
    """So many logins of one account went wrong in a day that people should know; `peer` sent the last one."""

    address: str
    peer: str


@frozen
class Accepted(Event):
    """A message is on disk, or was shown, for all its recipients, and the peer was told so.

    `hello` is what the peer called itself, `message_id` the field of the message, as it is.
    """

    message: str
    reverse_path: str
    recipients: tuple[str, ...]
    octets: int
    peer: str = ""
    hello: str = ""
    message_id: str = ""


@frozen
class Refused(Event):
    """A command of a mail transaction was answered with 4yz or 5yz.

    `reverse_path` and `recipients` are those of the transaction, as far as it had come; beside a recipient
    that was refused, which is the `subject`, a few.
    """

    command: str
    reply: str
    subject: str
    peer: str = ""
    reverse_path: str = ""
    recipients: tuple[str, ...] = field(default=(), metadata=_DETAIL)


@frozen
class AllowanceUsedUp(Event):
    """An account has sent all that it may for now; published once in the time the limit is for."""

    address: str
    limit: str
    allowed: int


@frozen
class Delivered(Event):
    """A message reached a mailbox; `file` is its lasting name there."""

    message: str
    address: str
    mailbox: str
    file: str = field(default="", metadata=_DETAIL)


@frozen
class Held(Event):
    """A message waits in the queue until this time, in seconds since the epoch."""

    message: str
    until: int


@frozen
class Postponed(Event):
    """A message of the queue was tried and waits again, until this time in seconds since the epoch."""

    message: str
    tries: int
    until: int


@frozen
class Expanded(Event):
    """A message for a list is one for its members now; there are so many."""

    message: str
    address: str
    members: int


@frozen
class Relayed(Event):
    """Another host has taken a message for a recipient; `reply` is what it said."""

    message: str
    recipient: str
    host: str
    reply: str


@frozen
class PutOff(Event):
    """Another host did not take a message for a recipient yet; `reply` is why, in its words or ours."""

    message: str
    recipient: str
    host: str
    reply: str


@frozen
class MaybeTwice(Event):
    """A host had all of a message and did not say yes or no: so many recipients may get a second copy."""

    message: str
    host: str
    recipients: int


@frozen
class Failed(Event):
    """A recipient does not get a message, for good."""

    message: str
    recipient: str
    reason: str


@frozen
class Ended(Event):
    """A message has left the queue: for each recipient it was delivered or failed."""

    message: str


@frozen
class Dropped(Event):
    """An administrator has removed a message from the queue: who did not have it does not get it."""

    message: str


@frozen
class Reported(Event):
    """A sender was told what became of a message."""

    message: str
    address: str


@frozen
class NotTold(Event):
    """A sender is not told what became of a message: the address may be forged, by what SPF says."""

    message: str
    address: str
    reason: str


@frozen
class Shown(Event):
    """A message was shown to somebody who was there: in so many sessions and on so many terminals."""

    message: str
    address: str
    count: int


@frozen
class Expunged(Event):
    """Messages were removed for good; UIDs and names as in a `deeds.Deed`."""

    address: str
    mailbox: str
    count: int
    uids: str = field(default="", metadata=_DETAIL)
    names: tuple[str, ...] = field(default=(), metadata=_DETAIL)


class Bus:
    """Hands every event to every subscriber, in order, on the reactor thread."""

    def __init__(self) -> None:
        self._subscribers: list[Callable[[Event], None]] = []
        self._log = Log("mailnode.events")

    def subscribe(self, subscriber: Callable[[Event], None]) -> None:
        """Have `subscriber` called with every event from now on."""
        self._subscribers.append(subscriber)

    def publish(self, event: Event) -> None:
        """Tell everybody. Raises nothing: it has happened."""
        self._log.each("event not heard", self._subscribers, event)


# What an administrator may have to do something about.
_WARNINGS = (AllowanceUsedUp,)


def write_to(log: Log, *, without: tuple[type[Event], ...] = ()) -> Callable[[Event], None]:
    """A subscriber that writes each event as one log line, but those of the kinds in `without`."""

    @cache
    def level_of(kind: Any) -> Any:
        """At which it is written; None for not at all."""
        if issubclass(kind, without):
            return None
        return LogLevel.warn if issubclass(kind, _WARNINGS) else LogLevel.info

    def write(event: Event) -> None:
        kind: Any = type(event)
        level = level_of(kind)
        if level is not None:
            log.about(level, kind.__name__, _fields, event)

    return write


def _fields(event: Event) -> Fields:
    """What has a place in a line of the log."""
    kind: Any = type(event)
    names, get = _shown(kind)
    return names, get(event)


@cache
def _shown(kind: Any) -> tuple[tuple[str, ...], Getter]:
    """The names of these fields, and what gives their values."""
    names = tuple(one.name for one in fields(kind) if "detail" not in one.metadata)
    return names, getter_of(names)
