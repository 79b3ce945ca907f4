"""Lists, from the session to the members: who sends, what is put on top, who may post, moderators."""

import re
from dataclasses import replace
from typing import Any

from mailnode.config import MailboxEntry
from mailnode.config_lists import MailingList
from mailnode.config_messages import LiveMessages
from mailnode.events.life import Expanded
from mailnode.message.list_fields import LIST_FIELDS, came_through, list_fields
from mailnode.queue.changes import hold
from mailnode.queue.entry import Approval
from mailnode.queue.runner import DAY
from mailnode.smtp.header_block import edit
from mailnode.wire.address import Address
from mailnode.wire.srs import Srs
from tests.delivery.test_elsewhere import LATER, REFUSED, STRANGER, ElsewhereTestCase
from tests.delivery.world import ANNA, BOB, read
from tests.smtp.world import EHLO, World, auth_plain

X, Y = "x@elsewhere.example", "y@third.example"
LISTS = {
    "club@a.example": MailingList(("anna@a.example", Y, "band@a.example"), "The Club", "bob@a.example"),
    "band@a.example": MailingList((X, Y, "anna@a.example")),
    "closed@a.example": MailingList(("anna@a.example", X), owner="bob@a.example", posting="members"),
    "slow@a.example": MailingList(
        ("bob@a.example", X),
        posting="moderated",
        owner="bob@a.example",
        moderators=("anna@a.example", "m@third.example"),
    ),
}
TEXT = b"From: a@b.example\r\nSubject: hello\r\nList-Id: <other.list.example>\r\n\r\nbody\r\n.\r\n"


class ListTestCase(ElsewhereTestCase):
    """A server with lists."""

    def setUp(self) -> None:
        super().setUp()
        self.live.mailboxes = replace(self.live.mailboxes, lists=LISTS)
        self.live.srs = Srs(b"key", self.clock.seconds)
        self.patch(self.letters, "_begin", self.runner.begin)

    def fields(self, who: Address) -> dict[str, str]:
        """The header of the newest message in somebody's mailbox."""
        return {name: str(value) for name, value in read(self.inbox(who)[-1]).items()}


