"""How many connections one address, one person and everybody may have.

A small office sits behind one address: so connections are counted by address only before login, and by
person after it. Connections from trusted networks count as sessions only: they are refused when there are too
many of these, and take no place from strangers.

Stress begins when strangers have most of the places there are for them, and ends when a good part of these
are free again: so that a count that goes up and down by one does not begin it anew each time.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from mailnode.events.counts import Counts
from mailnode.events.log import Log
from mailnode.values import frozen

_MINUTE = 60.0
_SOURCES = 4096  # whose new connections are remembered; the one heard of longest ago is forgotten first
# What is counted: all connections, those of strangers, those of a source or a person, and the new ones.
_SESSIONS, _STRANGERS = "sessions", "strangers"
_SOURCE, _PERSON, _NEW = "source ", "person ", "new "
_REFUSED = "refused "  # and those that found no place, by the reason; never taken back
HAPPENED = (_NEW, _REFUSED)  # how the names begin of what stays counted when its process has gone

_CALM = 0.75  # of the count at which stress begins: there it ends


@frozen
class ConnectionLimits:
    """The numbers; see docs/configuration.md for each."""

    per_address: int
    rate: int  # new connections of an address in a minute
    before_login: int  # of all strangers together
    sessions: int
    per_person: int
    stress_percent: int = 100  # of before_login, above which there is stress; never at 100


@lru_cache(4096)
def source_of(peer: str) -> str:
    """What is counted as one source: an IPv4 address, an IPv6 /64, or the text itself."""
    try:
        address = ip_address(peer)
    except ValueError:
        return peer
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((int(address), 64), strict=False).network_address)
    return str(address)


class Gate:
    """Counts the connections of one protocol and says no to the one too many.

    The log is told of stress.
    """

    def __init__(
        self, limits: Callable[[], ConnectionLimits], clock: Callable[[], float], log: Log | None = None
    ) -> None:
        self.stressed = False
        self.counts = Counts()
        self._limits = limits
        self._clock = clock
        self._log = log
        self._recent: OrderedDict[str, deque[float]] = OrderedDict()

    @property
    def sessions(self) -> int:
        """How many connections there are."""
        return self.counts[_SESSIONS]

    def people(self) -> dict[str, int]:
        """How many connections each person has who has logged in."""
        return dict(self.counts.named(_PERSON))

    def refused(self) -> dict[str, int]:
        """How many connections found no place, by the reason."""
        return dict(self.counts.named(_REFUSED))

    def hear(self, name: str, by: int) -> None:
        """Another process that serves this protocol has counted (events.counts)."""
        if name.startswith(_NEW):
            self._recent_of(name.removeprefix(_NEW)).extend([self._clock()] * by)
        else:
            self.counts.hear(name, by)
            self._note_stress()

    def admit(self, peer: str, *, trusted: bool) -> "Admission | str":
        """An Admission, to be released when the connection ends; or why not, for the log."""
        source = "" if trusted else source_of(peer)
        full = self.sessions >= self._limits().sessions
        if reason := "too many sessions" if full else self._enter(source):
            self.counts.add(_REFUSED + reason, 1)
            return reason
        self.counts.add(_SESSIONS, 1)
        return Admission(self, source)

    def _enter(self, source: str, *, new: bool = True) -> str:
        """Count a connection as one of this source that has not logged in; or why not."""
        if not source:
            return ""
        limits = self._limits()
        if reason := self._full(source, limits) or (self._rate_exceeded(source, limits) if new else ""):
            return reason
        self.counts.add(_STRANGERS, 1)
        self.counts.add(_SOURCE + source, 1)
        self._note_stress()
        return ""

    def _full(self, source: str, limits: ConnectionLimits) -> str:
        if self.counts[_STRANGERS] >= limits.before_login:
            return "too many connections before login"
        if self.counts[_SOURCE + source] >= limits.per_address:
            return "too many connections from this address"
        return ""

    def _rate_exceeded(self, source: str, limits: ConnectionLimits) -> str:
        recent = self._recent_of(source)
        if len(recent) >= limits.rate:
            return "too many new connections from this address"
        recent.append(self._clock())
        self.counts.tell(_NEW + source, 1)
        return ""

    def _recent_of(self, source: str) -> deque[float]:
        since = self._clock() - _MINUTE
        recent = self._recent.setdefault(source, deque())
        self._recent.move_to_end(source)
        if len(self._recent) > _SOURCES:
            self._recent.popitem(last=False)
        while recent and recent[0] <= since:
            recent.popleft()
        return recent

    def logged_in(self, source: str, before: str, person: str) -> bool:
        """Move a connection from its address, or the person `before`, to a person who has not too many."""
        if self.counts[_PERSON + person] >= self._limits().per_person:
            return False
        self._leave(source, before)
        self.counts.add(_PERSON + person, 1)
        return True

    def logged_out(self, source: str, person: str) -> str:
        """Move a connection from a person back to its source, where it is no new one; or why not."""
        if reason := self._enter(source, new=False):
            return reason
        self._leave("", person)
        return ""

    def moved(self, before: str, person: str, source: str) -> str:
        """Move a connection from the source `before`, or a person, to another source; or why not."""
        self._leave(before, person)
        return self._enter(source)

    def left(self, source: str, person: str) -> None:
        """A connection ended; `person` is "" when nobody had logged in."""
        self.counts.add(_SESSIONS, -1)
        self._leave(source, person)

    def _leave(self, source: str, person: str) -> None:
        if person:
            self.counts.add(_PERSON + person, -1)
        elif source:
            self.counts.add(_STRANGERS, -1)
            self.counts.add(_SOURCE + source, -1)
            self._note_stress()

    def _note_stress(self) -> None:
        """See whether stress begins or ends; one line in the log for each."""
        limits = self._limits()
        least = limits.before_login * limits.stress_percent / 100 * (_CALM if self.stressed else 1.0)
        strangers = self.counts[_STRANGERS]
        if self.stressed == (strangers > least):
            return
        self.stressed = not self.stressed
        if self._log is not None:
            event = "stress begins" if self.stressed else "stress is over"
            self._log.warn(event, strangers=strangers, places=limits.before_login)


class Admission:
    """The place of one connection in the counts; `person` is who has logged in, "" for nobody yet."""

    def __init__(self, gate: Gate, source: str) -> None:
        self.person = ""
        self._gate = gate
        self._source = source
        self._released = False

    @property
    def stressed(self) -> bool:
        """Whether this is a stranger's connection while these are so many that they have to hurry."""
        return self._gate.stressed and bool(self._source) and not self.person

    def authenticated(self, person: str) -> bool:
        """Tell who it is; False when that person has too many sessions already."""
        if person == self.person:
            return True
        if not self._gate.logged_in(self._source, self.person, person):
            return False
        self.person = person
        return True

    def unauthenticated(self) -> str:
        """The person has logged out and the connection stays; gives why not, "" where it may."""
        reason = self._gate.logged_out(self._source, self.person) if self.person else ""
        if not reason:
            self.person = ""
        return reason

    def move(self, peer: str, *, trusted: bool) -> str:
        """Count the connection as this peer's, who has not logged in; gives why not, "" where it may stay."""
        source = "" if trusted else source_of(peer)
        reason = self._gate.moved(self._source, self.person, source)
        self._source, self.person = "" if reason else source, ""
        return reason

    def release(self) -> None:
        """The connection is over; may be called twice."""
        if not self._released:
            self._released = True
            self._gate.left(self._source, self.person)
