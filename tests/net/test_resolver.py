"""The budget of questions (vector N1), and the DNS that other tests use."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.resolver import (
    Answer,
    Budgeted,
    Kind,
    LookupFailed,
    Mx,
    NoRecords,
    NoSuchName,
    Resolver,
    Tlsa,
)
from tests.net.zone import Zone


def ask(resolver: Resolver, name: str, kind: Kind) -> "Deferred[Answer]":
    return Deferred.fromCoroutine(resolver.query(name, kind))


class Silent:
    """A resolver that never answers; `given_up` counts the questions that were taken back."""

    def __init__(self) -> None:
        self.given_up = 0

    async def query(self, name: str, kind: Kind) -> Answer:
        def forget(_: object) -> None:
            self.given_up += 1

        return await Deferred(forget)


class BudgetTests(SynchronousTestCase):
    """Budgeted"""

    def test_number(self) -> None:
        """After so many questions, whatever their answers are, there are no more answers."""
        zone = Zone({("a.example", "A"): ["192.0.2.1"]})
        resolver = Budgeted(zone, Clock(), queries=3)
        self.assertEqual(self.successResultOf(ask(resolver, "a.example", "A")).texts, ("192.0.2.1",))
        self.failureResultOf(ask(resolver, "a.example", "AAAA"), NoRecords)
        self.failureResultOf(ask(resolver, "b.example", "A"), NoSuchName)
        for _ in range(2):
            self.failureResultOf(ask(resolver, "a.example", "A"), LookupFailed)
        self.assertEqual(len(zone.asked), 3)

    def test_time(self) -> None:
        """All questions together have the time that one may take."""
        clock, silent = Clock(), Silent()
        resolver = Budgeted(silent, clock, seconds=20)
        clock.advance(15)
        waiting = ask(resolver, "a.example", "A")
        clock.advance(4.9)
        self.assertNoResult(waiting)
        clock.advance(0.1)
        self.failureResultOf(waiting, LookupFailed)
        self.assertEqual(silent.given_up, 1)
        self.failureResultOf(ask(resolver, "a.example", "A"), LookupFailed)
        self.assertEqual(silent.given_up, 1)
        self.assertEqual(clock.getDelayedCalls(), [])


class AnswerTests(SynchronousTestCase):
    """What an answer gives out."""

    def test_kinds(self) -> None:
        """Records come back by what they are."""
        tlsa = Tlsa(3, 1, 1, b"\xab\xcd")
        answer = Answer(("192.0.2.1", Mx(10, "mx.example"), tlsa))
        self.assertEqual(answer.texts, ("192.0.2.1",))
        self.assertEqual(answer.exchangers, (Mx(10, "mx.example"),))
        self.assertEqual(answer.associations, (tlsa,))
        self.assertEqual(str(tlsa), "3 1 1 abcd")


class ZoneTests(SynchronousTestCase):
    """The DNS of other tests is one."""

    def test_aliases_and_signatures(self) -> None:
        """Aliases are followed and counted; an answer is as secure as each name on the way."""
        zone = Zone(
            {
                ("a.example!", "CNAME"): ["b.example"],
                ("b.example!", "MX"): ["0 ."],
                ("c.example", "CNAME"): ["b.example"],
                ("loop.example", "CNAME"): ["loop.example"],
                ("bad.example", "A"): Zone.FAILS,
            }
        )
        found = self.successResultOf(ask(zone, "A.example", "MX"))
        self.assertEqual(found, Answer((Mx(0, ""),), True, 300, "b.example", 1))
        self.assertFalse(self.successResultOf(ask(zone, "c.example", "MX")).secure)
        self.assertTrue(self.failureResultOf(ask(zone, "b.example", "A"), NoRecords).value.secure)
        for name in ("loop.example", "bad.example"):
            self.failureResultOf(ask(zone, name, "A"), LookupFailed)
