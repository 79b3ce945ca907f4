"""Who is let in and who is not (vectors R1 to R22): this server relays for nobody."""

from tests.smtp.world import SmtpTestCase, auth_plain

REVERSE_PATHS = (
    b"<>",
    b"<anna@local.example>",
    b"<postmaster@local.example>",
    b"<@local.example:x@y.example>",
)
RELAYS = {  # R1-R16: a forward-path, and the answer that keeps the door shut
    b"<u@other.example>": b"550 5.7.1",
    b"<u%other.example@local.example>": b"550 5.1.1",
    b'<"u@other.example">': b"501 5.1.3",
    b'<"u%other.example">': b"501 5.1.3",
    b"<u@other.example@local.example>": b"501 5.1.3",
    b'<"u@other.example"@local.example>': b"550 5.1.1",
    b"<u@other.example@[127.0.0.1]>": b"501 5.1.3",
    b"<@local.example:u@other.example>": b"550 5.7.1",
    b"<@local.example,@x.example:u@other.example>": b"550 5.7.1",
    b"<other.example!u>": b"501 5.1.3",
    b"<other.example!u@local.example>": b"550 5.1.1",
    b"<other.example!u@[192.0.2.1]>": b"550 5.1.1",
    b"<u@[8.8.8.8]>": b"550 5.7.1",
    b"<u>": b"501 5.1.3",
    b"u@other.example": b"501 5.1.3",
    b"<anna@local.example": b"501 5.1.3",
    b"<>": b"501 5.1.3",
}
REFUSED = {  # R18 to R20; what the grammar does not know is 501 (RFC 5321 section 4.1.2)
    b"<nouser@local.example>": b"550 5.1.1",
    b"<|/bin/sh@local.example>": b"550 5.1.1",
    b"<;id;@local.example>": b"501 5.1.3",
    b"<$(id)@local.example>": b"501 5.1.3",
    b"</etc/passwd@local.example>": b"550 5.1.1",
    b"<../../x@local.example>": b"501 5.1.3",
    b"<-oQ/tmp@local.example>": b"550 5.1.1",
    b'<""@local.example>': b"550 5.1.1",
    b'<" "@local.example>': b"550 5.1.1",
    b"<\xc3\xbc@local.example>": b"553 5.6.7",
    b"<away@local.example>": b"550 5.7.1 This address leads",
}
ACCEPTED = {  # a forward-path and whose it is
    b"<anna@local.example.>": "anna@local.example",
    b"<ANNA@LOCAL.EXAMPLE>": "anna@local.example",
    b'<"anna"@local.example>': "anna@local.example",
    b"<anna+lists@local.example>": "anna@local.example",
    b"<anna@[192.0.2.1]>": "anna@local.example",
    b"<info+x@local.example>": "anna@local.example",
    b"<Postmaster>": "anna@local.example",
    b"<POSTMASTER@local.example>": "anna@local.example",
    b"<postmaster@mx.local.example>": "anna@local.example",
    b"<postmaster@[192.0.2.1]>": "anna@local.example",
    b"<postmaster@second.example>": "carl@second.example",
    b"<abuse@second.example>": "carl@second.example",
}  # fmt: skip
PATIENT = {"errors_soft": 1000, "errors_hard": 1000}


