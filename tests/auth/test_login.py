"""mailnode.auth.login: what a login costs who is wrong."""

import random

from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.checker import PasswordChecker
from mailnode.auth.claims import NOBODY
from mailnode.auth.live import Live
from mailnode.auth.login import LoginFailed, Logins
from mailnode.auth.passwords import Hasher
from mailnode.auth.realm import MailAccount, Realm
from mailnode.auth.throttle import PER_MINUTE, LoginThrottle
from mailnode.config import Auth, Config, Limits, Listener, MailboxEntry, Mailboxes
from mailnode.events.life import Bus, Event, LoginRefused
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.net.limits import ConnectionLimits, Gate
from mailnode.net.listen import Connection
from mailnode.net.stream import Stream
from mailnode.runtime import Runtime

HASHER = Hasher(Auth(argon2_memory=8, argon2_time=1))
ANNA, BEN = b"anna@example.org", b"ben@example.org"


class LoginTests(SynchronousTestCase):
    """The door, with everything behind it."""

    def setUp(self) -> None:
        people = {name.decode(): MailboxEntry(HASHER.hash("Geheimnis")) for name in (ANNA, BEN)}
        config = Config("mail.example.org", ("example.org",), limits=Limits(login_delay=0))
        live = Live(config, Mailboxes(people))
        self.clock = Clock()
        runtime = Runtime(self.clock, random.Random(1), InlineExecutor())
        realm = Realm(live, runtime, FileSystem(), rng=random.Random(1))
        checker = PasswordChecker(live, hasher=HASHER, executor=runtime.blocking, clock=runtime.now)
        bus = Bus()
        self.events: list[Event] = []
        bus.subscribe(self.events.append)
        self.logins = Logins(live, runtime, Portal(realm, [checker]), LoginThrottle(runtime.now), bus)
        self.gate = Gate(lambda: ConnectionLimits(99, 99, 99, 99, 99), runtime.now)

    def connection(self) -> Connection:
        """A new connection of a stranger."""
        stream = Stream(self.clock, opened=lambda _: None)
        stream.makeConnection(StringTransport())
        stream.secure = True
        admission = self.gate.admit("192.0.2.7", trusted=False)
        assert not isinstance(admission, str)
        listener = Listener("imap", "tcp:143")
        return Connection(
            "C", stream, "192.0.2.7", "192.0.2.1", False, False, listener, admission, Log("test")
        )

    def login(self, username: bytes, password: bytes, connection: Connection) -> "Deferred[MailAccount]":
        """A try, with the wait after it."""
        result = Deferred.fromCoroutine(self.logins.login(username, password, connection))
        self.clock.advance(0)
        return result

    def test_who_it_is(self) -> None:
        """After a right login the connection is counted as that person's."""
        connection = self.connection()
        self.assertEqual(
            self.successResultOf(self.login(ANNA, b"Geheimnis", connection)).address, ANNA.decode()
        )
        self.assertEqual(connection.admission.person, ANNA.decode())

    def test_own_password_buys_no_guesses(self) -> None:
        """Nine wrong logins for one person and a right one for another, twice: no more guesses from there.

        Who has logged in from there lately still may, and is the only one.
        """
        for turn in range(2):
            for number in range(PER_MINUTE - 1):
                guess = b"guess %d %d" % (turn, number)
                self.failureResultOf(self.login(ANNA, guess, self.connection()), LoginFailed)
            self.successResultOf(self.login(BEN, b"Geheimnis", self.connection()))
        right = self.login(ANNA, b"Geheimnis", self.connection())
        self.assertTrue(self.failureResultOf(right, LoginFailed).value.give_up)
        self.assertEqual(self.events[-1].reason, "too many failures from this address")

    def test_right_at_last(self) -> None:
        """Who remembers the password after some mistakes starts anew."""
        for turn in range(3):
            for number in range(PER_MINUTE - 1):
                guess = b"guess %d %d" % (turn, number)
                self.failureResultOf(self.login(ANNA, guess, self.connection()), LoginFailed)
            self.successResultOf(self.login(ANNA, b"Geheimnis", self.connection()))

    def test_nobody(self) -> None:
        """What stands for a refused authorization identity is a wrong login, and counted."""
        connection = self.connection()
        for _ in range(3):
            failed = self.failureResultOf(
                self.login(NOBODY.username, NOBODY.password, connection), LoginFailed
            ).value
        self.assertTrue(failed.give_up)
        self.assertEqual([type(event) for event in self.events], [LoginRefused] * 3)
