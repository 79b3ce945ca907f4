"""What the processes of one server tell each other, so that they are one server (net.link).

    feed      a mailbox is another
    count     counters of limits went up or down: the group, the name and by how much, of each
    login     a login was right or wrong
    say       a line for all sessions of somebody
    used      accounts that are used by sessions: the main process prepares mail for those that are not
    event     something in the life of a message or of a login, for the one log

Every process tells the main one, which tells the others. Steps of a counter are told together a moment later:
most sessions are so short that nobody need hear of them. A limit may be passed by what comes in that moment.
Accounts are told twice a second at most.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

from mailnode.auth.throttle import LoginThrottle, Told
from mailnode.events import deeds, life
from mailnode.events.feed import ChangeFeed, MailboxKey
from mailnode.events.presence import LiveSessions
from mailnode.net.limits import Gate
from mailnode.net.link import Hear
from mailnode.service_entrance import Entrance
from mailnode.values import values_of

Say = Callable[..., None]

PRESENT = "present"  # the group of counters that says who is there
MOMENT = 0.02  # seconds
USES = 0.5  # seconds, in which an account that is used is told once; the indexer wants it quiet for longer


def event_message(event: life.Event) -> tuple[object, ...]:
    """An event as a message."""
    return ("event", type(event).__name__, *values_of(event))


def event_of(name: str, *values: Any) -> life.Event:
    """The event of a message; lists are tuples again."""
    if list in map(type, values):
        values = tuple([tuple(value) if isinstance(value, list) else value for value in values])
    return _kind(name)(*values)


@cache
def _kind(name: str) -> Callable[..., life.Event]:
    kind: Callable[..., life.Event] = getattr(life, name, None) or getattr(deeds, name)
    return kind


def _login_message(told: Told) -> tuple[object, ...]:
    attempt = None if told.attempt is None else told.attempt.hex()
    return ("login", told.source, told.name.hex(), attempt, told.ours, told.age)


class Together:
    """The part of one process in all that they do together; `gates` are by protocol."""

    def __init__(self, entrance: Entrance, gates: Mapping[str, Gate]) -> None:
        self._feed: ChangeFeed = entrance.feed
        self._realm = entrance.realm
        self._sessions: LiveSessions = entrance.sessions
        self._throttle: LoginThrottle = entrance.throttle
        self._gates = gates
        self._clock = entrance.runtime.clock
        self._steps: Counter[tuple[str, str]] = Counter()  # that were not told so far
        self._used: set[str] = set()  # likewise, accounts
        self.hears: dict[str, Hear] = {
            "feed": self._hear_feed,
            "count": self._hear_count,
            "login": self._hear_login,
            "say": self._hear_said,
            "used": self._hear_used,
        }

    def tell(self, say: Say, soon: Say) -> None:
        """From here on tell the others by `say`; by `soon` what need be said but once in a moment."""

        def feed(key: MailboxKey) -> None:
            soon("feed", key[0], key[1])

        self._feed.tell = feed
        self._realm.tell = partial(self._use, say)
        self._throttle.tell = lambda told: say(*_login_message(told))
        self._sessions.say = lambda address, text: say("say", address, text)
        groups = {PRESENT: self._sessions.counts, **{name: gate.counts for name, gate in self._gates.items()}}
        for group, counts in groups.items():
            counts.tell = partial(self._count, say, group)

    def _count(self, say: Say, group: str, name: str, by: int) -> None:
        if not self._steps:
            self._clock.callLater(MOMENT, self._tell_steps, say)
        self._steps[group, name] += by

    def _tell_steps(self, say: Say) -> None:
        steps = [(group, name, by) for (group, name), by in self._steps.items() if by]
        self._steps.clear()
        if steps:
            say("count", steps)

    def _use(self, say: Say, address: str) -> None:
        if not self._used:
            self._clock.callLater(USES, self._tell_used, say)
        self._used.add(address)

    def _tell_used(self, say: Say) -> None:
        used, self._used = sorted(self._used), set()
        say("used", used)

    def known(self) -> Iterator[tuple[object, ...]]:
        """Messages to a process that begins: what was said before, as far as it still matters."""
        yield from map(_login_message, self._throttle.known())

    def _hear_feed(self, address: str, levels: list[str]) -> None:
        self._realm.changed(address)
        self._feed.hear((address, tuple(levels)))

    def _hear_count(self, steps: list[tuple[str, str, int]]) -> None:
        for group, name, by in steps:
            if group == PRESENT:
                self._sessions.counts.hear(name, by)
            elif group in self._gates:
                self._gates[group].hear(name, by)

    def _hear_login(self, source: str | None, name: str, attempt: str | None, ours: bool, age: float) -> None:
        tried = None if attempt is None else bytes.fromhex(attempt)
        self._throttle.hear(Told(source, bytes.fromhex(name), tried, ours, age))

    def _hear_used(self, addresses: list[str]) -> None:
        for address in addresses:
            self._realm.note_use(address)

    def _hear_said(self, address: str, text: str) -> None:
        self._sessions.hear(address, text)
