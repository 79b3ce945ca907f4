"""mailnode.auth.login: what a login costs who is wrong."""

import random
from dataclasses import replace

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
from mailnode.auth.throttle import ALARMING, LoginThrottle
from mailnode.config import Auth, Config, Limits, Listener, MailboxEntry, Mailboxes
from mailnode.events.life import Bus, Event, GuessedAt, LoginRefused
from mailnode.events.log import Log
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.net.limits import ConnectionLimits, Gate
from mailnode.net.listen import Connection
from mailnode.net.stream import Stream
from mailnode.runtime import Runtime
from tests.auth.house import BEN as BEN_ADDRESS
from tests.auth.house import PASSWORD, House
from tests.auth.scram_client import ScramClient

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
        throttle = LoginThrottle(runtime.now, lambda: live.config.limits)
        self.logins = Logins(live, runtime, Portal(realm, [checker]), throttle, bus)
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
            for number in range(Limits().login_failures_minute - 1):
                guess = b"guess %d %d" % (turn, number)
                self.failureResultOf(self.login(ANNA, guess, self.connection()), LoginFailed)
            self.successResultOf(self.login(BEN, b"Geheimnis", self.connection()))
        right = self.login(ANNA, b"Geheimnis", self.connection())
        self.assertTrue(self.failureResultOf(right, LoginFailed).value.give_up)
        self.assertEqual(self.events[-1].reason, "too many failures from this address")

    def test_right_at_last(self) -> None:
        """Who remembers the password after some mistakes starts anew."""
        for turn in range(3):
            for number in range(Limits().login_failures_minute - 1):
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


class Office(House):
    """Several people behind one address."""

    def test_scram_from_a_good_source(self) -> None:
        """A telephone with last year's password, whose proofs are all different, shuts nobody out."""
        self.assert_in(self.password("anna", PASSWORD))
        self.assert_in(self.password("ben", PASSWORD), BEN_ADDRESS)
        for _ in range(Limits().login_failures_day + 10):
            old = ScramClient("sha256", "anna", "last year's")
            self.assert_failed(self.authenticate("SCRAM-SHA-256", old.final, initial=old.first()))
        self.assert_in(self.password("ben", PASSWORD), BEN_ADDRESS)
        new = ScramClient("sha256", "anna", PASSWORD)
        self.assert_in(self.authenticate("SCRAM-SHA-256", new.final, new.end, initial=new.first()))

    def test_every_mechanism_counts(self) -> None:
        """From a source where nobody is good, ten wrong proofs are the last, also for a right one (A3)."""
        for _ in range(Limits().login_failures_minute):
            wrong = ScramClient("sha256", "anna", "x")
            self.assert_failed(self.authenticate("SCRAM-SHA-256", wrong.final, initial=wrong.first()))
        right = ScramClient("sha256", "anna", PASSWORD)
        login = self.authenticate("SCRAM-SHA-256", right.final, right.end, initial=right.first())
        self.assertTrue(self.assert_failed(login).give_up)
        self.assertEqual(self.asked, [])
        for mechanism, initial in (
            ("PLAIN", b"\0anna\0Geheimnis"),
            ("XOAUTH2", b"user=anna\1auth=Bearer x\1\1"),
        ):
            if mechanism in self.logins.offered(self.connection()):
                self.assertTrue(self.assert_failed(self.authenticate(mechanism, initial=initial)).give_up)
        self.assert_in(self.password("anna", PASSWORD, self.connection("198.51.100.1")))  # A4

    def test_wait(self) -> None:
        """Each failure under a name makes the next answer slower, over many connections, up to 15 seconds."""
        self.live.config = replace(self.live.config, limits=Limits(login_delay=2))
        self.assert_in(self.password("anna", PASSWORD))
        for number, seconds in enumerate((2, 4, 8, 15, 15)):
            login = self.password("anna", f"guess {number}")
            self.clock.advance(seconds - 0.1)
            self.assertNoResult(login)
            self.clock.advance(0.2)
            self.assert_failed(login)
        self.assert_in(self.password("anna", PASSWORD))

    def test_alert(self) -> None:
        """Twenty failures of one account in a day, from anywhere, are an event; of nobody's they are none."""
        for name in ("anna", "nobody"):
            for number in range(2 * ALARMING - 1):
                self.assert_failed(self.password(name, f"{number}", self.connection(f"192.0.2.{number}")))
        found = [event for event in self.events if isinstance(event, GuessedAt)]
        self.assertEqual(
            [(event.address, event.peer) for event in found], [("anna@example.org", "192.0.2.19")]
        )

    def test_names_are_one(self) -> None:
        """However a name is written, it is the same one that has failed, and that is forgiven."""
        for number, name in enumerate(("anna", "ANNA", "Anna@Example.org", "\uff41nna")):
            self.assert_failed(self.password(name, f"{number}"))
        self.assert_in(self.password("anna", PASSWORD))
        self.assertEqual(self.throttle.failed("192.0.2.7", "anna@example.org", b"x"), 1)

    def test_gone_at_any_moment(self) -> None:
        """A13: a client that goes away in the middle of any exchange leaves nothing behind."""

        def gone(_: bytes) -> bytes:
            raise ConnectionError

        client = ScramClient("sha256", "anna", PASSWORD)
        for _ in range(50):
            for mechanism, answers, initial in (
                ("PLAIN", (gone,), None),
                ("LOGIN", (b"anna", gone), None),
                ("CRAM-MD5", (gone,), None),
                ("SCRAM-SHA-256", (gone,), None),
                ("SCRAM-SHA-256", (gone,), client.first()),
                ("SCRAM-SHA-256", (client.final, gone), client.first()),
            ):
                login = self.authenticate(mechanism, *answers, initial=initial)
                self.failureResultOf(login, ConnectionError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assert_in(self.password("anna", PASSWORD))