class Sending(ListTestCase):
    """What the members get."""

    def test_members(self) -> None:
        """RFC 5321 section 3.9.2: each member gets one copy, from the owner, also those of a list within."""
        self.send(STRANGER, "club@a.example")
        self.assertCountEqual(self.carried, [("bob@a.example", Y), ("bob@a.example", X)])
        (octets,) = self.inbox(ANNA)
        self.assertTrue(octets.startswith(b"Return-Path: <bob@a.example>\n"))
        self.assertEqual(self.inbox(BOB), [])
        self.assertEqual(self.spool.names(), [])
        self.assertEqual([one.members for one in self.events if isinstance(one, Expanded)], [3])

    def test_fields(self) -> None:
        """RFC 2369, RFC 2919: the fields of this list and of no other; the rest is as it came."""
        self.send(STRANGER, "club@a.example")
        fields = self.fields(ANNA)
        self.assertEqual(fields["List-Id"].split("\t"), ['"The Club"', "<club.a.example>"])
        self.assertEqual(fields["List-Post"], "<mailto:club@a.example>")
        self.assertEqual(fields["Subject"], "hello")
        octets = self.inbox(ANNA)[0]
        self.assertEqual(octets.count(b"List-Id:"), 1)
        self.assertTrue(octets.endswith(b"\n\nbody\n"))

    def test_beside(self) -> None:
        """Who is named beside the list, and is on it, has one copy."""
        self.send(STRANGER, "anna@a.example>\r\nRCPT TO:<club@a.example")
        self.assertEqual(len(self.inbox(ANNA)), 1)
        self.assertEqual(len(self.carried), 2)

    def test_circle(self) -> None:
        """A list elsewhere that has ours as a member, and puts its own List-Id in, sends it back once."""
        self.send(STRANGER, "club@a.example")
        header = self.inbox(ANNA)[0].partition(b"\n\n")[0].replace(b"\n", b"\r\n") + b"\r\n\r\n"
        back, _ = edit(header, limits=self.live.config.limits, remove=LIST_FIELDS)
        theirs = list_fields("other@b.example", owner="o@b.example") + back
        self.assertTrue(came_through(theirs, "club@a.example"))
        self.assertFalse(came_through(theirs, "band@a.example"))

    def test_owner_hears(self) -> None:
        """What a member's host refuses is the owner's to know; the sender hears nothing."""
        self.says[X] = REFUSED
        self.send(STRANGER, "club@a.example")
        self.assertEqual(self.reports(BOB), ["Your message could not be delivered"])
        self.assertNotIn(("", STRANGER), self.carried)
        self.assertIn(b'List-Id: "The Club"', self.inbox(BOB)[0])

    def test_no_reverse_path(self) -> None:
        """B3: a report stays one, and nobody hears of it."""
        self.says[X] = REFUSED
        self.send("", "club@a.example")
        self.assertCountEqual(self.carried, [("", Y), ("", X)])
        self.assertEqual(self.inbox(BOB), [])

    def test_member_later(self) -> None:
        """A second try goes to who has not got it, with the list's fields still."""
        self.says[X] = LATER
        self.send(STRANGER, "club@a.example")
        (name,) = self.spool.names()
        entry = self.spool.read(name)
        self.assertIn("List-Id", entry.head)
        self.assertEqual(sorted(one.fate.name for one in entry.progress), ["DELIVERED", "RELAYED", "WAITING"])
        del self.says[X]
        self.clock.advance(400)
        tried = [self.carried.count(("bob@a.example", one)) for one in (X, Y)]
        self.assertEqual(tried, [2, 1])
        self.assertEqual((len(self.inbox(ANNA)), self.spool.names()), (1, []))

    def test_full_disk(self) -> None:
        """A list that cannot be written down gets the message later, and nobody before."""
        save, fails = self.spool.save, [OSError(28, "No space left on device")]

        def fail_once(entry: Any) -> None:
            if entry.head and fails:
                raise fails.pop()
            save(entry)

        self.patch(self.spool, "save", fail_once)
        self.send(STRANGER, "club@a.example")
        self.assertEqual((self.carried, self.inbox(ANNA)), ([], []))
        self.clock.advance(400)
        self.assertEqual((len(self.carried), len(self.inbox(ANNA))), (2, 1))


class Posting(ListTestCase):
    """Who may send to a list that is not open."""

    def answer(
        self, sender: str, to: str = "closed@a.example", *, login: bool = False, **facts: Any
    ) -> bytes:
        """The answer to RCPT."""
        names = ("hostname", "domains", "state", "store")
        world = World(
            "submission" if login else "smtp",
            loopback=login,
            config={name: getattr(self.live.config, name) for name in names},
            mailboxes=self.live.mailboxes,
            **facts,
        )
        world.send(EHLO + (auth_plain(b"anna@a.example") if login else b""))
        world.send(f"MAIL FROM:<{sender}>\r\n".encode())
        (reply,) = world.send(f"RCPT TO:<{to}>\r\n".encode())
        world.lose()
        return reply[:9]

    def test_members(self) -> None:
        """Members and the owner may, as far as can be known who they are; nobody else."""
        for sender, facts, taken in (
            (X, {}, True),
            ("X@Elsewhere.example", {}, True),
            (STRANGER, {}, False),
            ("", {}, False),
            ("anna@a.example", {}, False),  # anybody can say so
            ("anna@a.example", {"trusted": True}, True),
            ("bob@a.example", {"trusted": True}, True),
            ("carl@a.example", {"trusted": True}, False),
            ("anna@a.example", {"login": True}, True),
            ("anna+tag@a.example", {"login": True}, True),
        ):
            wanted = b"250 2.1.5" if taken else b"550 5.7.2"
            self.assertEqual(self.answer(sender, **facts), wanted, (sender, facts))

    def test_by_alias(self) -> None:
        """The rule holds for every name that leads to the list."""
        people = self.live.mailboxes
        aliases = {**people.aliases, "way@a.example": ("closed@a.example", "bob@a.example")}
        self.live.mailboxes = replace(people, aliases=aliases)
        self.assertEqual(self.answer(STRANGER, "way@a.example"), b"550 5.7.2")
        self.assertEqual(self.answer(X, "way@a.example"), b"250 2.1.5")

    def test_shown(self) -> None:
        """The rules hold for SEND, SOML and SAML too, which go to the members at once."""
        people = self.live.mailboxes
        lists = {
            f"{posting}@a.example": MailingList(("bob@a.example",), owner="bob@a.example", posting=posting)
            for posting in ("open", "members", "moderated")
        }
        self.live.mailboxes = replace(people, lists=lists)
        names = ("hostname", "domains", "state", "store")
        config = {name: getattr(self.live.config, name) for name in names}
        config["messages"] = LiveMessages("everybody")
        for posting, wanted in (
            ("open", b"250 2.1.5"),
            ("members", b"550 5.7.2"),
            ("moderated", b"550 5.7.2"),
        ):
            world = World("smtp", config=config, mailboxes=self.live.mailboxes)
            world.send(EHLO)
            said = world.send(f"SAML FROM:<{STRANGER}>\r\nRCPT TO:<{posting}@a.example>\r\n".encode())
            self.assertEqual(said[-1][:9], wanted, posting)
            world.lose()


