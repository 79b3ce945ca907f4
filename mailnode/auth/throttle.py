"""How often somebody may be wrong.

An office sits behind one address, so there are two counts. Whoever has logged in from a source lately is good
there: a person at that source (the IPv4 address, or the IPv6 /64) is never shut out of it, neither by the
others there nor by what is wrong under the own name; it only has to wait longer for each answer. All the
other names share the count of the source: so many failures in a minute, or in a day, and it is told to go
before any hash is worked out. Accounts are never locked: a stranger could lock them. What many failures in a
day mean for one account is for people to judge, so they are told, once.

The same wrong password sent again counts once, so a phone with last year's password shuts nobody out. That
needs the password: mechanisms that never show it (SCRAM, CRAM-MD5, APOP) give an attempt that is new each
time, and each counts. With them it is the goodness of the source that keeps the phone from doing harm.

A right login forgets what the source did wrong under the same name, and only that: or who has one account
could guess at all others. The tables are bounded; what was quiet longest is forgotten first.
"""

import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TypeVar

from mailnode.config import Limits
from mailnode.net.limits import source_of
from mailnode.values import frozen

KEPT = 200  # failures that are remembered of a source; the limits are no higher
ALARMING = 20  # failures of one account in a day
LONGEST_DELAY = 15.0  # seconds
GOOD_DAYS = 14

_MINUTE = 60.0
_DAY = 86400.0
_SOURCES = 4096
_PAIRS = 16384
_NAMES = 4096
_RETOLD = 10_000  # logins

K = TypeVar("K")
V = TypeVar("V")


def delay(failures: int, first: float = 2.0) -> float:
    """Seconds to wait before answering the n-th failure: doubles from `first` to 15."""
    return min(first * 2.0 ** min(failures - 1, 16), LONGEST_DELAY) if failures > 0 else 0.0


@frozen
class Told:
    """What processes tell each other of a login: digests, by a key that they have together.

    `source` is None for a UNIX socket, `attempt` for a right login; `ours` says that there is such a mailbox.
    `age` are the seconds since then.
    """

    source: str | None
    name: bytes
    attempt: bytes | None = None
    ours: bool = False
    age: float = 0.0


@frozen
class _Failure:
    time: float
    name: bytes  # digests: what people type may be long, and is theirs
    attempt: bytes


def _failures() -> deque[_Failure]:
    return deque(maxlen=KEPT)


@dataclass(slots=True)
class _Good:
    """A name at a source where it has logged in."""

    last: float
    told: float = 0.0  # when all processes heard of it
    failures: deque[_Failure] = field(default_factory=_failures)


