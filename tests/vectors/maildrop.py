"""A POP3 session over memory with two messages in its maildrop, and what plays vectors on it."""

import atexit
import os
import random
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from twisted.internet.task import Clock

from mailnode.auth.live import Live
from mailnode.auth.login import Logins
from mailnode.config import Limits, Listener, Store
from mailnode.events.feed import ChangeFeed
from mailnode.events.life import Bus
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.net.limits import ConnectionLimits, Gate
from mailnode.net.listen import Connection
from mailnode.pop3.session import Pop3
from mailnode.runtime import Runtime
from mailnode.store.account import Account
from mailnode.store.values import INBOX
from tests.net.memory import Served
from tests.smtp.world import CONFIG
from tests.vectors.people import logins, people
from tests.vectors.player import ANNA, Player, Way, check_messages, implicit
from tests.vectors.vector import Message, Step, Vector, settings

MESSAGES = (b"Subject: one\r\n\r\nfirst\r\nsecond\r\n", b"Subject: two\r\n\r\n.\r\n..dots\r\n")
_LOGIN = ((b"USER %s\r\n" % ANNA, (b"+OK",)), (b"PASS secret\r\n", (b"+OK 2 messages (58 octets)",)))
_NOOP = Step(send=b"NOOP\r\n", expect=(b"+OK",))
_LINE_LIMIT = 512  # octets of a status line with CRLF (RFC 2449 section 4)


def _account(root: str) -> Account:
    """The account as another process of this host would open it."""
    return Account(root, files=FileSystem(), now=lambda: 1e9, host="mail.test", rng=random.Random(2))


@lru_cache(maxsize=1)
def _filled() -> str:
    """A maildrop with the messages, made once, to be copied."""
    root = tempfile.mkdtemp(prefix="mailnode-") + "/anna"
    atexit.register(shutil.rmtree, os.path.dirname(root))
    account = _account(root)
    for message in MESSAGES:
        draft = account.draft()
        draft.write(message)
        account.append(INBOX, draft)
    account.close()
    return root


class MaildropWorld(Served):
    """One connection to a server that reads this maildrop."""

    protocol: str
    port: int
    logged_in = ("login",)  # states that come after a login

    def server(
        self, live: Live, runtime: Runtime, logins: Logins, bus: Bus, tls: Any
    ) -> Callable[[Connection], Awaitable[None]]:
        """What serves a connection."""
        raise NotImplementedError

    def __init__(
        self,
        vector: Vector,
        *,
        clock: Clock,
        tls: Any,
        encrypted: bool,
        cut: Callable[[bytes], Iterable[bytes]],
    ) -> None:
        clock.advance(1_000_000_000)
        super().__init__(clock, cut)
        self._directory = tempfile.TemporaryDirectory(prefix="mailnode-")
        shutil.copytree(_filled(), f"{self._directory.name}/anna")
        limits = replace(Limits(), login_delay=0, **dict(vector.limits))
        self._root = f"{self._directory.name}/anna"
        place = Store(f"{self._directory.name}/{{local}}")
        state = f"{self._directory.name}/state"
        config = replace(CONFIG, limits=limits, store=place, state=state, **settings(vector.config))
        live = Live(config, people())
        runtime = Runtime(clock, random.Random(1), InlineExecutor())
        loopback = vector.peer == "loopback" or (vector.state in self.logged_in and not encrypted)
        peer = "127.0.0.1" if loopback else "192.0.2.7"
        gate = Gate(lambda: ConnectionLimits(9, 99, 99, 99, 9), clock.seconds)
        listener = Listener(self.protocol, f"tcp:{self.port}", "implicit" if encrypted else "starttls")
        bus = Bus()
        connection = Connection(
            "CONN",
            self.stream,
            peer=peer,
            local="192.0.2.1",
            trusted=False,
            loopback=loopback,
            listener=listener,
            admission=cast(Any, gate.admit(peer, trusted=False)),
            log=Log("test"),
        )
        serve = self.server(live, runtime, logins(live, runtime, bus), bus, tls)
        self.serve(serve(connection), tls if encrypted else None)
        self.settle()

    def kept(self) -> list[bytes]:
        """The messages that lie there."""
        account = _account(self._root)
        inbox = account.mailbox(INBOX)
        found = []
        for uid in inbox.uids:
            with inbox.body(uid) as body:
                found.append(b"".join(body.wire()))
        account.close()
        return found

    def outside(self) -> list[str]:
        """What lies beside accounts; nothing should."""
        return [name for name in os.listdir(self._directory.name) if name not in ("anna", "bob", "state")]

    def clean_up(self) -> None:
        """End it."""
        self.lose()
        self._directory.cleanup()


class PopWorld(MaildropWorld):
    """By POP3."""

    protocol = "pop3"
    port = 110

    def server(
        self, live: Live, runtime: Runtime, logins: Logins, bus: Bus, tls: Any
    ) -> Callable[[Connection], Awaitable[None]]:
        """Pop3's."""
        return Pop3(live, runtime, logins, ChangeFeed(), bus, tls).serve


class PopPlayer(Player):
    """Plays a vector on it; every line of the answers is compared, not only the last of each."""

    world: PopWorld

    def script(self, *, pipelined: bool) -> list[Step]:
        """All steps from the connection on; pipelined, the first is in one segment with a NOOP."""
        steps = list(self._vector.steps)
        if self._vector.state == "login":
            login = [Step(send=sent, expect=heard) for sent, heard in _LOGIN]
            if pipelined:
                first = steps.pop(0)
                both = (*_NOOP.expect, *first.expect)
                login.append(replace(first, send=_NOOP.send + first.send, expect=both))
            steps = [*login, *steps]
        return [Step(expect=(b"+OK mx.local.example",)), *steps]

    def replies_in(self, output: bytes) -> list[bytes]:
        """All lines. Raises AssertionError for one without end, and for a status line that is too long."""
        lines = output.split(b"\r\n")
        if lines.pop():
            raise AssertionError(f"a line without end: {output[-80:]!r}")
        for line in lines:
            if line.startswith((b"+OK", b"-ERR")) and len(line) + 2 > _LINE_LIMIT:
                raise AssertionError(f"a line of {len(line)} octets")
        return lines

    def check_messages(self, wanted: tuple[Message, ...] | None) -> None:
        """The maildrop is what it was, but for what the vector says."""
        found = self.world.kept()
        if wanted is None or self._vector.messages == ():
            if found != list(MESSAGES):
                raise AssertionError(f"there are {len(found)} messages")
        else:
            check_messages([((), content) for content in found], wanted)


def pop_player(vector: Vector, way: Way, *, clock: Clock, tls: Any) -> PopPlayer:
    """A connection in the state of the vector."""
    world = PopWorld(vector, clock=clock, tls=tls, encrypted=implicit(vector, way), cut=way.cut)
    return PopPlayer(world, vector, way)
