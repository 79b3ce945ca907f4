"""A POP3 server on a transport in memory, a mailbox on a disk of its own, and a client that talks to it."""

import random
import tempfile
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.checker import LoginBusy
from mailnode.auth.live import Live
from mailnode.auth.login import LoginFailed, Logins
from mailnode.auth.realm import MailAccount
from mailnode.config import Auth, Config, Listener, Mailboxes
from mailnode.events.feed import ChangeFeed
from mailnode.events.life import Bus, Event
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor, Lane
from mailnode.net.limits import Admission
from mailnode.net.listen import Connection
from mailnode.net.stream import ConnectionClosed, Stream, TimedOut
from mailnode.net.tls import TlsServer
from mailnode.pop3.session import Pop3
from mailnode.runtime import Runtime
from mailnode.store.account import Account
from mailnode.store.values import INBOX
from mailnode.wire.uidl import DEFAULT
from tests.auth.fakes import PasswordLogins

ADDRESS = "anna@example.test"
PASSWORD = b" a b  c "
NOW = 1_700_000_000.0

MESSAGE = b"Subject: one\r\n\r\nfirst\r\nsecond\r\nthird\r\n"


class Wire(StringTransport):
    """A transport that can be upgraded to TLS, in name, and that tells its producer when it is full."""

    tls: object = None
    full_at = 1 << 30

    def startTLS(self, creator: object) -> None:
        self.tls = creator

    def write(self, data: bytes) -> None:
        super().write(data)
        if len(self.value()) >= self.full_at and self.producer is not None:
            self.producer.pauseProducing()


class FakeLogins(PasswordLogins):
    """Knows one person; fails after the third try, and is busy when told so."""

    def __init__(self, account: MailAccount) -> None:
        self.account = account
        self.tried: list[tuple[bytes, bytes]] = []
        self.busy = False
        self.stamp = b""

    async def login(self, username: bytes, password: bytes, connection: Connection) -> MailAccount:
        self.tried.append((username, password))
        if self.busy:
            raise LoginBusy
        if (username, password) != (ADDRESS.encode(), PASSWORD):
            connection.login_failures += 1
            raise LoginFailed(give_up=connection.login_failures >= 3)
        return self.account

    def greeting_stamp(self, connection: Connection) -> bytes:
        return self.stamp

    async def apop(self, argument: bytes, stamp: bytes, connection: Connection) -> MailAccount:
        self.tried.append((argument, stamp))
        if argument != b"anna right":
            raise LoginFailed(give_up=False)
        return self.account


class Talk:
    """One connection to the server."""

    def __init__(self, house: "Pop3TestCase", tls: str, loopback: bool) -> None:
        self.clock = house.clock
        self.wire = Wire()
        self.stream = Stream(house.clock, opened=lambda _: None)
        self.stream.makeConnection(self.wire)
        self.stream.secure = tls == "implicit"
        listener = Listener("pop3", "tcp:110", cast(Any, tls))
        self.connection = Connection(
            id="C1",
            stream=self.stream,
            peer="127.0.0.1" if loopback else "192.0.2.7",
            local="192.0.2.1",
            trusted=loopback,
            loopback=loopback,
            listener=listener,
            admission=cast(Admission, None),
            log=Log("mailnode.pop3"),
        )
        self.served = Deferred.fromCoroutine(house.pop3.serve(self.connection))
        self.greeting = self.take()

    def take(self) -> bytes:
        """What the server has written since the last call."""
        for _ in range(1000):
            octets = self.wire.value()
            self.clock.advance(0)
            if self.wire.value() == octets:
                break
        octets = self.wire.value()
        self.wire.clear()
        return octets

    def say(self, octets: bytes) -> bytes:
        """Send octets, get the answer."""
        self.stream.dataReceived(octets)
        return self.take()

    def log_in(self) -> bytes:
        """Log in; gives the reply to PASS."""
        self.say(b"USER %s\r\n" % ADDRESS.encode())
        return self.say(b"PASS %s\r\n" % PASSWORD)

    def lose(self) -> None:
        """The connection goes away."""
        self.stream.connectionLost(Failure(ConnectionDone()))

    @property
    def over(self) -> bool:
        """Whether the session has ended by itself."""
        return bool(self.served.called)


