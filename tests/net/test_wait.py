"""What coroutines wait for, and what drives them, beside Twisted's own."""

from collections.abc import Callable, Coroutine
from itertools import product
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mailnode.net.wait import Bell, Running, Wait

Drive = Callable[[Coroutine[Any, Any, None]], object]

VALUE = "value"
ENDS = ("callback", "failure", "errback", "cancel")
OTHERS = ("", "before", "behind", "after")  # when somebody else wants to be called


def running(coroutine: Coroutine[Any, Any, None]) -> None:
    """Drive a coroutine by ours."""
    Running(coroutine, lambda _: None).go()


class WaitTests(SynchronousTestCase):
    """A Wait is to whoever awaits it, and to everybody else, what a Deferred is."""

    def seen(
        self, kind: type[Deferred[str]], drive: Drive, end: str, other: str, *, early: bool
    ) -> list[object]:
        """What the coroutine and another one see, in their order; `early` fires it before it is awaited."""
        seen: list[object] = []
        waits = kind()

        async def life() -> None:
            try:
                seen.append(await waits)
            except (ValueError, CancelledError) as error:
                seen.append(type(error))

        def hear(result: object) -> object:
            seen.append(("other", result.type if isinstance(result, Failure) else result))
            return result

        def fire() -> None:
            if end == "callback":
                waits.callback(VALUE)
            elif end == "failure":
                waits.callback(Failure(ValueError()))  # type: ignore[arg-type]
            elif end == "errback":
                waits.errback(ValueError())
            else:
                waits.cancel()

        if other == "before":
            waits.addBoth(hear)
        if early:
            fire()
        drive(life())
        if other == "behind":
            waits.addBoth(hear)
        if not early:
            fire()
        if other == "after":
            waits.addBoth(hear)
        waits.addErrback(lambda _: None)
        return seen

    def test_as_deferreds(self) -> None:
        """However it is fired, whenever, and whoever else listens, under either driver."""
        for end, other, early in product(ENDS, OTHERS, (False, True)):
            expected = self.seen(Deferred, Deferred.fromCoroutine, end, other, early=early)
            self.assertTrue(expected)
            ours: tuple[tuple[type[Deferred[str]], Drive], ...] = (
                (Deferred, running),
                (Wait, running),
                (Wait, Deferred.fromCoroutine),
            )
            for kind, drive in ours:
                found = self.seen(kind, drive, end, other, early=early)
                self.assertEqual(found, expected, (end, other, early, kind, drive))

    def test_canceller(self) -> None:
        """It is asked, once."""
        asked: list[object] = []
        waits: Wait[None] = Wait(asked.append)
        other: Wait[None] = Wait(asked.append)

        async def life() -> None:
            await waits

        running(life())
        waits.callback(None)
        waits.cancel()
        other.cancel()
        self.failureResultOf(other, CancelledError)
        self.assertEqual(asked, [other])


class BellTests(SynchronousTestCase):
    """What a coroutine waits for again and again."""

    def setUp(self) -> None:
        self.heard: list[str] = []
        self.bell: Bell[str] = Bell(lambda _: self.heard.append("left"))

    async def life(self) -> None:
        """Wait as long as it rings."""
        while True:
            self.heard.append(await self.bell)

    def test_again(self) -> None:
        """It rings as often as somebody waits, and is not used up by it."""
        running(self.life())
        for word in "abc":
            self.bell.ring(word)
        self.assertEqual((self.heard, self.bell.called), (["a", "b", "c"], False))

    def test_once(self) -> None:
        """Under Twisted's driver it is used up, as a Deferred is, and by an error in any case."""
        for drive, used_up in ((Deferred.fromCoroutine, True), (running, False)):
            bell: Bell[str] = Bell()

            async def once(bell: Bell[str] = bell) -> None:
                self.heard.append(await bell)

            drive(once())
            bell.ring("a")
            self.assertEqual(bell.called, used_up)
        self.assertEqual(self.heard, ["a", "a"])

        async def fails() -> None:
            try:
                await self.bell
            except ValueError:
                self.heard.append("error")

        running(fails())
        self.bell.errback(ValueError())
        self.assertEqual((self.heard[2:], self.bell.called), (["error"], True))

    def test_cancelled(self) -> None:
        """Who made it is asked; who was put away is not."""
        leaving = Deferred.fromCoroutine(self.life())
        leaving.cancel()
        self.failureResultOf(leaving, CancelledError)
        self.assertEqual(self.heard, ["left"])
        other: Bell[str] = Bell(lambda _: self.heard.append("never"))
        other.put_away()
        other.cancel()
        self.failureResultOf(other, CancelledError)
        self.assertEqual(self.heard, ["left"])


class RunningTests(SynchronousTestCase):
    """A coroutine from its beginning to its end."""

    def setUp(self) -> None:
        self.over: list[Running] = []

    def test_end(self) -> None:
        """Whoever asked is told; so is whose it is, also of one that ends at once."""
        first, second = Wait[str](), Deferred[str]()
        heard: list[str] = []

        async def inner() -> str:
            return await first + await second

        async def life() -> None:
            heard.append(await inner())

        session = Running(life(), self.over.append)
        session.go()
        ended = session.ended()
        first.callback("a")
        self.assertEqual((heard, self.over), ([], []))
        self.assertNoResult(ended)
        second.callback("b")
        self.assertEqual((heard, self.over), (["ab"], [session]))
        self.successResultOf(ended)

        async def nothing() -> None:
            pass

        Running(nothing(), self.over.append).go()
        self.assertEqual(len(self.over), 2)

    def test_two_who_wait(self) -> None:
        """For the same thing: both go on, in their order."""
        waits = Wait[str]()
        heard: list[str] = []

        async def life(name: str) -> None:
            heard.append(f"{name} {await waits}")

        for name in ("a", "b"):
            Running(life(name), self.over.append).go()
        waits.callback("x")
        self.assertEqual((heard[0], len(heard), len(self.over)), ("a x", 2, 2))

    def test_end_of_the_world(self) -> None:
        """What no except clause expects ends its session, and no other."""
        waits = Wait[None]()

        async def life() -> None:
            await waits

        Running(life(), self.over.append).go()
        waits.errback(Failure(SystemExit()))
        self.assertEqual((len(self.over), len(self.flushLoggedErrors(SystemExit))), (1, 1))

    def test_bug(self) -> None:
        """What a coroutine raises is in the log, and costs nobody else anything."""
        waits = Wait[None]()

        async def life() -> None:
            await waits
            raise ValueError("a bug")

        session = Running(life(), self.over.append)
        session.go()
        ended = session.ended()
        waits.callback(None)
        self.successResultOf(ended)
        self.assertEqual((len(self.flushLoggedErrors(ValueError)), self.over), (1, [session]))
