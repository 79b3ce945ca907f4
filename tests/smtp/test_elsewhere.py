"""Mail that leads to other hosts: who may send it, with which envelope it goes on, and in what order."""

import errno
from dataclasses import replace
from typing import Any

from mailnode.config_lists import MailingList
from mailnode.envelope import Recipient
from mailnode.queue.entry import Fate
from mailnode.store.errors import OverQuota
from mailnode.wire.address import parse_address
from mailnode.wire.esmtp import Notify, OriginalRecipient
from mailnode.wire.srs import Srs
from tests.smtp.world import FROM, MAIL, MAILBOXES, SmtpTestCase, World

OWN = b"MAIL FROM:<anna@local.example>"
TEXT = FROM + b"Return-Path: <x@y.example>\r\nSubject: x\r\n\r\nbody\r\n"
PEOPLE = replace(
    MAILBOXES,
    aliases={
        **MAILBOXES.aliases,
        "out@local.example": ("x@elsewhere.example",),
        "same@local.example": ("out@local.example", "y@third.example", "x@elsewhere.example"),
        "far@local.example": ("j\u00fcrgen@elsewhere.example",),
        "postmaster@second.example": ("x@elsewhere.example",),
        "@second.example": ("z@third.example",),
    },
    lists={
        "club@local.example": MailingList(("bob@local.example", "x@elsewhere.example", "band@local.example")),
        "band@local.example": MailingList(
            ("y@third.example", "out@local.example"), "", "carl@second.example"
        ),
    },
)
X, Y, Z = "x@elsewhere.example", "y@third.example", "z@third.example"
CLUB, BAND = "club@local.example", "band@local.example"
SRS = Srs(b"key", lambda: 1_000_000_000.0)


def rcpt(*addresses: str, parameters: str = "") -> bytes:
    """RCPT for each."""
    return b"".join(f"RCPT TO:<{one}>{parameters}\r\n".encode() for one in addresses)


class ElsewhereTestCase(SmtpTestCase):
    """A server with such people."""

    def stranger(self, **facts: Any) -> World:
        """After EHLO."""
        return self.greeted(mailboxes=PEOPLE, **facts)

    def lmtp(self) -> World:
        """After LHLO."""
        world = self.world("lmtp", trusted=True, mailboxes=PEOPLE)
        self.check(world, [(b"LHLO x\r\n", [b"220", b"250"])])
        return world

    def anna(self, **facts: Any) -> World:
        """Logged in."""
        return self.submitting(mailboxes=PEOPLE, **facts)

    def send(self, world: World, recipients: bytes, *, mail: bytes = MAIL, answer: bytes = b"250") -> World:
        """A whole transaction."""
        count = recipients.count(b"\r\n")
        self.check(world, [(mail, [b"250"]), (recipients, [b"250"] * count), (b"DATA\r\n", [b"354"])])
        self.check(world, [(TEXT + b".\r\n", [answer])])
        return world

    def submit(self, recipients: bytes, parameters: bytes = b"", **facts: Any) -> World:
        """The same of anna's."""
        return self.send(self.anna(**facts), recipients, mail=OWN + parameters + b"\r\n")

    def queued(self, world: World) -> list[tuple[str, list[str]]]:
        """From whom and to whom the messages in the queue are."""
        return [
            (str(one.envelope.reverse_path or ""), [str(to.address) for to in one.envelope.recipients])
            for one in world.queue.entries
        ]

    def mailboxes(self, world: World) -> list[tuple[str, ...]]:
        """Who has it here."""
        return [delivery.accounts for delivery in world.courier.delivered]


