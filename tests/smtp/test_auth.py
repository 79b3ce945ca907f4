"""AUTH (RFC 4954): what is accepted, and how everything else ends (vectors A5, T6, M17)."""

from base64 import b64encode

from tests.smtp.world import CUTS, EHLO, MAIL, Logins, SmtpTestCase, auth_plain

ANNA = b"anna@local.example"


def plain(*parts: bytes) -> bytes:
    """AUTH PLAIN with these parts, NUL between them."""
    return b"AUTH PLAIN " + b64encode(b"\0".join(parts)) + b"\r\n"


REFUSED = {  # A5: what is sent, and the reply
    "another authzid": (plain(b"bob@local.example", ANNA, b"secret"), b"535 5.7.8"),
    "no NUL": (plain(b"abc"), b"501 5.5.2"),
    "one NUL": (plain(b"a", b"b"), b"501 5.5.2"),
    "three NULs": (plain(b"", ANNA, b"secret", b""), b"501 5.5.2"),
    "empty user": (plain(b"", b"", b"secret"), b"501 5.5.2"),
    "empty password": (plain(b"", ANNA, b""), b"501 5.5.2"),
    "wrong password": (plain(b"", ANNA, b"wrong"), b"535 5.7.8"),
    "unknown user": (plain(b"", b"nobody@local.example", b"secret"), b"535 5.7.8"),
    "CRLF in user": (plain(b"", b"user\r\nX", b"secret"), b"535 5.7.8"),
    "7 KiB user": (plain(b"", b"u" * 7168, b"secret"), b"535 5.7.8"),
    "invalid base64": (b"AUTH PLAIN !!!!\r\n", b"501 5.5.2"),
    "base64 with blanks": (b"AUTH PLAIN AGEA Yg==\r\n", b"501 5.5.2"),
    "empty initial response": (b"AUTH PLAIN =\r\n", b"501 5.5.2"),
    "star": (b"AUTH PLAIN *\r\n", b"501 5.5.2"),
    "too long": (b"AUTH PLAIN " + b"A" * 12280 + b"\r\n", b"500 5.5.2"),
    "no mechanism": (b"AUTH\r\n", b"504 5.5.4"),
    "unknown mechanism": (b"AUTH CRAM-MD5\r\n", b"504 5.5.4"),
    "odd mechanism": (b"AUTH \xff\r\n", b"504 5.5.4"),
    "busy": (plain(b"", b"busy", b"secret"), b"454 4.7.0"),
}


class Authentication(SmtpTestCase):
    """AUTH on submission, from loopback in clear."""

    def test_right(self) -> None:
        """PLAIN with and without initial response, LOGIN with and without, in any pieces."""
        name, password = b64encode(ANNA) + b"\r\n", b64encode(b"secret") + b"\r\n"
        message = b64encode(b"\0" + ANNA + b"\0secret") + b"\r\n"
        ways = (
            [(auth_plain(ANNA), [b"235 2.7.0"])],
            [(b"auth plain\r\n", [b"334 "]), (message, [b"235"])],
            [(b"AUTH LOGIN\r\n", [b"334 VXNlcm5hbWU6"]), (name, [b"334 UGFzc3dvcmQ6"]), (password, [b"235"])],
            [(b"AUTH LOGIN " + name, [b"334 UGFzc3dvcmQ6"]), (password, [b"235"])],
        )
        for steps in ways:
            for cut in CUTS:
                world = self.greeted("submission", loopback=True, cut=cut)
                self.check(world, [*steps, (auth_plain(ANNA), [b"503 5.5.1"])])

    def test_refused(self) -> None:
        """A5: every bad payload has its answer, and the next login still works."""
        for name, (sent, answer) in REFUSED.items():
            for cut in (CUTS[0], CUTS[2]):
                world = self.greeted("submission", loopback=True, cut=cut)
                replies = world.send(sent)
                self.assertEqual([reply[:9] for reply in replies], [answer], name)
                self.check(world, [(auth_plain(ANNA), [b"235"])])

    def test_cancelled(self) -> None:
        """RFC 4954 section 4: "*" ends the exchange with 501; a line that is too long with 500 5.5.6."""
        world = self.greeted("submission", loopback=True)
        self.check(world, [(b"AUTH PLAIN\r\n", [b"334"]), (b"*\r\n", [b"501 5.0.0"])])
        self.check(world, [(b"AUTH LOGIN\r\n", [b"334"]), (b"A" * 12289 + b"\r\n", [b"500 5.5.6"])])
        self.check(world, [(b"AUTH LOGIN\r\n", [b"334"]), (EHLO, [b"501 5.5.2"]), (EHLO, [b"250"])])

    def test_gives_up(self) -> None:
        """A3: the third wrong password is the last of the connection."""
        world = self.greeted("submission", loopback=True)
        wrong = auth_plain(ANNA, b"wrong")
        self.check(world, [(wrong, [b"535 5.7.8"]), (wrong, [b"535 5.7.8"]), (wrong, [b"535 5.7.8"])])
        self.assertFalse(world.open)

    def test_another_authzid_counts(self) -> None:
        """To act as somebody else is a wrong login like any other: the third is the last."""
        wrong = plain(b"bob@local.example", ANNA, b"secret")
        world = self.greeted("submission", loopback=True)
        self.check(world, [(wrong, [b"535 5.7.8"]), (wrong, [b"535 5.7.8"]), (wrong, [b"535 5.7.8"])])
        self.assertFalse(world.open)

    def test_in_clear(self) -> None:
        """T6: no password in clear from another host: 538, and no AUTH line."""
        world = self.greeted("submission")
        self.check(world, [(auth_plain(ANNA), [b"538 5.7.11"]), (MAIL, [b"530 5.7.0"])])

    def test_offered(self) -> None:
        """EHLO names what is offered, once; what is not offered is 504, after the login there is nothing."""
        self.patch(Logins, "mechanisms", ("SCRAM-SHA-256", "PLAIN"))
        world = self.world("submission", loopback=True)
        world.send(b"")
        world.stream.dataReceived(EHLO)
        self.assertIn(b"AUTH SCRAM-SHA-256 PLAIN\r\n", world.transport.take())
        self.check(world, [(b"AUTH LOGIN\r\n", [b"504 5.5.4"]), (auth_plain(ANNA), [b"235"])])
        world.stream.dataReceived(EHLO)
        self.assertNotIn(b"AUTH", world.transport.take())

    def test_order(self) -> None:
        """M17: not before EHLO, not within a transaction."""
        world = self.world("submission", loopback=True)
        self.check(world, [(b"", [b"220"]), (auth_plain(ANNA), [b"503 5.5.1"])])
        world = self.submitting()
        self.check(world, [(b"MAIL FROM:<anna@local.example>\r\n", [b"250"]), (b"AUTH PLAIN\r\n", [b"503"])])

    def test_long_lines_are_for_auth_only(self) -> None:
        """A command of more than 2048 octets is 500, where AUTH may have 12288."""
        world = self.submitting()
        self.check(world, [(b"NOOP " + b"x" * 2044 + b"\r\n", [b"500 5.5.2"])])
        self.check(world, [(b"NOOP " + b"x" * 2043 + b"\r\n", [b"250"])])

    def test_kept(self) -> None:
        """RSET and EHLO keep the authentication."""
        world = self.submitting()
        self.check(world, [(b"RSET\r\n", [b"250"]), (EHLO, [b"250"])])
        self.check(world, [(b"MAIL FROM:<anna@local.example>\r\n", [b"250"])])
