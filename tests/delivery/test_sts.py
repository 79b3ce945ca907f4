"""MTA-STS policies of other domains: had, kept, and lost (RFC 8461 section 3.3; vector N4)."""

import json
import os
import random

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.delivery.sts import (
    FETCH_ERROR,
    INVALID,
    PAUSE,
    REFRESH,
    REMEMBERED,
    WEBPKI_INVALID,
    StsCache,
)
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.net.https import FetchFailed
from mailnode.net.resolver import Kind
from mailnode.runtime import Runtime
from mailnode.wire.mta_sts import StsPolicy
from tests.net.zone import Zone
from tests.scratch import scratch

WEEK = 7 * 86400
DOMAIN, RECORD = "a.example", ("_mta-sts.a.example", "TXT")
ENFORCE = StsPolicy("enforce", WEEK, ("mx.a.example",))
TESTING = StsPolicy("testing", WEEK, ("mx.a.example",))


class Web:
    """Has texts to fetch, or fails; `asked` notes the hosts, `held` keeps answers back."""

    def __init__(self) -> None:
        self.text: str | FetchFailed = "\r\n".join(ENFORCE.lines)
        self.asked: list[str] = []
        self.held: Deferred[None] | None = None

    async def fetch(self, host: str, path: str, *, limit: int) -> bytes:
        self.asked.append(f"{host}{path}")
        if self.held is not None:
            await self.held
        if isinstance(self.text, FetchFailed):
            raise self.text
        return self.text.encode()


class CacheTests(SynchronousTestCase):
    """StsCache"""

    def setUp(self) -> None:
        folder = scratch()
        self.addCleanup(folder.cleanup)
        self.directory = os.path.join(folder.name, "sts")
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        records: dict[tuple[str, Kind], list[str]] = {RECORD: ["v=STSv1; id=1;"]}
        self.zone, self.web = Zone(records), Web()
        self.failed: list[tuple[str, str]] = []
        self.cache = self.new_cache()

    def new_cache(self) -> StsCache:
        return StsCache(
            Runtime(self.clock, random.Random(1), InlineExecutor()),
            FileSystem(),
            lambda: self.directory,
            self.zone,
            self.web,
            failed=lambda domain, result: self.failed.append((domain, result)),
        )

    def policy(self, domain: str = DOMAIN) -> StsPolicy | None:
        return self.successResultOf(Deferred.fromCoroutine(self.cache.policy(domain)))

    def test_fetched_once(self) -> None:
        """A policy is fetched, kept in memory, and on disk for the next start."""
        for _ in range(3):
            self.assertEqual(self.policy(), ENFORCE)
        self.assertEqual(self.web.asked, ["mta-sts.a.example/.well-known/mta-sts.txt"])
        self.cache = self.new_cache()
        self.assertEqual(self.policy(), ENFORCE)
        self.assertEqual(len(self.web.asked), 1)
        with open(os.path.join(self.directory, "a.example.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["policy"], "\n".join(ENFORCE.lines))

    def test_no_record(self) -> None:
        """Without a record, or when nobody can say, nothing is fetched."""
        for lines in (["v=spf1 -all"], Zone.FAILS):
            self.zone.records[RECORD] = lines
            self.assertIsNone(self.policy())
        self.assertIsNone(self.policy("b.example"))
        self.assertEqual((self.web.asked, self.failed), ([], []))

    def test_new_id(self) -> None:
        """Another id is another policy."""
        self.policy()
        self.web.text = "\n".join(TESTING.lines)
        self.assertEqual(self.policy(), ENFORCE)
        self.zone.records[RECORD] = ["v=STSv1; id=2;"]
        self.assertEqual(self.policy(), TESTING)

    def test_refreshed(self) -> None:
        """A policy in use is fetched anew every day, and so does not run out."""
        for day in range(1, 10):
            self.assertEqual(self.policy(), ENFORCE)
            self.assertEqual(len(self.web.asked), day)
            self.clock.advance(REFRESH)

    def test_short_lived(self) -> None:
        """A policy that holds for less than a day is fetched again when it does not hold any more."""
        self.web.text = "\n".join(StsPolicy("enforce", 600, ENFORCE.mx).lines)
        for count in (1, 2):
            for _ in range(2):
                self.assertIsNotNone(self.policy())
                self.clock.advance(300)
            self.assertEqual(len(self.web.asked), count)

    def test_kept_on_failure(self) -> None:
        """What is in force stays so for its time, though record and host are gone (N4)."""
        self.policy()
        for lines, text in (
            (["v=STSv1; id=2;"], FetchFailed("x")),
            (["v=STSv1; id=2;"], "<html>"),
            (["nothing"], FetchFailed("x")),
            (Zone.FAILS, FetchFailed("x")),
        ):
            self.zone.records[RECORD], self.web.text = lines, text
            self.clock.advance(REFRESH)
            self.assertEqual(self.policy(), ENFORCE)
        self.cache = self.new_cache()
        self.assertEqual(self.policy(), ENFORCE)
        self.clock.advance(WEEK - 4 * REFRESH)
        self.assertIsNone(self.policy())

    def test_pause(self) -> None:
        """After a failure there is a pause, and each failure is told with its result type."""
        for text, result in (
            (FetchFailed("x"), FETCH_ERROR),
            (FetchFailed("x", identity=True), WEBPKI_INVALID),
            ("mode: enforce", INVALID),
        ):
            self.web.text = text
            for _ in range(3):
                self.assertIsNone(self.policy())
            self.assertEqual(self.failed.pop(), (DOMAIN, result))
            self.assertEqual(self.failed, [])
            self.clock.advance(PAUSE)
        self.assertEqual(len(self.web.asked), 3)

    def test_many_at_once(self) -> None:
        """Messages that want one policy at once wait for one fetch; those to others do not."""
        self.web.held = held = Deferred()
        waiting = [Deferred.fromCoroutine(self.cache.policy(DOMAIN)) for _ in range(3)]
        self.assertIsNone(self.policy("b.example"))
        self.assertEqual(len(self.web.asked), 1)
        self.web.held = None
        held.callback(None)
        self.clock.pump([0] * 3)
        self.assertEqual([self.successResultOf(one) for one in waiting], [ENFORCE] * 3)
        self.assertEqual(len(self.web.asked), 1)
        self.assertEqual(self.cache._turns, {})

    def test_bad_files(self) -> None:
        """A file that cannot be read is none; one that cannot be written costs nothing but that."""
        os.mkdir(self.directory)
        path = os.path.join(self.directory, "a.example.json")
        for text in ("", "[]", "{}", "[" * 100_000, '{"policy": "x", "id": "1", "fetched": 1}', "\0"):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            self.cache = self.new_cache()
            self.assertEqual(self.policy(), ENFORCE, text[:50])
        os.unlink(path)
        os.mkdir(path)
        self.cache = self.new_cache()
        self.assertEqual(self.policy(), ENFORCE)

    def test_memory_is_bounded(self) -> None:
        """Domains that were asked for longest ago are forgotten."""
        for number in range(REMEMBERED + 5):
            self.policy(f"d{number}.example")
        self.assertEqual(len(self.cache._known), REMEMBERED)