class Acceptance(ElsewhereTestCase):
    """RCPT"""

    def test_submission(self) -> None:
        """After a login mail goes anywhere; what is for mailboxes here goes there."""
        world = self.submit(rcpt(X, "u@[192.0.2.99]", "bob@local.example", X))
        self.assertEqual(self.queued(world), [("anna@local.example", [X, "u@[192.0.2.99]"])])
        self.assertEqual(self.mailboxes(world), [("bob@local.example",)])

    def test_strangers(self) -> None:
        """R1: strangers and trusted networks reach other hosts through names of ours only."""
        for trusted in (False, True):
            world = self.stranger(trusted=trusted)
            self.check(world, [(MAIL, [b"250"])])
            for path in (X, "z@[192.0.2.99]", "anna@sub.local.example", "postmaster@elsewhere.example"):
                self.check(world, [(rcpt(path), [b"550 5.7.1 Relaying denied"])])
            names = ("out@local.example", "any@second.example", "postmaster@second.example")
            self.check(world, [(rcpt(*names) + b"DATA\r\n", [*[b"250"] * 3, b"354"])])
            self.check(world, [(TEXT + b".\r\n", [b"250"])])
            self.assertEqual(self.queued(world), [("a@remote.example", [X, Z])])
            self.assertEqual(self.mailboxes(world), [])

    def test_lmtp(self) -> None:
        """LMTP: a name of ours that leads elsewhere is taken, an address elsewhere is not."""
        world = self.lmtp()
        self.check(world, [(MAIL, [b"250"]), (rcpt(X), [b"550 5.7.1 Relaying"])])
        self.check(world, [(rcpt("out@local.example") + b"DATA\r\n", [b"250", b"354"])])
        self.check(world, [(TEXT + b".\r\n", [b"250"])])
        self.assertEqual(self.queued(world), [("a@remote.example", [X])])

    def test_shown(self) -> None:
        """SEND, SOML and SAML are for who is here."""
        allowed = replace(World().live.config.messages, allow="everybody")
        for verb in (b"SEND", b"SOML", b"SAML"):
            world = self.anna(config={"messages": allowed})
            self.check(world, [(verb + OWN[4:] + b"\r\n", [b"250"])])
            self.check(world, [(rcpt(X, "away@local.example"), [b"550 5.7.1 Only MAIL"] * 2)])

    def test_allowance(self) -> None:
        """New addresses elsewhere count, those behind our own names do not."""
        world = self.anna(limits={"submission_new_recipients_day": 1})
        self.check(world, [(OWN + b"\r\n", [b"250"]), (rcpt(X, "out@local.example"), [b"250"] * 2)])
        self.check(world, [(rcpt(Y), [b"450 4.7.1"])])


