"""mailnode.auth.throttle: how often a source may be wrong (vectors A3, A4)."""

from itertools import count

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth import throttle
from mailnode.auth.throttle import PER_DAY, PER_MINUTE, LoginThrottle, delay


class Throttle(SynchronousTestCase):
    """Failures in, verdicts out, on a clock of our own."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.throttle = LoginThrottle(self.clock.seconds)
        self.guesses = count()

    def fail_times(self, address: str, times: int, *, every: float = 0.0) -> None:
        for _ in range(times):
            self.throttle.failed(address, b"anna", b"guess %d" % next(self.guesses))
            self.clock.advance(every)

    def test_per_minute(self) -> None:
        """Ten different failures in a minute block the source, for that minute (A3)."""
        self.fail_times("192.0.2.1", PER_MINUTE - 1)
        self.assertFalse(self.throttle.blocked("192.0.2.1"))
        self.fail_times("192.0.2.1", 1)
        self.assertTrue(self.throttle.blocked("192.0.2.1"))
        self.clock.advance(61)
        self.assertFalse(self.throttle.blocked("192.0.2.1"))

    def test_per_day(self) -> None:
        """Fifty failures in a day block the source, however slowly they come, for that day."""
        self.fail_times("192.0.2.1", PER_DAY, every=600)
        self.assertTrue(self.throttle.blocked("192.0.2.1"))
        self.clock.advance(86400 - PER_DAY * 600 + 601)
        self.assertFalse(self.throttle.blocked("192.0.2.1"))

    def test_others_are_not_blocked(self) -> None:
        """Another address may still log in, also to the same account (A4)."""
        self.fail_times("192.0.2.1", 60)
        self.assertFalse(self.throttle.blocked("192.0.2.2"))

    def test_ipv6_by_network(self) -> None:
        """IPv6 counts by /64, and mapped IPv4 as IPv4."""
        for last in range(PER_MINUTE):
            self.throttle.failed(f"2001:db8::{last:x}", b"anna", b"guess %d" % last)
        self.assertTrue(self.throttle.blocked("2001:db8::ffff"))
        self.assertFalse(self.throttle.blocked("2001:db8:0:1::1"))
        self.fail_times("::ffff:192.0.2.1", PER_MINUTE)
        self.assertTrue(self.throttle.blocked("192.0.2.1"))

    def test_same_wrong_password(self) -> None:
        """A client that repeats one wrong password counts once."""
        for _ in range(100):
            self.throttle.failed("192.0.2.1", b"anna", b"last year's")
        self.assertFalse(self.throttle.blocked("192.0.2.1"))

    def test_success_clears_its_own(self) -> None:
        """A right login forgets the wrong ones under its name, in any letters."""
        self.fail_times("192.0.2.1", PER_MINUTE)
        self.throttle.succeeded("192.0.2.1", b"Anna")
        self.assertFalse(self.throttle.blocked("192.0.2.1"))

    def test_success_clears_nothing_else(self) -> None:
        """Who has an account cannot pay with its password for guesses at another one."""
        for _ in range(2):
            self.fail_times("192.0.2.1", PER_MINUTE - 1, every=1)
            self.throttle.succeeded("192.0.2.1", b"ben")
        self.assertTrue(self.throttle.blocked("192.0.2.1"))

    def test_unix_sockets(self) -> None:
        """A peer on a UNIX socket is never blocked."""
        self.fail_times("", 100)
        self.assertFalse(self.throttle.blocked(""))
        self.throttle.succeeded("", b"anna")

    def test_unknown_peers(self) -> None:
        """Peers that a proxy cannot name are one source together."""
        self.fail_times("unknown", PER_MINUTE)
        self.assertTrue(self.throttle.blocked("unknown"))

    def test_bounded(self) -> None:
        """The table does not grow without end; the source that was quiet longest is forgotten."""
        self.patch(throttle, "_SOURCES", 3)
        self.fail_times("192.0.2.1", PER_MINUTE)
        for last in (2, 3, 4):
            self.fail_times(f"192.0.2.{last}", 1)
        self.assertFalse(self.throttle.blocked("192.0.2.1"))

    def test_delay(self) -> None:
        """The wait doubles from the first to fifteen seconds."""
        self.assertEqual([delay(n) for n in (0, 1, 2, 3, 4, 5, 10**9)], [0, 2, 4, 8, 15, 15, 15])
        self.assertEqual(delay(3, first=0), 0)
