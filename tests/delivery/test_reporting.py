"""Who is told what, in whose mailbox."""

import errno
import os
from dataclasses import replace
from unittest.mock import patch

from twisted.internet.defer import Deferred

from mailnode.config import MailboxEntry
from mailnode.delivery.report import LARGEST_RETURNED
from mailnode.delivery.reporting import arrived
from mailnode.delivery.route import Route
from mailnode.envelope import Body, Envelope, Recipient
from mailnode.events.life import Reported
from mailnode.fs import FileSystem
from mailnode.queue.entry import Fate
from mailnode.wire.address import Address
from mailnode.wire.esmtp import Notify
from tests.delivery.world import ANNA, BOB, BODY, CARL, HEAD, QueueTestCase, read

ELSEWHERE = Address("x", "elsewhere.example")
SUCCESS = Notify.SUCCESS


class OfArrival(QueueTestCase):
    """What is reported of a message that has just been delivered."""

    def arrive(self, *recipients: Recipient, sender: Address | None = ANNA) -> None:
        """A message to them; one that is called team has two mailboxes."""
        leads_to = [Route(("a", "b") if one.address.local == "team" else ("a",)) for one in recipients]
        envelope = Envelope(sender, recipients=recipients)
        self.do(self.reporting.of_arrival("MID", envelope, leads_to, HEAD))

    def test_delivered_and_expanded(self) -> None:
        """RFC 3461 section 5.2.7.3: an alias with several members is "expanded"; only who asked is in it."""
        team = Address("team", "a.example")
        self.arrive(Recipient(BOB, SUCCESS), Recipient(CARL), Recipient(team, SUCCESS | Notify.FAILURE))
        report = self.report()
        _, *groups = list(report.iter_parts())[1].get_payload()
        self.assertEqual(
            [(str(one["Final-Recipient"]), str(one["Action"])) for one in groups],
            [("rfc822; bob@a.example", "delivered"), ("rfc822; team@a.example", "expanded")],
        )
        self.assertIn("Return-Path: <>\nDelivered-To: anna@a.example\nFrom:", self.inbox(ANNA)[0].decode())
        self.assertEqual(self.events[-1], Reported("", "MID", "anna@a.example"))

    def language(self, header: bytes = b"", sender: Address = ANNA) -> str:
        """That of the report on a message with this in its header."""
        self.do(
            self.reporting.of_arrival(
                self.runtime.new_id(),
                Envelope(sender, recipients=(Recipient(BOB, SUCCESS),)),
                [Route(("a",))],
                header + HEAD,
            )
        )
        (octets,) = self.inbox(ANNA)
        for name in os.listdir(directory := f"{self.live.config.mail_directory(str(ANNA))}/new"):
            os.unlink(f"{directory}/{name}")
        return str(next(read(octets).iter_parts())["Content-Language"])

    def test_language(self) -> None:
        """That of the mailbox, else what the message asks for or is in, else that of the server."""
        german, polish = b"Accept-Language: de-AT\r\n", b"Content-Language: pl\r\n"
        self.assertEqual(self.language(), "en")
        self.assertEqual(self.language(german), "de")
        self.assertEqual(self.language(b"Content-Language: es\r\n"), "es")
        self.live.config = replace(self.live.config, language="fr")
        self.assertEqual([self.language(), self.language(polish), self.language(german)], ["fr", "fr", "de"])
        people = {**self.live.mailboxes.mailboxes, str(ANNA): MailboxEntry("x", language="es")}
        self.live.mailboxes = replace(self.live.mailboxes, mailboxes=people)
        self.assertEqual([self.language(), self.language(german)], ["es", "es"])
        self.assertEqual(self.language(german, sender=Address("Anna+x", "a.example")), "es")

    def test_language_elsewhere(self) -> None:
        """A sender on another host has no mailbox here: the message decides."""
        header = b"Accept-Language: fr\r\n" + HEAD
        envelope = Envelope(ELSEWHERE, recipients=(Recipient(BOB, SUCCESS),))
        self.do(self.reporting.of_arrival("MID", envelope, [Route(("a",))], header))
        (entry,) = self.gone_on
        with self.spool.body(entry.id) as body:
            found = read(body.read_at(0, 10_000))
        self.assertEqual(str(found["Subject"]), "Votre message a été remis")
        self.assertIs(entry.envelope.body, Body.EIGHT_BIT)

    def test_nobody_asked(self) -> None:
        """Without NOTIFY=SUCCESS there is nothing."""
        self.arrive(Recipient(BOB), Recipient(BOB, Notify.NEVER), Recipient(BOB, Notify.FAILURE))
        self.assertEqual(self.inbox(ANNA), [])

    def test_no_reverse_path(self) -> None:
        """B3: a message from nobody has no report."""
        self.arrive(Recipient(BOB, SUCCESS), sender=None)
        self.assertEqual(self.events, [])

    def test_nowhere(self) -> None:
        """A sender who is not here any more: the log knows."""
        self.arrive(Recipient(BOB, SUCCESS), sender=CARL)
        self.assertEqual((self.events, self.gone_on), ([], []))

    def test_elsewhere(self) -> None:
        """B3: a report for another host goes into the queue; nothing is owed of it."""
        self.arrive(Recipient(BOB, SUCCESS), sender=ELSEWHERE)
        (entry,) = self.gone_on
        self.assertEqual(entry.envelope, Envelope(None, recipients=(Recipient(ELSEWHERE),)))
        with self.spool.body(entry.id) as body:
            octets = body.read_at(0, 10_000)
        self.assertEqual(str(read(octets)["To"]), str(ELSEWHERE))
        self.assertEqual(octets[:5], b"From:")
        self.assertEqual(entry.failed("5.1.1", "x").owed, ())
        self.assertEqual(self.events, [Reported("", "MID", "x@elsewhere.example")])

    def test_both(self) -> None:
        """The report for an alias goes where all its mail goes."""
        self.arrive(Recipient(BOB, SUCCESS), sender=Address("away", "a.example"))
        self.assertEqual(len(self.inbox(ANNA)), 1)
        self.assertEqual([one.address for one in self.gone_on[0].envelope.recipients], [ELSEWHERE])

    def test_international(self) -> None:
        """RFC 6531: a sender with UTF-8 in the address is told with SMTPUTF8; what is not ASCII is 8-bit."""
        self.arrive(Recipient(BOB, SUCCESS), sender=Address("j\u00fcrgen", "elsewhere.example"))
        envelope = self.gone_on[0].envelope
        self.assertEqual((envelope.utf8, envelope.body), (True, Body.EIGHT_BIT))

    def test_fates(self) -> None:
        """RFC 3461 section 5.2.7: what it is called that all have it, by where the recipient leads."""
        one, other = ELSEWHERE, Address("y", "third.example")
        for route, fate in (
            (Route(("a",)), Fate.DELIVERED),
            (Route(("a", "b")), Fate.EXPANDED),
            (Route(("a",), (one,)), Fate.EXPANDED),
            (Route((), (one, other)), Fate.EXPANDED),
            (Route((), (one,)), Fate.WAITING),
            (Route((), (one,), ours=False), Fate.WAITING),
            (Route(lists=("team",)), Fate.DELIVERED),
            (Route(("a",), lists=("team",)), Fate.EXPANDED),
        ):
            self.assertEqual(arrived(route).fate, fate, route)

    def test_disk(self) -> None:
        """An error of the disk goes up; nothing is left open."""
        envelope = Envelope(ANNA, recipients=(Recipient(BOB, SUCCESS),))
        with patch.object(FileSystem, "create", side_effect=OSError(errno.ENOSPC, "full")):
            work = Deferred.fromCoroutine(self.reporting.of_arrival("MID", envelope, [Route(("a",))], HEAD))
            self.clock.advance(0)
            self.failureResultOf(work, OSError)