class Envelopes(ElsewhereTestCase):
    """With what a message goes on."""

    def test_alias(self) -> None:
        """RFC 5321 section 3.9.1: the reverse-path stays; each gets one copy."""
        world = self.send(self.stranger(), rcpt("same@local.example", "away@local.example"))
        wanted = [X, Y, "anna@elsewhere.example"]
        self.assertEqual(self.queued(world), [("a@remote.example", wanted)])
        self.assertEqual(self.mailboxes(world), [("anna@local.example",)])

    def test_rewritten(self) -> None:
        """A sender of others gets a reverse-path of ours; reports that come to it go on, and nothing else."""
        world = self.send(self.rewriting(), rcpt("out@local.example"))
        ((sender, to),) = self.queued(world)
        self.assertEqual((to, sender.partition("@")[2], sender[:5]), ([X], "local.example", "SRS0="))
        world = self.send(self.rewriting(), rcpt(sender), mail=b"MAIL FROM:<>\r\n")
        self.assertEqual(self.queued(world), [("", ["a@remote.example"])])
        self.check(self.rewriting(), [(MAIL, [b"250"]), (rcpt(sender), [b"550 5.7.1"])])

    def test_rewritten_twice(self) -> None:
        """A report on a message that went in a circle goes straight to its sender, not back to this host."""
        once = SRS.rewritten(parse_address("a@remote.example"), "local.example")
        there = Srs(b"other", lambda: 1_000_000_000.0).rewritten(once, "third.example")
        twice = SRS.rewritten(there, "local.example")
        self.assertEqual([one.local[:5] for one in (once, there, twice)], ["SRS0=", "SRS1=", "SRS1="])
        world = self.send(self.rewriting(), rcpt(str(twice)), mail=b"MAIL FROM:<>\r\n")
        self.assertEqual(self.queued(world), [("", ["a@remote.example"])])

    def test_rewritten_by_nobody(self) -> None:
        """What looks like such a path and was not made here is nobody's, not even the catch-all's."""
        world = self.rewriting()
        forged = ("SRS0=AAAAAAAA=AA=remote.example=a@local.example", "srs0=x@second.example")
        self.check(world, [(MAIL, [b"250"]), (rcpt(*forged), [b"550 5.1.1"] * 2)])

    def test_not_rewritten(self) -> None:
        """Our own people's reverse-path stays, as does everybody's with srs = false, and that of a report."""
        own = self.anna()
        own.live.srs = SRS
        self.send(own, rcpt("out@local.example"), mail=OWN + b"\r\n")
        off = self.send(self.rewriting(config={"srs": False}), rcpt("out@local.example"))
        report = self.send(self.rewriting(), rcpt("out@local.example"), mail=b"MAIL FROM:<>\r\n")
        for world, sender in ((own, "anna@local.example"), (off, "a@remote.example"), (report, "")):
            self.assertEqual(self.queued(world), [(sender, [X])])

    def rewriting(self, **facts: Any) -> World:
        """A stranger's session with a server that rewrites."""
        world = self.stranger(**facts)
        world.live.srs = SRS
        return world

    def test_list(self) -> None:
        """A list gets the message as it came, without what another list has put in, and apart from others."""
        world = self.stranger()
        self.check(world, [(MAIL, [b"250"]), (rcpt("club@local.example", "out@local.example"), [b"250"] * 2)])
        fields = b"List-Id: <other.list>\r\nList-Post:\r\n\t<mailto:other@list>\r\n"
        self.check(world, [(b"DATA\r\n", [b"354"]), (fields + TEXT + b".\r\n", [b"250"])])
        self.assertEqual(self.queued(world), [("a@remote.example", [CLUB]), ("a@remote.example", [X])])
        one, other = world.queue.admissions
        self.assertEqual((b"List-" in one.content, b"List-" in other.content), (False, True))
        self.assertEqual(one.content, other.content.replace(fields, b""))
        self.assertEqual(len({one.id for one in world.queue.entries}), 2)

    def test_list_passes_over(self) -> None:
        """Who is named beside the list has the message already; on LMTP that answer may be no."""
        for world, reached in ((self.stranger(), ("bob@local.example",)), (self.lmtp(), ())):
            recipients = rcpt("bob@local.example", "club@local.example")
            self.check(world, [(MAIL, [b"250"]), (recipients, [b"250"] * 2), (b"DATA\r\n", [b"354"])])
            world.send(TEXT + b".\r\n")
            (entry,) = world.queue.entries
            self.assertEqual((entry.reached, self.mailboxes(world)), (reached, [("bob@local.example",)]))

    def test_list_again(self) -> None:
        """B5: what comes back from a list is refused there, and nowhere else."""
        for name, answer in (("club@local.example", b"554 5.4.6"), ("band@local.example", b"250")):
            world = self.stranger()
            self.check(world, [(MAIL, [b"250"]), (rcpt(name) + b"DATA\r\n", [b"250", b"354"])])
            text = b'List-ID: "The Club" <Club.local.EXAMPLE>\r\n' + TEXT
            self.check(world, [(text + b".\r\n", [answer])])

    def dsn(self, address: str, notify: str, original: str = "") -> list[Recipient]:
        """The recipients in the queue, after this was asked for."""
        parameters = f" NOTIFY={notify}{original}"
        world = self.submit(rcpt(address, parameters=parameters), b" ENVID=id RET=HDRS")
        self.entries = world.queue.entries
        self.reports = world.reporter.reports
        return [to for one in world.queue.entries for to in one.envelope.recipients]

    def test_dsn_direct(self) -> None:
        """All is passed on as it came."""
        (to,) = self.dsn(X, "SUCCESS,DELAY")
        self.assertEqual(to, Recipient(parse_address(X), Notify.SUCCESS | Notify.DELAY))
        self.assertEqual(self.entries[0].envelope.envelope_id, "id")
        self.assertEqual((self.entries[0].envelope.full, self.reports), (False, []))

    def test_dsn_single_alias(self) -> None:
        """RFC 3461 section 5.2.7.2: all is passed on, with the first address; no report."""
        (to,) = self.dsn("out@local.example", "SUCCESS")
        self.assertEqual((to.notify, to.original), (Notify.SUCCESS, original("out@local.example")))
        self.assertEqual(self.reports, [])
        (to,) = self.dsn("out@local.example", "NEVER", " ORCPT=rfc822;a+2Bb@x.example")
        self.assertEqual((to.notify, to.original), (Notify.NEVER, original("a+b@x.example")))

    def test_dsn_alias(self) -> None:
        """RFC 3461 section 5.2.7.3, choice c: success is told by this host, failures by any."""
        for address, asked, left in (
            ("away@local.example", "SUCCESS,FAILURE", Notify.FAILURE),
            ("same@local.example", "SUCCESS", Notify.NEVER),
        ):
            for to in self.dsn(address, asked):
                self.assertEqual((to.notify, to.original), (left, original(address)))
            ((_, ((recipient, progress),), _),) = self.reports
            self.assertEqual((str(recipient.address), progress.fate), (address, Fate.EXPANDED))

    def test_dsn_same_address(self) -> None:
        """Two that lead to one address get one copy, and what is wanted of either is told."""
        alias = "out@local.example"
        for first, second, told in (
            ("NEVER", "", None),
            ("", "NEVER", None),
            ("NEVER", "SUCCESS", Notify.SUCCESS),
            ("SUCCESS", "FAILURE", Notify.SUCCESS | Notify.FAILURE),
            ("SUCCESS", "", Notify.SUCCESS | Notify.FAILURE | Notify.DELAY),
            ("DELAY", "DELAY", Notify.DELAY),
        ):
            wishes = [f" NOTIFY={one}" if one else "" for one in (first, second)]
            lines = rcpt(alias, parameters=wishes[0]) + rcpt(X, parameters=wishes[1])
            (entry,) = self.submit(lines).queue.entries
            (to,) = entry.envelope.recipients
            self.assertEqual((str(to.address), to.notify), (X, told), (first, second))

    def test_dsn_list(self) -> None:
        """RFC 3461 section 5.2.7.1: the list is the end of the way; its moderators may still refuse it."""
        for to in self.dsn("band@local.example", "SUCCESS,FAILURE"):
            self.assertEqual((to.notify, to.original), (Notify.FAILURE, original("band@local.example")))
        ((_, ((_, progress),), _),) = self.reports
        self.assertEqual(progress.fate, Fate.DELIVERED)

    def test_parameters(self) -> None:
        """What MAIL said of the message goes with it."""
        parameters = b" BODY=8BITMIME SMTPUTF8 MT-PRIORITY=3 BY=3600;R"
        (entry,) = self.submit(rcpt("out@local.example"), parameters).queue.entries
        envelope = entry.envelope
        self.assertEqual((envelope.body.value, envelope.utf8, envelope.priority), ("8BITMIME", True, 3))
        assert envelope.deadline is not None
        self.assertTrue(envelope.deadline.return_)

    def test_international_target(self) -> None:
        """RFC 6531: an address in UTF-8 needs SMTPUTF8 whoever named it."""
        (one, other) = self.send(
            self.stranger(), rcpt("far@local.example", "out@local.example")
        ).queue.entries
        self.assertEqual((one.envelope.utf8, other.envelope.utf8), (True, False))

    def test_strangers_dsn(self) -> None:
        """B2: DSN is offered to trusted networks; strangers may forge who is told, and LMTP tells nobody."""
        notify = rcpt("anna@local.example", parameters=" NOTIFY=SUCCESS")
        world = self.send(self.stranger(trusted=True), notify)
        self.assertEqual(len(world.reporter.reports), 1)
        self.check(self.stranger(), [(b"MAIL FROM:<> RET=HDRS\r\n", [b"555 5.5.4"])])
        world = self.lmtp()
        self.check(world, [(b"MAIL FROM:<> RET=HDRS\r\n", [b"555 5.5.4"])])


