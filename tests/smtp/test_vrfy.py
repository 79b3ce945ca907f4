"""VRFY and EXPN (RFC 5321 sections 3.5 and 7.3)."""

from mailnode.config import MailboxEntry, Mailboxes
from tests.smtp.world import EHLO, MAIL, RCPT, SmtpTestCase, World

PEOPLE = Mailboxes(
    {
        "anna@local.example": MailboxEntry("x", "Anna Example"),
        "bob@local.example": MailboxEntry("x", "Bob Exämple"),
        "sam@local.example": MailboxEntry("x", "Sam Smith"),
        "sam@second.example": MailboxEntry("x", "Sam Smith"),
        "carl@second.example": MailboxEntry("x"),
    },
    {
        "team@local.example": ("anna@local.example", "all@local.example"),
        "all@local.example": ("bob@local.example", "carl@second.example"),
        "info@local.example": ("anna@local.example",),
        "info@second.example": ("carl@second.example",),
        "away@local.example": ("anna@local.example", "anna@elsewhere.example"),
    },
)
ANNA = "250 2.1.5 Anna Example <anna@local.example>"
SAMS = [
    "553-5.1.4 Ambiguous; Possibilities are",
    "553-5.1.4 Sam Smith <sam@local.example>",
    "553 5.1.4 Sam Smith <sam@second.example>",
]
NOBODY = ["550 5.1.1 No such mailbox here"]
ANSWERS: dict[bytes, list[str]] = {
    b"VRFY anna": [ANNA],
    b"VRFY <ANNA@Local.Example>": [ANNA],
    b"VRFY anna+lists@local.example": [ANNA],
    b"VRFY Anna Example": [ANNA],
    b"VRFY bob": ["250 2.1.5 <bob@local.example>"],
    "VRFY bob exämple".encode(): ["250 2.1.5 <bob@local.example>"],
    b"VRFY carl": ["250 2.1.5 <carl@second.example>"],
    b"VRFY <Postmaster>": [ANNA],
    b"VRFY postmaster": [ANNA],
    "VRFY bob exämple SMTPUTF8".encode(): ["250 2.1.5 Bob Exämple <bob@local.example>"],
    b"VRFY postmaster@second.example": ["250 2.1.5 Sam Smith <sam@second.example>"],
    b"VRFY sam": SAMS,
    b"VRFY sam smith": SAMS,
    b"VRFY sam@second.example": ["250 2.1.5 Sam Smith <sam@second.example>"],
    b"VRFY team": [
        "250-2.1.5 Anna Example <anna@local.example>",
        "250-2.1.5 <bob@local.example>",
        "250 2.1.5 <carl@second.example>",
    ],
    b"VRFY nosuch": NOBODY,
    b"VRFY away@local.example": [
        "250-2.1.5 Anna Example <anna@local.example>",
        "250 2.1.5 <anna@elsewhere.example>",
    ],
    b"VRFY a@other.example": NOBODY,
    b"EXPN team": ["250-2.1.5 Anna Example <anna@local.example>", "250 2.1.5 <all@local.example>"],
    b"EXPN <away@local.example>": [
        "250-2.1.5 Anna Example <anna@local.example>",
        "250 2.1.5 <anna@elsewhere.example>",
    ],
    b"EXPN info": [
        "553-5.1.4 Ambiguous; Possibilities are",
        "553-5.1.4 Anna Example <anna@local.example>",
        "553 5.1.4 <carl@second.example>",
    ],
    b"EXPN anna": ["550 5.2.4 That is a mailbox, not a list"],
    b"EXPN nosuch": NOBODY,
    b"EXPN": ["501 5.5.4 Name a mailbox"],
    b"VRFY": ["501 5.5.4 Name a mailbox"],
    b"VRFY a b": ["501 5.1.3 The local part of the address is wrong"],
    b"VRFY <>": ["501 5.1.3 Name a mailbox"],
    b"VRFY \xfc": ["501 5.1.3 The address is not in UTF-8"],
}
PATIENT = {"errors_hard": 99, "errors_soft": 99, "junk_commands": 99}


class Verify(SmtpTestCase):
    """Who is told what."""

    def lines(self, world: World, command: bytes) -> list[str]:
        """The whole reply."""
        world.stream.dataReceived(command + b"\r\n")
        return world.transport.take().decode().splitlines()

    def test_answers(self) -> None:
        """Our own people and trusted networks hear the truth."""
        for world in (
            self.greeted(trusted=True, limits=PATIENT, mailboxes=PEOPLE),
            self.submitting(limits=PATIENT, mailboxes=PEOPLE),
        ):
            for command, wanted in ANSWERS.items():
                self.assertEqual(self.lines(world, command), wanted, command)

    def test_strangers(self) -> None:
        """R22: they hear the same of everything, good or bad, and EXPN is denied."""
        world = self.greeted(limits=PATIENT, mailboxes=PEOPLE)
        answers = {tuple(self.lines(world, one)) for one in ANSWERS if one.startswith(b"VRFY ")}
        self.assertEqual(answers, {("252 2.5.2 Cannot VRFY, but will take a message and try to deliver it",)})
        answers = {tuple(self.lines(world, one)) for one in ANSWERS if one.startswith(b"EXPN")}
        self.assertEqual(answers, {("550 5.7.1 Access denied",)})

    def test_state(self) -> None:
        """M10: neither touches the transaction."""
        world = self.greeted(trusted=True)
        self.check(
            world, [(MAIL + RCPT, [b"250"] * 2), (b"VRFY \xc3\xbc@l\r\nEXPN team\r\n", [b"550", b"250"])]
        )
        self.check(world, [(b"DATA\r\n", [b"354"]), (b"\r\nx\r\n.\r\n", [b"250"])])

    def test_announced(self) -> None:
        """EHLO and HELP name EXPN where it answers."""
        for trusted in (False, True):
            world = self.greeted(trusted=trusted)
            self.assertEqual("250-EXPN" in self.lines(world, EHLO[:-2]), trusted)
            self.check(world, [(b"HELP EXPN\r\n", [b"214 2.0.0 EXPN " if trusted else b"504"])])
