"""How often a source address may be wrong.

Counted per IPv4 address or IPv6 /64: 10 failures in a minute or 50 in a day, and the source is told to go
before any hash is worked out. The same wrong password sent again counts once, so a phone with last year's
password shuts nobody out. Accounts are never locked: a stranger could lock them. A right login forgets what
the source did wrong under the same name, and only that: or who has one account could guess at all others. The
table is bounded; the source that was quiet longest is forgotten first.
"""

import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

PER_MINUTE = 10
PER_DAY = 50
LONGEST_DELAY = 15.0  # seconds

_MINUTE = 60.0
_DAY = 86400.0
_SOURCES = 4096


def delay(failures: int, first: float = 2.0) -> float:
    """Seconds to wait before answering the connection's n-th failure: doubles from `first` to 15."""
    return min(first * 2.0 ** min(failures - 1, 16), LONGEST_DELAY) if failures > 0 else 0.0


@dataclass(frozen=True, slots=True)
class _Failure:
    time: float
    name: bytes  # digests: what people type may be long, and is theirs
    attempt: bytes


class LoginThrottle:
    """Remembers failed logins by source address; a UNIX socket, which has none, is never blocked.

    Whoever asks leaves out the addresses that are trusted.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._sources: OrderedDict[str, deque[_Failure]] = OrderedDict()

    def blocked(self, address: str) -> bool:
        """Whether this source has been wrong too often to be heard now."""
        failures = self._sources.get(self._source(address) or "", deque())
        now = self._clock()
        return (len(failures) >= PER_MINUTE and failures[-PER_MINUTE].time > now - _MINUTE) or (
            len(failures) >= PER_DAY and failures[0].time > now - _DAY
        )

    def failed(self, address: str, username: bytes, password: bytes) -> None:
        """Count a wrong login, unless this source sent the same one lately."""
        source = self._source(address)
        if source is None:
            return
        failures = self._sources.setdefault(source, deque(maxlen=PER_DAY))
        self._sources.move_to_end(source)
        attempt = self._digest(username.lower() + b"\0" + password)
        if all(failure.attempt != attempt for failure in failures):
            failures.append(_Failure(self._clock(), self._digest(username.lower()), attempt))
        if len(self._sources) > _SOURCES:
            self._sources.popitem(last=False)

    def succeeded(self, address: str, username: bytes) -> None:
        """Forget what this source did wrong under this name."""
        source = self._source(address) or ""
        if source in self._sources:
            name = self._digest(username.lower())
            others = (failure for failure in self._sources[source] if failure.name != name)
            self._sources[source] = deque(others, maxlen=PER_DAY)

    def _digest(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, "sha256")

    def _source(self, address: str) -> str | None:
        """What is counted: the IPv4 address or the IPv6 /64."""
        try:
            found: IPv4Address | IPv6Address = ip_address(address)
        except ValueError:
            return address or None  # "unknown" is one source, as for the limits on connections
        if isinstance(found, IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        if isinstance(found, IPv6Address):
            return str(ip_network((int(found), 64), strict=False).network_address)
        return str(found)
