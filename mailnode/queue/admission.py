"""The way into the queue for a message that comes in pieces."""

from collections.abc import Callable

from mailnode.net.blocking import Lane
from mailnode.queue.entry import Entry
from mailnode.queue.spool import Arriving, Spool
from mailnode.runtime import Runtime

PIECE = 262144  # octets that are collected before a thread is asked to write them


class Admission:
    """One message on its way into the spool; write as often as needed, then commit or abort.

    Committing is storing and starting: who has something else to do that may fail does it in between.
    The octets are the wire form. All disk work runs in a lane of the message's own.
    """

    def __init__(
        self, lane: Lane, arriving: Arriving, entry: Entry, head: bytes, ended: Callable[[Entry, bool], None]
    ) -> None:
        self._lane = lane
        self._arriving = arriving
        self._entry = entry
        self._ended = ended
        self._over = False
        self._pieces = [head]
        self._held = len(head)

    async def write(self, data: bytes) -> None:
        """Add octets; returns when they are taken care of. Raises OSError."""
        self._pieces.append(data)
        self._held += len(data)
        if self._held > PIECE:
            await self._lane.run(self._arriving.write, self._taken())

    async def commit(self) -> None:
        """Make it durable, and let it wait for its time. Raises OSError; then it is not in the queue."""
        await self.store()
        self.start()

    async def store(self) -> None:
        """Make it durable; nobody works at it before start(). Raises OSError; then it is not in the queue.

        A process that dies now finds it in the queue when it starts again.
        """
        await self._lane.run(self._finish, self._taken())

    def start(self) -> None:
        """Let it wait for its time."""
        self._over = True
        self._ended(self._entry, True)

    async def abort(self) -> None:
        """Forget the message, stored or not; may be called at any time, and does nothing after start."""
        if not self._over:
            self._over = True
            self._taken()
            try:
                await self._lane.run(self._arriving.withdraw)
            finally:
                self._ended(self._entry, False)

    def _finish(self, data: bytes) -> None:
        self._arriving.write(data)
        self._arriving.accept(self._entry)

    def _taken(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        return data


WayIn = Callable[[Entry, bytes], Admission]  # of a message that is coming in, with its first octets


class FromElsewhere:
    """The way in of a process without a runner: it writes the spool itself, and tells of what it accepted."""

    def __init__(self, runtime: Runtime, spool: Spool, tell: Callable[[Entry], None]) -> None:
        self._runtime = runtime
        self._spool = spool
        self._tell = tell

    def begin(self, entry: Entry, head: bytes) -> Admission:
        """A message that is coming in; the ids of no two processes are the same."""
        lane = Lane(self._runtime.blocking)
        return Admission(lane, self._spool.arriving(entry.id), entry, head, self._ended)

    def _ended(self, entry: Entry, accepted: bool) -> None:
        if accepted:
            self._tell(entry)
