"""Internationalised messages for clients that have not asked for them (RFC 6855 sections 7 and 8)."""

import re

from mailnode.imap.surrogates import Surrogates
from tests.imap.test_session import SessionCase
from tests.imap.world import Client

HEADER = (
    "From: Günther <günther@例え.jp>\r\nTo: a@b\r\nSubject: Grüße\r\nReceived: by ü; x\r\n"
    'Content-Type: multipart/mixed; boundary=x; name="ä"\r\n\r\n'
).encode()
BODY = "--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n--x\r\n\r\ntwo\r\n--x--\r\n".encode()
ITEMS = (
    "RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE RFC822.HEADER BODY.PEEK[HEADER] "
    "BODY.PEEK[HEADER.FIELDS (SUBJECT TO)] BODY.PEEK[]<0.30> BODY.PEEK[1.MIME] BINARY.PEEK[1] BINARY.SIZE[]"
)


class SurrogateTests(SessionCase):
    """Nothing of a header that is sent has octets above 127, and all items agree."""

    def both(self, message: bytes) -> tuple[Client, Client]:
        """A client that reads UTF-8 and has brought the message, and one that does not."""
        modern = self.client().login(None)
        modern.say("e ENABLE UTF8=ACCEPT")
        self.assertIn(b"s OK", modern.say("s SELECT INBOX"))
        self.assertIn(b"ap OK", modern.append(message))
        return modern, self.client().login()

    def whole(self, client: Client) -> bytes:
        """BODY[] of the last message, as long as it was announced."""
        said = client.say("w FETCH * (RFC822.SIZE BODY.PEEK[])")
        found = re.search(rb"RFC822.SIZE ([0-9]+) BODY\[\] \{([0-9]+)\}\r\n", said)
        assert found is not None, said
        self.assertEqual(found[1], found[2])
        return said[found.end() :][: int(found[1])]

    def answers(self, client: Client) -> bytes:
        """All items of the last message."""
        return client.say(f"a FETCH * ({ITEMS})").partition(b"(")[2]

    def test_both(self) -> None:
        """One gets what was sent, the other the surrogate of RFC 6858 with the same body."""
        modern, old = self.both(HEADER + BODY)
        self.assertEqual(self.whole(modern), HEADER + BODY)
        surrogate = self.whole(old)
        self.assertTrue(surrogate.endswith(b"\r\n\r\n" + BODY))
        header = surrogate[: -len(BODY)]
        self.assertTrue(header.isascii())
        self.assertIn(b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n", header)
        self.assertIn(b"invalid@internationalized-address.invalid", header)

    def test_all_items_agree(self) -> None:
        """The surrogate itself, appended, gives the same answers to every item."""
        for body in (BODY, BODY.replace(b"two", b"two\nbare"), BODY + b"x" * 400_000):
            _, old = self.both(HEADER + body)
            surrogate = self.whole(old)
            said = old.say(f"a UID FETCH * ({ITEMS})")
            self.assertIn(b"ap OK", old.append(surrogate))
            again = old.say(f"a UID FETCH * ({ITEMS})")
            self.assertEqual(
                said.partition(b"UID")[2].partition(b" ")[2].partition(b" ")[2],
                again.partition(b"UID")[2].partition(b" ")[2].partition(b" ")[2],
            )
            self.assertNotRegex(said.replace("Grüße".encode(), b""), rb"[\x80-\xff]")

    def test_preview(self) -> None:
        """What is shown of the text is the same for everybody, and in UTF-8 (RFC 8970 section 3.3)."""
        modern, old = self.both(HEADER + "Grüße\r\n".encode())
        for client in (modern, old):
            self.assertIn("Grüße".encode() + b")\r\na OK", client.say("a FETCH * PREVIEW"))
        for _ in range(5):
            old.append(HEADER + "Grüße\r\n".encode())
        previews = re.findall("Grüße\\)".encode(), old.say("a FETCH 1:* PREVIEW"))
        self.assertEqual(len(previews), 6)

    def test_names_nobody_may_have(self) -> None:
        """No control character, line or paragraph separator in a mailbox name (RFC 6855 section 3)."""
        client = self.client().login(None)
        for letter in "\x01\x7f\x85\u2028\u2029":
            self.assertIn(b"a NO [CANNOT] ", client.say(f'a CREATE "a{letter}é"'))
        self.assertIn(b"a BAD", client.say(b'a CREATE "a\xff"'))

    def test_strange_line_ends(self) -> None:
        """Those on the disk of a header are kept in its surrogate, and the sizes stay true."""
        client = self.client().login()
        root = self.world.account().store.root
        for number, end in enumerate((b"\n", b"\r\n", b"\r\r\n", b"\r \r\n")):
            header = "Subject: ü".encode() + end + b"a: b" + end + b"\n"
            with open(f"{root}/new/{number}.M1.host", "wb") as file:
                file.write(header + b"x\ny\r\n" + b"z\n" * 10_000 * number)
            client.say("n NOOP")
            whole = self.whole(client)
            self.assertTrue(whole.startswith(b"Subject: =?utf-8?q?=C3=BC?=\r\na: b"))
            self.assertTrue(whole.endswith(b"x\r\ny\r\n" + b"z\r\n" * 10_000 * number))
            self.assertTrue(whole.isascii())

    def test_message_of_another_program(self) -> None:
        """One that lies on the disk with bare LF, as others write it."""
        client = self.client().login()
        root = self.world.account().store.root
        with open(f"{root}/new/1.M1.host", "wb") as file:
            file.write((HEADER + BODY).replace(b"\r\n", b"\n"))
        client.say("n NOOP")
        surrogate = self.whole(client)
        self.assertTrue(surrogate.endswith(b"\r\n\r\n" + BODY))
        self.assertTrue(surrogate[: -len(BODY)].isascii())
        self.assertIn(b"* SEARCH 1\r\n", client.say('s SEARCH SUBJECT "Grüße" FROM "günther@"'))

    def test_plain_messages_are_not_looked_at(self) -> None:
        """Their names say that they need no surrogate."""
        client = self.client().login()
        client.append(b"a: b\r\n\r\nx\r\n")
        mailbox = self.world.account().store.mailbox(("INBOX",))
        self.patch(mailbox, "prepared", self.raising(ValueError("asked")))
        self.assertEqual(Surrogates(mailbox).octets(1), 11)
        with Surrogates(mailbox).body(1) as body:
            self.assertEqual(body.octets(), 11)
