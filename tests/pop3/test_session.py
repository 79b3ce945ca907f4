"""mailnode.pop3: dialogues as tables, every command in every state; vectors P1, P5, P7, T3, T7, T16."""

from dataclasses import replace
from typing import ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.config import Auth, Limits
from mailnode.net.stream import ConnectionClosed, TimedOut
from mailnode.pop3.capa import CAPABILITIES
from mailnode.pop3.state import State
from mailnode.pop3.verbs import FOREIGN, VERBS, Takes
from tests.pop3.talk import ADDRESS, MESSAGE, PASSWORD, Pop3TestCase

SECOND = b"Subject: two\r\n\r\n.\r\n..dots\r\n"

# name, dialogue in TRANSACTION state over MESSAGE (38 octets) and SECOND (27 octets)
TRANSACTION = (
    ("STAT", "C: STAT\nS: +OK 2 65"),
    ("any case, blank at the end", "C: sTaT \nS: +OK 2 65"),
    ("LIST", "C: LIST\nS: +OK 2 messages (65 octets)\nS: 1 38\nS: 2 27\nS: ."),
    ("LIST msg", "C: LIST 2\nS: +OK 2 27"),
    ("UIDL msg", "C: UIDL 1\nS: +OK 1 00000001..."),
    ("UIDL", "C: UIDL\nS: +OK...\nS: 1 00000001...\nS: 2 00000002...\nS: ."),
    (
        "RETR",
        "C: RETR 1\nS: +OK 38 octets\nS: Subject: one\nS:\nS: first\nS: second\nS: third\nS: .",
    ),
    ("RETR stuffs dots", "C: RETR 2\nS: +OK...\nS: Subject: two\nS:\nS: ..\nS: ...dots\nS: ."),
    ("TOP 0", "C: TOP 1 0\nS: +OK...\nS: Subject: one\nS:\nS: ."),
    ("TOP 2", "C: TOP 1 2\nS: +OK...\nS: Subject: one\nS:\nS: first\nS: second\nS: ."),
    (
        "TOP with more lines than there are",
        "C: TOP 1 2147483647\nS: +OK...\nS: Subject: one\nS:\nS: first\nS: second\nS: third\nS: .",
    ),
    ("NOOP", "C: NOOP\nS: +OK"),
    (
        "DELE hides the message, RSET brings it back",
        "C: DELE 1\nS: +OK...\nC: STAT\nS: +OK 1 27\nC: LIST\nS: +OK 1 message (27 octets)\nS: 2 27\nS: .\n"
        "C: UIDL\nS: +OK...\nS: 2 00000002...\nS: .\nC: RETR 1\nS: -ERR...\nC: TOP 1 0\nS: -ERR...\n"
        "C: LIST 1\nS: -ERR...\nC: UIDL 1\nS: -ERR...\nC: DELE 1\nS: -ERR...\n"
        "C: RSET\nS: +OK 2 messages (65 octets)\nC: STAT\nS: +OK 2 65",
    ),
    ("P1 RETR 0", "C: RETR 0\nS: -ERR..."),
    ("P1 RETR -1", "C: RETR -1\nS: -ERR..."),
    ("P1 RETR of a number beyond all", "C: RETR 99999999999999999999\nS: -ERR..."),
    ("P1 RETR of a number that is not there", "C: RETR 3\nS: -ERR No such message"),
    ("P1 TOP", "C: TOP 1 2147483648\nS: -ERR..."),
    ("P1 TOP -1", "C: TOP 1 -1\nS: -ERR..."),
    ("P1 TOP without lines", "C: TOP 1\nS: -ERR..."),
    ("P1 LIST of two", "C: LIST 1 2\nS: -ERR..."),
    ("P1 LIST 0", "C: LIST 0\nS: -ERR..."),
    ("P1 DELE without number", "C: DELE\nS: -ERR..."),
    ("argument where none belongs", "C: STAT 1\nS: -ERR..."),
    ("unknown command", "C: XTND 1\nS: -ERR Unknown command"),
    ("no second login", "C: USER x\nS: -ERR Not possible after login"),
    ("T7 no STLS after login", "C: STLS\nS: -ERR..."),
    ("empty line", "C:\nS: -ERR..."),
    ("QUIT", "C: QUIT\nS: +OK Goodbye"),
)

