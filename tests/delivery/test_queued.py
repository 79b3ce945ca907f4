"""From the queue into mailboxes."""

import errno
import os
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from mailnode.config import MailboxEntry, Mailboxes
from mailnode.config_quota import Quota
from mailnode.envelope import Deadline, Recipient
from mailnode.events.life import Delivered, Ended, Event, Failed
from mailnode.queue.entry import Entry, Fate, Progress
from mailnode.wire.address import Address
from mailnode.wire.esmtp import Notify
from tests.delivery.world import ANNA, BOB, BODY, CARL, HEAD, NOW, QueueTestCase

TEAM, INFO = Address("team", "a.example"), Address("info", "a.example")
ELSEWHERE = Address("x", "elsewhere.example")
STORED = (HEAD + BODY).replace(b"\r\n", b"\n")


class Queued(QueueTestCase):
    """QueuedDelivery under a runner."""

    def of(self, kind: type[Event]) -> list[Any]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def test_one(self) -> None:
        """The fields of final delivery are on top, then all as it was accepted."""
        self.accept(BOB)
        self.clock.advance(0)
        head = b"Return-Path: <anna@a.example>\nDelivered-To: bob@a.example\n"
        self.assertEqual(self.inbox(BOB), [head + STORED])
        self.assertEqual((self.spool.names(), len(self.of(Ended))), ([], 1))

    def test_several(self) -> None:
        """One copy for each mailbox, however often it is meant; none names another."""
        self.accept(BOB, TEAM, INFO, ANNA)
        self.clock.advance(0)
        for who in (ANNA, BOB):
            self.assertEqual(self.inbox(who), [b"Return-Path: <anna@a.example>\n" + STORED])

    def test_large(self) -> None:
        """A message of megabytes, octet for octet."""
        text = b"0123456789abcdef\r\n" * 100_000
        self.accept(BOB, content=HEAD + text)
        self.clock.advance(0)
        self.assertTrue(self.inbox(BOB)[0].endswith(text.replace(b"\r\n", b"\n")))

    def test_gone(self) -> None:
        """A mailbox that went meanwhile: a report to the sender, and the others get it."""
        self.accept(BOB, CARL, ELSEWHERE)
        self.clock.advance(0)
        self.assertEqual(len(self.inbox(BOB)), 1)
        _, *groups = list(self.report().iter_parts())[1].get_payload()
        self.assertEqual(
            [(str(one["Final-Recipient"]), str(one["Status"])) for one in groups],
            [("rfc822; carl@a.example", "5.1.1"), ("rfc822; x@elsewhere.example", "5.1.2")],
        )
        self.assertEqual([event.recipient for event in self.of(Failed)], [str(CARL), str(ELSEWHERE)])
        self.assertEqual(self.spool.names(), [])

    def test_aliases_that_lead_elsewhere(self) -> None:
        """What goes on has its own entries since it was accepted: here it is the mailboxes that count."""
        out = Address("out", "a.example")
        aliases = {**self.live.mailboxes.aliases, str(out): (str(ELSEWHERE),)}
        self.live.mailboxes = Mailboxes(self.live.mailboxes.mailboxes, aliases)
        self.accept(Address("away", "a.example"), out)
        self.clock.advance(0)
        self.assertEqual([event.recipient for event in self.of(Failed)], [str(out)])
        self.assertEqual(len(self.inbox(ANNA)), 2)  # the message, and the report

    def test_routed_anew(self) -> None:
        """What the configuration says on the day counts."""
        self.accept(CARL, due=NOW + 60)
        self.live.mailboxes = Mailboxes(self.live.mailboxes.mailboxes, {"carl@a.example": (str(BOB),)})
        self.clock.advance(60)
        self.assertEqual(len(self.inbox(BOB)), 1)

    def test_success(self) -> None:
        """NOTIFY=SUCCESS counts for what was held, too."""
        self.accept(Recipient(BOB, Notify.SUCCESS))
        self.clock.advance(0)
        self.assertEqual(str(self.report()["Subject"]), "Your message was delivered")

    def full(self, over: Any) -> None:
        """Bob's mailbox has no room."""
        quota = Quota(messages=0, over=over)
        self.live.config = self.configured(quota)
        self.live.mailboxes = Mailboxes(
            {str(ANNA): MailboxEntry("x", quota_messages=1000), str(BOB): MailboxEntry("x")},
            self.live.mailboxes.aliases,
        )

    def configured(self, quota: Quota) -> Any:
        """The configuration with another quota."""
        return replace(self.live.config, quota=quota)

    def test_full_later(self) -> None:
        """A full mailbox is tried again; who has it gets no second copy."""
        self.full("defer")
        self.accept(TEAM)
        self.clock.advance(0)
        self.assertEqual((len(self.inbox(ANNA)), len(self.inbox(BOB))), (1, 0))
        self.live.config = self.configured(Quota())
        self.clock.advance(400)
        self.assertEqual((len(self.inbox(ANNA)), len(self.inbox(BOB))), (1, 1))
        self.assertEqual(self.inbox(ANNA)[0], self.inbox(BOB)[0])
        self.assertEqual(len(self.of(Delivered)), 2)

    def test_full_for_good(self) -> None:
        """Where the configuration refuses mail for full mailboxes, the sender is told at once."""
        self.full("refuse")
        self.accept(BOB)
        self.clock.advance(0)
        (_, group) = list(self.report().iter_parts())[1].get_payload()
        self.assertEqual(str(group["Status"]), "5.2.2")

    def test_disk(self) -> None:
        """An error of the disk loses nothing."""
        self.accept(BOB)
        with patch.object(type(self.files), "link", side_effect=OSError(errno.EIO, "broken")):
            self.clock.advance(0)
        self.assertEqual(self.inbox(BOB), [])
        self.assertEqual(len(self.spool.names()), 1)
        self.clock.advance(400)
        self.assertEqual((len(self.inbox(BOB)), self.spool.names()), (1, []))

    def test_no_body(self) -> None:
        """A body that somebody removed by hand: nothing is delivered, and in the end the sender is told."""
        entry = self.accept(BOB)
        self.files.unlink(f"{self.spool.path}/{entry.id}.body")
        self.clock.advance(0)
        self.assertEqual((self.inbox(BOB), self.spool.names()), ([], [entry.id]))
        for _ in range(150):
            self.clock.advance(3600)
        (_, group) = list(self.report().iter_parts())[1].get_payload()
        self.assertEqual(str(group["Status"]), "4.4.7")
        self.assertEqual(self.spool.names(), [])

    def test_one_broken_mailbox(self) -> None:
        """Nobody else waits for a mailbox in which nothing can be written, in whatever order they come."""
        root = self.realm.account(str(BOB)).store.root
        self.files.make_directories(os.path.dirname(root))
        self.files.replace(root, b"no directory")
        for recipients in ((BOB, ANNA), (ANNA, BOB)):
            entry = self.accept(*recipients)
            self.clock.advance(0)
            self.assertEqual(self.spool.read(entry.id).reached, (str(ANNA),))
        self.assertEqual(len(self.inbox(ANNA)), 2)

    def test_too_late(self) -> None:
        """RFC 2852: with R, what could not be delivered in its time comes back; with N it is delivered."""
        self.accept(BOB, due=NOW + 60, deadline=Deadline(NOW + 30, return_=True, trace=False))
        self.accept(BOB, due=NOW + 60, deadline=Deadline(NOW + 30, return_=False, trace=False))
        self.clock.advance(60)
        self.assertEqual(len(self.inbox(BOB)), 1)
        (_, group) = list(self.report().iter_parts())[1].get_payload()
        self.assertEqual(str(group["Status"]), "5.4.7")

    def test_elsewhere(self) -> None:
        """Those at other hosts are tried at theirs, with the message octet for octet, after those here."""
        relayed = Progress(Fate.RELAYED, "2.0.0", told=True)
        self.remote.says = {"elsewhere.example": relayed, "later.example": Progress(reason="Not now")}
        self.accept(ELSEWHERE, BOB, Address("y", "later.example"))
        self.clock.advance(0)
        content = HEAD + BODY
        self.assertEqual(self.remote.carried, [((0, 2), len(content), content)])
        (before,) = self.remote.before
        self.assertEqual((before.reached, before.progress[1].fate), ((str(BOB),), Fate.DELIVERED))
        (name,) = self.spool.names()
        fates = [one.fate for one in self.spool.read(name).progress]
        self.assertEqual(fates, [Fate.RELAYED, Fate.DELIVERED, Fate.WAITING])
        self.clock.advance(400)
        self.assertEqual([numbers for numbers, _, _ in self.remote.carried], [(0, 2), (2,)])
        self.assertEqual(len(self.inbox(BOB)), 1)

    def test_forwarded(self) -> None:
        """An alias that leads to another host is a name of ours: no other host is asked for it."""
        aliases = {str(INFO): ("x@elsewhere.example",)}
        self.live.mailboxes = Mailboxes(self.live.mailboxes.mailboxes, aliases)
        self.accept(INFO)
        self.clock.advance(0)
        self.assertEqual((self.remote.carried, [one.recipient for one in self.of(Failed)]), ([], [str(INFO)]))

    def test_kept_meanwhile(self) -> None:
        """What is true is on the disk before the next host is asked: a crash repeats none of it."""
        seen: list[list[Fate]] = []
        later = Address("y", "later.example")
        self.remote.says = {"elsewhere.example": Progress(Fate.RELAYED), "later.example": Progress()}
        entry = self.accept(BOB, ELSEWHERE, later, due=NOW + 60)
        settle, read = self.remote.says.get, self.spool.read

        def says(domain: str, usual: Progress) -> Progress:
            seen.append([one.fate for one in read(entry.id).progress])
            return settle(domain, usual)

        self.patch(self.remote, "says", SimpleNamespace(get=says))
        self.clock.advance(60)
        self.assertEqual(
            seen,
            [
                [Fate.DELIVERED, Fate.WAITING, Fate.WAITING],
                [Fate.DELIVERED, Fate.RELAYED, Fate.WAITING],
            ],
        )

    def test_disk_meanwhile(self) -> None:
        """When that cannot be written the try goes on, and it is written at its end."""
        self.remote.says = {"elsewhere.example": Progress(Fate.RELAYED), "later.example": Progress()}
        entry = self.accept(ELSEWHERE, Address("y", "later.example"), due=NOW + 60)
        save, failures = self.spool.save, [OSError(errno.EIO, "broken")]

        def fail_once(entry: Entry) -> None:
            if failures:
                raise failures.pop()
            save(entry)

        with patch.object(self.spool, "save", fail_once):
            self.clock.advance(60)
        self.assertEqual(failures, [])
        self.assertEqual(self.spool.read(entry.id).progress[0].fate, Fate.RELAYED)

    def test_reached_before_elsewhere(self) -> None:
        """Who of an alias has it already is on the disk too, though the alias as a whole waits."""
        full = {**self.live.mailboxes.mailboxes, str(BOB): MailboxEntry("x", quota=1)}
        self.live.mailboxes = replace(self.live.mailboxes, mailboxes=full)
        carry, known = self.remote.carry, []

        async def noting(entry: Entry, *what: Any, **more: Any) -> dict[int, Progress]:
            known.append(self.spool.read(entry.id).reached)
            return await carry(entry, *what, **more)

        self.patch(self.remote, "carry", noting)
        self.accept(TEAM, ELSEWHERE)
        self.clock.advance(0)
        self.assertEqual(known, [(str(ANNA),)])

    def test_read_once(self) -> None:
        """The beginning of a content comes with the entry; more of it is read when it is asked for."""
        text = b"0123456789abcdef\r\n" * 10_000
        self.remote.says = {"elsewhere.example": Progress(Fate.RELAYED)}
        for body in (BODY, text):
            self.accept(ELSEWHERE, due=NOW + 60, content=HEAD + body)
        self.runner.stop()
        self.runner = self.another_runner()
        with patch.object(type(self.spool), "beginnings", side_effect=AssertionError):
            self.clock.advance(60)
        contents = sorted(content for _, _, content in self.remote.carried)
        self.assertEqual(contents, sorted([HEAD + BODY, HEAD + text]))

    def test_elsewhere_without_body(self) -> None:
        """A message that cannot be read waits, and no other host hears of it."""
        entry = self.accept(ELSEWHERE)
        self.files.unlink(f"{self.spool.path}/{entry.id}.body")
        self.clock.advance(0)
        (progress,) = self.spool.read(entry.id).progress
        self.assertEqual((progress.fate, progress.status), (Fate.WAITING, "4.3.0"))
        self.assertEqual(self.remote.carried, [])