class LoginThrottle:
    """Remembers failed logins by source address; a UNIX socket, which has none, is never blocked.

    Names are those that somebody wants to log in to, in the form in which they are compared. Whoever asks
    leaves out the addresses that are trusted.
    """

    def __init__(self, clock: Callable[[], float], limits: Callable[[], Limits]) -> None:
        self._limits = limits
        self._clock = clock
        self.key = secrets.token_bytes(32)  # the same in all processes that tell each other
        self.tell: Callable[[Told], None] = lambda told: None
        self._sources: OrderedDict[str, deque[_Failure]] = OrderedDict()
        self._good: OrderedDict[tuple[str, bytes], _Good] = OrderedDict()
        self._days: OrderedDict[bytes, deque[float]] = OrderedDict()

    def blocked(self, address: str, name: str) -> bool:
        """Whether so much went wrong from this source that the name is not to be heard from there now."""
        source = _source(address)
        if source is None or self._pair(source, self._digest(name.encode())) is not None:
            return False
        limits, failures, now = self._limits(), self._sources.get(source, _failures()), self._clock()
        return any(
            len(failures) >= most and failures[-most].time > now - span
            for most, span in ((limits.login_failures_minute, _MINUTE), (limits.login_failures_day, _DAY))
        )

    def failed(self, address: str, name: str, attempt: bytes, *, ours: bool = True) -> int:
        """Count a wrong login, unless this source sent the same one lately; `ours` if it is a mailbox's name.

        Names that nobody has push out none that people are to be told of. Gives how many different ones of
        this name have come from there in a day, this one among them.
        """
        digest, tried = self._digest(name.encode()), self._digest(name.encode() + b"\0" + attempt)
        told = Told(_source(address), digest, tried, ours)
        self.tell(told)
        return self.hear(told)

    def hear(self, told: "Told") -> int:
        """The same for a login that another process has seen; also for a right one."""
        source, now = told.source, self._clock() - told.age
        if told.attempt is None:
            self._forgive(source, told.name, now, told=True)
            return 0
        pair = self._pair(source, told.name) if source is not None else None
        if pair is not None:
            failures = pair.failures
        elif source is not None:
            failures = _latest(self._sources, source, _failures, _SOURCES)
        else:
            failures = _failures()
        if all(failure.attempt != told.attempt for failure in failures):
            failures.append(_Failure(now, told.name, told.attempt))
            if told.ours:
                _latest(self._days, told.name, lambda: deque(maxlen=ALARMING), _NAMES).append(now)
        return sum(failure.name == told.name and failure.time > now - _DAY for failure in failures)

    def succeeded(self, address: str, name: str) -> None:
        """Forget what this source did wrong under this name; the name is good there from now on.

        Others are told where that is news to them: people log in all the time.
        """
        told = Told(_source(address), self._digest(name.encode()))
        news = self._is_news(told)
        if news:
            self.tell(told)
        self._forgive(told.source, told.name, self._clock(), told=news)

    def _is_news(self, told: Told) -> bool:
        if told.source is None:
            return False
        pair = self._good.get((told.source, told.name))
        wrong = any(one.name == told.name for one in self._sources.get(told.source, ()))
        return pair is None or bool(pair.failures) or wrong or pair.told < self._clock() - _DAY

    def _forgive(self, source: str | None, digest: bytes, now: float, *, told: bool) -> None:
        if source is None:
            return
        if source in self._sources:
            others = (failure for failure in self._sources[source] if failure.name != digest)
            self._sources[source] = deque(others, maxlen=KEPT)
        pair = _latest(self._good, (source, digest), lambda: _Good(0.0), _PAIRS)
        pair.last = now
        pair.told = now if told else pair.told
        pair.failures.clear()

    def known(self) -> list[Told]:
        """What a process that begins is to be told of earlier: the latest, in their order."""
        now = self._clock()
        right = [Told(source, name, age=now - good.last) for (source, name), good in self._good.items()]
        sources = [*self._sources.items(), *((pair[0], good.failures) for pair, good in self._good.items())]
        wrong = [
            Told(source, one.name, one.attempt, age=now - one.time)
            for source, failures in sources
            for one in failures
        ]
        return sorted(right + wrong, key=attrgetter("age"), reverse=True)[-_RETOLD:]

    def alarming(self, name: str) -> bool:
        """Whether under this name so much went wrong in a day, from anywhere, that people should know of it.

        Says so once; then it counts anew.
        """
        times = self._days.get(self._digest(name.encode()), deque())
        if len(times) < ALARMING or times[0] <= self._clock() - _DAY:
            return False
        times.clear()
        return True

    def _pair(self, source: str, digest: bytes) -> _Good | None:
        """What is known of a name at a source where it is good."""
        pair = self._good.get((source, digest))
        return pair if pair is not None and pair.last > self._clock() - GOOD_DAYS * _DAY else None

    def _digest(self, text: bytes) -> bytes:
        return hmac.digest(self.key, text, "sha256")


def _latest(table: OrderedDict[K, V], key: K, make: Callable[[], V], most: int) -> V:
    """The value of a key, which is now the one used last; the one used longest ago makes room for it."""
    value = table.setdefault(key, make())
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)
    return value


def _source(address: str) -> str | None:
    """What is counted: the IPv4 address, the IPv6 /64, or whom no proxy can name; None for a UNIX socket."""
    return source_of(address) if address else None
