"""Counts what happens: each event of life adds to a few numbers, which never go down.

A number has a name and labels. Labels come from small fixed sets, never from what a peer has written, so that
no stranger can make the table grow.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from mailnode.events import life

MINUTE = 60.0
KEPT = 60  # minutes that can be looked back


class Key(NamedTuple):
    """What is counted: a name, and the values of its labels in their order."""

    name: str
    labels: tuple[str, ...] = ()


# The subjects of enhanced status codes (RFC 3463 section 3).
_REASONS = ("other", "address", "mailbox", "system", "network", "protocol", "content", "policy")
_STATUS = re.compile(r"(?:\d{3}[ -])?([245])\.(\d)\.\d{1,3}\b|(\d)")


def reason_of(reply: str) -> tuple[str, str]:
    """Whether a reply is "temporary" or "permanent", and the subject of its enhanced status code."""
    found = _STATUS.match(reply)
    kind = "permanent" if found and "5" in (found[1], found[3]) else "temporary"
    subject = int(found[2]) if found and found[2] else 0
    return kind, _REASONS[subject] if subject < len(_REASONS) else _REASONS[0]


_ACCEPTED, _RECIPIENTS, _OCTETS = map(Key, ("accepted", "accepted_recipients", "accepted_octets"))


def _accepted(event: life.Accepted) -> Iterable[tuple[Key, int]]:
    return (_ACCEPTED, 1), (_RECIPIENTS, len(event.recipients)), (_OCTETS, event.octets)


Count = Callable[[Any], Iterable[tuple[Key, int]]]


def _one(name: str) -> Count:
    steps = ((Key(name), 1),)
    return lambda event: steps


# What each kind of event adds.
COUNTS: Mapping[type[life.Event], Count] = {
    life.LoggedIn: lambda event: ((Key("logins", (event.protocol, "ok")), 1),),
    life.LoginRefused: lambda event: ((Key("logins", (event.protocol, "refused")), 1),),
    life.GuessedAt: _one("guessed_at"),
    life.Accepted: _accepted,
    life.Refused: lambda event: ((Key("refused", (event.command, *reason_of(event.reply))), 1),),
    life.AllowanceUsedUp: _one("allowances_used_up"),
    life.Delivered: _one("delivered"),
    life.Held: _one("held"),
    life.Postponed: _one("postponed"),
    life.Expanded: _one("expanded"),
    life.Relayed: _one("relayed"),
    life.PutOff: lambda event: ((Key("put_off", (reason_of(event.reply)[1],)), 1),),
    life.MaybeTwice: _one("maybe_twice"),
    life.Failed: _one("failed"),
    life.Ended: _one("ended"),
    life.Dropped: _one("dropped"),
    life.Reported: _one("reported"),
    life.NotTold: _one("not_told"),
    life.Shown: _one("shown"),
    life.Expunged: lambda event: ((Key("expunged"), event.count),),
}


class Tally:
    """One for the process; used on the reactor thread only."""

    def __init__(self) -> None:
        self._totals: Counter[Key] = Counter()
        self._minutes: deque[dict[Key, int]] = deque(maxlen=KEPT)

    def hear(self, event: life.Event) -> None:
        """Count an event; to be subscribed to the Bus."""
        for key, number in COUNTS.get(type(event), _nothing)(event):
            self._totals[key] += number

    def totals(self) -> dict[Key, int]:
        """All numbers since the server started."""
        return dict(self._totals)

    def minute_is_over(self) -> None:
        """Remember the numbers as they are; to be called every minute."""
        self._minutes.append(dict(self._totals))

    def lately(self) -> dict[Key, int]:
        """What was added in the last hour, or since the server started where that is less."""
        before = self._minutes[0] if len(self._minutes) == KEPT else {}
        return {key: number - before.get(key, 0) for key, number in self._totals.items()}


def _nothing(_: life.Event) -> Iterable[tuple[Key, int]]:
    return ()
