"""mailnode.upkeep.acme_renewal: when the running server asks for a certificate, and again after failures."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.certificates import write_certificates
from mailnode.auth.live import Live
from mailnode.config import Config, Mailboxes
from mailnode.config_acme import Acme
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.upkeep import acme_renewal
from mailnode.upkeep.acme_renewal import EVERY, FIRST, AcmeRenewal
from mailnode.upkeep.acme_trouble import LONG, SHORT, Trouble
from mailnode.upkeep.ordering import Order, last_failure
from tests.scratch import room_of

MADE = datetime(2026, 1, 2, tzinfo=UTC)
NAME = "mail.example.org"
DAY = 86400.0


class AcmeRenewalTests(SynchronousTestCase):
    """With a clock, and an authority that is a method."""

    def setUp(self) -> None:
        self.files, self.clock = FileSystem(), Clock()
        self.clock.advance(MADE.timestamp())
        self.room = room_of(self)
        tls = write_certificates(f"{self.room}/tls", NAME, self.files, MADE)
        self.lasts = timedelta(days=825, hours=1)
        tls = type(tls)(tls.certificate, tls.key, acme=Acme("https://acme.example.org/dir"))
        self.live = Live(Config(hostname=NAME, state=f"{self.room}/state", tls=tls), Mailboxes())
        self.orders: list[tuple[float, tuple[str, ...]]] = []
        self.trouble: Exception | None = None
        self.wanted: datetime | None = None
        self.asked = self.looks = 0
        self.patch(acme_renewal, "fulfil", self.fulfil)
        self.patch(acme_renewal, "_suggested", self.suggested)
        self.renewal = AcmeRenewal(
            self.live, self.clock, InlineExecutor(), self.files, random.Random(7), self.now
        )
        self.observer = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        self.addCleanup(self.clean)

    def clean(self) -> None:
        self.renewal.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def now(self) -> datetime:
        """Time passes between any two questions."""
        self.looks += 1
        return datetime.fromtimestamp(self.clock.seconds(), UTC) + timedelta(microseconds=self.looks)

    def suggested(self, directory: str, chain: bytes) -> datetime | None:
        self.asked += 1
        return self.wanted

    def fulfil(self, order: Order, files: FileSystem, account: bytes, proofs: Any, *, email: str) -> None:
        self.orders.append((self.clock.seconds(), order.names))
        if self.trouble is not None:
            raise self.trouble
        write_certificates(f"{self.room}/tls", NAME, self.files, self.now())

    def pass_days(self, days: float) -> None:
        step = EVERY if days < 20 else 12 * EVERY
        self.clock.pump([step] * round(days * DAY / step))

    def said(self) -> list[str]:
        return [event["line"] for event in self.observer]

    def test_in_time(self) -> None:
        """When a third of its life is left, a little earlier; then the next one, in its turn."""
        self.renewal.start()
        third = self.lasts / 3
        self.pass_days((self.lasts - third - third / 10).days - 1)
        self.assertEqual(self.orders, [])
        self.pass_days(third.days / 10 + 3)
        ((at, names),) = self.orders
        self.assertEqual(names, (NAME,))
        self.assertLessEqual(at, (MADE + self.lasts - third).timestamp())
        self.assertIn(f"certificate renewed names={NAME}", self.said())
        self.pass_days(100)
        self.assertEqual(len(self.orders), 1)

    def test_not_at_once(self) -> None:
        """A server that is started over and over again does not ask each time."""
        self.renewal.start()
        self.clock.advance(FIRST - 1)
        self.assertEqual(self.asked, 0)
        self.clock.advance(10 * FIRST)
        self.assertEqual(self.asked, 1)

    def test_suggested(self) -> None:
        """The authority may want it earlier; it is asked every six hours."""
        self.renewal.start()
        self.pass_days(10)
        self.assertTrue(39 <= self.asked <= 41, self.asked)
        self.wanted = self.now() + timedelta(days=2)
        self.pass_days(1.9)
        self.assertEqual(self.orders, [])
        self.pass_days(0.2)
        self.assertEqual(len(self.orders), 1)
        self.pass_days(2)  # it wants the new one renewed too, and always: once a day at most
        self.assertEqual(len(self.orders), 3)

    def test_failures(self) -> None:
        """It waits longer each time, a day at most; the reason is in the log, the status and a file."""
        Path(self.live.config.tls.certificate).unlink()
        self.trouble = Trouble("nobody answers", "Mend it.")
        self.renewal.start()
        self.pass_days(5)
        times = [at for at, _ in self.orders]
        waits = [after - before for before, after in pairwise(times)]
        self.assertTrue(SHORT <= waits[0] <= 2.1 * SHORT, waits)
        self.assertEqual(waits[:5], sorted(waits[:5]))
        self.assertTrue(DAY <= waits[-1] <= 1.2 * DAY, waits)
        self.assertEqual(
            self.renewal.problems(), ["the certificate was not renewed: nobody answers. Mend it."]
        )
        self.assertIn('certificate not renewed reason="nobody answers. Mend it."', self.said()[0])
        self.assertIsNotNone(last_failure(self.live.config, self.files))
        self.trouble = None
        self.pass_days(2)
        self.assertEqual((self.renewal.problems(), last_failure(self.live.config, self.files)), ([], None))

    def test_far_too_often(self) -> None:
        """After a rate limit it asks a day later."""
        Path(self.live.config.tls.certificate).unlink()
        self.trouble = Trouble("too many", "Wait.", LONG)
        self.renewal.start()
        self.pass_days(1)
        self.assertEqual(len(self.orders), 1)

    def test_by_hand(self) -> None:
        """Somebody may get one meanwhile: that is seen within the hour, and nothing more is asked for."""
        Path(self.live.config.tls.certificate).unlink()
        self.trouble = Trouble("too many", "Wait.", LONG)
        self.renewal.start()
        self.pass_days(0.5)
        self.assertEqual(len(self.renewal.problems()), 1)
        write_certificates(f"{self.room}/tls", NAME, self.files, self.now())
        self.clock.advance(EVERY)
        self.assertEqual(self.renewal.problems(), [])
        self.pass_days(3)
        self.assertEqual(len(self.orders), 1)

    def test_own_fault(self) -> None:
        """What nobody foresaw is in the log, and does not end the looks."""
        Path(self.live.config.tls.certificate).unlink()
        self.trouble = ZeroDivisionError()
        self.renewal.start()
        self.pass_days(1)
        self.assertGreater(len(self.orders), 2)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), len(self.orders))
        self.assertEqual(len(self.renewal.problems()), 1)

    def test_other_names(self) -> None:
        """A certificate for other names is left alone, which is said."""
        config = self.live.config
        acme = Acme("https://acme.example.org/dir", names=("other.example.net",))
        self.live.config = replace(config, tls=replace(config.tls, acme=acme))
        self.renewal.start()
        self.pass_days(1)
        self.assertEqual(self.orders, [])
        self.assertIn("mailnode tls request", self.renewal.problems()[0])

    def test_nobody_to_ask(self) -> None:
        """Without an authority in the configuration nothing is done; a reload may name one."""
        config = self.live.config
        self.live.config = Config(hostname=NAME, state=config.state)
        Path(config.tls.certificate).unlink()
        self.renewal.start()
        self.pass_days(1)
        self.assertEqual(self.orders, [])
        self.live.config = config
        self.pass_days(0.1)
        self.assertEqual(len(self.orders), 1)
