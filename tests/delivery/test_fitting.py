"""What a message becomes for a peer that lacks something, and what cannot get there (vector R32)."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mailnode.delivery.fitting import NotForThisPeer, fit
from mailnode.delivery.outcome import Peer, Tls
from mailnode.delivery.parameters import Sending, mail, rcpt
from mailnode.envelope import Body, Deadline, Envelope, Recipient
from mailnode.runtime import Runtime
from mailnode.smtp.extensions import EXTENSIONS
from mailnode.wire.address import Address
from mailnode.wire.esmtp import Notify, OriginalRecipient
from tests.delivery.peers import ANNA, BEN, SENDER, ClientTestCase, FakeServer, World, letter

NOW = 1_000_000_000.0
KEYWORDS = "8BITMIME SMTPUTF8 DSN DELIVERBY MT-PRIORITY REQUIRETLS NO-SOLICITING CHUNKING BINARYMIME"
ALL: dict[str, tuple[str, ...]] = {"SIZE": ("1000000",), **dict.fromkeys(KEYWORDS.split(), ())}
WIDE = Address("änna", "bücher.example")
DOMAIN = Address("anna", "bücher.example")
EIGHT = b"Subject: a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xc3\xa4\r\n"
HEADER = b"Subject: \xc3\xa4\r\n\r\nx\r\n"


class Parameters(SynchronousTestCase):
    """MAIL and RCPT, as the rows write them."""

    def sending(self, capabilities: Any = ALL, utf8: bool = False, **said: Any) -> Sending:
        """One from the usual sender."""
        envelope = Envelope(SENDER, **said)
        return Sending(envelope, 100, envelope.body, utf8, NOW, capabilities)

    def test_mail(self) -> None:
        """Each parameter where there is something to say, and where its extension is announced."""
        for said, wanted in (
            ({}, b""),
            ({"body": Body.EIGHT_BIT}, b" BODY=8BITMIME"),
            ({"body": Body.BINARY}, b" BODY=BINARYMIME"),
            ({"full": True, "envelope_id": "a=b c"}, b" RET=FULL ENVID=a+3Db+20c"),
            ({"full": False}, b" RET=HDRS"),
            ({"require_tls": True}, b" REQUIRETLS"),
            ({"deadline": Deadline(NOW + 90.7, True, False)}, b" BY=90;R"),
            ({"deadline": Deadline(NOW - 5, False, True)}, b" BY=-5;NT"),
            ({"deadline": Deadline(NOW * 99, False, False)}, b" BY=999999999;N"),
            ({"priority": -9}, b" MT-PRIORITY=-9"),
            ({"solicitation": ("org.example:adv", "x")}, b" SOLICIT=org.example:adv,x"),
        ):
            begins = b"MAIL FROM:<sender@here.example>"
            self.assertEqual(mail(self.sending(**said)), begins + b" SIZE=100" + wanted + b"\r\n")
            self.assertEqual(mail(self.sending({}, **said)), begins + b"\r\n")

    def test_mail_utf8(self) -> None:
        """SMTPUTF8 with addresses as they are; without it domains have A-labels."""
        for utf8, wanted in (
            (True, "MAIL FROM:<anna@bücher.example> SMTPUTF8\r\n"),
            (False, "MAIL FROM:<anna@xn--bcher-kva.example>\r\n"),
        ):
            sending = Sending(Envelope(DOMAIN, utf8=True), 1, Body.SEVEN_BIT, utf8, NOW, {"SMTPUTF8": ()})
            self.assertEqual(mail(sending), wanted.encode())

    def test_rcpt(self) -> None:
        """RFC 3461 section 5.2.1: NOTIFY and ORCPT go on as they came."""
        asked = Recipient(ANNA.address, Notify.SUCCESS | Notify.FAILURE, OriginalRecipient("rfc822", "A+b@X"))
        begins = b"RCPT TO:<anna@there.example>"
        self.assertEqual(
            rcpt(self.sending(), asked), begins + b" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;A+2Bb@X\r\n"
        )
        self.assertEqual(rcpt(self.sending({}), asked), begins + b"\r\n")
        never = Recipient(ANNA.address, Notify.NEVER)
        self.assertEqual(rcpt(self.sending(), never), begins + b" NOTIFY=NEVER\r\n")

    def test_own_server_understands(self) -> None:
        """What the client may send, the server's rows know."""
        known = {keyword for row in EXTENSIONS for keyword in (*row.mail, *row.rcpt)}
        sent = "SIZE BODY SMTPUTF8 RET ENVID BY MT-PRIORITY REQUIRETLS NOTIFY ORCPT"
        self.assertLessEqual(set(sent.split()), known)


