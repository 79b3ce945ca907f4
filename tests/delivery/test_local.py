"""Into the Maildirs of this host, on a real disk."""

import errno
import os
import random
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.live import Live
from mailnode.auth.realm import Realm
from mailnode.config import Config, MailboxEntry, Mailboxes, Store
from mailnode.config_quota import Quota, Room
from mailnode.delivery.local import PIECE, REMEMBERED_SECONDS, FreeSpace, LocalCourier, LocalDelivery
from mailnode.events.feed import ChangeFeed
from mailnode.events.life import Bus, Delivered, Event
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.runtime import Runtime
from mailnode.store.errors import OverQuota
from tests.scratch import room_of

ANNA, BOB = "anna@a.example", "bob@a.example"
HEAD = b"Return-Path: <>\r\n"


class CountingExecutor(InlineExecutor):
    """Counts the jobs."""

    def __init__(self) -> None:
        self.jobs = 0

    def run(self, function: Any, *args: Any) -> Any:
        """Run now."""
        self.jobs += 1
        return super().run(function, *args)


class Local(SynchronousTestCase):
    """LocalCourier and LocalDelivery."""

    def setUp(self) -> None:
        self.base = room_of(self)
        os.makedirs(self.base)
        config = Config(
            hostname="mx.example",
            domains=("a.example",),
            store=Store(mail=f"{self.base}/{{domain}}/{{local}}"),
        )
        self.files = FileSystem()
        self.executor = CountingExecutor()
        self.clock = Clock()
        runtime = Runtime(self.clock, random.Random(1), self.executor)
        self.live = Live(config, Mailboxes({one: MailboxEntry("x") for one in (ANNA, BOB)}))
        realm = Realm(self.live, runtime, self.files, rng=random.Random(1))
        feed, bus = ChangeFeed(), Bus()
        self.woken: list[str] = []
        self.events: list[Event] = []
        bus.subscribe(self.events.append)
        for address in (ANNA, BOB):
            feed.watch((address, ("INBOX",)), lambda address=address: self.woken.append(address))  # type: ignore[misc]
        self.feed, self.bus = feed, bus
        self.courier = LocalCourier(runtime, realm, feed, bus, self.files)

    def begin(self, *addresses: str) -> LocalDelivery:
        """A delivery."""
        return self.courier.begin(addresses, HEAD, message="MSG", connection="CONN")

    def run_now(self, coroutine: Any) -> Any:
        """The result of a coroutine that has nothing to wait for but the end of the reactor's turn."""
        return self.successResultOf(self.begun(coroutine))

    def begun(self, coroutine: Any) -> "Deferred[Any]":
        """A coroutine, after the reactor's turn."""
        done = Deferred.fromCoroutine(coroutine)
        self.clock.advance(0)
        return done

    def found(self, local: str) -> list[str]:
        """The paths of all messages of an account, wherever they lie."""
        root = f"{self.base}/a.example/{local}"
        return [
            f"{root}/{folder}/{name}"
            for folder in ("tmp", "new", "cur")
            if os.path.isdir(f"{root}/{folder}")
            for name in os.listdir(f"{root}/{folder}")
        ]

    def test_small(self) -> None:
        """A small message is one job for a thread; it lies in new/, and who watches is told."""
        delivery = self.begin(ANNA)
        self.run_now(delivery.write(b"Subject: x\r\n\r\n"))
        self.run_now(delivery.write(b"body\r\n"))
        self.assertEqual((self.executor.jobs, self.woken), (0, []))
        self.run_now(delivery.commit())
        self.run_now(delivery.abort())
        self.assertEqual(self.executor.jobs, 1)
        (path,) = self.found("anna")
        self.assertIn("/new/", path)
        self.assertEqual(self.files.read(path), b"Return-Path: <>\nSubject: x\n\nbody\n")
        self.assertEqual(self.woken, [ANNA])
        self.assertEqual(self.events, [Delivered("CONN", "MSG", ANNA, "INBOX", path.rpartition("/")[2])])

    def test_several(self) -> None:
        """Several recipients share one file, and each is told."""
        delivery = self.begin(ANNA, BOB)
        self.run_now(delivery.commit())
        (first,), (second,) = self.found("anna"), self.found("bob")
        self.assertTrue(os.path.samefile(first, second))
        self.assertEqual((self.woken, len(self.events)), ([ANNA, BOB], 2))

    def test_bug_of_who_is_told(self) -> None:
        """What is delivered is delivered, and the others are told, whoever stumbles over the news."""

        def stumble(*_: object) -> None:
            raise ZeroDivisionError

        self.feed.listen(stumble)
        self.feed.watch((ANNA, ("INBOX",)), stumble)
        self.bus.subscribe(stumble)
        self.run_now(self.begin(ANNA, BOB).commit())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 5)
        self.assertEqual((self.woken, len(self.events)), ([ANNA, BOB], 2))

    def test_large(self) -> None:
        """A large message is written piece by piece, and arrives whole."""
        delivery = self.begin(ANNA)
        body = b"".join(b"%062d\r\n" % number for number in range(20000))
        for start in range(0, len(body), 65536):
            self.run_now(delivery.write(body[start : start + 65536]))
            self.assertLessEqual(delivery._held, PIECE)
        self.assertGreater(self.executor.jobs, 3)
        self.run_now(delivery.commit())
        (path,) = self.found("anna")
        self.assertEqual(self.files.read(path), (HEAD + body).replace(b"\r\n", b"\n"))

    def test_abort(self) -> None:
        """Nothing is left of a message that was given up, small or large, and abort may be called twice."""
        for count in (1, 20):
            delivery = self.begin(ANNA, BOB)
            for _ in range(count):
                self.run_now(delivery.write(b"x" * 65534 + b"\r\n"))
            self.run_now(delivery.abort())
            self.run_now(delivery.abort())
            self.assertEqual((self.found("anna"), self.found("bob"), self.woken), ([], [], []))

    def test_disk_trouble(self) -> None:
        """D3: an error at any step means that nobody has the message, and nobody is told."""
        for step in ("create", "link", "sync_directory"):
            for address in (ANNA, BOB):
                self.run_now(self.begin(address).commit())
            before = self.found("anna"), self.found("bob")
            self.woken.clear()
            delivery = self.begin(ANNA, BOB)
            with patch.object(self.files, step, side_effect=OSError(errno.EIO, "I/O error")):
                self.failureResultOf(self.begun(delivery.commit()), OSError)
            self.run_now(delivery.abort())
            self.assertEqual((self.found("anna"), self.found("bob")), before, step)
            self.assertEqual(self.woken, [])

    def room(self, addresses: tuple[str, ...], beside: tuple[str, ...] = (), octets: int = 0) -> bool:
        """Whether there is room."""
        asked = Deferred.fromCoroutine(self.courier.check_room(addresses, beside, octets))
        if isinstance(getattr(asked, "result", None), Failure):
            self.failureResultOf(asked, OverQuota)
            return False
        self.successResultOf(asked)
        return True

    def limit(self, **quota: Any) -> None:
        """A reload with this quota."""
        self.live.config = replace(self.live.config, quota=Quota(**quota))

    def test_room(self) -> None:
        """A full mailbox has no room; one with a little has room for what is small enough."""
        self.assertTrue(self.room((ANNA, BOB), octets=10**15))
        self.assertEqual(self.executor.jobs, 0)
        self.run_now(self.begin(ANNA).commit())
        size = os.path.getsize(self.found("anna")[0])
        self.limit(storage=size + 10)
        for octets, room in ((0, True), (10, True), (11, False)):
            self.assertEqual(self.room((ANNA,), octets=octets), room)
        self.assertEqual(self.executor.jobs, 4)
        self.limit(storage=size)
        self.assertFalse(self.room((BOB, ANNA)))
        self.assertTrue(self.room((BOB,), (ANNA,)))
        self.assertTrue(self.room((ANNA,), (ANNA,)))
        self.limit(messages=1)
        self.assertFalse(self.room((ANNA,)))
        self.assertTrue(self.room((BOB,)))

    def test_room_of_a_domain(self) -> None:
        """Everybody whom the message goes to needs room in the domain."""
        self.limit(domains={"a.example": Room(messages=2)})
        self.assertTrue(self.room((ANNA, BOB)))
        self.run_now(self.begin(ANNA).commit())
        self.assertTrue(self.room((BOB,)))
        self.assertFalse(self.room((BOB,), (ANNA,)))
        self.assertFalse(self.room((ANNA, BOB)))

    def test_over_quota(self) -> None:
        """One recipient is full: nobody has the message, and nobody is told."""
        self.run_now(self.begin(ANNA).commit())
        self.limit(messages=1)
        before, woken = self.found("anna"), list(self.woken)
        delivery = self.begin(BOB, ANNA)
        self.failureResultOf(self.begun(delivery.commit()), OverQuota)
        self.run_now(delivery.abort())
        self.assertEqual((self.found("anna"), self.found("bob"), self.woken), (before, [], woken))

    def test_always(self) -> None:
        """R17: who is to get a message always gets it over every quota; what the others need stays so."""
        self.run_now(self.begin(ANNA).commit())
        self.limit(messages=1, domains={"a.example": Room(messages=1)})
        delivery = self.courier.begin((ANNA,), HEAD, message="MSG", connection="CONN", always={ANNA})
        self.run_now(delivery.commit())
        self.assertEqual(len(self.found("anna")), 2)
        delivery = self.courier.begin((ANNA, BOB), HEAD, message="MSG", connection="CONN", always={ANNA})
        self.failureResultOf(self.begun(delivery.commit()), OverQuota)
        self.assertEqual((len(self.found("anna")), self.found("bob")), (2, []))

    def test_free_space(self) -> None:
        """The disk is asked every few seconds at most."""
        clock = Clock()
        space = FreeSpace(Runtime(clock, random.Random(1), self.executor), self.files, lambda: self.base)
        self.assertGreater(self.run_now(space()), 0)
        self.run_now(space())
        self.assertEqual(self.executor.jobs, 1)
        clock.advance(REMEMBERED_SECONDS)
        self.run_now(space())
        self.assertEqual(self.executor.jobs, 2)
        clock.rightNow = -3600.0  # D11: a clock that is put back
        self.run_now(space())
        self.assertEqual(self.executor.jobs, 3)