# name, kind of listener, from loopback, dialogue in AUTHORIZATION state
AUTHORIZATION = (
    ("A2 USER for anybody", "implicit", False, "C: USER nobody\nS: +OK..."),
    ("A2 the same for who is there", "implicit", False, f"C: USER {ADDRESS}\nS: +OK Now the password"),
    (
        "wrong password and wrong name: one answer",
        "implicit",
        False,
        f"C: USER {ADDRESS}\nS: +OK...\nC: PASS x\nS: -ERR [AUTH] Authentication failed\n"
        "C: USER x\nS: +OK...\nC: PASS x\nS: -ERR [AUTH] Authentication failed",
    ),
    ("PASS before USER", "implicit", False, "C: PASS x\nS: -ERR USER comes first"),
    (
        "PASS only right after USER",
        "implicit",
        False,
        f"C: USER {ADDRESS}\nS: +OK...\nC: USER\nS: -ERR...\nC: PASS {PASSWORD.decode()}\nS: -ERR USER...",
    ),
    ("USER without name", "implicit", False, "C: USER\nS: -ERR..."),
    ("QUIT before login", "implicit", False, "C: QUIT\nS: +OK Goodbye"),
    ("STAT before login", "implicit", False, "C: STAT\nS: -ERR Not possible before login"),
    ("T6 no password in clear", "starttls", False, "C: USER x\nS: -ERR Passwords are not taken in clear..."),
    ("T6 nor by AUTH", "starttls", False, "C: AUTH PLAIN\nS: -ERR Passwords are not taken in clear..."),
    ("nor by PASS alone", "starttls", False, "C: PASS x\nS: -ERR Passwords are not taken in clear..."),
    ("from loopback it is", "starttls", True, "C: USER x\nS: +OK..."),
    ("T7 STLS with an argument", "starttls", False, "C: STLS x\nS: -ERR..."),
    ("T7 STLS under TLS", "implicit", False, "C: STLS\nS: -ERR TLS is active already"),
    ("no STLS where there is none", "none", True, "C: STLS\nS: -ERR TLS is not possible here"),
    (
        "AUTH PLAIN with initial response",
        "implicit",
        False,
        "C: AUTH PLAIN AGFubmFAZXhhbXBsZS50ZXN0ACBhIGIgIGMg\nS: +OK...",
    ),
    (
        "AUTH PLAIN without",
        "implicit",
        False,
        "C: auth plain\nS: + ...\nC: AGFubmFAZXhhbXBsZS50ZXN0ACBhIGIgIGMg\nS: +OK...",
    ),
    (
        "AUTH LOGIN",
        "implicit",
        False,
        "C: AUTH LOGIN\nS: + VXNlcm5hbWU6\nC: YW5uYUBleGFtcGxlLnRlc3Q=\n"
        "S: + UGFzc3dvcmQ6\nC: IGEgYiAgYyA=\nS: +OK...",
    ),
    (
        "AUTH LOGIN with the name at once",
        "implicit",
        False,
        "C: AUTH LOGIN YW5uYUBleGFtcGxlLnRlc3Q=\nS: + UGFzc3dvcmQ6\nC: IGEgYiAgYyA=\nS: +OK...",
    ),
    ("A5 wrong", "implicit", False, "C: AUTH PLAIN AGEAYg==\nS: -ERR [AUTH] Authentication failed"),
    (
        "A5 authzid of another",
        "implicit",
        False,
        "C: AUTH PLAIN YQBiAGM=\nS: -ERR [AUTH] Authentication failed",
    ),
    ("A5 no NUL", "implicit", False, "C: AUTH PLAIN YWJj\nS: -ERR..."),
    ("A5 bad base64", "implicit", False, "C: AUTH PLAIN !!!\nS: -ERR Invalid base64"),
    ("A5 empty initial response", "implicit", False, "C: AUTH PLAIN =\nS: -ERR..."),
    ("cancelled", "implicit", False, "C: AUTH PLAIN\nS: + ...\nC: *\nS: -ERR Authentication cancelled"),
    (
        "unknown mechanism",
        "implicit",
        False,
        "C: AUTH CRAM-MD5\nS: -ERR Unknown mechanism; known: PLAIN LOGIN",
    ),
    ("APOP is not there (A9)", "implicit", False, "C: APOP a b\nS: -ERR Unknown command"),
    ("AUTH alone", "implicit", False, "C: AUTH\nS: -ERR..."),
)


