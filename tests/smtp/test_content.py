"""What becomes of a message between the client and the courier: trace, mending, limits, failures."""

import errno
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.config import Limits, Mailboxes
from mailnode.events.life import Accepted
from mailnode.message.header import extent, field_lines
from mailnode.smtp.header_block import HeaderBlock, edit
from mailnode.smtp.outcome import Refused
from mailnode.store.errors import OverQuota, StoreError
from tests.smtp.world import FROM, MAIL, RCPT, SmtpTestCase, World, bytewise

DATE = b"Sun, 9 Sep 2001 01:46:40 +0000"
FROMS_OF_ANNA = (  # an alias of hers, a group, comments, two of her addresses, any case, folded
    FROM,
    b"FROM : ANNA@local.example\r\n",
    b"From: info@local.example, <anna+x@LOCAL.example>\r\n",
    b'From: (bob@local.example) "bob@local.example" <anna@local.example>\r\n',
    b"From: us: anna@local.example;\r\n",
    b"From:\r\n =?utf-8?q?bob=40local.example?=\r\n <anna@local.example>\r\n",
)
FROMS_REFUSED = {
    b"": b"550 5.6.0 The message has no From",
    b"Sender: anna@local.example\r\n": b"550 5.6.0",
    FROM + FROM: b"550 5.7.1 The message has more than one From",
    FROM + b"from: bob@local.example\r\n": b"550 5.7.1",
    FROM + b"X: y\r\n" * 1000 + b"From : bob@local.example\r\n": b"550 5.7.1",
    b"From:\r\n": b"550 5.7.1 The From has no address",
    b"From: nobody:;\r\n": b"550 5.7.1",
    b"From: bob@local.example\r\n": b"550 5.7.1 You may not send",
    b"From: anna@elsewhere.example\r\n": b"550 5.7.1",
    b"From: anna\r\n": b"550 5.7.1",
    b"From: anna@local.example, bob@local.example\r\n": b"550 5.7.1",
    b"From: anna@local.example <bob@local.example>\r\n": b"550 5.7.1",
    b"From: <anna@local.example> <bob@local.example>\r\n": b"550 5.7.1",
    b"From: <bob@elsewhere.example@local.example>\r\n": b"550 5.7.1",
    b"From: <anna@local.example>\r\n ,bob@elsewhere.example\r\n": b"550 5.7.1",
    b"From: " + b"anna@local.example," * 1000 + b"bob@local.example\r\n": b"550 5.7.1",
}
BOB = b"RCPT TO:<bob@local.example>\r\n"


