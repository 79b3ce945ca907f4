"""Mail that one server takes and another has in the end: submitted, by aliases, in reports, with crashes."""

import smtplib

from tests.interop.harness import ANNA, BEN, HOST, PASSWORD, Server, sample
from tests.interop.test_relaying import CARL, DORA, RelayingTestCase

CLUB, AWAY = "club@example.test", "away@example.test"


class Accepting(RelayingTestCase):
    """Two servers that take mail for each other from their own people."""

    def setUp(self) -> None:
        super().setUp()
        self.server.add_alias(CLUB, BEN, DORA, "a@sink.test")
        self.server.add_alias(AWAY, "a@sink.test")

    def start(self) -> None:
        """Both of them."""
        self.other.start()
        self.server.start()

    def submit(self, name: str, *people: str, server: Server | None = None, sender: str = ANNA) -> None:
        """Send a message after a login; all recipients are taken."""
        server = server or self.server
        with smtplib.SMTP_SSL(HOST, server.ports["submissions"], context=server.tls()) as client:
            client.login(sender, PASSWORD)
            letter = sample(name, b"A text.\r\n.\r\n..\r\n").octets.replace(ANNA.encode(), sender.encode())
            self.assertEqual(client.sendmail(sender, people, letter), {})

    def marks(self, server: Server, who: str) -> list[str]:
        """The names of the messages that somebody has, each as often as it is there."""
        octets = b"".join(self.stored(server, who))
        found = [part.partition(b"@")[0] for part in octets.split(b"Message-ID: <")[1:]]
        return sorted(part.decode() for part in found)

    def test_submission(self) -> None:
        """To another server, to a third and here, with one answer; each has it once."""
        self.start()
        sink = self.sink()
        self.submit("all", CARL, BEN, DORA, "a@sink.test", "b@sink.test")
        self.wait_for_the_end()
        for server, who in ((self.other, CARL), (self.other, DORA), (self.server, BEN)):
            self.assertEqual(self.marks(server, who), ["all"], who)
        self.assertEqual([recipients for recipients, _ in sink.messages()], [2])
        self.assertIn(b" with ESMTPS ", self.stored(self.other, CARL)[0])

    def test_strangers(self) -> None:
        """R1: port 25 takes nothing for other hosts but through names of ours."""
        self.start()
        client = self.server.connect("smtp")
        self.addCleanup(client.close)
        self.assertEqual(client.reply()[:3], b"220")
        for line, answer in (
            (b"EHLO client.test", b"250"),
            (b"MAIL FROM:<anna@example.test>", b"250"),
            (b"RCPT TO:<" + CARL.encode() + b">", b"550 5.7.1 Relaying denied"),
            (b"RCPT TO:<club@example.test>", b"250 2.1.5"),
        ):
            self.assertTrue(client.ask(line).startswith(answer), line)

    def test_alias(self) -> None:
        """From one server to an alias of the other, which leads back, here and to a third."""
        self.start()
        sink = self.sink()
        self.submit("club", CLUB, server=self.other, sender=CARL)
        self.wait_for_the_end(self.other)
        self.wait_for_the_end()
        self.assertEqual((self.marks(self.server, BEN), self.marks(self.other, DORA)), (["club"], ["club"]))
        self.assertEqual([recipients for recipients, _ in sink.messages()], [1])
        returned = rb"\AReturn-Path: <SRS0=.{8}=..=other\.test=carl@example\.test>\n"
        self.assertRegex(self.stored(self.other, DORA)[0], returned)

    def test_refused_there(self) -> None:
        """The other server does not know somebody: the sender has a report with its words."""
        self.start()
        self.submit("unknown", "nobody@other.test")
        recipient = self.report()
        self.assertEqual(str(recipient["Action"]), "failed")
        self.assertIn("550 5.1.1", str(recipient["Diagnostic-Code"]))
        self.wait_for_the_end()

    def test_report_goes_back(self) -> None:
        """B3: what an alias sends on is refused there: the report goes to the server of the sender."""
        self.start()
        self.sink("-f", "RCPT")
        self.submit("away", AWAY, server=self.other, sender=CARL)
        recipient = self.report(self.other, CARL)
        self.assertEqual(str(recipient["Original-Recipient"]), f"rfc822; {AWAY}")
        self.wait_for_the_end()

    def test_killed(self) -> None:
        """Taken, and killed: all of it is there after the next start, each message once."""
        self.server.start()
        names = [f"killed{number}" for number in range(5)]
        for name in names:
            self.submit(name, CARL, BEN)
        self.server.kill()
        self.other.start()
        self.server.start()
        self.queue("retry", "--domain", "other.test")
        self.wait_for_the_end()
        self.assertEqual((self.marks(self.other, CARL), self.marks(self.server, BEN)), (names, names))
        self.other.kill()
        self.other.start()
        self.assertEqual(self.marks(self.other, CARL), names)