class Contents(ElsewhereTestCase):
    """What the queue and the mailboxes get."""

    def test_content(self) -> None:
        """Received on top; the fields of final delivery are for mailboxes only."""
        world = self.send(self.stranger(), rcpt("away@local.example", "bob@local.example"))
        (queued,), (delivered,) = world.queue.admissions, world.courier.delivered
        self.assertEqual(queued.content[:30], b"Received: from client.example ")
        self.assertTrue(queued.content.endswith(TEXT.replace(b"Return-Path: <x@y.example>\r\n", b"")))
        self.assertEqual(delivered.content, b"Return-Path: <a@remote.example>\r\n" + queued.content)
        self.assertNotIn(b"for <", queued.content)

    def test_named(self) -> None:
        """The one recipient of a message with one copy is named in Received."""
        (entry,) = self.submit(rcpt(X)).queue.admissions
        self.assertIn(b"for <x@elsewhere.example>", entry.content)
        for admission in self.submit(rcpt("same@local.example")).queue.admissions:
            self.assertNotIn(b"for <", admission.content)

    def test_held(self) -> None:
        """RFC 4865: all of it waits, with the targets of its aliases as they were when it was accepted."""
        world = self.submit(
            rcpt("away@local.example", "bob@local.example", "band@local.example"), b" HOLDFOR=60"
        )
        wanted = ["anna@elsewhere.example", "away@local.example", "bob@local.example"]
        self.assertEqual(self.queued(world), [("anna@local.example", wanted), ("anna@local.example", [BAND])])
        self.assertEqual({one.due for one in world.queue.entries}, {1_000_000_060.0})
        self.assertEqual((world.courier.deliveries, world.reporter.reports), ([], []))

    def test_held_list(self) -> None:
        """RFC 3461 section 5.2.7.1: a list has what is held for its members."""
        names = ("away@local.example", "bob@local.example", "band@local.example", X)
        world = self.submit(rcpt(*names, parameters=" NOTIFY=SUCCESS"), b" HOLDFOR=60")
        ((_, ((recipient, progress),), _),) = world.reporter.reports
        self.assertEqual((str(recipient.address), progress.fate), ("band@local.example", Fate.DELIVERED))


