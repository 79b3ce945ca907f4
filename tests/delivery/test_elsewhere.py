"""The whole way of mail for other hosts: session, queue, mailboxes and reports; the hosts are made up."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from mailnode.config import MailboxEntry, Mailboxes
from mailnode.config_lists import MailingList
from mailnode.delivery.fitting import Content
from mailnode.delivery.remote import Settled
from mailnode.events.life import NotTold
from mailnode.queue.changes import CHANGES
from mailnode.queue.entry import Entry, Fate, Progress, Proof
from mailnode.wire.address import Address
from tests.delivery.world import ANNA, BOB, QueueTestCase, read
from tests.net.zone import Zone
from tests.smtp.world import EHLO, World, auth_plain

HOUR = 3600
CLUB = {"club@a.example": MailingList(("anna@a.example", "y@third.example"), owner="bob@a.example")}
RELAYED = Progress(Fate.RELAYED, "2.0.0")
REFUSED = Progress(Fate.FAILED, "5.1.1", "No such user", "smtp; 550 5.1.1 No such user")
LATER = Progress(Fate.WAITING, "4.4.1", "It does not answer")
TEXT = b"From: anna@a.example\r\nSubject: hello\r\n\r\nbody\r\n.\r\n"
STRANGER = "s@elsewhere.example"


class ElsewhereTestCase(QueueTestCase):
    """A server with other hosts around it, which say what the test wants."""

    def setUp(self) -> None:
        super().setUp()
        people = self.live.mailboxes
        self.live.mailboxes = Mailboxes(
            people.mailboxes,
            {
                **people.aliases,
                "out@a.example": ("y@third.example",),
                "out2@a.example": ("x@elsewhere.example",),
            },
            CLUB,
        )
        self.runtime.random.seed(2)  # the sessions have the ids of another
        self.says: dict[str, Progress] = {}
        self.carried: list[tuple[str, str]] = []
        self.patch(self.queued, "_remote", self)
        self.patch(self.letters, "_begin", self.runner.begin)
        self.runner._delay = lambda: 4.0 * HOUR

    async def carry(
        self, entry: Entry, numbers: Sequence[int], _content: Content, _octets: int, *, settled: Settled
    ) -> dict[int, Progress]:
        """Ask the other hosts."""
        found = {}
        for number in numbers:
            address = str(entry.envelope.recipients[number].address)
            self.carried.append((str(entry.envelope.reverse_path or ""), address))
            found[number] = self.says.get(address, RELAYED)
        await settled(found)
        return found

    def send(
        self, sender: str, recipient: str, parameters: str = "", *, login: bool = False, trusted: bool = False
    ) -> None:
        """A message in a session of its own, which is taken."""
        names = ("hostname", "domains", "state", "store")
        world = World(
            "submission" if login else "smtp",
            loopback=login,
            trusted=trusted,
            config={name: getattr(self.live.config, name) for name in names},
            mailboxes=self.live.mailboxes,
            courier=self.courier,
            queue=self.runner,
            reporter=self.reporting,
            decide=self.moderation.decide,
            srs=self.live.srs,
        )
        said = world.send(EHLO + (auth_plain(b"anna@a.example") if login else b""))
        said += world.send(f"MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>{parameters}\r\n".encode())
        said += world.send(b"DATA\r\n") + world.send(TEXT)
        world.lose()
        self.assertEqual({one[:1] for one in said}, {b"2", b"3"}, said)
        for _ in range(4):  # what comes of it: the message, and its reports
            self.clock.advance(5)

    def reports(self, who: Address) -> list[str]:
        """The subjects of what the mail system wrote to somebody."""
        return [str(read(one)["Subject"]) for one in self.inbox(who) if b"MAILER-DAEMON" in one]


class Elsewhere(ElsewhereTestCase):
    """What comes of mail that goes on."""

    def test_alias(self) -> None:
        """A stranger's message goes to the mailbox, and on; the stranger hears that it is refused there."""
        self.says["x@elsewhere.example"] = REFUSED
        self.send(STRANGER, "away@a.example")
        self.assertEqual(len(self.inbox(ANNA)), 1)
        self.assertEqual(self.carried, [(STRANGER, "x@elsewhere.example"), ("", STRANGER)])
        self.assertEqual(self.spool.names(), [])

    def test_refused_in_the_session(self) -> None:
        """B1: what can be known in the session is said there, and nobody gets a mail about it."""
        names = ("hostname", "domains", "state", "store")
        known = {name: getattr(self.live.config, name) for name in names}
        full = Mailboxes({str(BOB): MailboxEntry("x", quota=1)})
        for people, size, to, answer in (
            (self.live.mailboxes, 100, "nobody@a.example", b"550 5.1.1"),
            (self.live.mailboxes, 10**9, "bob@a.example", b"552 5.3.4"),
            (full, 1000, "bob@a.example", b"452 4.2.2"),
        ):
            self.live.mailboxes = people
            world = World(
                config=known,
                mailboxes=people,
                courier=self.courier,
                queue=self.runner,
                reporter=self.reporting,
            )
            world.send(EHLO)
            said = world.send(f"MAIL FROM:<{STRANGER}> SIZE={size}\r\nRCPT TO:<{to}>\r\n".encode())
            self.assertIn(answer, [one[:9] for one in said])
            world.lose()
        self.clock.advance(HOUR)
        self.assertEqual((self.carried, self.spool.names(), self.inbox(BOB)), ([], [], []))

    def test_not_proved(self) -> None:
        """B2: where SPF does not prove the sender nobody is told, and the message is kept."""
        self.says["x@elsewhere.example"] = REFUSED
        for record in ("v=spf1 -all", "v=spf1 ~all", "v=spf1 ?all", "v=spf1 ip4:192.0.2.7 bad", "nothing"):
            self.zone.records[("elsewhere.example", "TXT")] = [record]
            self.carried.clear()
            self.send(STRANGER, "out2@a.example")
            self.assertEqual(self.carried, [(STRANGER, "x@elsewhere.example")], record)
            (name,) = self.spool.names()
            self.assertIs(self.spool.read(name).proof, Proof.MISSING)
            self.do(self.runner.change(name, CHANGES["bounce"]))
            self.clock.advance(1)
            self.clock.advance(1)
            self.assertEqual((self.carried[1:], self.spool.names()), ([("", STRANGER)], []))
        (told,) = {one.address for one in self.events if isinstance(one, NotTold)}
        self.assertEqual(told, STRANGER)

    def test_proof_later(self) -> None:
        """While the DNS gives no answer the question waits, and is asked again."""
        self.says["x@elsewhere.example"] = REFUSED
        self.zone.records[("elsewhere.example", "TXT")] = Zone.FAILS
        self.send(STRANGER, "out2@a.example")
        self.clock.advance(HOUR)
        (name,) = self.spool.names()
        self.assertEqual((self.spool.read(name).proof, len(self.carried)), (Proof.NEEDED, 1))
        self.zone.records[("elsewhere.example", "TXT")] = ["v=spf1 ip4:192.0.2.7 -all"]
        self.clock.advance(HOUR)
        self.assertEqual((self.carried[1:], self.spool.names()), ([("", STRANGER)], []))

    def test_proof_never(self) -> None:
        """That ends a day after the last try that the message might have had."""
        self.says["x@elsewhere.example"] = REFUSED
        self.zone.records[("elsewhere.example", "TXT")] = Zone.FAILS
        self.send(STRANGER, "out2@a.example")
        (name,) = self.spool.names()
        for hours, proof in ((6 * 24 - 1, Proof.NEEDED), (2, Proof.MISSING)):
            for _ in range(2 * hours):
                self.clock.advance(HOUR / 2)
            self.assertIs(self.spool.read(name).proof, proof)

    def test_proof_not_wanted(self) -> None:
        """Trusted networks and our own people need none, nor anybody with prove_senders = false."""
        self.zone.records.clear()
        self.says["x@elsewhere.example"] = REFUSED
        self.send(STRANGER, "out2@a.example", trusted=True)
        self.live.config = replace(self.live.config, prove_senders=False)
        self.send(STRANGER, "out2@a.example")
        self.assertEqual(self.carried[1::2], [("", STRANGER)] * 2)

    def test_report_refused(self) -> None:
        """B3: of a report that nobody takes there is no report."""
        self.says = {"x@elsewhere.example": REFUSED, STRANGER: REFUSED}
        self.send(STRANGER, "away@a.example")
        self.clock.advance(HOUR)
        self.assertEqual((len(self.carried), self.spool.names()), (2, []))

    def test_success_of_a_trusted_peer(self) -> None:
        """RFC 3461 section 4.1: who asked hears of the delivery, wherever the mailbox of the sender is."""
        self.send(STRANGER, "bob@a.example", " NOTIFY=SUCCESS", trusted=True)
        self.assertEqual(self.carried, [("", STRANGER)])

    def test_submission(self) -> None:
        """Our own people hear that it was sent on, when they asked, and that it came back."""
        self.says["z@third.example"] = REFUSED
        self.send("anna@a.example", "y@third.example", " NOTIFY=SUCCESS", login=True)
        self.send("anna@a.example", "z@third.example", login=True)
        subjects = ["Your message was sent on", "Your message could not be delivered"]
        self.assertCountEqual(self.reports(ANNA), subjects)

    def test_single_alias(self) -> None:
        """RFC 3461 section 5.2.7.2: the report is one, and names the address that the sender knows."""
        self.send("anna@a.example", "out@a.example", " NOTIFY=SUCCESS", login=True)
        (report,) = [read(one) for one in self.inbox(ANNA)]
        _, group = cast(Any, list(report.iter_parts())[1].get_payload())
        fields = [str(group[name]) for name in ("Original-Recipient", "Final-Recipient", "Action")]
        self.assertEqual(fields, ["rfc822; out@a.example", "rfc822; y@third.example", "relayed"])

    def test_list(self) -> None:
        """RFC 5321 section 3.9.2: the owner of a list hears of its members, the sender does not."""
        self.says["y@third.example"] = REFUSED
        self.send(STRANGER, "club@a.example")
        self.assertEqual(self.carried, [("bob@a.example", "y@third.example")])
        self.assertEqual((len(self.inbox(ANNA)), len(self.reports(BOB))), (1, 1))

    def test_delay(self) -> None:
        """A host that does not answer: one word after four hours, and the last one after five days."""
        self.says["y@third.example"] = LATER
        self.send("anna@a.example", "y@third.example", login=True)
        for _ in range(4 * 60 - 1):
            self.clock.advance(60)
        self.assertEqual(self.reports(ANNA), [])
        self.clock.advance(60)
        self.assertEqual(self.reports(ANNA), ["Your message is delayed"])
        self.assertIn(b"\nWill-Retry-Until: Fri, 14 Sep 2001 01:46:40 +0000\n", self.inbox(ANNA)[0])
        for _ in range(6 * 24):
            self.clock.advance(HOUR)
        last = ["Your message is delayed", "Your message could not be delivered"]
        self.assertCountEqual(self.reports(ANNA), last)
