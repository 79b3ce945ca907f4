"""SMTPUTF8 (RFC 6531): internationalised addresses through whole sessions."""

from dataclasses import replace

from mailnode.config import MailboxEntry, Mailboxes
from mailnode.config_lists import MailingList
from tests.smtp.world import CUTS, MAIL, MAILBOXES, SmtpTestCase, World

JUERGEN = "j\u00fcrgen@xn--bcher-kva.example"
PEOPLE = Mailboxes(
    {**MAILBOXES.mailboxes, JUERGEN: MailboxEntry("x", "J\u00fcrgen")}
    | {
        "bob@local.example": MailboxEntry("x", "Bj\u00f6rn"),
        "carl@second.example": MailboxEntry("x", "Carl C"),
    },
    {
        "juergen@local.example": (JUERGEN,),
        "\u00e4nnchen@local.example": ("anna@local.example",),
        "@second.example": ("anna@local.example",),
    },
    {"team@local.example": MailingList(("bob@local.example", JUERGEN), "The \u00c4 team")},
)
UTF8_MAIL = "MAIL FROM:<\u00fc@\u00e4.example> SMTPUTF8\r\n".encode()
PATIENT = {"errors_soft": 1000, "errors_hard": 1000}

# Name: what is said after EHLO, in groups, each with how its replies begin.
DIALOGUES = {
    "R31 not without the keyword (section 3.5)": [
        ("MAIL FROM:<\u00fc@x.example>\r\n", [b"550 5.6.7"]),
        ("MAIL FROM:<u@\u00e4.example> BODY=8BITMIME\r\n", [b"550 5.6.7"]),
        ("MAIL FROM:<u@x.example>\r\n", [b"250"]),
        ("RCPT TO:<j\u00fcrgen@xn--bcher-kva.example>\r\n", [b"553 5.6.7"]),
        ("RCPT TO:<\u00fc@elsewhere.example>\r\n", [b"553 5.6.7"]),
        ("RCPT TO:<juergen@local.example>\r\n", [b"250"]),
    ],
    "no value (section 3.4)": [
        ("MAIL FROM:<\u00fc@x.example> SMTPUTF8=YES\r\n", [b"501 5.5.4"]),
        ("MAIL FROM:<\u00fc@x.example> SMTPUTF8=\r\n", [b"501 5.5.4"]),
        ("MAIL FROM:<\u00fc@x.example> SMTPUTF8 smtputf8\r\n", [b"501 5.5.4"]),
        ("MAIL FROM:<\u00fc@x.example> SIZE=1 smtputf8 BODY=8BITMIME\r\n", [b"250"]),
    ],
    "RCPT knows no such parameter": [
        ("MAIL FROM:<u@x.example> SMTPUTF8\r\n", [b"250"]),
        ("RCPT TO:<anna@local.example> SMTPUTF8\r\n", [b"555 5.5.4"]),
    ],
    "every spelling of a recipient": [
        ("MAIL FROM:<> SMTPUTF8\r\n", [b"250"]),
        ("RCPT TO:<J\u00dcRGEN@B\u00fccher.Example>\r\n", [b"250"]),
        ("RCPT TO:<ju\u0308rgen+tag@bu\u0308cher.example.>\r\n", [b"250"]),
        ("RCPT TO:<j\u00fcrgen@XN--BCHER-KVA.example>\r\n", [b"250"]),
        ("RCPT TO:<postmaster@b\u00fccher.example>\r\n", [b"250"]),
        ("RCPT TO:<jurgen@b\u00fccher.example>\r\n", [b"550 5.1.1"]),
        ("RCPT TO:<\u00fc@elsewhere.example>\r\n", [b"550 5.7.1"]),
        ("RCPT TO:<u@\u4f8b\u3048.example>\r\n", [b"550 5.7.1"]),
    ],
    "EHLO has A-labels (section 3.7.1)": [
        ("EHLO b\u00fccher.example\r\n", [b"501 5.5.4"]),
        ("EHLO xn--bcher-kva.example\r\n", [b"250 "]),
    ],
}