class Together(ElsewhereTestCase):
    """One answer for the queue and the mailboxes."""

    def outcomes(self, world: World) -> tuple[set[str], set[str]]:
        """Of the queue, and of the mailboxes."""
        return (
            {one.outcome for one in world.queue.admissions},
            {one.outcome for one in world.courier.deliveries},
        )

    def test_order(self) -> None:
        """Durable in the queue, then in the mailboxes, then started."""
        world = self.stranger()
        seen: list[tuple[set[str], set[str]]] = []
        begin = world.courier.begin

        def watched(*args: Any, **facts: Any) -> Any:
            delivery = begin(*args, **facts)
            commit = delivery.commit

            async def look() -> None:
                seen.append(self.outcomes(world))
                await commit()

            delivery.commit = look  # type: ignore[method-assign]
            return delivery

        world.courier.begin = watched  # type: ignore[method-assign]
        self.send(world, rcpt("away@local.example", "club@local.example"))
        self.assertEqual(seen, [({"stored"}, {"open"})])
        self.assertEqual(self.outcomes(world), ({"delivered"}, {"delivered"}))

    def test_mailboxes_fail(self) -> None:
        """When the mailboxes refuse nothing is sent."""
        for error, answer in (
            (OverQuota("anna"), b"452 4.2.2"),
            (OSError(errno.EIO, "broken"), b"451 4.3.0"),
        ):
            world = self.stranger()
            world.courier.fails = error
            self.send(world, rcpt("away@local.example", "club@local.example"), answer=answer)
            self.assertEqual(self.outcomes(world), ({"aborted"}, {"aborted"}))

    def test_queue_fails(self) -> None:
        """When the queue refuses nobody has it."""
        world = self.stranger()
        world.queue.fails = OSError(errno.ENOSPC, "full")
        self.send(world, rcpt("away@local.example"), answer=b"452 4.3.1")
        self.assertEqual(self.outcomes(world), ({"aborted"}, {"aborted"}))

    def test_lmtp(self) -> None:
        """RFC 2033 section 4.2: whose mailbox refuses is sent nowhere; the others are."""
        world = self.lmtp()
        world.courier.fails_for = {"anna@local.example": OverQuota("anna")}
        recipients = rcpt("away@local.example", "out@local.example", "club@local.example")
        self.check(world, [(MAIL + recipients, [b"250"] * 4), (b"DATA\r\n", [b"354"])])
        self.check(world, [(TEXT + b".\r\n", [b"452 4.2.2", b"250", b"250"])])
        self.assertEqual(
            [
                (one.outcome, to)
                for one, (_, to) in zip(world.queue.admissions, self.queued(world), strict=True)
            ],
            [
                ("aborted", ["anna@elsewhere.example"]),
                ("delivered", [X]),
                ("delivered", [CLUB]),
            ],
        )

    def test_bdat(self) -> None:
        """RFC 3030: chunks go to both."""
        world = self.stranger()
        self.check(world, [(MAIL + rcpt("away@local.example"), [b"250"] * 2)])
        chunk = b"BDAT %d LAST\r\n" % len(TEXT)
        self.check(world, [(chunk + TEXT, [b"250"])])
        self.assertEqual(self.outcomes(world), ({"delivered"}, {"delivered"}))


def original(address: str) -> OriginalRecipient:
    """ORCPT with a plain address."""
    return OriginalRecipient("rfc822", address)