class Fitting(ClientTestCase):
    """fit(), by way of whole messages."""

    def sent(self, extensions: bytes, **facts: Any) -> tuple[World, list[str]]:
        """The world after a message, and what each recipient's status is."""
        lines = [b"there.example", *extensions.split()]
        last = lines.pop()
        reply = b"".join(b"250-" + line.replace(b"_", b" ") + b"\r\n" for line in lines)
        world = self.world(FakeServer(EHLO=reply + b"250 " + last.replace(b"_", b" ") + b"\r\n"))
        world.clock.advance(NOW)
        people = facts.pop("people", (ANNA,))
        outcomes = self.delivered(world, letter(*people, **facts))
        return world, [one.verdict.status for one in outcomes]

    def test_too_large(self) -> None:
        """RFC 1870 section 6.1: not tried where it is known; 0, none and nonsense are no limit."""
        for size in (b"SIZE_20", b"SIZE_27", b"SIZE_0", b"SIZE", b"SIZE_x"):
            status = "5.3.4" if size == b"SIZE_20" else "2.0.0"
            world, statuses = self.sent(size)
            self.assertEqual(statuses, [status], size)
            self.assertEqual(len(world.server.lines) > 1, status == "2.0.0")

    def test_eight_bit(self) -> None:
        """RFC 6152 section 3: converted, or 5.6.3; whatever was said of it, the octets count."""
        for body in (Body.SEVEN_BIT, Body.EIGHT_BIT):
            world, statuses = self.sent(b"SIZE", text=EIGHT, body=body)
            self.assertEqual(statuses, ["2.0.0"])
            (content,) = world.server.contents
            self.assertIn(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4\r\n", content)
            self.assertIn(b"SIZE=%d" % len(content), world.server.lines[1])
        world, statuses = self.sent(b"8BITMIME", text=EIGHT, body=Body.EIGHT_BIT)
        self.assertEqual(world.server.contents, [EIGHT])
        world, statuses = self.sent(b"SIZE", text=HEADER)
        self.assertEqual((statuses, len(world.server.lines)), (["5.6.3"], 1))
        world, statuses = self.sent(b"SIZE_60", text=EIGHT)  # it grows
        self.assertEqual((statuses, len(world.server.lines)), (["5.3.4"], 1))

    def test_binary(self) -> None:
        """RFC 3030 section 3: to a peer without BINARYMIME only converted."""
        text = b"Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\xff\n\r\n.\r\n"
        for extensions, plain in (
            (b"8BITMIME BINARYMIME CHUNKING", True),
            (b"8BITMIME CHUNKING", False),
            (b"8BITMIME BINARYMIME", False),
            (b"SIZE", False),
        ):
            world, statuses = self.sent(extensions, text=text, body=Body.BINARY)
            self.assertEqual((statuses, world.server.contents == [text]), (["2.0.0"], plain), extensions)
            self.assertTrue(plain or world.server.contents[0].isascii())
            self.assertEqual(b"BODY=BINARYMIME" in world.server.lines[1], plain)

    def test_smtputf8(self) -> None:
        """R32: to a peer without SMTPUTF8 only what is ASCII after all, or could be; each recipient alone."""
        people = (ANNA, Recipient(DOMAIN), Recipient(WIDE))
        world, statuses = self.sent(b"8BITMIME", people=people, utf8=True)
        self.assertEqual(statuses, ["2.0.0", "2.0.0", "5.6.7"])
        self.assertEqual(
            world.server.lines[1:4],
            [
                b"MAIL FROM:<sender@here.example>",
                b"RCPT TO:<anna@there.example>",
                b"RCPT TO:<anna@xn--bcher-kva.example>",
            ],
        )
        world, statuses = self.sent(b"8BITMIME", people=(ANNA, BEN), utf8=True, text=HEADER)
        self.assertEqual((statuses, len(world.server.lines)), (["5.6.9"] * 2, 1))
        world, statuses = self.sent(b"8BITMIME", utf8=True, reverse_path=WIDE)
        self.assertEqual((statuses, len(world.server.lines)), (["5.6.7"], 1))
        world, statuses = self.sent(b"8BITMIME", people=(Recipient(WIDE),), utf8=True)
        self.assertEqual((statuses, len(world.server.lines)), (["5.6.7"], 1))
        world, statuses = self.sent(b"8BITMIME SMTPUTF8", people=people, utf8=True, text=HEADER)
        self.assertEqual((statuses, world.server.contents), (["2.0.0"] * 3, [HEADER]))
        self.assertIn("RCPT TO:<änna@bücher.example>".encode(), world.server.lines)
        world, statuses = self.sent(b"8BITMIME", utf8=True, text=EIGHT)
        self.assertEqual((statuses, world.server.contents), (["2.0.0"], [EIGHT]))

    def test_deadline(self) -> None:
        """RFC 2852 section 4: with R only to a peer that keeps it, and not too late."""
        for extensions, deadline, status in (
            (b"DELIVERBY", Deadline(NOW + 60, True, False), "2.0.0"),
            (b"DELIVERBY", Deadline(NOW - 60, True, False), "5.4.7"),
            (b"SIZE", Deadline(NOW + 60, True, False), "5.3.3"),
            (b"SIZE", Deadline(NOW + 60, False, False), "2.0.0"),
            (b"SIZE", Deadline(NOW - 60, False, False), "2.0.0"),
        ):
            self.assertEqual(self.sent(extensions, deadline=deadline)[1], [status], (extensions, deadline))

    def test_require_tls(self) -> None:
        """RFC 8689 section 4.2.1: verified TLS and REQUIRETLS, or not; a report goes as it can."""
        runtime: Runtime = self.world(FakeServer()).runtime
        good, bad = Tls("TLSv1.3", "x", ""), Tls("TLSv1.3", "x", "expired")
        for tls, capabilities, sender, status in (
            (good, ALL, SENDER, ""),
            (bad, ALL, SENDER, "5.7.10"),
            (None, ALL, SENDER, "5.7.10"),
            (good, {}, SENDER, "5.7.30"),
            (None, {}, None, ""),
        ):
            message = letter(require_tls=True, reverse_path=sender)
            running = self.worlds[-1].run(fit(message, Peer("x", "", tls), capabilities, runtime))
            if status:
                error: Any = self.failureResultOf(running, NotForThisPeer).value
                self.assertEqual(error.verdict.status, status)
            else:
                self.assertEqual(len(self.successResultOf(running).recipients), 1)

    def test_without_dsn(self) -> None:
        """RFC 3461 section 5.2.2: the outcome tells that the next host gives no notifications."""
        for extensions, wanted in ((b"DSN", False), (b"SIZE", True)):
            world = self.world(FakeServer(EHLO=b"250-x\r\n250 " + extensions + b"\r\n"))
            asked = Recipient(ANNA.address, Notify.SUCCESS)
            (outcome,) = self.delivered(world, letter(asked))
            self.assertEqual(outcome.without_dsn, wanted)
            self.assertEqual(world.server.lines[2].endswith(b" NOTIFY=SUCCESS"), not wanted)