class Utf8(SmtpTestCase):
    """Port 25, and submission."""

    def at_home(self, world: World) -> World:
        """The same session; our people have internationalised names now."""
        domains = (*world.live.config.domains, "xn--bcher-kva.example")
        world.live.config = replace(world.live.config, domains=domains)
        world.live.mailboxes = PEOPLE
        return world

    def content(self, world: World, steps: str) -> bytes:
        """What arrives of a short message after these commands."""
        self.check(world, [(steps.encode(), [b"250", b"250"]), (b"DATA\r\n", [b"354"])])
        self.check(world, [("Subject: \u00fc\r\n\r\nx\r\n.\r\n".encode(), [b"250"])])
        return world.courier.delivered[-1].content

    def test_dialogues(self) -> None:
        """Each, whole and cut at any place."""
        for name, steps in DIALOGUES.items():
            for cut in CUTS:
                world = self.at_home(self.greeted(cut=cut, limits=PATIENT))
                try:
                    self.check(world, [(sent.encode(), wanted) for sent, wanted in steps])
                except self.failureException as wrong:
                    raise AssertionError(name, cut, *wrong.args) from None

    def test_trace(self) -> None:
        """Section 3.7.3: Return-Path, Delivered-To and `for` in UTF-8, and `with` says so."""
        world = self.at_home(self.greeted())
        recipient = "RCPT TO:<J\u00fcrgen@B\u00fccher.example>\r\n"
        head = self.content(world, UTF8_MAIL.decode() + recipient).split(b"Subject", 1)[0].decode()
        self.assertTrue(
            head.startswith(f"Return-Path: <\u00fc@\u00e4.example>\r\nDelivered-To: {JUERGEN}\r\n")
        )
        self.assertIn(" with UTF8SMTP id ", head)
        self.assertIn("for <J\u00fcrgen@B\u00fccher.example>;", head)

    def test_ascii_trace(self) -> None:
        """A message without SMTPUTF8 is told no name in UTF-8, whoever gets it; its own octets stay."""
        world = self.at_home(self.greeted())
        head, _, rest = self.content(world, MAIL.decode() + "RCPT TO:<juergen@local.example>\r\n").partition(
            b"Subject"
        )
        self.assertTrue(head.isascii())
        self.assertNotIn(b"Delivered-To", head)
        self.assertIn(b" with ESMTP id ", head)
        self.assertEqual(rest, ": \u00fc\r\n\r\nx\r\n".encode())

    def test_author(self) -> None:
        """RFC 6532: who is logged in may use an address in UTF-8 that is theirs, and no other."""
        for own, path in (
            ("\u00c4nnchen@local.example", "\u00e4nnchen@LOCAL.example"),
            ("a\u0308nnchen@local.example", "anna@local.example"),
            ("\u00fc@second.example", "\u00fc@second.example"),
        ):
            world = self.at_home(self.submitting(limits=PATIENT))
            begin = f"MAIL FROM:<{path}> SMTPUTF8\r\nRCPT TO:<bob@local.example>\r\nDATA\r\n"
            self.check(world, [(begin.encode(), [b"250", b"250", b"354"])])
            self.check(world, [(f"From: \u00c4 <{own}>\r\n\r\nx\r\n.\r\n".encode(), [b"250"])])
        for other in (
            "j\u00fcrgen@b\u00fccher.example",
            "\u0430nna@local.example",
            "anna\u202e@second.example",
            "anna@lo\u200bcal.example",
            "anna\uff20local.example",
        ):
            world = self.at_home(self.submitting(limits=PATIENT))
            self.check(world, [(f"MAIL FROM:<{other}> SMTPUTF8\r\n".encode(), [b"55"])])
            self.check(world, [(begin.encode(), [b"250", b"250", b"354"])])
            self.check(world, [(f"From: {other}\r\n\r\nx\r\n.\r\n".encode(), [b"550 5.7.1"])])
        world = self.at_home(self.submitting())
        self.check(world, [(begin.encode(), [b"250", b"250", b"354"])])
        self.check(world, [(b"From: \xfcnna@local.example\r\n\r\nx\r\n.\r\n", [b"550 5.7.1"])])

    def test_vrfy(self) -> None:
        """Section 3.7.4.2: UTF-8 in a reply only to who asks for it."""
        world = self.at_home(self.greeted(trusted=True))
        for sent, reply in (
            ("carl@second.example", "250 2.1.5 Carl C <carl@second.example>"),
            ("bob", "250 2.1.5 <bob@local.example>"),
            ("bob SMTPUTF8", "250 2.1.5 Bj\u00f6rn <bob@local.example>"),
            ("team", "250 2.1.5 <team@local.example>"),
            ("team smtputf8", "250 2.1.5 The \u00c4 team <team@local.example>"),
            ("juergen", "252 2.6.8 The mailbox can be shown in UTF-8 only; ask with SMTPUTF8"),
            (
                "<J\u00fcrgen@b\u00fccher.example> SMTPUTF8",
                "250 2.1.5 J\u00fcrgen <j\u00fcrgen@b\u00fccher.example>",
            ),
            (
                "J\u00fcrgen@b\u00fccher.example smtputf8",
                "250 2.1.5 J\u00fcrgen <j\u00fcrgen@b\u00fccher.example>",
            ),
        ):
            self.assertEqual(world.send(f"VRFY {sent}\r\n".encode()), [reply.encode()])
        self.check(world, [("VRFY \u200b@local.example\r\n".encode(), [b"553 5.1.3"])])
        stranger = self.at_home(self.greeted())
        self.check(stranger, [(b"VRFY juergen SMTPUTF8\r\nVRFY nosuch\r\n", [b"252 2.5.2", b"252 2.5.2"])])
