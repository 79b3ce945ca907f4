"""Who is let in; and how the reverse-path on submission is read. Who is not: tests/vectors/relay.toml."""

from tests.smtp.world import SmtpTestCase, auth_plain

PATIENT = {"errors_soft": 1000, "errors_hard": 1000}


class Relaying(SmtpTestCase):
    """RCPT on port 25 and on submission."""

    def test_one_copy(self) -> None:
        """RFC 5321 section 3.9.1: aliases in circles and twice named people get one copy each."""
        world = self.greeted()
        group = b"MAIL FROM:<>\r\nRCPT TO:<team@local.example>\r\nRCPT TO:<info@local.example>\r\nDATA\r\n"
        self.check(world, [(group, [b"250", b"250", b"250", b"354"]), (b"\r\nx\r\n.\r\n", [b"250"])])
        accounts = world.courier.delivered[0].accounts
        self.assertEqual(accounts, ("anna@local.example", "bob@local.example"))

    def test_vrfy(self) -> None:
        """Our own people learn from VRFY what a stranger does not (R22)."""
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
            b"away@local.example",
        )
        refused = (
            b"bob@local.example",
            b"carl@second.example",
            b"anna@other.example",
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

    def test_removed_mailbox(self) -> None:
        """The list of mailboxes is that of the moment, not of the login."""
        world = self.greeted()
        self.check(world, [(b"MAIL FROM:<>\r\nRCPT TO:<bob@local.example>\r\n", [b"250", b"250"])])
        mailboxes = world.live.mailboxes
        world.live.mailboxes = type(mailboxes)({}, {})
        self.check(world, [(b"RCPT TO:<bob@local.example>\r\n", [b"550 5.1.1"])])
