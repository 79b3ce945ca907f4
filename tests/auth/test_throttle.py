"""mailnode.auth.throttle: how often a source may be wrong (vectors A3, A4)."""

from itertools import count

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth import throttle
from mailnode.auth.throttle import LoginThrottle, delay
from mailnode.config import Limits

PER_MINUTE, PER_DAY = Limits().login_failures_minute, Limits().login_failures_day


class Throttle(SynchronousTestCase):
    """Failures in, verdicts out, on a clock of our own."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.limits = Limits()
        self.throttle = LoginThrottle(self.clock.seconds, lambda: self.limits)
        self.guesses = count()

    def fail_times(self, address: str, times: int, *, every: float = 0.0, name: str = "anna") -> None:
        for _ in range(times):
            self.throttle.failed(address, name, b"guess %d" % next(self.guesses))
            self.clock.advance(every)

    def test_per_minute(self) -> None:
        """Ten different failures in a minute block the source, for that minute (A3)."""
        self.fail_times("192.0.2.1", PER_MINUTE - 1)
        self.assertFalse(self.throttle.blocked("192.0.2.1", "anna"))
        self.fail_times("192.0.2.1", 1)
        self.assertTrue(self.throttle.blocked("192.0.2.1", "anna"))
        self.clock.advance(61)
        self.assertFalse(self.throttle.blocked("192.0.2.1", "anna"))

    def test_per_day(self) -> None:
        """Fifty failures in a day block the source, however slowly they come, for that day."""
        self.fail_times("192.0.2.1", PER_DAY, every=600)
        self.assertTrue(self.throttle.blocked("192.0.2.1", "anna"))
        self.clock.advance(86400 - PER_DAY * 600 + 601)
        self.assertFalse(self.throttle.blocked("192.0.2.1", "anna"))

    def test_as_configured(self) -> None:
        """The numbers are those of the moment, also for what went wrong before."""
        self.fail_times("192.0.2.1", throttle.KEPT, every=120)
        self.assertTrue(self.throttle.blocked("192.0.2.1", "anna"))
        self.limits = Limits(login_failures_minute=1, login_failures_day=throttle.KEPT)
        self.assertTrue(self.throttle.blocked("192.0.2.1", "anna"))
        self.clock.advance(86400 - throttle.KEPT * 120)
        self.assertFalse(self.throttle.blocked("192.0.2.1", "anna"))
        self.fail_times("192.0.2.2", 1)
        self.assertTrue(self.throttle.blocked("192.0.2.2", "anna"))

    def test_others_are_not_blocked(self) -> None:
        """Another address may still log in, also to the same account (A4)."""
        self.fail_times("192.0.2.1", 60)
        self.assertFalse(self.throttle.blocked("192.0.2.2", "anna"))

    def test_ipv6_by_network(self) -> None:
        """IPv6 counts by /64, and mapped IPv4 as IPv4."""
        for last in range(PER_MINUTE):
            self.throttle.failed(f"2001:db8::{last:x}", "anna", b"guess %d" % last)
        self.assertTrue(self.throttle.blocked("2001:db8::ffff", "anna"))
        self.assertFalse(self.throttle.blocked("2001:db8:0:1::1", "anna"))
        self.fail_times("::ffff:192.0.2.1", PER_MINUTE)
        self.assertTrue(self.throttle.blocked("192.0.2.1", "anna"))

    def test_same_wrong_password(self) -> None:
        """A client that repeats one wrong password counts once."""
        for _ in range(100):
            self.throttle.failed("192.0.2.1", "anna", b"last year's")
        self.assertFalse(self.throttle.blocked("192.0.2.1", "anna"))

    def test_success_clears_its_own(self) -> None:
        """A right login forgets the wrong ones under its name."""
        self.fail_times("192.0.2.1", PER_MINUTE)
        self.throttle.succeeded("192.0.2.1", "anna")
        self.assertFalse(self.throttle.blocked("192.0.2.1", "anna"))

    def test_success_clears_nothing_else(self) -> None:
        """Who has an account cannot pay with its password for guesses at another one."""
        for _ in range(2):
            self.fail_times("192.0.2.1", PER_MINUTE - 1, every=1)
            self.throttle.succeeded("192.0.2.1", "ben")
        self.assertTrue(self.throttle.blocked("192.0.2.1", "anna"))

    def test_unix_sockets(self) -> None:
        """A peer on a UNIX socket is never blocked."""
        self.fail_times("", 100)
        self.assertFalse(self.throttle.blocked("", "anna"))
        self.throttle.succeeded("", "anna")

    def test_unknown_peers(self) -> None:
        """Peers that a proxy cannot name are one source together."""
        self.fail_times("unknown", PER_MINUTE)
        self.assertTrue(self.throttle.blocked("unknown", "anna"))

    def test_bounded(self) -> None:
        """The table does not grow without end; the source that was quiet longest is forgotten."""
        self.patch(throttle, "_SOURCES", 3)
        self.fail_times("192.0.2.1", PER_MINUTE)
        for last in (2, 3, 4):
            self.fail_times(f"192.0.2.{last}", 1)
        self.assertFalse(self.throttle.blocked("192.0.2.1", "anna"))

    def test_delay(self) -> None:
        """The wait doubles from the first to fifteen seconds."""
        self.assertEqual([delay(n) for n in (0, 1, 2, 3, 4, 5, 10**9)], [0, 2, 4, 8, 15, 15, 15])
        self.assertEqual(delay(3, first=0), 0)

    def test_good_source(self) -> None:
        """Who has logged in from a source lately is heard there, whatever others do, and whatever it does."""
        self.throttle.succeeded("192.0.2.1", "ben")
        self.fail_times("192.0.2.1", 60)
        self.assertTrue(self.throttle.blocked("192.0.2.1", "anna"))
        self.assertFalse(self.throttle.blocked("192.0.2.1", "ben"))
        self.assertFalse(self.throttle.blocked("::ffff:192.0.2.1", "ben"))
        self.fail_times("192.0.2.1", 200, name="ben")
        self.assertFalse(self.throttle.blocked("192.0.2.1", "ben"))

    def test_good_harms_nobody(self) -> None:
        """What goes wrong under a name that is good there does not count for the source."""
        self.throttle.succeeded("192.0.2.1", "ben")
        self.fail_times("192.0.2.1", 60, name="ben")
        self.assertFalse(self.throttle.blocked("192.0.2.1", "anna"))

    def test_good_elsewhere(self) -> None:
        """A name that is good at one source is not good at another."""
        self.throttle.succeeded("192.0.2.1", "ben")
        self.fail_times("192.0.2.2", PER_MINUTE, name="ben")
        self.assertTrue(self.throttle.blocked("192.0.2.2", "ben"))

    def test_good_for_some_days(self) -> None:
        """After fourteen days without a login a name is like any other."""
        self.throttle.succeeded("192.0.2.1", "ben")
        self.clock.advance(throttle.GOOD_DAYS * 86400)
        self.fail_times("192.0.2.1", PER_MINUTE)
        self.assertTrue(self.throttle.blocked("192.0.2.1", "ben"))

    def test_good_is_bounded(self) -> None:
        """Of the pairs, the one used longest ago is forgotten first."""
        self.patch(throttle, "_PAIRS", 2)
        for name in ("anna", "ben", "carl"):
            self.throttle.succeeded("192.0.2.1", name)
        self.fail_times("192.0.2.1", PER_MINUTE, name="x")
        blocked = [self.throttle.blocked("192.0.2.1", name) for name in ("anna", "ben", "carl")]
        self.assertEqual(blocked, [True, False, False])

    def test_news(self) -> None:
        """Others hear of a right login where it changes something for them, and once a day."""
        heard: list[throttle.Told] = []
        self.throttle.tell = heard.append
        for told in (1, 0, 0):
            self.throttle.succeeded("192.0.2.1", "anna")
            self.assertEqual(len(heard), told)
            heard.clear()
        self.fail_times("192.0.2.1", 1)
        self.throttle.succeeded("192.0.2.1", "anna")
        self.assertEqual(len(heard), 2)
        self.fail_times("192.0.2.2", 1)
        self.throttle.succeeded("192.0.2.2", "anna")
        self.assertEqual(len(heard), 4)
        self.clock.advance(86401)
        self.throttle.succeeded("192.0.2.1", "anna")
        self.assertEqual(len(heard), 5)

    def test_retold(self) -> None:
        """Who is told of all that is known decides the same, then and later."""
        self.throttle.succeeded("192.0.2.1", "anna")
        self.clock.advance(5)
        self.fail_times("192.0.2.1", 3)
        self.fail_times("192.0.2.1", PER_MINUTE - 1, every=2, name="ben")
        self.fail_times("192.0.2.2", PER_DAY, every=600)
        other = LoginThrottle(self.clock.seconds, lambda: self.limits)
        other.key = self.throttle.key
        for told in self.throttle.known():
            other.hear(told)
        self.assertEqual(other.known(), self.throttle.known())
        for _ in range(2):
            for address, name in (("192.0.2.1", "anna"), ("192.0.2.1", "ben"), ("192.0.2.2", "anna")):
                self.assertEqual(other.blocked(address, name), self.throttle.blocked(address, name))
            self.clock.advance(50_000)
        self.assertFalse(other.blocked("192.0.2.2", "anna"))

    def test_how_many(self) -> None:
        """failed() gives the different failures of the name at the source within a day."""
        tries = [self.throttle.failed("192.0.2.1", "anna", guess) for guess in (b"a", b"b", b"b", b"c")]
        self.assertEqual(tries, [1, 2, 2, 3])
        self.assertEqual(self.throttle.failed("192.0.2.1", "ben", b"a"), 1)
        self.throttle.succeeded("192.0.2.1", "anna")
        self.assertEqual(self.throttle.failed("192.0.2.1", "anna", b"d"), 1)
        self.clock.advance(86401)
        self.assertEqual(self.throttle.failed("192.0.2.1", "anna", b"e"), 1)

    def test_alarming(self) -> None:
        """Twenty different failures of one name in a day, from anywhere, are told once."""
        for number in range(throttle.ALARMING - 1):
            self.throttle.failed(f"192.0.2.{number}", "anna", b"x")
        for _ in range(5):
            self.throttle.failed("192.0.2.1", "anna", b"x")
        self.assertFalse(self.throttle.alarming("anna"))
        self.throttle.failed("192.0.2.99", "anna", b"x")
        self.assertEqual([self.throttle.alarming("anna") for _ in range(2)], [True, False])
        self.assertFalse(self.throttle.alarming("ben"))

    def test_names_of_nobody_hide_no_alarm(self) -> None:
        """However many names are made up, the failures of a real one stay counted."""
        self.patch(throttle, "_NAMES", 3)
        for number in range(throttle.ALARMING):
            self.throttle.failed(f"192.0.2.{number}", "anna", b"x")
            for invented in range(3):
                self.throttle.failed(f"192.0.2.{number}", f"nobody{invented}", b"x", ours=False)
        self.assertTrue(self.throttle.alarming("anna"))

    def test_slow_failures_alarm_nobody(self) -> None:
        """Twenty in two days are no matter."""
        self.fail_times("192.0.2.1", throttle.ALARMING, every=2 * 86400 / throttle.ALARMING)
        self.assertFalse(self.throttle.alarming("anna"))