class Relaying(SmtpTestCase):
    """RCPT on port 25 and on submission."""

    def test_no_relay(self) -> None:
        """R1-R16: nothing leads to another host, whoever claims to send, trusted networks included."""
        for trusted in (False, True):
            for reverse_path in REVERSE_PATHS:
                world = self.greeted(trusted=trusted, limits=PATIENT)
                self.check(world, [(b"MAIL FROM:" + reverse_path + b"\r\n", [b"250"])])
                for path, answer in RELAYS.items():
                    self.check(world, [(b"RCPT TO:" + path + b"\r\n", [answer])])
                self.check(world, [(b"DATA\r\n", [b"554 5.5.1"])])

    def test_refused(self) -> None:
        """R18-R20: who is not here is refused at once, however the name looks."""
        world = self.greeted(limits=PATIENT)
        self.check(world, [(b"MAIL FROM:<>\r\n", [b"250"])])
        for path, answer in REFUSED.items():
            self.check(world, [(b"RCPT TO:" + path + b"\r\n", [answer])])

    def test_accepted(self) -> None:
        """R17: every way to write one of our people, and postmaster always, is accepted."""
        for path, account in ACCEPTED.items():
            world = self.greeted()
            self.check(
                world, [(b"MAIL FROM:<>\r\nRCPT TO:" + path + b"\r\nDATA\r\n", [b"250", b"250", b"354"])]
            )
            self.check(world, [(b"\r\nx\r\n.\r\n", [b"250"])])
            self.assertEqual(world.courier.delivered[0].accounts, (account,), path)

    def test_one_copy(self) -> None:
        """RFC 5321 section 3.9.1: aliases in circles and twice named people get one copy each."""
        world = self.greeted()
        group = b"MAIL FROM:<>\r\nRCPT TO:<team@local.example>\r\nRCPT TO:<info@local.example>\r\nDATA\r\n"
        self.check(world, [(group, [b"250", b"250", b"250", b"354"]), (b"\r\nx\r\n.\r\n", [b"250"])])
        accounts = world.courier.delivered[0].accounts
        self.assertEqual(accounts, ("anna@local.example", "bob@local.example"))

    def test_vrfy(self) -> None:
        """R22: a stranger learns nothing from VRFY, our own people do."""
        world = self.greeted()
        answers = [world.send(b"VRFY " + name + b"\r\n") for name in (b"anna", b"nosuch", b"a@other.example")]
        self.assertEqual(answers, [answers[0]] * 3)
        self.assertTrue(answers[0][0].startswith(b"252 2.5.2 "))
        for world in (self.greeted(trusted=True), self.submitting()):
            self.check(world, [(b"VRFY anna\r\n", [b"250 2.1.5 <anna@local.example>"])])
            self.check(world, [(b"VRFY <team@local.example>\r\n", [b"250 2.1.5 <bob@local.example>"])])
            self.check(world, [(b"VRFY nosuch\r\nVRFY \xfc\r\n", [b"550 5.1.1", b"501 5.1.3"])])
            self.check(world, [(b"VRFY <>\r\nVRFY a@other.example\r\n", [b"501 5.1.3", b"550 5.1.1"])])


class Submission(SmtpTestCase):
    """RFC 6409: for our own people, as themselves."""

    def test_authentication_first(self) -> None:
        """RFC 6409 section 4.3: 530 to MAIL before AUTH."""
        world = self.greeted("submission", loopback=True, trusted=True)
        self.check(world, [(b"MAIL FROM:<anna@local.example>\r\n", [b"530 5.7.0"])])
        self.check(world, [(auth_plain(b"anna@local.example"), [b"235 2.7.0"])])
        self.check(world, [(b"MAIL FROM:<anna@local.example>\r\n", [b"250"])])

    def test_reverse_path(self) -> None:
        """RFC 6409 sections 3.2 and 6.1: the reverse-path is empty, or leads to the one who is logged in."""
        allowed = (
            b"",
            b"anna@local.example",
            b"ANNA@local.example",
            b"info@local.example",
            b"team@local.example",
        )
        refused = (
            b"bob@local.example",
            b"carl@second.example",
            b"anna@other.example",
            b"away@local.example",
        )
        world = self.submitting(limits=PATIENT)
        for path in allowed:
            self.check(world, [(b"MAIL FROM:<" + path + b">\r\nRSET\r\n", [b"250", b"250"])])
        for path in refused:
            self.check(world, [(b"MAIL FROM:<" + path + b">\r\n", [b"550 5.7.1"])])

    def test_wrong_addresses(self) -> None:
        """The refusal says what is wrong with the address."""
        world = self.greeted(limits=PATIENT)
        for path, answer in (
            (b"<a..b@x.example>", b"501 5.1.7 The local part of the address is wrong"),
            (b"<a>", b"501 5.1.7 The address has no domain"),
        ):
            self.check(world, [(b"MAIL FROM:" + path + b"\r\n", [answer])])

    def test_other_hosts(self) -> None:
        """Mail for other hosts is refused with a word that says why."""
        world = self.submitting()
        self.check(world, [(b"MAIL FROM:<anna@local.example>\r\n", [b"250"])])
        answer = b"550 5.7.1 Mail for other hosts is not available on this server"
        self.check(world, [(b"RCPT TO:<u@other.example>\r\n", [answer])])

    def test_removed_mailbox(self) -> None:
        """The list of mailboxes is that of the moment, not of the login."""
        world = self.greeted()
        self.check(world, [(b"MAIL FROM:<>\r\nRCPT TO:<bob@local.example>\r\n", [b"250", b"250"])])
        mailboxes = world.live.mailboxes
        world.live.mailboxes = type(mailboxes)({}, {})
        self.check(world, [(b"RCPT TO:<bob@local.example>\r\n", [b"550 5.1.1"])])
