"""The way into the queue for a message that comes in pieces."""

from collections.abc import Callable

from mailnode.net.blocking import Lane
from mailnode.net.commits import Commits
from mailnode.queue.entry import Entry
from mailnode.queue.spool import Acceptance, Arriving, Spool
from mailnode.runtime import Runtime

PIECE = 262144  # octets that are collected before a thread is asked to write them


class Admission:
    """One message on its way into the spool; write as often as needed, then commit or abort.

    Committing is storing and starting: who has something else to do that may fail does it in between.
    The octets are the wire form. All disk work runs in a lane of the message's own, but what ends a small one
    with that of others.
    """

    def __init__(
        self,
        lane: Lane,
        commits: Commits[Acceptance],
        arriving: Arriving,
        entry: Entry,
        head: bytes,
        ended: Callable[[Entry, bool], None],
    ) -> None:
        self._lane = lane
        self._commits = commits
        self._arriving = arriving
        self._entry = entry
        self._ended = ended
        self._over = False
        self._pieces = [head]
        self._held = len(head)
        self._small = True

    async def write(self, data: bytes) -> None:
        """Add octets; returns when they are taken care of. Raises OSError."""
        self._pieces.append(data)
        self._held += len(data)
        if self._held > PIECE:
            self._small = False
            await self._lane.run(self._arriving.write, self._taken())

    async def commit(self) -> None:
        """Make it durable, and let it wait for its time. Raises OSError; then it is not in the queue."""
        await self.store()
        self.start()

    async def store(self) -> None:
        """Make it durable; nobody works at it before start(). Raises OSError; then it is not in the queue.

        A process that dies now finds it in the queue when it starts again.
        """
        last = self._taken()
        if self._small:
            await self._commits.run(None, Acceptance(self._arriving, last, self._entry))
        else:
            await self._lane.run(self._arriving.accept, self._entry, last)

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
        self._commits = Commits(runtime, spool.accept_all, at_once=True)
        self._tell = tell

    def begin(self, entry: Entry, head: bytes) -> Admission:
        """A message that is coming in; the ids of no two processes are the same."""
        lane = Lane(self._runtime.blocking)
        arriving = self._spool.arriving(entry.id)
        return Admission(lane, self._commits, arriving, entry, head, self._ended)

    def _ended(self, entry: Entry, accepted: bool) -> None:
        if accepted:
            self._tell(entry)