class Dialogues(Pop3TestCase):
    """Tables of dialogues."""

    def test_transaction(self) -> None:
        """The TRANSACTION state (RFC 1939 section 5 and 7; vector P1)."""
        self.put(MESSAGE, SECOND)
        for name, lines in TRANSACTION:
            talk = self.connect()
            self.assertEqual(talk.log_in(), b"+OK 2 messages (65 octets)\r\n", name)
            self.dialogue(talk, lines)
            if not talk.over:
                self.dialogue(talk, "C: QUIT\nS: +OK Goodbye")
            self.successResultOf(talk.served)
            self.put(*[MESSAGE, SECOND][len(self.kept()) :])

    def test_octet_by_octet(self) -> None:
        """The same, octet by octet: every reply is the same."""
        self.put(MESSAGE, SECOND)
        for name, lines in TRANSACTION:
            octets = "".join(line[3:] + "\r\n" for line in lines.splitlines() if line[0] == "C").encode()
            answers = []
            for step in (len(octets), 1):
                talk = self.connect()
                talk.log_in()
                said = b"".join(talk.say(octets[at : at + step]) for at in range(0, len(octets), step))
                answers.append(said)
                talk.lose()
            self.assertEqual(answers[0], answers[1], name)

    def test_authorization(self) -> None:
        """The AUTHORIZATION state (vectors A2, A5, T6, T7)."""
        for _name, tls, loopback, lines in AUTHORIZATION:
            talk = self.connect(tls=tls, loopback=loopback)
            self.dialogue(talk, lines)
            if not talk.over:
                talk.lose()

    def test_states(self) -> None:
        """Each command is possible exactly in the states its row names."""
        for keyword, verb in VERBS.items():
            for state in (State.AUTHORIZATION, State.TRANSACTION):
                talk = self.connect()
                if state is State.TRANSACTION:
                    talk.log_in()
                argument = b"" if verb.takes in (Takes.NOTHING, Takes.MAYBE) else b" 1 1"
                answer = talk.say(keyword + argument + b"\r\n")
                self.assertEqual(b"Not possible" in answer, state not in verb.states, (keyword, state))
                if not talk.over:
                    talk.lose()


class Greeting(Pop3TestCase):
    """The first words."""

    def test_greeting(self) -> None:
        """The greeting names the host, and holds no timestamp: APOP is not offered (A9)."""
        self.assertEqual(self.connect().greeting, b"+OK mail.example.test POP3 server ready\r\n")

    def test_not_pop3(self) -> None:
        """T13: a TLS handshake on the port without is answered by one line and the end."""
        talk = self.connect(tls="starttls")
        answer = talk.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        self.assertEqual(answer.count(b"\r\n"), 1)
        self.assertTrue(answer.startswith(b"-ERR"))
        self.successResultOf(talk.served)

    def test_browsers(self) -> None:
        """T16: words of a web browser end the session at once, and nothing of them comes back."""
        for word in sorted(FOREIGN):
            talk = self.connect(tls="starttls")
            answer = talk.say(word + b" /<script> HTTP/1.1\r\nHost: evil\r\n\r\n")
            self.assertEqual(answer, b"-ERR This is POP3\r\n")
            self.successResultOf(talk.served)