class Moderated(ListTestCase):
    """A list with moderators."""

    def ask(self) -> tuple[str, str]:
        """A stranger's message; the addresses to write to for yes and for no."""
        self.send(STRANGER, "slow@a.example")
        self.assertEqual(self.carried, [("", "m@third.example")])
        self.carried.clear()
        (question,) = self.inbox(ANNA)
        approve, reject = re.findall(rb"(?:approve|reject)=\S+@a\.example", question.split(b"\n\n", 1)[1])
        return approve.decode(), reject.decode()

    def test_question(self) -> None:
        """The moderators are asked, here and elsewhere, with the message; nobody else gets it yet."""
        approve, _ = self.ask()
        question = read(self.inbox(ANNA)[0])
        self.assertEqual(str(question["Reply-To"]), approve)
        self.assertEqual(str(question["Auto-Submitted"]), "auto-generated")
        self.assertEqual(str(question["Content-Transfer-Encoding"]), "8bit")
        text, original = question.iter_parts()
        self.assertIn(f"A message from <{STRANGER}>", text.get_content())
        self.assertEqual(original.get_content()["Subject"], "hello")
        (name,) = self.spool.names()
        entry = self.spool.read(name)
        self.assertEqual((entry.approval, entry.due), (Approval.ASKED, entry.envelope.release))
        self.assertEqual(entry.tries, 0)
        self.assertEqual(self.inbox(BOB), [])

    def test_approved(self) -> None:
        """An answer to the question sends the message to the members, once."""
        approve, reject = self.ask()
        self.send("anna@a.example", approve, login=True)
        self.assertEqual(self.carried, [("bob@a.example", X)])
        self.assertEqual((len(self.inbox(BOB)), len(self.inbox(ANNA))), (1, 1))
        self.assertEqual(self.spool.names(), [])
        for again in (approve, reject):
            self.assertEqual(self.refused("m@third.example", again), b"550 5.5.0")

    def test_approved_elsewhere(self) -> None:
        """A moderator on another host answers from there; capital letters are as good."""
        approve, _ = self.ask()
        local, _, domain = approve.partition("@")
        self.send("m@third.example", f"{local.lower()}@{domain}")
        self.assertEqual(self.carried, [("bob@a.example", X)])

    def test_rejected(self) -> None:
        """The sender is told; an answer after that changes nothing."""
        approve, reject = self.ask()
        self.send("anna@a.example", reject, login=True)
        self.assertEqual(self.carried, [("", STRANGER)])
        self.assertEqual((self.inbox(BOB), self.spool.names()), ([], []))
        self.assertEqual(self.refused("m@third.example", approve), b"550 5.5.0")

    def test_rejected_in_the_name_of_the_list(self) -> None:
        """What is rejected gets to no member by the report of it: that is the owner's, not the list's."""
        self.live.mailboxes = replace(
            self.live.mailboxes,
            lists={"slow@a.example": replace(LISTS["slow@a.example"], owner="boss@third.example")},
        )
        self.send("slow@a.example", "slow@a.example")
        rejecting = re.findall(rb"reject=\S+@a\.example", self.inbox(ANNA)[0])[-1]
        self.carried.clear()
        self.send("anna@a.example", rejecting.decode(), login=True)
        self.assertEqual((self.carried, self.inbox(BOB)), ([("", "boss@third.example")], []))

    def test_decided_while_it_waits(self) -> None:
        """What is approved and not yet with all members can be rejected no more."""
        self.says[X] = LATER
        approve, reject = self.ask()
        self.send("anna@a.example", approve, login=True)
        self.assertEqual(self.refused("m@third.example", reject), b"550 5.5.0")
        self.assertEqual(len(self.spool.names()), 1)

    def test_nobody_answers(self) -> None:
        """After fourteen days it is given up, and the sender is told why."""
        self.ask()
        self.clock.pump([DAY] * 13)
        self.assertEqual(len(self.spool.names()), 1)
        self.clock.pump([DAY] * 2)
        self.assertEqual(self.carried, [("", STRANGER)])
        self.assertEqual((self.inbox(BOB), self.spool.names()), ([], []))

    def test_own(self) -> None:
        """A moderator who has logged in need not ask; the same address without login must."""
        self.send("anna@a.example", "slow@a.example", login=True)
        self.assertEqual(self.carried, [("bob@a.example", X)])
        self.send("m@third.example", "slow@a.example")
        self.assertEqual(len(self.spool.names()), 1)

    def test_automatic(self) -> None:
        """B9: an answering machine decides nothing, and nobody's report does."""
        approve, _ = self.ask()
        for field in (b"Auto-Submitted: auto-replied", b"Precedence: bulk", b"auto-submitted: x; y"):
            self.assertEqual(self.refused("anna@a.example", approve, field), b"550 5.7.1")
        self.assertEqual(self.refused("anna@a.example", approve, b"Auto-Submitted: no"), b"250 2.0.0")

    def test_forged(self) -> None:
        """Nobody guesses the addresses; what is none is nobody's."""
        approve, reject = self.ask()
        sign = approve.partition("@")[0][-8:]
        for forged in (
            approve.replace("approve", "reject"),
            approve.replace(sign, "AAAAAAAA"),
            reject.replace("=", "-"),
            "approve=@a.example",
            "approve=x=y@a.example",
        ):
            self.assertEqual(self.answer(forged), b"550 5.1.1", forged)
        self.assertEqual(self.answer(approve.replace("a.example", "b.example")), b"550 5.7.1")

    def test_reply_to_all(self) -> None:
        """A copy for others goes to them, whether the answer has an effect or not; nobody answers for two."""
        approve, reject = self.ask()
        self.assertEqual(self.answer(approve, sender=""), b"550 5.7.1")
        self.assertEqual(self.answer(f"{approve}>\r\nRCPT TO:<{reject}"), b"550 5.7.1")
        for count in (1, 2):
            both = f"{approve}>\r\nRCPT TO:<anna@a.example"
            self.send("m@third.example", both)
            self.assertEqual(len(self.inbox(BOB)), 1)
            self.assertEqual(len(self.inbox(ANNA)), 1 + count)

    def test_by_lmtp(self) -> None:
        """An answer that another server of ours hands over, with others behind it or not."""
        approve, _ = self.ask()
        names = ("hostname", "domains", "state", "store")
        for wanted in ([b"250", b"250"], [b"250", b"250"]):
            world = World(
                "lmtp",
                trusted=True,
                config={name: getattr(self.live.config, name) for name in names},
                mailboxes=self.live.mailboxes,
                courier=self.courier,
                queue=self.runner,
                decide=self.moderation.decide,
                srs=self.live.srs,
            )
            world.send(b"LHLO x\r\n")
            paths = f"RCPT TO:<{approve}>\r\nRCPT TO:<anna@a.example>\r\n"
            world.send(f"MAIL FROM:<m@third.example>\r\n{paths}DATA\r\n".encode())
            world.feed(TEXT)
            self.clock.advance(0)  # the turn of the reactor ends
            self.assertEqual([one[:3] for one in world.replies()], wanted)
            world.lose()
            self.clock.advance(1)
            self.assertEqual(len(self.inbox(BOB)), 1)

    def answer(self, to: str, sender: str = "m@third.example") -> bytes:
        """The last answer to RCPT."""
        world = self.session()
        reply = world.send(f"MAIL FROM:<{sender}>\r\nRCPT TO:<{to}>\r\n".encode())[-1]
        world.lose()
        return reply[:9]

    def refused(self, sender: str, to: str, field: bytes = b"X: y") -> bytes:
        """The answer to a whole message."""
        world = self.session()
        world.send(f"MAIL FROM:<{sender}>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode())
        reply = world.send(field + b"\r\n" + TEXT)[-1]
        world.lose()
        return reply[:9]

    def session(self) -> World:
        """A stranger's, after EHLO."""
        names = ("hostname", "domains", "state", "store")
        world = World(
            "smtp",
            config={name: getattr(self.live.config, name) for name in names},
            mailboxes=self.live.mailboxes,
            queue=self.runner,
            decide=self.moderation.decide,
            srs=self.live.srs,
        )
        world.send(EHLO)
        return world

    def test_cannot_ask(self) -> None:
        """Where a question cannot be written it is asked later."""
        fails = [OSError(28, "No space left on device")]
        send = self.letters.send

        async def fail_once(*what: Any) -> bool:
            if fails:
                raise fails.pop()
            return await send(*what)

        self.patch(self.letters, "send", fail_once)
        self.send(STRANGER, "slow@a.example")
        self.assertEqual(self.inbox(ANNA), [])
        self.clock.advance(400)
        self.assertEqual(len(self.inbox(ANNA)), 1)

    def test_held_and_approved(self) -> None:
        """What the administrator holds is not sent by an answer; it is approved when it is released."""
        approve, _ = self.ask()
        (name,) = self.spool.names()
        self.do(self.runner.change(name, hold))
        self.send("m@third.example", approve)
        self.assertEqual(self.carried, [])
        self.assertIs(self.spool.read(name).approval, Approval.GIVEN)
        self.do(self.runner.release(name))
        self.clock.advance(1)
        self.assertEqual(self.carried, [("bob@a.example", X)])

    def test_full_mailbox_of_a_moderator(self) -> None:
        """It keeps the question from no other one; where nobody can be asked, that is tried again."""
        people = self.live.mailboxes
        full = {**people.mailboxes, str(ANNA): MailboxEntry("x", quota=1)}
        both = replace(LISTS["slow@a.example"], moderators=(str(ANNA), str(BOB)))
        self.live.mailboxes = replace(people, mailboxes=full, lists={"slow@a.example": both})
        self.send(STRANGER, "slow@a.example")
        self.assertEqual((len(self.inbox(ANNA)), len(self.inbox(BOB))), (0, 1))
        (name,) = self.spool.names()
        self.assertIs(self.spool.read(name).approval, Approval.ASKED)
        self.do(self.runner.drop(name))
        alone = replace(both, moderators=(str(ANNA),))
        self.live.mailboxes = replace(self.live.mailboxes, lists={"slow@a.example": alone})
        self.send(STRANGER, "slow@a.example")
        (name,) = self.spool.names()
        self.assertIs(self.spool.read(name).approval, Approval.WANTED)

    def test_held_by_hand(self) -> None:
        """`mailnode queue release` is an approval too."""
        self.ask()
        (name,) = self.spool.names()
        self.do(self.runner.release(name))
        self.clock.advance(1)
        self.assertEqual(self.carried, [("bob@a.example", X)])

    def test_list_goes(self) -> None:
        """A list that was taken out of the configuration meanwhile is nobody's any more."""
        self.ask()
        (name,) = self.spool.names()
        self.live.mailboxes = replace(self.live.mailboxes, lists={})
        self.do(self.runner.release(name))
        self.clock.advance(1)
        self.assertEqual((self.carried, self.spool.names()), ([("", STRANGER)], []))