class OfEntry(QueueTestCase):
    """What is reported of a message in the queue."""

    def returned(self) -> bytes:
        """The third part of the report."""
        (octets,) = [one for one in self.inbox(ANNA) if b"MAILER-DAEMON" in one]
        return octets.split(b"\n--report-")[3].partition(b"\n\n")[2]

    def test_header(self) -> None:
        """RET is not given: the header comes back."""
        self.accept(CARL)
        self.clock.advance(0)
        self.assertEqual(self.returned(), HEAD.replace(b"\r\n", b"\n")[:-1])

    def test_full(self) -> None:
        """RET=FULL: the message comes back as it came."""
        self.accept(CARL, full=True)
        self.clock.advance(0)
        self.assertEqual(self.returned(), (HEAD + BODY).replace(b"\r\n", b"\n"))

    def test_too_large(self) -> None:
        """Nothing over 1 MiB comes back."""
        self.accept(CARL, full=True, content=HEAD + b"x" * (LARGEST_RETURNED - len(HEAD) + 1))
        self.clock.advance(0)
        self.assertEqual(self.returned(), HEAD.replace(b"\r\n", b"\n")[:-1])

    def test_long_header(self) -> None:
        """A header of half a megabyte is cut off at the end of a line."""
        header = HEAD[:-2] + b"X-Long: abcdefgh\r\n" * 30_000 + b"\r\n"
        self.accept(CARL, content=header + BODY)
        self.clock.advance(0)
        returned = self.returned()
        self.assertTrue(header.replace(b"\r\n", b"\n").startswith(returned))
        self.assertTrue(returned.endswith(b"X-Long: abcdefgh\n"))
        self.assertGreater(len(returned), 200_000)
