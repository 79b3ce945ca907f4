"""Limits of what accounts and domains may hold, and who gets the last room.

Usage comes from the files. What is on its way and not there yet is reserved meanwhile: two deliveries at once
cannot both have the last room. A reservation ends when its message can be seen (or will never be), so for a
moment a message may count twice. Who would fit without the reservations therefore waits for them, and is
refused only when it is certain that there is no room.

Several quotas are reserved in the order of their names, everywhere: so nobody waits in a circle.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from mailnode.store.errors import OverQuota
from mailnode.store.usage import NOTHING, Usage
from mailnode.values import frozen

PATIENCE = 10.0  # seconds without news of a reservation, after which it is not waited for
REMEMBERED_SECONDS = 60.0  # after which changes by other programs count in a sum


@frozen
class Limit:
    """How much there may be; None where there is no limit."""

    octets: int | None = None
    messages: int | None = None

    def holds(self, usage: Usage) -> bool:
        """Whether so much is allowed."""
        return (self.octets is None or usage.octets <= self.octets) and (
            self.messages is None or usage.messages <= self.messages
        )


UNLIMITED = Limit()


class Quota:
    """The room of one account or domain. Its limit may change at any time."""

    def __init__(self, name: str, *, limit: Callable[[], Limit], usage: Callable[[], Usage]) -> None:
        self.name = name
        self._limit = limit
        self._usage = usage
        self._reserved = NOTHING
        self._released = threading.Condition()

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        limit = self._limit()
        return limit is not UNLIMITED and limit != UNLIMITED

    def state(self) -> tuple[Usage, Limit]:
        """What there is, and what there may be. Raises OSError."""
        with self._released:
            return self._usage(), self._limit()

    def check(self, more: Usage) -> None:
        """Raise OverQuota when there is no room for so much more; what is only reserved may not come.

        This is advice, and waits for nobody: whoever then adds something reserves its room.
        """
        with self._released:
            if not self._limit().holds(self._usage() + more):
                raise OverQuota(self.name)

    def _await_room(self, more: Usage) -> None:
        while True:
            limit, wanted = self._limit(), self._usage() + more
            if limit.holds(wanted + self._reserved):
                return
            if not limit.holds(wanted) or not self._released.wait(PATIENCE):
                raise OverQuota(self.name)

    @contextlib.contextmanager
    def reserved(self, more: Usage) -> Iterator[None]:
        """Hold room for so much more until it is there. Raises OverQuota."""
        with self._released:
            self._await_room(more)
            self._reserved += more
        try:
            yield
        finally:
            with self._released:
                self._reserved += -more
                self._released.notify_all()


Demand = Mapping[Quota, Usage]


def demand(quotas: Iterable[Iterable[Quota]], each: Usage) -> Demand:
    """What each quota must have room for, when every account adds `each`; they are given by their quotas.

    Who adds nothing needs no room, and may be over the limit.
    """
    counts = Counter(quota for one in quotas for quota in one if each != NOTHING)
    return {
        quota: Usage(each.octets * count, each.messages * count)
        for quota, count in sorted(counts.items(), key=lambda item: item[0].name)
    }


@contextlib.contextmanager
def reserved(wanted: Demand) -> Iterator[None]:
    """Hold room in all of these, or raise OverQuota and hold none."""
    with contextlib.ExitStack() as stack:
        for quota, more in wanted.items():
            stack.enter_context(quota.reserved(more))
        yield


class Measured(Protocol):
    """What a sum asks of an account."""

    @property
    def usage_version(self) -> int:
        """Another number after every change that was told."""

    def usage(self) -> Usage:
        """What it holds now. Raises OSError."""


class Sum:
    """The usage of several accounts together.

    Asked again are those that have changed as we know, and all after REMEMBERED_SECONDS. A mailbox that
    cannot be read counts as it did before: that is nobody else's fault. For one thread at a time, as a Quota
    asks.
    """

    def __init__(self, accounts: Callable[[], Iterable[Measured]], now: Callable[[], float]) -> None:
        self._accounts = accounts
        self._now = now
        self._seen: dict[Measured, tuple[int, Usage]] = {}
        self._until = 0.0

    def usage(self) -> Usage:
        """What all accounts of this moment hold."""
        now = self._now()
        fresh = now < self._until <= now + REMEMBERED_SECONDS
        if not fresh:
            self._until = now + REMEMBERED_SECONDS
        self._seen = {account: self._ask(account, fresh=fresh) for account in self._accounts()}
        return sum((usage for _, usage in self._seen.values()), NOTHING)

    def _ask(self, account: Measured, *, fresh: bool) -> tuple[int, Usage]:
        version, usage = self._seen.get(account, (-1, NOTHING))
        if fresh and version == account.usage_version:
            return version, usage
        version = account.usage_version
        with contextlib.suppress(OSError, ValueError):
            usage = account.usage()
        return version, usage
