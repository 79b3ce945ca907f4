"""mailnode.auth.allowance: how many recipients an account may send to."""

import random
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.auth import allowance
from mailnode.auth.allowance import KEPT, KNOWN, Reservation, Sender, Senders, Used, UsedUp, parse
from mailnode.auth.live import Live
from mailnode.config import Config, Limits, Mailboxes
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.runtime import Runtime
from mailnode.wire.errors import BadSyntax

ANNA = "anna@local.example"
HOUR, DAY = "submission_recipients_hour", "submission_recipients_day"
NEW = "submission_new_recipients_day"
NONE = {HOUR: 0, DAY: 0, NEW: 0}


class AllowanceTestCase(SynchronousTestCase):
    """A clock and a folder of our own."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.clock = Clock()
        self.clock.advance(1_000_000_000 // 300 * 300)
        self.senders = self.make()

    def tearDown(self) -> None:
        self.stop(self.senders)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def make(self, **limits: int) -> Senders:
        """What a server has when it starts, with these limits and no others."""
        config = Config(state=str(self.folder), limits=replace(Limits(), **(NONE | limits)))
        self.live = Live(config, Mailboxes())
        return Senders(self.live, Runtime(self.clock, random.Random(1), InlineExecutor()), FileSystem())

    def stop(self, senders: Senders) -> None:
        self.successResultOf(Deferred.fromCoroutine(senders.stop()))

    def limit(self, **limits: int) -> None:
        """Change the limits, as a reload does."""
        self.live.config = replace(self.live.config, limits=replace(Limits(), **(NONE | limits)))

    def reserve(self, account: str = ANNA) -> Reservation:
        """A transaction."""
        return self.successResultOf(Deferred.fromCoroutine(self.senders.reserve(account)))

    def send(self, *addresses: str, account: str = ANNA, ours: bool = False) -> None:
        """A message that is accepted."""
        reservation = self.reserve(account)
        for address in addresses:
            reservation.add(address, ours=ours)
        reservation.spend()

    def refused(self, address: str, *, account: str = ANNA, ours: bool = False) -> UsedUp:
        """A recipient that is one too many."""
        reservation = self.reserve(account)
        error = self.assertRaises(UsedUp, reservation.add, address, ours=ours)
        reservation.release()
        return error

    def file(self, account: str = ANNA) -> Path:
        local, _, domain = account.rpartition("@")
        return self.folder / "senders" / domain / local


class Counting(AllowanceTestCase):
    """What counts, and for how long."""

    def test_hour(self) -> None:
        """A limit is for an hour, of five minutes that run and twelve before them; then it is as new."""
        self.limit(**{HOUR: 3})
        self.send("a@x.example", "b@x.example")
        self.send("c@x.example")
        self.assertEqual(self.refused("d@x.example").allowance.key, HOUR)
        self.clock.advance(3599 + 300)
        self.refused("d@x.example")
        self.clock.advance(1)
        self.send("a@x.example", "b@x.example", "c@x.example")

    def test_day(self) -> None:
        """The same for a day, however slowly it is used."""
        self.limit(**{HOUR: 3, DAY: 20})
        for _ in range(20):
            self.send("a@x.example", ours=True)
            self.clock.advance(3600)
        self.assertEqual(self.refused("a@x.example").allowance.key, DAY)
        self.clock.advance(5 * 3600)
        self.send("a@x.example")

    def test_new_addresses(self) -> None:
        """Addresses of ours, and those sent to before, are not new; one twice in a message is new once."""
        self.limit(**{NEW: 2})
        self.send("a@x.example", "a@x.example")
        self.send("a@x.example")
        self.send(*(f"{number}@local.example" for number in range(9)), ours=True)
        self.send("b@x.example")
        self.assertEqual(self.refused("c@x.example").allowance.key, NEW)
        self.send("a@x.example", "b@x.example")
        self.send("c@local.example", ours=True)
        self.clock.advance(86400 + 300)
        self.send("c@x.example", "d@x.example")

    def test_zero_is_no_limit(self) -> None:
        """0 for none."""
        self.send(*(f"{number}@x.example" for number in range(2000)))

    def test_others(self) -> None:
        """Each account has its own."""
        self.limit(**{HOUR: 1})
        self.send("a@x.example")
        self.send("a@x.example", account="bob@local.example")
        self.refused("a@x.example", account="bob@local.example")

    def test_a_clock_that_was_wrong(self) -> None:
        """D11: what was sent in a future that did not come counts for nothing now, and goes away."""
        self.limit(**{HOUR: 1})
        self.clock.advance(10 * 86400)
        self.send("a@x.example")
        self.clock.rightNow -= 10 * 86400
        self.send("a@x.example")
        self.refused("a@x.example")
        self.assertEqual(len(self.senders._senders[ANNA].steps), 1)


class Reserving(AllowanceTestCase):
    """Many transactions at once."""

    def test_together(self) -> None:
        """What is reserved in one cannot be reserved in another; what is given back can."""
        self.limit(**{HOUR: 2, NEW: 2})
        one, two = self.reserve(), self.reserve()
        one.add("a@x.example", ours=False)
        two.add("b@x.example", ours=False)
        self.assertRaises(UsedUp, one.add, "c@x.example", ours=False)
        self.assertRaises(UsedUp, two.add, "c@x.example", ours=False)
        one.release()
        one.release()
        two.add("c@x.example", ours=False)
        two.spend()
        two.release()
        self.refused("d@x.example")

    def test_told_once(self) -> None:
        """The administrator hears of a limit once in its time, and of another one for itself."""
        self.limit(**{HOUR: 1, NEW: 1})
        self.send("a@x.example")
        self.assertEqual([self.refused("a@x.example").first for _ in range(3)], [True, False, False])
        self.limit(**{NEW: 1})
        self.assertEqual([self.refused("b@x.example").first for _ in range(2)], [True, False])
        self.clock.advance(2 * 3600)
        self.limit(**{HOUR: 1, NEW: 1})
        self.send("a@x.example")
        self.assertTrue(self.refused("a@x.example").first)
        self.limit(**{NEW: 1})
        self.assertFalse(self.refused("b@x.example").first)

    @settings(deadline=None, max_examples=50)
    @given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["add", "spend", "release"])), max_size=40))
    def test_never_more(self, steps: list[tuple[int, str]]) -> None:
        """Whatever transactions do in whatever order, no more than is allowed is ever spent."""
        self.senders = self.make(**{HOUR: 5})
        transactions = [self.reserve() for _ in range(4)]
        reserved = [0] * 4
        spent = 0
        for number, what in steps:
            if what == "add":
                try:
                    transactions[number].add("a@x.example", ours=True)
                    reserved[number] += 1
                except UsedUp:
                    self.assertEqual(spent + sum(reserved), 5)
                continue
            spent += reserved[number] if what == "spend" else 0
            getattr(transactions[number], what)()
            transactions[number], reserved[number] = self.reserve(), 0
        self.assertLessEqual(spent, 5)
        for transaction in transactions:
            transaction.release()
        self.assertEqual(self.senders._senders[ANNA].reserved, Used())
        self.stop(self.senders)
        shutil.rmtree(self.folder / "senders", ignore_errors=True)


class Remembering(AllowanceTestCase):
    """Files."""

    def test_over_a_restart(self) -> None:
        """What was sent, and to whom, is known after a stop and a start; nobody's address is in the file."""
        self.limit(**{HOUR: 3, NEW: 1})
        self.send("secret@x.example")
        self.stop(self.senders)
        self.assertNotIn("secret", self.file().read_text())
        self.assertEqual(self.file().stat().st_mode & 0o777, 0o600)
        self.senders = self.make(**{HOUR: 3, NEW: 1})
        self.send("secret@x.example")
        self.assertEqual(self.refused("b@x.example").allowance.key, NEW)
        self.send("secret@x.example")
        self.assertEqual(self.refused("secret@x.example").allowance.key, HOUR)

    def test_written_lazily(self) -> None:
        """A minute after something was sent, all of it in one go; and not again without reason."""
        self.send("a@x.example")
        self.send("b@x.example")
        self.assertFalse(self.file().exists())
        self.clock.advance(61)
        self.assertEqual(self.file().read_text().count("known"), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_only_those_used_last(self) -> None:
        """Thousands of accounts do not stay in memory; who goes is written down first."""
        for number in range(KEPT * 3):
            self.send("a@x.example", account=f"{number}@local.example")
        self.assertLessEqual(len(self.senders._senders), KEPT + 2)
        self.assertTrue(self.file("0@local.example").exists())
        self.limit(**{HOUR: 1})
        self.refused("a@x.example", account="0@local.example")

    def test_nobody_goes_while_files_are_read(self) -> None:
        """What one transaction spent is not forgotten for what another one has read before."""
        self.patch(allowance, "KEPT", 0)
        jobs: list[tuple[Deferred[Any], Any, Any]] = []

        class Later:
            """An executor whose jobs the test ends."""

            def run(self, function: Any, *args: Any) -> "Deferred[Any]":
                done: Deferred[Any] = Deferred()
                jobs.append((done, function, args))
                return done

        def work() -> None:
            done, function, args = jobs.pop(0)
            done.callback(function(*args))

        self.limit(**{HOUR: 1})
        self.senders = Senders(self.live, Runtime(self.clock, random.Random(1), Later()), FileSystem())
        one, two = (Deferred.fromCoroutine(self.senders.reserve(ANNA)) for _ in range(2))
        work()
        reservation = self.successResultOf(one)
        reservation.add("a@x.example", ours=True)
        reservation.spend()
        for _ in range(3):
            self.senders._make_room()
        work()
        second = self.successResultOf(two)
        self.assertRaises(UsedUp, second.add, "a@x.example", ours=True)
        second.release()
        stopped = Deferred.fromCoroutine(self.senders.stop())
        while jobs:
            work()
        self.successResultOf(stopped)
        self.senders = self.make()

    def test_open_transactions_stay(self) -> None:
        """Who is sending is not let go."""
        self.limit(**{HOUR: 1})
        reservation = self.reserve()
        reservation.add("a@x.example", ours=True)
        for number in range(KEPT * 2):
            self.send("a@x.example", account=f"{number}@local.example")
        self.refused("a@x.example")
        reservation.spend()
        self.refused("a@x.example")

    def test_the_last_known(self) -> None:
        """So many addresses are known and no more: those of longest ago are new again."""
        self.patch(allowance, "KNOWN", 10)
        self.send(*(f"{number}@x.example" for number in range(12)))
        self.send("2@x.example")
        self.send("new@x.example")
        sender = self.senders._senders[ANNA]
        self.assertEqual(len(sender.known), 10)
        self.assertIn(allowance._digest(ANNA, "2@x.example"), sender.known)
        self.assertNotIn(allowance._digest(ANNA, "3@x.example"), sender.known)

    def test_broken_file(self) -> None:
        """A file that says nothing sensible, or is none, counts as empty; mail is not held up."""
        self.file().parent.mkdir(parents=True)
        for text in (b"", b"x", b"\xff", b"mailnode-sender 1\nsent 1 2\n", b"mailnode-sender 1\nknown zz\n"):
            self.file().write_bytes(text)
            self.senders = self.make(**{HOUR: 1})
            self.send("a@x.example")
            self.refused("a@x.example")
            self.stop(self.senders)
            self.assertTrue(self.file().read_text().startswith("mailnode-sender 1\nsent "))
        self.file().unlink()
        self.file().mkdir()
        self.senders = self.make(**{HOUR: 1})
        self.send("a@x.example")
        self.refused("a@x.example")
        self.clock.advance(61)

    def test_size_of_a_file(self) -> None:
        """The fullest file is still read as a whole."""
        sender = Sender(ANNA)
        sender.steps = {10**7 + step: Used(2**53, 2**53) for step in range(2 * allowance.DAY + 1)}
        sender.known.update(dict.fromkeys(number.to_bytes(8, "big") for number in range(KNOWN)))
        self.assertLess(len(sender.text()), allowance.LARGEST_FILE)
        self.assertEqual(parse(ANNA, sender.text()), sender)

    @settings(deadline=None, max_examples=100)
    @given(st.text(st.sampled_from("sent known\n0123af-mailnode-sender 1"), max_size=60))
    def test_any_text(self, text: str) -> None:
        """Any text is taken or is BadSyntax, nothing else."""
        for content in (text, f"mailnode-sender 1\n{text}"):
            try:
                self.assertIsInstance(parse(ANNA, content), Sender)
            except BadSyntax:
                pass
