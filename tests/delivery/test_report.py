"""Reports as octets, held against what a mail program makes of them."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mailnode.delivery.report import Report, compose, returned_whole
from mailnode.delivery.words.languages import WORDS
from mailnode.envelope import Body, Envelope, Recipient
from mailnode.queue.entry import Fate, Progress
from mailnode.wire.address import Address
from mailnode.wire.errors import BadSyntax
from mailnode.wire.esmtp import OriginalRecipient, parse_original_recipient
from tests.delivery.world import ANNA, BOB, BODY, CARL, HEAD, read

FAILED = Progress(Fate.FAILED, "5.1.1", "There is no such mailbox")
DELIVERED = Progress(Fate.DELIVERED, "2.0.0")
REPORT = Report(
    "RID", "mx.example", 1e9 + 60, 1e9, Envelope(ANNA, envelope_id="my=id"), ((Recipient(BOB), FAILED),), HEAD
)
STATUS = """\
Original-Envelope-Id: my=id
Reporting-MTA: dns; mx.example
Arrival-Date: Sun, 9 Sep 2001 01:46:40 +0000

Original-Recipient: rfc822; Bob+x@a.example
Final-Recipient: rfc822; bob@a.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 no
"""


def text_of(report: Report) -> str:
    """What a person reads of it."""
    part = next(read(compose(report)).iter_parts())
    return str(part.get_content()).replace("\r", "")


class Reports(SynchronousTestCase):
    """compose()"""

    def test_header(self) -> None:
        """RFC 3464 section 2, RFC 3834: from the server, to the sender, marked as made by a program."""
        found = read(compose(REPORT))
        for name, value in (
            ("From", "Mail Delivery System <MAILER-DAEMON@mx.example>"),
            ("To", "anna@a.example"),
            ("Subject", "Your message could not be delivered"),
            ("Date", "Sun, 09 Sep 2001 01:47:40 +0000"),
            ("Message-ID", "<1000000060.RID@mx.example>"),
            ("Auto-Submitted", "auto-replied"),
            ("Content-Transfer-Encoding", "8bit"),
        ):
            self.assertEqual(str(found[name]), value)
        self.assertEqual(found.get_content_type(), "multipart/report")
        self.assertEqual(found.get_param("report-type"), "delivery-status")
        kinds = [part.get_content_type() for part in found.iter_parts()]
        self.assertEqual(kinds, ["text/plain", "message/delivery-status", "text/rfc822-headers"])

    def test_words(self) -> None:
        """A person reads what happened to whom, and what to do."""
        outcomes = (
            (Recipient(BOB), replace(FAILED, diagnostic="smtp; 550 no")),
            (Recipient(ANNA), DELIVERED),
        )
        text = text_of(replace(REPORT, outcomes=outcomes))
        for words in (
            "mail server mx.example",
            "on 9\nSeptember 2001 at 01:46 UTC.\nIts subject: hello\n\nIt could",
            "be delivered to:\n\n  <bob@a.example>\n    There is no mailbox of that name.\n",
            "of that name.\n    The other server said: 550 no\n\n",
            "It is in the mailbox of:\n\n  <anna@a.example>\n\n",
            "What you can do:\n\n  - Check the address",
            "ask postmaster@mx.example",
        ):
            self.assertIn(words, text)

    def test_why(self) -> None:
        """Who said it, as it was said, or what this server knows; of success there is nothing to explain."""
        by = replace(FAILED, diagnostic="smtp; 550 5.7.1 Go away", host="mx.b.example", status="5.7.1")
        long = replace(by, diagnostic="smtp; 550 " + "See https://b.example/" + "x" * 400 + " or" * 30)
        for progress, said in (
            (by, "    The server mx.b.example said: 550 5.7.1 Go away\n"),
            (replace(by, host=""), "    The other server said: 550 5.7.1 Go away\n"),
            (FAILED, "    Technical details: There is no such mailbox\n"),
            (replace(FAILED, status="4.4.7"), "    It was tried again and again for 5 days, in vain.\n"),
            (replace(by, host="mx\r\n\u202e"), "    The server mx??? said: 550 5.7.1 Go away\n"),
            (long, "    https://b.example/" + "x" * 222 + "\n    " + "x" * 178 + "\n    or"),
        ):
            self.assertIn(said, text_of(replace(REPORT, outcomes=((Recipient(BOB), progress),))))
        relayed = replace(DELIVERED, fate=Fate.RELAYED, reason="The host mx.b.example has taken it")
        text = text_of(replace(REPORT, outcomes=((Recipient(BOB), relayed),)))
        self.assertTrue(text.endswith("for:\n\n  <bob@a.example>\n"), text)

    def test_advice_once(self) -> None:
        """Who failed for the same reason needs the same advice, and that once; others theirs."""
        full = replace(FAILED, status="5.2.2")
        outcomes = ((Recipient(BOB), FAILED), (Recipient(ANNA), FAILED), (Recipient(CARL), full))
        text = text_of(replace(REPORT, outcomes=outcomes))
        self.assertEqual(text.count("Check the address"), 1)
        self.assertEqual(text.count("\n  - "), 2)

    def test_waiting(self) -> None:
        """Who waits is told until when it is tried, and gets no advice for what has failed."""
        outcomes = ((Recipient(BOB), Progress(Fate.WAITING, "4.2.2", "The mailbox is full")),)
        text = text_of(replace(REPORT, outcomes=outcomes, until=1e9 + 86_400))
        self.assertIn("    The mailbox is full.\n", text)
        self.assertIn("it will be tried until 10 September 2001 at 01:46\nUTC.", text)
        self.assertNotIn("What you can do", text)

    def test_every_language(self) -> None:
        """RFC 3282: subject, words and advice in one language, said in UTF-8, in lines that fit a screen."""
        for tag, subject, said in (
            ("en", "Your message could not be delivered", "There is no mailbox of that name."),
            ("de", "Ihre Nachricht konnte nicht zugestellt werden", "um 01:46 Uhr (UTC) hier"),
            ("fr", "Votre message n'a pas pu être remis", "Son objet\u00a0: hello"),
            ("es", "Su mensaje no se ha podido entregar", "No existe ningún buzón con ese nombre."),
        ):
            report = replace(REPORT, words=WORDS[tag])
            octets = compose(report)
            found = read(octets)
            self.assertEqual(str(found["Subject"]), subject)
            part = next(found.iter_parts())
            self.assertEqual(str(part["Content-Language"]), tag)
            self.assertIn(said, part.get_content())
            header, _, rest = octets.partition(b"\r\n\r\n")
            self.assertTrue(header.isascii())
            self.assertIn(STATUS.partition("\n\n")[0].replace("\n", "\r\n").encode(), rest)

    def test_every_sentence(self) -> None:
        """Whatever happened, every line of ours has at most 78 characters, in every language and fate."""
        statuses = (
            "1.1",
            "1.2",
            "1.3",
            "1.10",
            "2.1",
            "2.2",
            "2.3",
            "3.0",
            "3.2",
            "4.1",
            "4.3",
            "4.6",
            "4.7",
        )
        statuses += ("5.3", "6.7", "7.1", "7.5", "7.26", "9.9")
        for words in WORDS.values():
            for fate in Fate:
                for status in statuses:
                    progress = Progress(fate, f"{4 if fate is Fate.WAITING else 5}.{status}", "x " * 90)
                    outcomes = ((Recipient(BOB), replace(progress, host="mx.b.example")),)
                    text = text_of(replace(REPORT, outcomes=outcomes, words=words))
                    self.assertEqual([line for line in text.split("\n") if len(line) > 78], [])
                    self.assertNotRegex(text, "[{}]")

    def test_first_of_a_month(self) -> None:
        """French writes the first of a month in its own way."""
        for tag, said in (("fr", "le 1er août 2001 à"), ("de", "am 1. August 2001 um")):
            text = text_of(replace(REPORT, words=WORDS[tag], arrived=996_624_000.0))
            self.assertIn(said, text.replace("\n", " "))

    def test_subject(self) -> None:
        """The subject of the message is shown decoded, in one line that is not too long."""
        for subject, shown in (
            (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
            (b"=?utf-8?q?a=0D=0A=E2=80=AEb?=", "a???b"),
            (b"{host}", "{host}"),
            (b"x" * 300, "x" * 200),
        ):
            text = text_of(replace(REPORT, original=b"Subject: " + subject + b"\r\n\r\n"))
            self.assertIn(f" {shown}\n" if len(shown) < 60 else f"{shown}\n", text.replace(":\n", ": "))
        self.assertNotIn("subject:", text_of(replace(REPORT, original=b"\r\n")))

    def test_status(self) -> None:
        """RFC 3464 section 2: the fields, in their groups, to the letter."""
        recipient = Recipient(BOB, original=OriginalRecipient("rfc822", "Bob+x@a.example"))
        outcomes = ((recipient, replace(FAILED, diagnostic="smtp; 550 no")),)
        octets = compose(replace(REPORT, outcomes=outcomes))
        self.assertIn(
            b"7bit\r\n\r\n" + STATUS.replace("\n", "\r\n").encode() + b"\r\n--report-RID\r\n", octets
        )

    def test_every_fate(self) -> None:
        """Each outcome has its Action, Subject and class of status; the worst is in the Subject."""
        actions = []
        for fate in Fate:
            found = read(compose(replace(REPORT, outcomes=((Recipient(BOB), Progress(fate)),))))
            _, group = list(found.iter_parts())[1].get_payload()
            actions.append((str(group["Action"]), str(group["Status"])))
        self.assertEqual(
            actions,
            [
                ("delayed", "4.0.0"),
                ("delivered", "2.0.0"),
                ("expanded", "2.0.0"),
                ("relayed", "2.0.0"),
                ("failed", "5.0.0"),
            ],
        )
        both = ((Recipient(BOB), DELIVERED), (Recipient(ANNA), FAILED))
        self.assertIn(b"Subject: Your message could not", compose(replace(REPORT, outcomes=both)))

    def test_until(self) -> None:
        """RFC 3464 section 2.3.9: of who still waits, until when."""
        later = replace(REPORT, outcomes=((Recipient(BOB), Progress(Fate.WAITING)),), until=1e9 + 86_400)
        self.assertIn(
            b"Status: 4.0.0\r\nWill-Retry-Until: Mon, 10 Sep 2001 01:46:40 +0000\r\n", compose(later)
        )
        self.assertNotIn(b"Will-Retry-Until", compose(REPORT))

    def test_returned(self) -> None:
        """RFC 6522 section 4: the header, or the whole message, in its own kind of part."""
        eight = HEAD.replace(b"hello", "grüße".encode())
        for original, kind, encoding in (
            (HEAD, "text/rfc822-headers", "7bit"),
            (HEAD + BODY, "message/rfc822", "7bit"),
            (HEAD + "Grüße\r\n".encode(), "message/rfc822", "8bit"),
            (eight, "message/global-headers", "8bit"),
            (eight + BODY, "message/global", "8bit"),
            (HEAD + b"no line end", "message/rfc822", "7bit"),
        ):
            octets = compose(replace(REPORT, original=original))
            part = list(read(octets).iter_parts())[2]
            self.assertEqual((part.get_content_type(), part["Content-Transfer-Encoding"]), (kind, encoding))
            self.assertIn(b"\r\n\r\n" + original.removesuffix(b"\r\n"), octets)

    def test_binary(self) -> None:
        """The header of a binary message (RFC 3030) becomes lines of text, without NUL."""
        octets = compose(replace(REPORT, original=b"Subject: a\0b\nX: y\rz\r\n\r\n"))
        self.assertIn(b"\r\n\r\nSubject: a?b\r\nX: y\r\nz\r\n\r\n--", octets)

    def test_whole(self) -> None:
        """RFC 3461 section 4.3: RET=FULL counts for failures only; RET=HDRS, or nothing, is the header."""
        failed, done = ((Recipient(BOB), FAILED),), ((Recipient(BOB), DELIVERED),)
        for full, outcomes, body, wanted in (
            (True, failed, Body.EIGHT_BIT, True),
            (True, failed, Body.BINARY, False),
            (True, done, Body.EIGHT_BIT, False),
            (True, done + failed, Body.EIGHT_BIT, True),
            (False, failed, Body.EIGHT_BIT, False),
            (None, failed, Body.EIGHT_BIT, False),
        ):
            self.assertEqual(returned_whole(Envelope(ANNA, full=full, body=body), outcomes), wanted)

    def test_utf8(self) -> None:
        """RFC 6533 section 3: an address of other than ASCII in the form that every program reads."""
        address = Address("bü+b=\\", "bücher.example")
        recipient = Recipient(address, original=OriginalRecipient("utf-8", str(address)))
        octets = compose(
            replace(REPORT, envelope=Envelope(Address("ä", "a.example")), outcomes=((recipient, FAILED),))
        )
        found = read(octets)
        self.assertEqual(found["To"], "\u00e4@a.example")
        _, group = list(found.iter_parts())[1].get_payload()
        for name in ("Original-Recipient", "Final-Recipient"):
            kind, _, text = str(group[name]).partition("; ")
            self.assertTrue(text.isascii())
            self.assertEqual(kind, "utf-8")
            self.assertEqual(parse_original_recipient(f"utf-8;{text}".encode()).address, str(address))
        self.assertIn(str(address), next(found.iter_parts()).get_content())

    @settings(derandomize=True, database=None, deadline=None)
    @given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
    def test_no_way_in(self, words: str, diagnostic: str, original: str) -> None:
        """O1: nothing that a peer said adds a field or a part, or a line but where ours are folded."""
        try:
            named = parse_original_recipient(b"rfc822;" + original.encode("utf-8", "replace"))
        except BadSyntax:
            named = OriginalRecipient("rfc822", original if original.isprintable() else "x")
        envelope = Envelope(ANNA, envelope_id="".join(one for one in original if one.isprintable()))
        progress = replace(FAILED, reason=words, diagnostic=diagnostic)
        octets = compose(
            replace(REPORT, envelope=envelope, outcomes=((Recipient(BOB, original=named), progress),))
        )
        plain = compose(
            replace(
                REPORT,
                envelope=replace(envelope, envelope_id="x" if envelope.envelope_id else ""),
                outcomes=(
                    (
                        Recipient(BOB, original=OriginalRecipient("rfc822", "x")),
                        replace(FAILED, reason="x" * bool(words), diagnostic="x" * bool(diagnostic)),
                    ),
                ),
            )
        )
        (words, *rest), (plain_words, *plain_rest) = (
            one.split(b"\r\n--report-RID") for one in (octets, plain)
        )
        self.assertEqual(words, plain_words)
        self.assertEqual([one.count(b"\n") for one in rest[1:]], [one.count(b"\n") for one in plain_rest[1:]])
        begins = {line[:1] for line in rest[0].split(b"\r\n\r\n", 1)[1].splitlines()[4:9]}
        self.assertLessEqual(begins, {b"", b" ", b"I", b"T"})
        self.assertEqual(octets.count(b"\n"), octets.count(b"\r\n"))
        self.assertEqual(octets.count(b"\r"), octets.count(b"\r\n"))
        self.assertNotIn(b"\0", octets)