class Content(SmtpTestCase):
    """Messages through whole sessions."""

    def deliver(self, world: World, content: bytes, *, begin: bytes = MAIL + RCPT) -> list[bytes]:
        """One message; the reply to its end."""
        world.send(begin + b"DATA\r\n")
        return world.send(content + b".\r\n")

    def delivered(self, world: World, content: bytes, *, begin: bytes = MAIL + RCPT) -> bytes:
        """One message that is accepted; what the courier got."""
        self.assertEqual([reply[:9] for reply in self.deliver(world, content, begin=begin)], [b"250 2.0.0"])
        return world.courier.delivered[-1].content

    def test_end(self) -> None:
        """With its transaction all that has come is forgotten; the one does not keep the other."""
        world = self.greeted()
        world.send(MAIL + RCPT)
        transaction = world.transaction
        world.send(b"DATA\r\n")
        self.assertIsNotNone(transaction.receiving)
        world.send(b"Subject: x\r\n\r\n.\r\n")
        self.assertIsNone(transaction.receiving)

    def test_trace(self) -> None:
        """RFC 5321 section 4.4: Return-Path and Received on top, and the one recipient named."""
        world = self.greeted()
        content = self.delivered(world, b"Subject: x\r\n\r\nbody\r\n")
        ids = world.events[-1].message.encode()  # type: ignore[attr-defined]
        self.assertEqual(
            content,
            b"Return-Path: <a@remote.example>\r\n"
            b"Delivered-To: anna@local.example\r\n"
            b"Received: from client.example ([192.0.2.7])\r\n"
            b"\tby mx.local.example with ESMTP id "
            + ids
            + b"\r\n\tfor <anna@local.example>;\r\n\t"
            + DATE
            + b"\r\nSubject: x\r\n\r\nbody\r\n",
        )

    def test_nobody_is_told_of_others(self) -> None:
        """Where several get one file, or several addresses were named, no address stands in it."""
        content = self.delivered(self.greeted(), b"\r\nx\r\n", begin=MAIL + RCPT + BOB)
        self.assertNotIn(b"anna", content)
        self.assertNotIn(b"bob", content)
        content = self.delivered(
            self.greeted(), b"\r\nx\r\n", begin=MAIL + RCPT + b"RCPT TO:<info@local.example>\r\n"
        )
        self.assertIn(b"Delivered-To: anna@local.example\r\n", content)
        self.assertNotIn(b"for <", content)
        self.assertNotIn(b"info", content)

    def test_protocol_names(self) -> None:
        """RFC 3848: HELO is SMTP, EHLO is ESMTP, and A stands for authenticated."""
        world = self.world(peer="2001:db8::7")
        world.send(b"HELO [IPv6:2001:db8::7]\r\n")
        content = self.delivered(world, b"\r\nx\r\n", begin=b"MAIL FROM:<>\r\n" + RCPT)
        self.assertIn(b"Return-Path: <>\r\n", content)
        self.assertIn(b"Received: from [IPv6:2001:db8::7] ([IPv6:2001:db8::7])\r\n", content)
        self.assertIn(b" with SMTP id ", content)
        content = self.delivered(
            self.submitting(), FROM + b"\r\nx\r\n", begin=b"MAIL FROM:<anna@local.example>\r\n" + RCPT
        )
        self.assertIn(b" with ESMTPA id ", content)

    def test_world_is_left_alone(self) -> None:
        """C16: from outside only Return-Path is replaced; nothing is added, nothing else is taken away."""
        kept = b"Bcc: x\r\nDelivered-To: y\r\nX-Spam: yes\r\n"
        text = (
            b"Return-Path: <evil@x.example>\r\n"
            + kept
            + b"RETURN-PATH :\r\n folded\r\n\r\nReturn-Path: body\r\n"
        )
        content = self.delivered(self.greeted(), text)
        self.assertTrue(content.endswith(DATE + b"\r\n" + kept + b"\r\nReturn-Path: body\r\n"))
        self.assertEqual(content.lower().count(b"return-path"), 2)

    def test_submission_mends(self) -> None:
        """RFC 6409 section 8: Date and Message-ID where there is none; Bcc goes, folded lines and all."""
        begin = b"MAIL FROM:<anna@local.example>\r\n" + RCPT
        world = self.submitting()
        content = self.delivered(
            world, FROM + b"To: x\r\nBcc: a,\r\n b\r\nSubject: y\r\n\r\nBcc: z\r\n", begin=begin
        )
        ids = world.events[-1].message.encode()  # type: ignore[attr-defined]
        self.assertTrue(
            content.endswith(
                b"Date: "
                + DATE
                + b"\r\nMessage-ID: <1000000000."
                + ids
                + b"@mx.local.example>\r\n"
                + FROM
                + b"To: x\r\nSubject: y\r\n\r\nBcc: z\r\n"
            )
        )
        header = FROM + b"DATE: now\r\nMessage-id: <1@x>\r\n\r\n"
        self.assertTrue(self.delivered(world, header, begin=begin).endswith(b"+0000\r\n" + header))

    def test_from(self) -> None:
        """A14: what is submitted has one From, and each address in it is that of the one who is logged in."""
        world = self.submitting(limits={"errors_soft": 1000, "errors_hard": 1000})
        begin = b"MAIL FROM:<anna@local.example>\r\n" + RCPT
        for fields in FROMS_OF_ANNA:
            self.delivered(world, fields + b"Subject: x\r\n\r\nFrom: <bob@local.example>\r\n", begin=begin)
        for fields, answer in FROMS_REFUSED.items():
            for text in (fields + b"Subject: x\r\n\r\nbody\r\n", b"A: b\r\n" + fields):
                before = len(world.courier.deliveries)
                self.assertEqual(
                    [reply[: len(answer)] for reply in self.deliver(world, text, begin=begin)], [answer], text
                )
                self.assertEqual(len(world.courier.deliveries), before, "nothing was begun")

    def test_from_of_others(self) -> None:
        """From outside, any From comes in, and none."""
        for fields in FROMS_REFUSED:
            self.delivered(self.greeted(), fields + b"\r\nbody\r\n")

    def test_odd_messages(self) -> None:
        """C17: header only, body only, no empty line, an mbox line first, 8-bit octets: kept as they are."""
        for text in (
            b"Subject: x\r\n",
            b"\r\nbody\r\n",
            b"no header\r\n",
            b"From x y\r\nA: b\r\n\r\n",
            b"\xff: \xfe\r\n\r\n\xfd\r\n",
        ):
            self.assertTrue(self.delivered(self.greeted(), text).endswith(b"+0000\r\n" + text), text)

    def test_large_message(self) -> None:
        """Promise 4: a large body goes to the courier in small pieces, and arrives whole."""
        world = self.greeted()
        body = b"".join(b"%064d\r\n" % number for number in range(20000))
        world.send(MAIL + RCPT + b"DATA\r\n")
        world._cut = lambda data: (data[start : start + 5000] for start in range(0, len(data), 5000))
        world.send(b"Subject: x\r\n\r\n" + body + b".\r\n")
        self.assertTrue(world.courier.delivered[0].content.endswith(b"Subject: x\r\n\r\n" + body))
        self.assertLessEqual(world.courier.delivered[0].longest, 65536)

    def test_too_large(self) -> None:
        """M18: a message over the limit is read to its end, refused once, and nothing of it is kept."""
        for declared in (b"", b" SIZE=1"):
            world = self.greeted(limits={"message_size": 1000})
            begin = b"MAIL FROM:<a@x.example>" + declared + b"\r\n" + RCPT
            line = b"x" * 98 + b"\r\n"
            self.assertEqual(self.deliver(world, b"\r\n" + line * 10, begin=begin)[0][:9], b"552 5.3.4")
            self.assertEqual(
                [delivery.outcome for delivery in world.courier.deliveries if delivery.outcome != "aborted"],
                [],
            )
            self.delivered(world, line * 10, begin=begin)

    def test_hops(self) -> None:
        """B7: a hundred Received fields are a long way, one more is a loop (RFC 5321 section 6.3)."""
        hop = b"Received: from a\r\n\tby b\r\n"
        self.delivered(self.greeted(), hop * 100 + b"\r\nx\r\n")
        self.assertEqual(self.deliver(self.greeted(), hop * 101 + b"\r\nx\r\n")[0][:9], b"554 5.4.6")

    def test_header_limits(self) -> None:
        """C1, C2: a header field and a header may be so long, and no longer."""
        field = b"X: " + b"x" * 65531 + b"\r\n"
        self.delivered(self.greeted(), field + b"\r\n")
        self.assertEqual(self.deliver(self.greeted(), b"X" + field + b"\r\n")[0][:9], b"552 5.3.4")
        self.assertEqual(self.deliver(self.greeted(), field * 8 + b"\r\n")[0][:9], b"552 5.3.4")
        self.assertEqual(self.deliver(self.greeted(), field * 8)[0][:9], b"250 2.0.0")

    def test_disk_trouble(self) -> None:
        """D3: what could not be made durable is refused for now: 452 when the disk is full, else 451."""
        failures = (
            (OSError(errno.EIO, "I/O error"), b"451 4.3.0"),
            (OSError(errno.ENOSPC, "full"), b"452 4.3.1"),
            (OSError(errno.EDQUOT, "quota"), b"452 4.3.1"),
            (OverQuota(), b"452 4.2.2"),
            (StoreError(), b"451 4.3.0"),
        )
        for error, answer in failures:
            world = self.greeted()
            world.courier.fails = error
            self.assertEqual(self.deliver(world, b"\r\nx\r\n")[0][:9], answer)
            self.assertEqual(world.courier.deliveries[0].outcome, "aborted")
            self.assertEqual([event for event in world.events if isinstance(event, Accepted)], [])
            self.check(world, [(RCPT, [b"503 5.5.1"])])
            world.courier.fails = None
            self.delivered(world, b"\r\nx\r\n")

    def test_mailbox_that_went(self) -> None:
        """A reload takes a mailbox away after RCPT: the message is put off, and then it is unknown."""
        world = self.greeted()
        self.check(world, [(MAIL + RCPT + BOB, [b"250"] * 3)])
        people = world.live.mailboxes.mailboxes
        world.live.mailboxes = Mailboxes({"bob@local.example": people["bob@local.example"]})
        self.check(world, [(b"DATA\r\n", [b"354"]), (b"\r\nx\r\n.\r\n", [b"451 4.3.0"])])
        self.assertEqual(world.courier.deliveries, [])
        self.check(world, [(MAIL + RCPT + BOB, [b"250", b"550 5.1.1", b"250"])])

    def test_what_cannot_be_removed(self) -> None:
        """Where the disk fails altogether, content is read to its end and is no command (S1)."""
        broken = OSError(errno.EROFS, "read-only")
        text = b"Subject: x\r\n\r\nMAIL FROM:<b@c.example>\r\n"
        for begin, end, answers in (
            (b"DATA\r\n", b".\r\n", [b"451 4.3.0"]),
            (b"BDAT 39\r\n", b"BDAT 0 LAST\r\n", [b"451 4.3.0"] * 2),
        ):
            world = self.greeted(cut=bytewise)
            world.send(MAIL + RCPT + begin)
            with (
                patch("tests.smtp.world.Delivery.write", side_effect=broken),
                patch("tests.smtp.world.Delivery.abort", side_effect=broken),
            ):
                self.check(world, [(text + end, answers)])
            world.courier.deliveries.clear()
            self.check(world, [(MAIL + RCPT, [b"250"] * 2)])

    def test_a_bug_is_temporary(self) -> None:
        """Mail is never bounced because of our own bug, and the session goes on."""
        world = self.greeted()
        with patch("mailnode.delivery.route.Router.resolve", side_effect=ZeroDivisionError):
            self.check(world, [(MAIL, [b"250"]), (RCPT, [b"451 4.3.0"])])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.check(world, [(RCPT, [b"250"])])


