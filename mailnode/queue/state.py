"""How much waits in the queue, and how long the oldest of it has."""

from collections.abc import Iterable

from mailnode.queue.changes import HELD
from mailnode.values import frozen


@frozen
class QueueState:
    """Counts of messages; `oldest` is when the one that waits longest came, None for an empty queue.

    `due` are those whose time has come, `waiting` those that are tried later, `held` those that somebody has
    to release, `active` those that are being delivered.
    """

    due: int = 0
    waiting: int = 0
    held: int = 0
    active: int = 0
    oldest: float | None = None

    @property
    def total(self) -> int:
        """All of them."""
        return self.due + self.waiting + self.held + self.active


def state(due: Iterable[float], came: Iterable[float], *, active: int, now: float) -> QueueState:
    """That of a queue: when what waits is due, when everything came, and how many are being delivered."""
    times = list(due)
    ready, held = sum(one <= now for one in times), sum(one >= HELD for one in times)
    return QueueState(ready, len(times) - ready - held, held, active, min(came, default=None))
