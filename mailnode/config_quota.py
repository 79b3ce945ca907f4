"""How much mail there may be: what stands in the [quota] table, and in the entries of mailboxes.

In the values None means no limit. A mailbox that does not say anything has AS_DEFAULT, and so what the
[quota] table says for all.
"""

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from mailnode.config_rules import domain_name
from mailnode.tomlfile import Fault, FromText
from mailnode.values import frozen

AS_DEFAULT = -1
MOST = 2**53

_SIZE = re.compile(r"([0-9]{1,16})(?:\.([0-9]{1,3}))? ?([kmgt]?i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1} | {
    unit: base**power
    for power, letter in enumerate("kmgt", 1)
    for unit, base in ((f"{letter}b", 1000), (f"{letter}ib", 1024))
}


def size(text: str) -> int | None:
    """Octets, from such as "2 GiB" (1024 MiB), "1.5 GB" (1000 MB) or "1000000"; None from "none"."""
    if text == "none":
        return None
    found = _SIZE.fullmatch(text)
    unit = _UNITS.get((found[3] or "").lower()) if found else None
    if not found or unit is None:
        raise Fault(f'"{text}" is not a size', 'Write it like "2 GiB", "500 MB" or "none".')
    whole, part = found[1], found[2] or ""
    return _in_range(int(whole + part) * unit // 10 ** len(part))


def count(text: str) -> int | None:
    """A number of messages; None from "none"."""
    if text == "none":
        return None
    if not re.fullmatch("[0-9]{1,16}", text):
        raise Fault(f'"{text}" is not a number', 'Write a number, or "none".')
    return _in_range(int(text))


def _in_range(value: int) -> int:
    if not 1 <= value <= MOST:
        raise Fault(f"{value} is out of range", f'Use a number from 1 to {MOST}, or "none" for no limit.')
    return value


Octets = Annotated[int | None, FromText(size, or_number=True)]
Messages = Annotated[int | None, FromText(count, or_number=True)]


@frozen
class Room:
    """How many octets and messages there may be."""

    storage: Octets = None
    messages: Messages = None


_NO_LIMIT = Room()


@frozen
class Quota:
    """The room of a mailbox that has no other, what senders hear when it is full, and the room of domains."""

    storage: Octets = None
    messages: Messages = None
    over: Literal["defer", "refuse"] = "defer"
    domains: Mapping[Annotated[str, domain_name], Room] = field(default_factory=dict)

    def room(self, storage: int | None, messages: int | None) -> Room:
        """The room of a mailbox whose entry says this."""
        storage = self.storage if storage == AS_DEFAULT else storage
        messages = self.messages if messages == AS_DEFAULT else messages
        return _NO_LIMIT if storage is messages is None else Room(storage, messages)