LINES = st.lists(
    st.sampled_from([b"A: b", b"Bcc: c", b" more", b"", b"text", b"Return-Path: x", b"bcc : d"]), max_size=8
)


class HeaderBlocks(SynchronousTestCase):
    """The header in pieces."""

    @settings(deadline=None, max_examples=100)
    @given(LINES, st.integers(1, 9))
    def test_any_cut(self, lines: list[bytes], step: int) -> None:
        """However a message is cut, its header ends where the readers of the store see its end."""
        message = b"".join(line + b"\r\n" for line in lines)
        block = HeaderBlock(10000)
        body = b""
        for start in range(0, len(message), step):
            piece = message[start : start + step]
            body += piece if block.complete else block.feed(piece)
        _, end = extent(message, 0, len(message))
        self.assertEqual((block.text, body), (message[:end], message[end:]))

    @settings(deadline=None, max_examples=100)
    @given(LINES)
    def test_edit(self, lines: list[bytes]) -> None:
        """What is removed is gone with its continuation lines; all else stays, octet by octet."""
        lines = [line for line in lines if line]
        header = b"".join(line + b"\r\n" for line in lines)
        kept, removing = [], False
        for line in lines:
            removing = removing if line.startswith(b" ") else line.lower().startswith(b"bcc")
            kept += [] if removing else [line + b"\r\n"]
        text, names = edit(header, limits=Limits(), remove=frozenset([b"bcc"]))
        self.assertEqual(text, b"".join(kept))
        self.assertEqual(names, {name.lower() for name, *_ in field_lines(text, 0, len(text))})

    def test_edit_limits(self) -> None:
        """A field too long, and a hop too many, whether anything is removed or not."""
        limits = Limits(header_field_size=100, received_hops=2)
        hop, long = b"Received: x\r\n", b"X: " + b"x" * 95 + b"\r\n"
        for remove in (frozenset[bytes](), frozenset([b"bcc"])):
            for first in (b"", b"Bcc: a\r\n"):
                self.assertIn(b"x", edit(first + 2 * hop + long, limits=limits, remove=remove)[1])
                for header in (3 * hop, b"a" + long):
                    self.assertRaises(Refused, edit, first + header, limits=limits, remove=remove)

    def test_limit(self) -> None:
        """A header is refused as soon as it is too long, complete or not."""
        HeaderBlock(10).feed(b"A: 890\r\n\r\nbody of any length")
        for text in (b"A: 8901\r\n\r\n", b"A: 89012345"):
            self.assertRaises(Refused, HeaderBlock(10).feed, text)
