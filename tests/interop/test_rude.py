"""Peers that are wrong, rude or gone: clear replies, nobody else disturbed, no bug in the log."""

import os
import ssl
from base64 import b64encode

from tests.interop.harness import (
    ANNA,
    BEN,
    HOST,
    PASSWORD,
    InteropTestCase,
    Line,
    Server,
    sample,
    wait_until,
)

SIZE = 200_000
EXTRA = f"""
[auth]
argon2_memory = 64
argon2_time = 1

[limits]
login_delay = 0
message_size = {SIZE}
"""

PLAIN = b64encode(f"\0{BEN}\0{PASSWORD}".encode())
WRONG = b64encode(f"\0{BEN}\0wrong".encode())
NOBODY = b64encode(b"\0nobody@example.test\0wrong")
HELLO = b"EHLO rude.example\r\n"
ENVELOPE = HELLO + b"MAIL FROM:<a@b.example>\r\nRCPT TO:<%s>\r\n" % BEN.encode()
POP3_LOGIN = b"USER %s\r\nPASS %s\r\n" % (BEN.encode(), PASSWORD.encode())
IMAP_LOGIN = b"a LOGIN %s %s\r\n" % (BEN.encode(), PASSWORD.encode())

# Sent in clear, then the connection ends: by a FIN that waits for the server's end, and again by a reset.
CONVERSATIONS: tuple[tuple[str, bytes], ...] = (
    ("smtp", b""),
    ("smtp", b"EH"),
    ("smtp", HELLO),
    ("smtp", HELLO + b"MAIL FR"),
    ("smtp", HELLO + b"MAIL FROM:<a@b.example>\r\n"),
    ("smtp", ENVELOPE),
    ("smtp", ENVELOPE + b"DATA\r\n"),
    ("smtp", ENVELOPE + b"DATA\r\nSubject: half\r\n"),
    ("smtp", ENVELOPE + b"DATA\r\nSubject: half\r\n\r\n" + b"x" * 70 + b"\r\n" * 1000),
    ("smtp", ENVELOPE + b"DATA\r\nSubject: half\r\n\r\ntext\r\n."),
    ("smtp", ENVELOPE + b"DATA\r\nSubject: half\r\n\r\ntext\r\n.\r"),
    ("smtp", ENVELOPE + b"DATA\r\nSubject: half\n\n.\nQUIT\r\n"),
    ("smtp", HELLO + b"STARTTLS\r\n"),
    ("smtp", HELLO + b"STARTTLS\r\nMAIL FROM:<a@b.example>\r\n"),
    ("smtp", HELLO + b"STARTTLS\r\n\x16\x03\x01\x02\x00\x01"),
    ("smtp", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("smtp", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"),
    ("smtp", b"\0\xff" * 5000),
    ("smtp", b"X" * 1_000_000),
    ("smtp", b"NOOP\r\n" * 5000),
    ("submission", HELLO + b"AUTH PLAIN\r\n"),
    ("submission", HELLO + b"AUTH LOGIN\r\nYQ==\r\n"),
    ("submission", HELLO + b"AUTH PLAIN " + PLAIN + b"\r\nMAIL FROM:<%s>\r\nDATA\r\n" % BEN.encode()),
    ("submissions", b"EHLO in.clear\r\n"),
    ("submissions", b"\x16\x03\x01\x02\x00\x01"),
    ("pop3", b""),
    ("pop3", b"US"),
    ("pop3", b"USER x\r\nPASS"),
    ("pop3", b"AUTH PLAIN\r\n"),
    ("pop3", POP3_LOGIN),
    ("pop3", POP3_LOGIN + b"RETR 1\r\n"),
    ("pop3", POP3_LOGIN + b"RETR 1\r\n" * 200),
    ("pop3", POP3_LOGIN + b"DELE 1\r\nDELE 2\r\n"),
    ("pop3", POP3_LOGIN + b"DELE 1\r\nQUI"),
    ("pop3", POP3_LOGIN + b"LIST\r\nUIDL\r\nTOP 1 1"),
    ("pop3", b"STLS\r\nUSER x\r\n"),
    ("pop3", b"STLS\r\n\x16\x03\x01\x02\x00\x01"),
    ("pop3", b"GET / HTTP/1.1\r\n\r\n"),
    ("pop3", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ("pop3", b"X" * 1_000_000),
    ("pop3", b"\r\n" * 5000),
    ("pop3s", b"USER in.clear\r\n"),
    ("imap", b""),
    ("imap", b"a"),
    ("imap", b"a LOGIN {5}\r\nab"),
    ("imap", b"a LOGIN {99999999}\r\n"),
    ("imap", b"a LOGIN {99999999+}\r\n" + b"x" * 100_000),
    ("imap", b"a AUTHENTICATE PLAIN\r\n"),
    ("imap", IMAP_LOGIN),
    ("imap", IMAP_LOGIN + b"b SELECT INBOX\r\n"),
    ("imap", IMAP_LOGIN + b"b SELECT INBOX\r\nc FETCH 1:* BODY.PEEK[]\r\n" * 20),
    ("imap", IMAP_LOGIN + b"b SELECT INBOX\r\nc IDLE\r\n"),
    ("imap", IMAP_LOGIN + b"b SELECT INBOX\r\nc STORE 1:* FLAGS (\\Deleted)\r\nd UID"),
    ("imap", IMAP_LOGIN + b"b APPEND INBOX {100}\r\n"),
    ("imap", IMAP_LOGIN + b"b APPEND INBOX {100}\r\nSubject: half\r\n"),
    ("imap", IMAP_LOGIN + b"b APPEND INBOX {99999999}\r\nSubject: large\r\n"),
    ("imap", IMAP_LOGIN + b"b SEARCH " + b"(" * 30_000 + b"\r\n"),
    ("imap", b"a " + b"(" * 100_000),
    ("imap", b"a STARTTLS\r\nb LOGIN x y\r\n"),
    ("imap", b"GET / HTTP/1.1\r\n\r\n"),
    ("imap", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ("imap", b"\0\n" * 5000),
    ("imap", b"X" * 1_000_000),
    ("imap", b"* * * *\r\n" * 1000),
    ("imaps", b"a LOGIN in clear\r\n"),
)

# What a session answers to each command in turn: the start of its (last, tagged) reply.
SMTP_REPLIES = (
    (b"RCPT TO:<%s>" % BEN.encode(), b"503 "),
    (b"EHLO rude.example", b"250 "),
    (b"MAIL FROM:a@b", b"501 "),
    (b"MAIL FROM:<a@b.example> SIZE=%d" % (SIZE + 1), b"552 "),
    (b"MAIL FROM:<a@b.example> SIZE=99999999999999999999999", b"5"),
    (b"MAIL FROM:<a@b.example> UNKNOWN=1", b"555 "),
    (b"NOOP " + b"x" * 3000, b"500 "),
    (b"MAIL FROM:<a@b.example>", b"250 "),
    (b"RCPT TO:<nobody@example.test>", b"550 "),
    (b"DATA", b"5"),
    (b"NONSENSE", b"500 "),
    (b"QUIT", b"221 "),
)
POP3_REPLIES = (
    (b"STAT", b"-ERR "),
    (b"USER x", b"+OK"),
    (b"PASS x", b"-ERR [AUTH] "),
    (b"USER " + b"x" * 1000, b"-ERR "),
    *((line, b"+OK") for line in POP3_LOGIN.split(b"\r\n")[:-1]),
    (b"RETR 99", b"-ERR "),
    (b"TOP 1", b"-ERR "),
    (b"LIST -1", b"-ERR "),
    (b"NONSENSE", b"-ERR "),
    (b"QUIT", b"+OK"),
)
IMAP_REPLIES = (
    (b"1 SELECT INBOX", b"1 BAD"),
    (b"2 LOGIN x y", b"2 NO [AUTHENTICATIONFAILED] "),
    (b"3 NONSENSE", b"3 BAD"),
    (b"4 LOGIN %s %s" % (BEN.encode(), PASSWORD.encode()), b"4 OK"),
    (b"5 SELECT nowhere", b"5 NO"),
    (b"6 SELECT INBOX", b"6 OK"),
    (b"7 FETCH 99 FLAGS", b"7 "),
    (b"8 FETCH 0 FLAGS", b"8 BAD"),
    (b"9 FETCH 1 (FLAGS", b"9 BAD"),
    (b"10 STORE 1 FLAGS (\\Nonsense)", b"10 "),
    (b"11 APPEND INBOX {%d}" % (SIZE + 1), b"11 NO"),
    (b"12 LOGOUT", b"12 OK"),
)


class Rude(InteropTestCase):
    """Over real sockets, all three protocols."""

    def setUp(self) -> None:
        self.server = Server(extra=EXTRA)
        self.addCleanup(self.clean_up, self.server)
        self.server.start()
        self.put(BEN, 2)
        self.put(ANNA, 1)

    def put(self, address: str, count: int) -> None:
        """Deliver some mail."""
        line = self.server.connect("smtp")
        line.reply()
        line.ask(b"EHLO good.example")
        for number in range(count):
            self.deliver(line, address, sample(f"{address}-{number}", b"text\r\n" * 1000).octets)
        line.close()

    def deliver(self, line: Line, address: str, octets: bytes) -> bytes:
        """One message; gives the last reply."""
        line.ask(b"MAIL FROM:<a@b.example>")
        line.ask(b"RCPT TO:<%s>" % address.encode())
        line.ask(b"DATA")
        return line.ask(octets + b".")

    def counts(self) -> tuple[int, int]:
        """How many messages lie in the Maildirs."""
        return len(self.server.files(ANNA)), len(self.server.files(BEN))

    def test_disconnects(self) -> None:
        """Gone at every stage, politely or not: good sessions go on, counts stay exact, no lock is left."""
        imap = self.server.connect("imap")
        imap.line()
        imap.tagged(b"a LOGIN %s %s" % (ANNA.encode(), PASSWORD.encode()))
        imap.tagged(b"b SELECT INBOX")
        pop3 = self.server.connect("pop3")
        for command in (b"", b"USER %s\r\n" % ANNA.encode(), b"PASS %s\r\n" % PASSWORD.encode()):
            pop3.send(command)
            self.assertTrue(pop3.line().startswith(b"+OK"))
        smtp = self.server.connect("smtp")
        self.assertTrue(smtp.reply().startswith(b"220"))
        smtp.ask(b"EHLO good.example")
        smtp.ask(b"MAIL FROM:<a@b.example>")

        for place, octets in CONVERSATIONS:
            for reset in (False, True):
                line = self.server.connect(place)
                try:
                    line.send(octets)
                except (ConnectionResetError, BrokenPipeError):
                    pass  # sent away before all was said
                if reset:
                    line.cut()
                else:
                    line.finish()

        self.assertTrue(imap.tagged(b"c NOOP").startswith(b"c OK"))
        pop3.send(b"STAT\r\n")
        self.assertTrue(pop3.line().startswith(b"+OK 1 "))
        self.assertTrue(smtp.ask(b"RCPT TO:<%s>" % ANNA.encode()).startswith(b"250"))
        self.assertTrue(smtp.ask(b"DATA").startswith(b"354"))
        self.assertTrue(smtp.ask(sample("good", b"good\r\n").octets + b".").startswith(b"250"))
        wait_until(self.is_free, "the maildrop to be free")
        self.assertEqual(self.counts(), (2, 2))
        self.assertEqual(os.listdir(os.path.join(self.server.maildir(BEN), "tmp")), [])
        for line in (imap, pop3, smtp):
            line.close()

    def is_free(self) -> bool:
        """Whether BEN's maildrop can be opened, with both messages in it."""
        line = self.server.connect("pop3")
        line.send(POP3_LOGIN)
        replies = [line.line() for _ in range(3)]
        line.close()
        return replies[2].startswith(b"+OK 2 ")

    def test_replies(self) -> None:
        """Each mistake has its reply, and the session goes on to the end."""
        for place, dialogue in (("smtp", SMTP_REPLIES), ("pop3", POP3_REPLIES), ("imap", IMAP_REPLIES)):
            line = self.server.connect(place)
            line.reply()
            for command, expected in dialogue:
                got = line.tagged(command) if place == "imap" else line.ask(command)
                self.assertTrue(got.startswith(expected), (place, command[:80], got))
            self.assertEqual(line.rest(), b"")
            line.close()
        self.assertEqual(self.counts(), (1, 2))

    def test_wrong_passwords(self) -> None:
        """Wrong password, unknown user: one answer; the third is the last; the right one works after it."""
        for place, commands, last in (
            ("submissions", (b"AUTH PLAIN " + WRONG, b"AUTH PLAIN " + NOBODY), b"AUTH PLAIN " + PLAIN),
            ("pop3s", (b"AUTH PLAIN " + WRONG, b"AUTH PLAIN " + NOBODY), b"AUTH PLAIN " + PLAIN),
            (
                "imaps",
                (b"a AUTHENTICATE PLAIN " + WRONG, b"a AUTHENTICATE PLAIN " + NOBODY),
                b"a " + IMAP_LOGIN[2:-2],
            ),
        ):
            replies = []
            line = self.secure(place)
            for command in (*commands, commands[0]):
                replies.append(self.say(line, place, command))
            self.assertEqual(len(set(replies)), 1, replies)
            self.assertRegex(replies[0], rb"^(535 5\.7\.8 |-ERR \[AUTH\] |a NO \[AUTHENTICATIONFAILED\] )")
            self.assertLess(len(line.rest()), 200)
            line.close()
            line = self.secure(place)
            self.assertRegex(self.say(line, place, last), rb"^(235 |\+OK|a OK)")
            line.close()
        self.assertNotIn(PASSWORD, self.server.log())

    def secure(self, place: str) -> Line:
        """A connection under TLS, past greeting and EHLO."""
        plain = self.server.connect(place).socket
        line = Line(self.server.tls().wrap_socket(plain, server_hostname=HOST))
        line.reply()
        if place == "submissions":
            line.ask(b"EHLO rude.example")
        return line

    def say(self, line: Line, place: str, command: bytes) -> bytes:
        """A command and its reply; IMAP without SASL-IR gets the response when it asks for it."""
        if place != "imaps" or b"AUTHENTICATE" not in command:
            return line.tagged(command) if place == "imaps" else line.ask(command)
        command, response = command.rsplit(b" ", 1)
        line.send(command + b"\r\n")
        self.assertTrue(line.line().startswith(b"+"))
        line.send(response + b"\r\n")
        return line.line()

    def test_too_large(self) -> None:
        """A message beyond the limit is read to its end and refused; the next one in the session is taken."""
        line = self.server.connect("smtp")
        line.reply()
        line.ask(b"EHLO rude.example")
        large = sample("large", b"x" * 70 + b"\r\n").octets + (b"x" * 70 + b"\r\n") * (SIZE // 72 + 1)
        self.assertTrue(self.deliver(line, BEN, large).startswith(b"552 "))
        self.assertTrue(self.deliver(line, BEN, sample("small", b"x\r\n").octets).startswith(b"250 "))
        header = b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n"
        self.assertRegex(self.deliver(line, BEN, header), rb"^55\d ")
        line.close()
        self.assertEqual(self.counts(), (1, 3))

    def test_smuggling(self) -> None:
        """Fake ends of data make no second message: the whole is refused (S1 to S20)."""
        second = (
            b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: evil\r\n\r\nevil\r\n"
            % BEN.encode()
        )
        for fake in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r"):
            line = self.server.connect("smtp")
            line.reply()
            line.ask(b"EHLO rude.example")
            reply = self.deliver(line, BEN, b"Subject: first\r\n\r\ntext" + fake + second)
            self.assertTrue(reply.startswith(b"550 "), (fake, reply))
            self.assertTrue(line.ask(b"NOOP").startswith(b"250 "))
            line.close()
        self.assertEqual(self.counts(), (1, 2))

    def test_no_tls_where_tls_is(self) -> None:
        """Old TLS is refused on the ports that begin with TLS (T11)."""
        for place in ("submissions", "pop3s", "imaps"):
            context = self.server.tls()
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            line = self.server.connect(place)
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(line.socket, server_hostname=HOST)
            line.close()