class Capabilities(Pop3TestCase):
    """CAPA (RFC 2449)"""

    ALWAYS: ClassVar = [
        "TOP",
        "UIDL",
        "RESP-CODES",
        "AUTH-RESP-CODE",
        "LANG",
        "PIPELINING",
        "EXPIRE NEVER",
        "IMPLEMENTATION mailnode",
    ]
    PASSWORDS: ClassVar = ["USER", "SASL PLAIN LOGIN"]

    def capabilities(self, tls: str, *, loopback: bool, log_in: bool = False) -> list[str]:
        talk = self.connect(tls=tls, loopback=loopback)
        if log_in:
            self.assertTrue(talk.log_in().startswith(b"+OK"))
        lines = talk.say(b"CAPA\r\n").decode().split("\r\n")
        self.assertTrue(lines[0].startswith("+OK"))
        self.assertEqual(lines[-2:], [".", ""])
        talk.lose()
        return sorted(lines[1:-2])

    def test_truth(self) -> None:
        """USER and SASL only where passwords may be sent, STLS only where it would begin."""
        expected = sorted([*self.ALWAYS, "UTF8"])
        with_passwords = sorted([*self.ALWAYS, *self.PASSWORDS, "UTF8 USER"])
        for tls, loopback, log_in, wanted in (
            ("starttls", False, False, sorted([*expected, "STLS"])),
            ("starttls", True, False, sorted([*with_passwords, "STLS"])),
            ("starttls", True, True, with_passwords),
            ("implicit", False, False, with_passwords),
            ("implicit", False, True, with_passwords),
            ("none", False, False, expected),
        ):
            found = self.capabilities(tls, loopback=loopback, log_in=log_in)
            self.assertEqual(found, wanted, (tls, loopback, log_in))

    def test_login_delay(self) -> None:
        """RFC 2449 section 6.5: announced where there is one; who comes too soon is refused."""
        self.live.config = replace(self.live.config, limits=Limits(pop3_login_delay=60))
        self.assertIn("LOGIN-DELAY 60", self.capabilities("implicit", loopback=False))
        self.logged_in().lose()
        talk = self.connect()
        refusal = b"-ERR [LOGIN-DELAY] Too soon after the last login; 60 seconds must pass\r\n"
        self.assertEqual(talk.log_in(), refusal)
        self.clock.advance(59)
        self.assertEqual(self.connect().log_in(), refusal)
        self.clock.advance(1)
        self.assertTrue(self.connect().log_in().startswith(b"+OK"))

    def test_always_tls(self) -> None:
        """require_tls = "always" holds on loopback too, from the next command on."""
        self.live.config = replace(self.live.config, auth=Auth(require_tls="always"))
        self.assertNotIn("USER", self.capabilities("starttls", loopback=True))

    def test_no_certificate(self) -> None:
        """Without a certificate no STLS is announced, and none is begun."""
        self.pop3 = self.make_pop3(tls=False)
        self.assertNotIn("STLS", self.capabilities("starttls", loopback=True))
        self.dialogue(self.connect(tls="starttls"), "C: STLS\nS: -ERR TLS is not possible here")

    def test_announced_is_done(self) -> None:
        """Every announced command stands in the table, and every row of CAPA cites its document."""
        words = {row.line.split()[0].encode() for row in CAPABILITIES}
        self.assertEqual(words & VERBS.keys(), {b"TOP", b"UIDL", b"USER", b"STLS", b"LANG", b"UTF8"})
        for row in CAPABILITIES:
            self.assertRegex(row.reference, r"^RFC \d+ section \d")

    def test_pipelining(self) -> None:
        """PIPELINING (RFC 2449 section 6.6): a batch in one segment is answered in order."""
        self.put(MESSAGE)
        talk = self.connect()
        batch = b"USER %s\r\nPASS %s\r\nSTAT\r\nLIST 1\r\nBAD\r\nDELE 1\r\nQUIT\r\n" % (
            ADDRESS.encode(),
            PASSWORD,
        )
        replies = talk.say(batch).split(b"\r\n")
        marks = [reply.split(b" ")[0] for reply in replies]
        self.assertEqual(marks, [b"+OK"] * 4 + [b"-ERR"] + [b"+OK"] * 2 + [b""])
        self.assertEqual(self.kept(), [])


