"""Questions to the DNS and their answers, as values; who asks over the network stands elsewhere.

Names are A-labels without the final dot, in answers in lower case. Whoever decides by what the DNS says must
know three ends besides an answer: the name is not there, it has nothing of that kind, nobody could say.
Only the last one may be otherwise a minute later.
"""

from collections.abc import Coroutine
from typing import Any, Literal, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from mailnode.values import frozen

T = TypeVar("T")
Kind = Literal["MX", "A", "AAAA", "TLSA", "TXT", "CNAME", "PTR", "SRV"]

QUERIES = 60  # that the way of one message may cost
SECONDS = 20.0  # that they may take together


@frozen
class Mx:
    """A mail exchanger (RFC 1035 section 3.3.9); the exchange is "" where the record has "." only."""

    preference: int
    exchange: str


@frozen
class Tlsa:
    """What is said of a server's certificate (RFC 6698 section 2.1), as it came: nothing in it is checked."""

    usage: int
    selector: int
    matching: int
    data: bytes

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"


Record = str | Mx | Tlsa


@frozen
class Answer:
    """One record at least, all of the kind that was asked for: Mx, Tlsa, or str for all others.

    The strings of a TXT record are joined, an octet a character; an SRV record is as in a zone file, its
    target without the final dot, or "." (RFC 2782). `secure` says that DNSSEC proves it (the AD bit of a
    resolver that is believed), `ttl` is in seconds. `canonical` is the name at the end of `aliases` CNAMEs.
    """

    records: tuple[Record, ...]
    secure: bool = False
    ttl: int = 0
    canonical: str = ""
    aliases: int = 0

    @property
    def texts(self) -> tuple[str, ...]:
        """Addresses, names or texts."""
        return tuple(one for one in self.records if isinstance(one, str))

    @property
    def exchangers(self) -> tuple[Mx, ...]:
        """The records of kind MX."""
        return tuple(one for one in self.records if isinstance(one, Mx))

    @property
    def associations(self) -> tuple[Tlsa, ...]:
        """The records of kind TLSA."""
        return tuple(one for one in self.records if isinstance(one, Tlsa))


class NoAnswer(Exception):
    """There is no such record; `secure` says that DNSSEC proves that."""

    def __init__(self, text: str, *, secure: bool = False) -> None:
        super().__init__(text)
        self.secure = secure


class NoSuchName(NoAnswer):
    """The name does not exist (NXDOMAIN)."""


class NoRecords(NoAnswer):
    """The name exists and has no record of this kind."""


class LookupFailed(Exception):
    """Nobody could say: no answer in time, a refusal, a failure of the server, or nonsense."""


class Resolver(Protocol):
    """Answers questions."""

    async def query(self, name: str, kind: Kind) -> Answer:
        """The records of a name. Raises NoSuchName, NoRecords or LookupFailed, and nothing else."""


class Budgeted:
    """A resolver that serves one purpose, such as one message, and only so often and so long.

    So nobody who writes a zone can have us ask for ever. What is over the budget is a LookupFailed.
    """

    def __init__(
        self, resolver: Resolver, clock: IReactorTime, *, queries: int = QUERIES, seconds: float = SECONDS
    ) -> None:
        self._resolver = resolver
        self._clock = clock
        self._queries = queries
        self._until = clock.seconds() + seconds

    async def query(self, name: str, kind: Kind) -> Answer:
        """As of a Resolver."""
        left = self._until - self._clock.seconds()
        if self._queries <= 0 or left <= 0:
            raise LookupFailed("one message asked too much of the DNS")
        self._queries -= 1
        return await in_time(self._resolver.query(name, kind), left, self._clock)


def in_time(work: Coroutine[Any, Any, T], seconds: float, clock: IReactorTime) -> "Deferred[T]":
    """What the coroutine returns; LookupFailed, and its end, when that takes longer."""

    def late(value: T | Failure, _: float) -> T | Failure:
        if isinstance(value, Failure) and value.check(CancelledError):
            raise LookupFailed("no answer in time")
        return value

    return Deferred.fromCoroutine(work).addTimeout(seconds, clock, late)
