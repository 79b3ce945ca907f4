"""To people who are there: a real terminal, and a made-up utmp."""

import errno
import os
import pwd
import random
import select
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from mailnode.auth.live import Live
from mailnode.config import Config, Mailboxes
from mailnode.config_messages import LiveMessages
from mailnode.delivery.live import LiveCourier, NobodyThere
from mailnode.envelope import Envelope, Kind
from mailnode.events.life import Bus, Event, Shown
from mailnode.events.presence import LiveSessions
from mailnode.fs import FileSystem
from mailnode.message.notice import Notice
from mailnode.net.blocking import InlineExecutor
from mailnode.runtime import Runtime
from mailnode.wire.address import Address
from tests.smtp.world import Courier
from tests.wire.test_utmp import record

ANNA, BEN = "anna@a.example", "ben@a.example"
ME = pwd.getpwuid(os.getuid()).pw_name
NOTICE = Notice("ben@a.example", "Lunch", ("At noon?",))
HEAD = b"Subject: Lunch\r\n\r\n"


class Terminals(SynchronousTestCase):
    """LiveCourier.tell and is_there."""

    def setUp(self) -> None:
        try:
            self.master, self.slave = os.openpty()
        except OSError:
            raise SkipTest("this machine has no pseudo-terminals") from None
        self.addCleanup(os.close, self.master)
        self.addCleanup(os.close, self.slave)
        self.path = os.ttyname(self.slave)
        self.utmp = Path(self.mktemp())
        self.login(self.path.removeprefix("/dev/"))
        self.user = ME
        self.events: list[Event] = []

    def login(self, line: str, user: str = ME) -> None:
        """Somebody logs in there, and is the only one."""
        self.utmp.write_bytes(record(7, b"tty63", b"somebody") + record(7, line.encode(), user.encode()))

    @property
    def courier(self) -> LiveCourier:
        """A courier that knows whose terminals are Anna's."""
        config = Config(messages=LiveMessages(terminals={ANNA: self.user}))
        runtime = Runtime(Clock(), random.Random(1), InlineExecutor())
        bus, mail = Bus(), Courier()
        bus.subscribe(self.events.append)
        live = Live(config, Mailboxes())
        courier: Any = LiveCourier(live, runtime, LiveSessions(), FileSystem(), mail, bus, str(self.utmp))  # type: ignore[arg-type]
        return courier

    def run_now(self, coroutine: Any) -> Any:
        """The result of a coroutine that has nothing to wait for."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def told(self, address: str = ANNA) -> tuple[bool, int]:
        """Whether somebody is there, and how many terminals took the notice."""
        courier = self.courier
        return self.run_now(courier.is_there(address)), self.run_now(courier.tell(address, NOTICE))

    def shown(self) -> bytes:
        """What the terminal shows."""
        ready, _, _ = select.select([self.master], [], [], 0)
        return os.read(self.master, 4096) if ready else b""

    def test_terminal(self) -> None:
        """All of it, in lines of its own; nothing before there is something to say."""
        self.assertTrue(self.run_now(self.courier.is_there(ANNA)))
        self.assertEqual(self.shown(), b"")
        self.assertEqual(self.told(), (True, 1))
        lines = [line for line in self.shown().replace(b"\r", b"").split(b"\n") if line]
        self.assertEqual(lines, [b"\x07Message from ben@a.example about Lunch", b"At noon?"])

    def test_nobody(self) -> None:
        """Who has no terminal configured, is not logged in, or has another one's name."""
        self.assertEqual(self.told(BEN), (False, 0))
        self.login(self.path.removeprefix("/dev/"), "somebody")
        self.assertEqual(self.told(), (False, 0))
        self.user = "somebody"  # whom this machine does not know
        self.assertEqual(self.told(), (False, 0))
        self.utmp.unlink()
        self.assertEqual(self.told(), (False, 0))
        self.assertEqual(self.shown(), b"")

    def test_of_somebody_else(self) -> None:
        """utmp can be old: the terminal must belong to the user."""
        other = next((one.pw_name for one in pwd.getpwall() if one.pw_uid != os.getuid()), None)
        if other is None:
            raise SkipTest("this machine has one user only")
        self.user = other
        self.login(self.path.removeprefix("/dev/"), other)
        self.assertEqual(self.told(), (False, 0))

    def test_messages_refused(self) -> None:
        """A terminal of another user is written to where the group may (mesg y), and no other."""
        with patch("os.getuid", return_value=os.getuid() + 1):
            os.chmod(self.path, 0o600)
            self.assertEqual(self.told(), (False, 0))
            os.chmod(self.path, 0o620)
            self.assertEqual(self.told(), (True, 1))

    def test_no_terminal(self) -> None:
        """What is not a terminal is not written to, nor what is not there."""
        file = Path(self.mktemp()).resolve()
        file.touch()
        files = FileSystem()
        for path in (str(file), str(file) + "x", "/dev/null" if os.getuid() else str(file.parent)):
            self.assertFalse(files.write_to_terminal(path, ME, b"x"), path)
        self.assertEqual(file.read_bytes(), b"")

    def test_terminal_stands_still(self) -> None:
        """A full terminal takes nothing, and nobody waits for it."""
        with patch("os.write", side_effect=BlockingIOError(errno.EAGAIN, "full")):
            self.assertEqual(self.told(), (True, 0))

    def test_gone_meanwhile(self) -> None:
        """SEND to somebody who goes away before the message has come is heard by nobody."""
        courier = self.courier
        envelope = Envelope(Address("ben", "a.example"), kind=Kind.SEND)
        delivery = courier.begin(envelope, [ANNA], HEAD, message="M", connection="C")
        self.run_now(delivery.write(b"At noon?\r\n"))
        self.utmp.unlink()
        self.failureResultOf(Deferred.fromCoroutine(delivery.commit()), NobodyThere)
        self.assertEqual(self.events, [])

    def test_shown(self) -> None:
        """It is an event, with how many have taken it."""
        envelope = Envelope(Address("ben", "a.example"), kind=Kind.SEND)
        delivery = self.courier.begin(envelope, [ANNA, BEN], HEAD, message="M", connection="C")
        self.run_now(delivery.commit())
        self.assertEqual(self.events, [Shown("C", "M", ANNA, 1)])
