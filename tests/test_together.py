"""What processes tell each other; here over a list instead of a link."""

import inspect
import json
from dataclasses import fields
from types import SimpleNamespace
from typing import Any, get_type_hints

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth.throttle import LoginThrottle
from mailnode.config import Limits
from mailnode.events import deeds, life
from mailnode.events.feed import ChangeFeed
from mailnode.events.presence import LiveSessions
from mailnode.net.limits import Admission, ConnectionLimits, Gate
from mailnode.service_together import MOMENT, Together, event_message, event_of

_VALUES = {str: "x", int: 7, tuple[str, ...]: ("a", "b")}


class Process:
    """The part of one process."""

    def __init__(self, clock: Clock, key: bytes) -> None:
        self.feed, self.sessions = ChangeFeed(), LiveSessions()
        self.changed: list[str] = []  # accounts, by others
        self.used: list[str] = []  # likewise
        self.realm = SimpleNamespace(changed=self.changed.append, note_use=self.used.append)
        self.throttle = LoginThrottle(clock.seconds, Limits)
        self.throttle.key = key
        self.gate = Gate(lambda: ConnectionLimits(2, 3, 4, 5, 2), clock.seconds)
        entrance: Any = SimpleNamespace(
            feed=self.feed,
            realm=self.realm,
            sessions=self.sessions,
            throttle=self.throttle,
            runtime=SimpleNamespace(clock=clock),
        )
        self.together = Together(entrance, {"imap": self.gate})


class TogetherTests(SynchronousTestCase):
    """Two processes."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.one, self.other = (Process(self.clock, b"key") for _ in range(2))
        for teller, hearer in ((self.one, self.other), (self.other, self.one)):
            teller.together.tell(*2 * (self.passing_on(hearer),))

    def passing_on(self, hearer: Process) -> Any:
        """Say something to the other process, as the link does."""

        def say(*message: object) -> None:
            kind, *rest = json.loads(json.dumps(message))
            hearer.together.hears[kind](*rest)

        return say

    def test_feed(self) -> None:
        """A mailbox, and an account as a whole; each once in both."""
        heard: list[object] = []
        for process in (self.one, self.other):
            process.feed.watch(("anna", ("INBOX", "a")), lambda: heard.append("watched"))
            process.feed.attend("anna", heard.append)
        self.one.feed.announce(("anna", ("INBOX", "a")))
        self.assertEqual(sorted(map(str, heard)), ["('INBOX', 'a')"] * 2 + ["watched"] * 2)
        heard.clear()
        self.other.feed.announce_account("anna")
        self.assertEqual(heard, [(), ()])
        self.assertEqual((self.one.changed, self.other.changed), (["anna"], ["anna"]))

    def test_uses(self) -> None:
        """A process says which accounts are used there, twice a second as long as that goes on."""
        for _ in range(30):
            for address in ("anna", "ben"):
                self.one.realm.tell(address)
            self.clock.advance(0.1)
        self.clock.advance(60)
        told = len(self.other.used)
        self.assertEqual((set(self.other.used), self.one.used), ({"anna", "ben"}, []))
        self.assertTrue(10 <= told <= 14, told)

    def test_limits(self) -> None:
        """Connections of an address, of a person, of all, and new ones in a minute."""
        first, second = (one.gate.admit("192.0.2.1", trusted=False) for one in (self.one, self.other))
        self.clock.advance(MOMENT)
        assert isinstance(first, Admission) and isinstance(second, Admission)
        self.assertEqual(
            self.one.gate.admit("192.0.2.1", trusted=False), "too many connections from this address"
        )
        self.assertTrue(first.authenticated("anna") and second.authenticated("anna"))
        self.clock.advance(MOMENT)
        third = self.other.gate.admit("192.0.2.1", trusted=False)
        assert isinstance(third, Admission)
        self.assertFalse(third.authenticated("anna"))
        self.clock.advance(MOMENT)
        self.assertEqual(
            self.one.gate.admit("192.0.2.1", trusted=False), "too many new connections from this address"
        )
        self.assertEqual((self.one.gate.sessions, self.other.gate.sessions), (3, 3))
        for one in (first, second, third):
            one.release()
        self.clock.advance(MOMENT)
        for process in (self.one, self.other):
            left = {name for name in process.gate.counts._counts if not name.startswith("refused ")}
            self.assertEqual((left, sum(process.gate.refused().values())), (set(), 2))

    def test_short_sessions(self) -> None:
        """Who is gone after a moment is never told of, but for the connection being new."""
        said: list[tuple[object, ...]] = []
        self.one.together.tell(*2 * (lambda *message: said.append(message),))
        for _ in range(2):
            admission = self.one.gate.admit("192.0.2.1", trusted=False)
            assert isinstance(admission, Admission)
            admission.authenticated("anna")
            admission.release()
        self.clock.advance(MOMENT)
        self.assertEqual(said, [("count", [("imap", "new 192.0.2.1", 2)])])

    def test_logins(self) -> None:
        """Who was wrong too often in one is not heard in the other; who was right is good in both."""
        for number in range(Limits().login_failures_minute):
            process = (self.one, self.other)[number % 2]
            process.throttle.failed("192.0.2.1", "anna", b"%d" % number)
        for process in (self.one, self.other):
            self.assertTrue(process.throttle.blocked("192.0.2.1", "anna"))
        self.one.throttle.succeeded("192.0.2.1", "anna")
        for process in (self.one, self.other):
            self.assertFalse(process.throttle.blocked("192.0.2.1", "anna"))
            self.assertFalse(process.throttle.blocked("192.0.2.1", "ben"))

    def test_who_is_there(self) -> None:
        """What is said to somebody is heard by all their sessions."""
        heard: list[str] = []
        leaves = [
            one.sessions.join("anna", lambda text: not heard.append(text)) for one in (self.one, self.other)
        ]
        self.clock.advance(MOMENT)
        self.assertEqual([one.sessions.count("anna") for one in (self.one, self.other)], [2, 2])
        self.assertEqual(self.one.sessions.tell("anna", "hello"), 2)
        self.assertEqual(heard, ["hello"] * 2)
        for leave in leaves:
            leave()
            leave()
        self.clock.advance(MOMENT)
        self.assertEqual([one.sessions.count("anna") for one in (self.one, self.other)], [0, 0])
        self.assertEqual(self.one.sessions.tell("anna", "hello"), 0)

    def test_events(self) -> None:
        """Every kind of event comes through as it was."""
        found = [*inspect.getmembers(life, inspect.isclass), *inspect.getmembers(deeds, inspect.isclass)]
        kinds = [one for _, one in found if issubclass(one, life.Event)]
        self.assertGreater(len(kinds), 22)
        for kind in kinds:
            hints = get_type_hints(kind)
            event = kind(*(_VALUES[hints[one.name]] for one in fields(kind)))
            word, *rest = json.loads(json.dumps(event_message(event)))
            self.assertEqual((word, event_of(*rest)), ("event", event))
