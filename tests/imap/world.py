"""A mail server's IMAP side in memory: one clock, one account, as many sessions as a test wants."""

import random

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from mailnode.auth.live import Live
from mailnode.auth.login import LoginFailed
from mailnode.auth.neighbours import Neighbours
from mailnode.auth.realm import MailAccount, Realm
from mailnode.config import Config, Limits, Listener, MailboxEntry, Mailboxes, Store
from mailnode.config_folders import NONE, SpecialUse
from mailnode.events.feed import ChangeFeed
from mailnode.events.life import Bus, Event
from mailnode.events.log import Log
from mailnode.events.presence import LiveSessions
from mailnode.fs import FileSystem
from mailnode.imap.protocol import Imap
from mailnode.imap.session import Surroundings
from mailnode.net.blocking import InlineExecutor
from mailnode.net.dirwatch import DirectoryWatches
from mailnode.net.limits import ConnectionLimits, Gate
from mailnode.net.listen import Connection
from mailnode.net.stream import ConnectionClosed, Stream, TimedOut
from mailnode.net.tls import TlsServer
from mailnode.runtime import Runtime
from mailnode.store.stillness import Stillness
from tests.auth.fakes import PasswordLogins
from tests.net.test_dirwatch import FakeWatcher

NOON = 1_700_000_000.0
PASSWORD = b"secret"


class FakeLogins(PasswordLogins):
    """Lets in who knows the password; the third mistake of a connection ends it."""

    realm: Realm

    async def login(self, username: bytes, password: bytes, connection: Connection) -> MailAccount:
        if password != PASSWORD:
            connection.login_failures += 1
            raise LoginFailed(give_up=connection.login_failures >= 3)
        name = username.decode()
        return self.realm.account(name if "@" in name else f"{name}@example.org")


class Transport(StringTransport):
    """A StringTransport that knows how a connection ends, and how TLS starts."""

    tls = False

    def abortConnection(self) -> None:
        self.aborting = self.disconnecting = True

    def startTLS(self, creator: object) -> None:
        self.tls = True


class Client:
    """One connection; `say` sends lines and gives all that the server answers at once."""

    def __init__(self, world: "World", *, loopback: bool = True, tls: str = "starttls") -> None:
        self.world = world
        self.transport = Transport()
        self.stream = Stream(world.clock, opened=lambda stream: None)
        self.stream.makeConnection(self.transport)
        self.connection = Connection(
            id="TEST",
            stream=self.stream,
            peer="127.0.0.1" if loopback else "192.0.2.1",
            local="127.0.0.1",
            trusted=False,
            loopback=loopback,
            listener=Listener("imap", "tcp:143", tls),
            admission=world.gate.admit("", trusted=True),
            log=Log("tests.imap"),
        )
        self.failure: BaseException | None = None
        self.ended = False
        session = Deferred.fromCoroutine(world.imap.serve(self.connection))
        session.addBoth(self._end)
        self.greeting = self.heard()

    def _end(self, result: object) -> None:
        self.ended = True
        failure = getattr(result, "value", None)
        if failure is not None and not isinstance(failure, ConnectionClosed | TimedOut):
            self.failure = failure
        self.stream.close()

    def heard(self) -> bytes:
        """What the server has said since the last time."""
        self.world.clock.advance(0)
        said = self.transport.value()
        self.transport.clear()
        return said

    def send(self, octets: bytes) -> bytes:
        """Send octets as they are."""
        if not self.stream.lost:
            self.stream.dataReceived(octets)
        return self.heard()

    def say(self, line: str | bytes) -> bytes:
        """Send one line."""
        return self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")

    def login(self, mailbox: str | None = "INBOX", *, who: str = "me") -> "Client":
        """Log in, and select a mailbox."""
        assert b"l OK" in self.say(f"l LOGIN {who} secret"), "login"
        if mailbox is not None:
            assert b"s OK" in self.say(f"s SELECT {mailbox}"), "select"
        return self

    def append(self, message: bytes, mailbox: str = "INBOX", flags: str = "()") -> bytes:
        """APPEND a message."""
        return self.send(
            b"ap APPEND %s %s {%d+}\r\n" % (mailbox.encode(), flags.encode(), len(message))
            + message
            + b"\r\n"
        )

    def hang_up(self) -> None:
        """Close the connection from the client's side."""
        self.stream.connectionLost()


def people(*names: str) -> Mailboxes:
    """Mailboxes of these names, in example.org where no domain is named."""
    addresses = [name if "@" in name else f"{name}@example.org" for name in names]
    return Mailboxes({address: MailboxEntry("") for address in addresses})


class World:
    """The server."""

    def __init__(
        self,
        directory: str,
        *,
        separator: str = "/",
        tls: TlsServer | None = None,
        special_use: SpecialUse = NONE,
        stillness: Stillness | None = None,
        **limits: int,
    ) -> None:
        self.clock = Clock()
        self.clock.advance(NOON)
        self.directory = directory
        self.config = Config(
            hostname="mail.example.org",
            domains=("example.org",),
            state=directory,
            store=Store(mail=directory + "/{domain}/{local}", separator=separator, special_use=special_use),
            limits=Limits(**{"min_free_space": 0, **limits}),
        )
        self.live = Live(self.config, Mailboxes())
        self.runtime = Runtime(self.clock, random.Random(1), InlineExecutor())
        self.files = FileSystem()
        self.feed = ChangeFeed()
        self.bus = Bus()
        self.sessions = LiveSessions()
        self.watcher = FakeWatcher()
        self.watches = DirectoryWatches(self.clock, lambda: self.watcher)
        self.events: list[Event] = []
        self.bus.subscribe(self.events.append)
        self.logins = FakeLogins()
        self._rng = random.Random(2)
        self.gate = Gate(lambda: ConnectionLimits(1000, 1000, 1000, 1000, 1000), self.clock.seconds)
        self._tls = tls
        self._stillness = stillness
        self.start()

    def start(self) -> None:
        """Know nothing of any account, as after a restart."""
        self.realm = self.logins.realm = Realm(
            self.live, self.runtime, self.files, rng=self._rng, stillness=self._stillness
        )
        self.imap = Imap(
            Surroundings(
                self.live,
                self.runtime,
                self.logins,
                self.feed,
                self.bus,
                self.watches,
                self._tls,
                self.sessions,
                Neighbours(self.live, self.realm, self.files),
            )
        )
        # Its clock is years behind the times of files: who waits for their ticks would wait always.
        self.account().store._context.sleep = lambda seconds: None

    def client(self, **facts: object) -> Client:
        """A new connection."""
        return Client(self, **facts)

    def account(self) -> MailAccount:
        """The account of "me"."""
        return self.realm.account("me@example.org")

    def close(self) -> None:
        """Let go of files."""
        for account in self.realm.accounts():
            account.store.close()
