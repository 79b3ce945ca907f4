"""An IMAP session over memory, with the messages of maildrop.py in INBOX, and what plays vectors on it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from twisted.internet.task import Clock

from mailnode.auth.live import Live
from mailnode.auth.login import Logins
from mailnode.auth.neighbours import Neighbours
from mailnode.auth.realm import Realm
from mailnode.events.feed import ChangeFeed
from mailnode.events.life import Bus
from mailnode.events.presence import LiveSessions
from mailnode.fs import FileSystem
from mailnode.imap.protocol import Imap
from mailnode.imap.session import Surroundings
from mailnode.net.dirwatch import DirectoryWatches
from mailnode.net.listen import Connection
from mailnode.runtime import Runtime
from tests.net.test_dirwatch import FakeWatcher
from tests.vectors.maildrop import MESSAGES, MaildropWorld
from tests.vectors.player import ANNA, Player, Way, check_messages, implicit
from tests.vectors.vector import Message, Step, Vector

LOGIN = b"l LOGIN %s secret\r\n" % ANNA
SELECT = b"s SELECT INBOX\r\n"
OPENINGS = {"login": (LOGIN,), "selected": (LOGIN, SELECT)}
_NOOP = Step(send=b"n NOOP\r\n", expect=(b"n OK",))


class ImapWorld(MaildropWorld):
    """By IMAP."""

    protocol = "imap"
    port = 143
    logged_in = ("login", "selected")

    def server(
        self, live: Live, runtime: Runtime, logins: Logins, bus: Bus, tls: Any
    ) -> Callable[[Connection], Awaitable[None]]:
        """Imap's."""
        watches = DirectoryWatches(self.clock, FakeWatcher)
        neighbours = Neighbours(live, Realm(live, runtime, FileSystem(), rng=runtime.random), FileSystem())
        return Imap(
            Surroundings(live, runtime, logins, ChangeFeed(), bus, watches, tls, LiveSessions(), neighbours)
        ).serve


class ImapPlayer(Player):
    """Plays a vector on it; every line is compared, but those that only lead to the vector's state."""

    world: ImapWorld

    def script(self, *, pipelined: bool) -> list[Step]:
        """All steps from the connection on; pipelined, the first is in one segment with a NOOP."""
        opening = [Step(send=one, expect=(one[:2] + b"OK",)) for one in OPENINGS.get(self._vector.state, ())]
        steps = list(self._vector.steps)
        if pipelined:
            first = steps.pop(0)
            both = (*_NOOP.expect, *first.expect)
            steps.insert(0, replace(first, send=_NOOP.send + first.send, expect=both))
        return [Step(expect=(b"* OK [CAPABILITY IMAP4rev1 ",)), *opening, *steps]

    def replies_in(self, output: bytes) -> list[bytes]:
        """All lines; on the way to the vector's state the last one. Raises AssertionError for half a line."""
        lines = output.split(b"\r\n")
        if lines.pop():
            raise AssertionError(f"a line without end: {output[-80:]!r}")
        on_the_way = lines and lines[-1].startswith((b"l OK", b"s OK"))
        return lines[-1:] if on_the_way else lines

    def check_messages(self, wanted: tuple[Message, ...] | None) -> None:
        """INBOX is what it was, but for what the vector says, and nothing lies beside the account."""
        found = self.world.kept()
        if self.world.outside():
            raise AssertionError(f"there is {self.world.outside()}")
        if wanted is None or self._vector.messages == ():
            if found != list(MESSAGES):
                raise AssertionError(f"there are {len(found)} messages")
        else:
            check_messages([((), content) for content in found], wanted)


def imap_player(vector: Vector, way: Way, *, clock: Clock, tls: Any) -> ImapPlayer:
    """A connection in the state of the vector."""
    world = ImapWorld(vector, clock=clock, tls=tls, encrypted=implicit(vector, way), cut=way.cut)
    return ImapPlayer(world, vector, way)
