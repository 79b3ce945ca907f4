"""Counting connections."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from mailnode.events.log import Log
from mailnode.net import limits
from mailnode.net.limits import Admission, ConnectionLimits, Gate, source_of

STEPS = ("admit", "login", "logout", "move", "release")


class GateTests(SynchronousTestCase):
    """Who is let in."""

    def setUp(self) -> None:
        self.now = 1000.0
        self.limits = ConnectionLimits(per_address=2, rate=5, before_login=4, sessions=6, per_person=2)
        self.gate = Gate(lambda: self.limits, lambda: self.now, Log("test"))

    def admit(self, peer: str = "192.0.2.1", *, trusted: bool = False) -> Admission:
        """A connection that must get in."""
        admission = self.gate.admit(peer, trusted=trusted)
        assert isinstance(admission, Admission), admission
        return admission

    def refused(self, peer: str = "192.0.2.1", *, trusted: bool = False) -> str:
        """A connection that must not; gives the reason."""
        reason = self.gate.admit(peer, trusted=trusted)
        assert isinstance(reason, str)
        return reason

    def test_by_address_before_login(self) -> None:
        """An address has few connections before login, and as many as its people after it."""
        first, second = self.admit(), self.admit()
        self.assertIn("from this address", self.refused())
        self.assertTrue(first.authenticated("anna"))
        self.admit().release()
        second.release()
        self.admit()

    def test_by_person_after_login(self) -> None:
        """A person has a number of sessions, whatever the addresses."""
        admissions = [self.admit(f"192.0.2.{number}") for number in range(3)]
        self.assertEqual([one.authenticated("anna") for one in admissions], [True, True, False])
        admissions[0].release()
        self.assertTrue(admissions[2].authenticated("anna"))
        self.assertTrue(admissions[2].authenticated("anna"))

    def test_logged_out(self) -> None:
        """Who has logged out takes a stranger's place, if there is one, and is no new connection."""
        first = self.admit()
        for _ in range(self.limits.rate + 1):
            self.assertTrue(first.authenticated("anna"))
            self.assertEqual(first.unauthenticated(), "")
        self.assertEqual((first.person, first.unauthenticated()), ("", ""))
        self.assertTrue(first.authenticated("anna"))
        second, third = self.admit(), self.admit()
        self.assertIn("from this address", first.unauthenticated())
        self.assertEqual(first.person, "anna")
        for one in (first, second, third):
            one.release()
        self.assertEqual(self.gate.counts._counts, Counter())

    def test_another_person(self) -> None:
        """Who logs in as somebody else on the same connection is counted there, and there only."""
        first, second = self.admit(), self.admit("192.0.2.2")
        self.assertTrue(first.authenticated("anna"))
        self.assertTrue(first.authenticated("ben"))
        self.assertTrue(second.authenticated("anna"))
        self.assertTrue(self.admit("192.0.2.3").authenticated("anna"))
        first.release()
        self.assertTrue(self.admit("192.0.2.3").authenticated("ben"))

    def test_everybody_together(self) -> None:
        """All connections before login, and all sessions, have a limit."""
        for number in range(4):
            self.admit(f"192.0.2.{number}")
        self.assertIn("before login", self.refused("192.0.2.9"))
        for number in range(2):
            self.admit(f"198.51.100.{number}", trusted=True)
        self.assertIn("too many sessions", self.refused(trusted=True))

    def test_trusted_take_no_place_of_strangers(self) -> None:
        """Connections from trusted networks fill neither the total before login nor an address."""
        self.limits = replace(self.limits, sessions=99)
        trusted = [self.admit(trusted=True) for _ in range(4)]
        self.admit()
        self.admit()
        self.assertIn("from this address", self.refused())
        trusted[0].release()
        self.assertTrue(trusted[1].authenticated("anna"))
        self.assertIn("from this address", self.refused())
        self.admit("192.0.2.2")

    def test_person(self) -> None:
        """An admission knows who has logged in."""
        admission = self.admit()
        self.assertEqual(admission.person, "")
        admission.authenticated("anna")
        self.assertEqual(admission.person, "anna")

    def test_rate(self) -> None:
        """New connections of one address in a minute are counted, also when they end at once."""
        for _ in range(5):
            self.admit().release()
        self.assertIn("new connections", self.refused())
        self.now += 61
        self.admit()

    def test_trusted_networks(self) -> None:
        """Trusted addresses are never refused by address or rate."""
        for _ in range(6):
            self.admit("127.0.0.1", trusted=True)

    def test_stress(self) -> None:
        """More than eight of ten places taken by strangers is stress, until a quarter of these is free."""
        self.limits = ConnectionLimits(99, 99, 10, 99, 99, stress_percent=80)
        events = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        strangers = [self.admit(f"192.0.2.{number}") for number in range(8)]
        trusted = [self.admit(trusted=True) for _ in range(8)]
        self.assertFalse(self.gate.stressed)
        strangers.append(self.admit())
        self.assertTrue(all(one.stressed for one in strangers))
        self.assertFalse(any(one.stressed for one in trusted))
        strangers[0].authenticated("anna")
        strangers.pop().release()
        strangers.append(self.admit())
        self.assertEqual((self.gate.stressed, strangers[0].stressed), (True, False))
        while self.gate.stressed:
            strangers.pop().release()
        self.assertEqual(len(strangers), 7)
        self.assertEqual(
            [event["line"] for event in events],
            ["stress begins strangers=9 places=10", "stress is over strangers=6 places=10"],
        )

    def test_never_stress(self) -> None:
        """At 100 per cent, as for IMAP and POP3, full is full and nothing else."""
        for number in range(4):
            self.admit(f"192.0.2.{number}")
        self.assertFalse(self.gate.stressed)

    def test_move(self) -> None:
        """A connection that turns out to be another peer's is counted there, as not logged in."""
        proxy = self.admit(trusted=True)
        self.assertEqual(proxy.move("192.0.2.1", trusted=False), "")
        person = self.admit("192.0.2.9")
        person.authenticated("anna")
        self.assertEqual((person.move("192.0.2.1", trusted=False), person.person), ("", ""))
        self.assertIn("from this address", self.refused())
        late = self.admit("192.0.2.8")
        self.assertIn("from this address", late.move("192.0.2.1", trusted=False))
        self.assertEqual(proxy.move("127.0.0.1", trusted=True), "")
        self.admit()
        for one in (proxy, person, late):
            one.release()
        self.assertEqual(self.gate.sessions, 1)
        self.admit("192.0.2.8")
        self.admit("192.0.2.8")

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.tuples(st.sampled_from(STEPS), *[st.integers(0, 4)] * 2), max_size=60))
    def test_nothing_stays(self, steps: list[tuple[str, int, int]]) -> None:
        """Whatever connections do, each is counted once while it is there, and not at all afterwards."""
        limit = ConnectionLimits(2, 99, 4, 6, 2)
        gate = Gate(lambda: limit, lambda: 0.0)
        there: list[Admission] = []
        for step, number, other in steps:
            peer, trusted = f"192.0.2.{other}", other == 4
            if step == "admit":
                admission = gate.admit(peer, trusted=trusted)
                there += [admission] if isinstance(admission, Admission) else []
            elif number < len(there):
                match step:
                    case "login":
                        there[number].authenticated(f"person{other}")
                    case "logout":
                        there[number].unauthenticated()
                    case "move":
                        there[number].move(peer, trusted=trusted)
                    case "release":
                        there.pop(number).release()
            people = [one.person for one in there if one.person]
            strangers = [one._source for one in there if one._source and not one.person]
            self.assertEqual(gate.sessions, len(there))
            wanted = Counter([*(f"person {one}" for one in people), *(f"source {one}" for one in strangers)])
            wanted.update(sessions=len(there), strangers=len(strangers))
            kept = {name: by for name, by in gate.counts._counts.items() if not name.startswith("refused ")}
            self.assertEqual(kept, +wanted)

    def test_release_twice(self) -> None:
        """A connection leaves the counts once."""
        admission = self.admit()
        admission.release()
        admission.release()
        self.assertEqual(self.gate.sessions, 0)

    def test_the_table_of_rates_is_bounded(self) -> None:
        """Of many in a minute only the latest are remembered; who goes on stays counted."""
        self.patch(limits, "_SOURCES", 3)
        for number in range(5):
            self.admit("192.0.2.1").release()
            self.admit(f"198.51.100.{number}").release()
            self.assertLessEqual(len(self.gate._recent), 3)
        self.assertIn("new connections", self.refused())

    def test_sources(self) -> None:
        """An IPv4 address and an IPv6 /64 are one source each; a mapped address is the IPv4 one."""
        for peer, source in (
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("", ""),
        ):
            self.assertEqual(source_of(peer), source)