class StartTls(Pop3TestCase):
    """STLS (RFC 2595 section 4)"""

    def test_upgrade(self) -> None:
        """After STLS passwords may be sent, STLS is gone, and what USER said before is forgotten."""
        talk = self.connect(tls="starttls", loopback=True)
        self.dialogue(talk, f"C: USER {ADDRESS}\nS: +OK...\nC: STLS\nS: +OK Begin TLS now")
        self.assertIs(talk.wire.tls, self.tls)
        talk.stream.handshakeCompleted()
        self.dialogue(talk, f"C: PASS {PASSWORD.decode()}\nS: -ERR USER comes first")
        self.assertNotIn(b"STLS", talk.say(b"CAPA\r\n"))
        self.dialogue(talk, "C: STLS\nS: -ERR TLS is active already")
        self.assertTrue(talk.log_in().startswith(b"+OK 0 messages"))

    def test_injection(self) -> None:
        """T3: a command in clear behind STLS is never executed; the connection is cut."""
        talk = self.connect(tls="starttls")
        answer = talk.say(b"STLS\r\nUSER u\r\n")
        self.assertEqual(answer.count(b"\r\n"), 1)
        self.assertTrue(talk.wire.disconnected)
        self.failureResultOf(talk.served, ConnectionClosed)
        self.assertEqual(self.logins.tried, [])


class Passwords(Pop3TestCase):
    """USER, PASS and AUTH as the checker sees them."""

    def test_blanks(self) -> None:
        """P5: PASS has one argument, blanks and all."""
        talk = self.connect()
        self.assertTrue(talk.log_in().startswith(b"+OK"))
        self.assertEqual(self.logins.tried, [(ADDRESS.encode(), b" a b  c ")])

    def test_third_failure(self) -> None:
        """A3: the failure that is one too many is answered, then the connection ends."""
        talk = self.connect()
        for number in range(3):
            self.assertFalse(talk.over, number)
            talk.say(b"USER x\r\n")
            self.assertEqual(talk.say(b"PASS x\r\n"), b"-ERR [AUTH] Authentication failed\r\n")
        self.successResultOf(talk.served)

    def test_busy(self) -> None:
        """A12: when too many logins wait the answer is temporary."""
        self.logins.busy = True
        talk = self.connect()
        talk.say(b"USER x\r\n")
        self.assertTrue(talk.say(b"PASS x\r\n").startswith(b"-ERR [SYS/TEMP] "))
        self.assertFalse(talk.over)

    def test_authzid(self) -> None:
        """Acting as another is one wrong login like any other."""
        talk = self.connect()
        talk.say(b"AUTH PLAIN YQBiAGM=\r\n")
        self.assertEqual(self.logins.tried, [(b"", b"")])

    def test_apop(self) -> None:
        """A9: where it is switched on, the greeting ends with a msg-id, and APOP is judged by that one."""
        self.logins.stamp = b"<1@mail.example.test>"
        talk = self.connect()
        self.assertEqual(talk.greeting, b"+OK mail.example.test POP3 server ready <1@mail.example.test>\r\n")
        self.assertEqual(talk.say(b"APOP anna wrong\r\n"), b"-ERR [AUTH] Authentication failed\r\n")
        self.assertTrue(talk.say(b"APOP\r\n").startswith(b"-ERR"))
        self.assertTrue(talk.say(b"APOP anna right\r\n").startswith(b"+OK 0 messages"))
        self.assertEqual(self.logins.tried[-1], (b"anna right", b"<1@mail.example.test>"))

    def test_mechanisms(self) -> None:
        """CAPA and AUTH go by what is offered on the connection; without passwords there is no USER."""
        self.patch(self.logins, "mechanisms", ("SCRAM-SHA-256",))
        self.patch(self.logins, "takes_passwords", lambda connection: False)
        self.patch(self.logins, "offered", lambda connection: ("SCRAM-SHA-256",))
        talk = self.connect()
        capabilities = talk.say(b"CAPA\r\n")
        self.assertIn(b"SASL SCRAM-SHA-256\r\n", capabilities)
        self.assertNotIn(b"USER", capabilities)
        self.assertEqual(talk.say(b"USER anna\r\n"), b"-ERR Passwords are not taken here; use AUTH\r\n")
        self.assertEqual(talk.say(b"AUTH PLAIN\r\n"), b"-ERR Unknown mechanism; known: SCRAM-SHA-256\r\n")

    def test_long_response(self) -> None:
        """A5: a SASL response may be as long as RFC 4954 allows, and no longer."""
        for size, reply in ((12288, b"-ERR"), (12289, b"-ERR Line too long")):
            talk = self.connect()
            talk.say(b"AUTH PLAIN\r\n")
            self.assertTrue(talk.say(b"A" * size + b"\r\n").startswith(reply))
            self.assertTrue(talk.say(b"CAPA\r\n").startswith(b"+OK"))