class Pop3TestCase(SynchronousTestCase):
    """A house with one mailbox; `uidl` is the form of its unique-ids."""

    uidl = DEFAULT

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        directory = tempfile.TemporaryDirectory(prefix="mailnode-")
        self.addCleanup(directory.cleanup)
        self.root = directory.name + "/anna"
        self.store = self.open_store()
        self.account = MailAccount(ADDRESS, self.store, Lane(InlineExecutor()))
        self.logins = FakeLogins(self.account)
        self.live = Live(
            Config(hostname="mail.example.test", domains=("example.test",), auth=Auth()), Mailboxes()
        )
        self.logins.live = self.live
        self.feed = ChangeFeed()
        self.bus = Bus()
        self.events: list[Event] = []
        self.bus.subscribe(self.events.append)
        self.tls = cast(TlsServer, object())
        self.pop3 = self.make_pop3()
        self.talks: list[Talk] = []
        self.addCleanup(self.finish)

    def make_pop3(self, *, tls: bool = True) -> Pop3:
        return Pop3(
            self.live,
            Runtime(self.clock, random.Random(1), InlineExecutor()),
            cast(Logins, self.logins),
            self.feed,
            self.bus,
            self.tls if tls else None,
        )

    def open_store(self) -> Account:
        """The mailbox as another process of the same host would open it."""
        store = Account(
            self.root,
            files=FileSystem(),
            now=self.now,
            host="mail.example.test",
            rng=random.Random(2),
            uidl=lambda: self.uidl,
        )
        self.addCleanup(store.close)
        return store

    def now(self) -> float:
        self.clock.advance(0.001)
        return self.clock.seconds()

    def finish(self) -> None:
        """End what is still open; nothing may be left running."""
        for talk in self.talks:
            if not talk.stream.lost:
                talk.lose()
            self.assertTrue(talk.over)
            talk.served.addErrback(lambda failure: failure.trap(ConnectionClosed, TimedOut))
            self.successResultOf(talk.served)
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def put(self, *messages: bytes) -> None:
        """Add messages to INBOX, as they come over the wire."""
        for message in messages:
            draft = self.store.draft()
            draft.write(message)
            self.store.append(INBOX, draft)

    def kept(self) -> list[int]:
        """The UIDs that are in INBOX now, seen with fresh eyes."""
        return list(self.open_store().mailbox(INBOX).uids)

    def connect(self, *, tls: str = "implicit", loopback: bool = False) -> Talk:
        talk = Talk(self, tls, loopback)
        self.talks.append(talk)
        return talk

    def logged_in(self, *messages: bytes) -> Talk:
        """A session in TRANSACTION state over these messages."""
        self.put(*messages)
        talk = self.connect()
        self.assertTrue(talk.log_in().startswith(b"+OK"))
        return talk

    def dialogue(self, talk: Talk, lines: str) -> None:
        """Play a dialogue of `C:` and `S:` lines; "..." at the end of a line stands for any rest."""
        answer: list[bytes] = []
        for line in filter(None, map(str.strip, lines.splitlines())):
            who, _, text = line.partition(":")
            octets = text.removeprefix(" ").encode("latin-1").replace(b"\\0", b"\0")
            if who == "C":
                self.assertEqual(answer, [], f"unexpected, before {line}")
                answer = talk.say(octets + b"\r\n").split(b"\r\n")[:-1]
                continue
            self.assertTrue(answer, f"nothing said, but expected {line}")
            got = answer.pop(0)
            wanted, rest = (octets[:-3], True) if octets.endswith(b"...") else (octets, False)
            self.assertTrue(got.startswith(wanted) if rest else got == wanted, f"{line} <> {got!r}")
        self.assertEqual(answer, [])