class BadLines(Pop3TestCase):
    """P7 and the patience of the server."""

    def test_long_line(self) -> None:
        """A command may have 512 octets with its CRLF (RFC 2449 section 4 asks for 255), no more."""
        talk = self.connect()
        self.assertTrue(talk.say(b"USER " + b"x" * 505 + b"\r\n").startswith(b"+OK"))
        self.assertEqual(talk.say(b"USER " + b"x" * 506 + b"\r\n"), b"-ERR Line too long\r\n")
        self.assertTrue(talk.say(b"CAPA\r\n").startswith(b"+OK"))

    def test_bare_lf(self) -> None:
        """A bare LF ends no line: neither USER nor PASS is heard."""
        talk = self.connect()
        answer = talk.say(b"USER %s\nPASS x\r\n" % ADDRESS.encode())
        self.assertTrue(answer.startswith(b"-ERR Lines must end in CRLF"))
        self.assertEqual(self.logins.tried, [])

    def test_three_before_login(self) -> None:
        """The third bad line before login is answered, and the last."""
        for bad in (b"XTND\r\n", b"\r\n", b"a\n", b"x" * 600 + b"\r\n", b"STAT\r\n"):
            talk = self.connect()
            for number in range(3):
                self.assertFalse(talk.over, (bad, number))
                self.assertTrue(talk.say(bad).startswith(b"-ERR"), (bad, number))
            self.successResultOf(talk.served)

    def test_ten_after_login(self) -> None:
        """After login patience is longer; what was bad before is forgotten."""
        talk = self.connect()
        talk.say(b"XTND\r\nXTND\r\n")
        talk.log_in()
        for number in range(10):
            self.assertFalse(talk.over, number)
            self.assertTrue(talk.say(b"XTND\r\n").startswith(b"-ERR"))
        self.successResultOf(talk.served)

    def test_missing_messages_are_not_bad_lines(self) -> None:
        """Asking for what is not there may be done for ever."""
        talk = self.logged_in()
        for _ in range(50):
            self.assertEqual(talk.say(b"RETR 1\r\n"), b"-ERR No such message\r\n")

    @settings(deadline=None, max_examples=60)
    @given(st.lists(st.binary(max_size=30), max_size=8))
    def test_any_octets(self, lines: list[bytes]) -> None:
        """Whatever comes: each line has one reply or ends the session, and nothing of it comes back."""
        talk = self.connect()
        said = b"".join(line.replace(b"\n", b"") + b"\r\n" for line in lines)
        answer = talk.say(said)
        for line in answer.split(b"\r\n")[:-1]:
            self.assertRegex(line, rb"^(\+OK|-ERR|\+ |\.$|[A-Z]|[a-z]{2} )")
        self.assertTrue(answer.isascii())
        talk.lose()
        self.assertEqual(self.flushLoggedErrors(), [])


class Times(Pop3TestCase):
    """Time-outs: nothing is said, nothing is deleted (RFC 1939 section 3)."""

    def test_before_login(self) -> None:
        """Who does not log in within login_timeout in all is cut off."""
        talk = self.connect()
        for _ in range(5):
            self.clock.advance(10)
            self.assertTrue(talk.say(b"CAPA\r\n").startswith(b"+OK"))
        self.clock.advance(9.9)
        self.assertFalse(talk.over)
        self.clock.advance(0.2)
        self.failureResultOf(talk.served, TimedOut)
        self.assertEqual(talk.take(), b"")

    def test_after_login(self) -> None:
        """After login each command has ten minutes; then it ends without a word, and nothing is gone (P3)."""
        talk = self.logged_in(MESSAGE)
        talk.say(b"DELE 1\r\n")
        self.clock.advance(599)
        self.assertEqual(talk.say(b"NOOP\r\n"), b"+OK\r\n")
        self.clock.advance(601)
        self.failureResultOf(talk.served, TimedOut)
        self.assertEqual((talk.take(), self.kept()), (b"", [1]))
