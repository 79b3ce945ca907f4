"""AUTH (RFC 4954): what is accepted and announced; how everything else ends is in tests/vectors."""

import gc
import inspect
from base64 import b64encode

from tests.smtp.world import CUTS, EHLO, Logins, SmtpTestCase, auth_plain
from tests.vectors.people import logins, people

ANNA = b"anna@local.example"


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
        """No mechanism is unknown; where there is no time for a login it is for later."""
        world = self.greeted("submission", loopback=True)
        self.check(world, [(b"AUTH\r\n", [b"504 5.5.4"]), (auth_plain(b"busy"), [b"454 4.7.0"])])
        self.check(world, [(auth_plain(ANNA), [b"235"])])

    def test_others_go_on(self) -> None:
        """A5, CVE-2025-59028: what one client does wrong in its login costs another nothing in its own."""
        one = self.greeted("submission", loopback=True, logins=logins, mailboxes=people())
        other = self.greeted("submission", loopback=True, mailboxes=people(), beside=one)
        for wrong, reply in (
            (b"!!!!\r\n", b"501 5.5.2"),
            (b"*\r\n", b"501 5.0.0"),
            (b"AAA=\r\n", b"501 5.5.2"),
        ):
            self.check(one, [(b"AUTH PLAIN\r\n", [b"334"])])
            self.check(other, [(b"AUTH PLAIN\r\n", [b"334"]), (wrong, [reply])])
            self.check(one, [(b"*\r\n", [b"501 5.0.0"])])
        self.check(one, [(b"AUTH PLAIN\r\n", [b"334"])])
        other.lose()
        self.check(one, [(b64encode(b"\0" + ANNA + b"\0secret") + b"\r\n", [b"235"])])

    def test_nothing_is_kept(self) -> None:
        """A session that waits for its next command has no name for the line that held the password."""
        world = self.greeted("submission", loopback=True)
        line = auth_plain(ANNA)
        self.check(world, [(line, [b"235"])])
        running = [one for one in gc.get_objects() if inspect.iscoroutine(one) and one.cr_frame is not None]
        ours = [one.cr_frame for one in running if one.cr_code.co_filename.endswith("smtp/server.py")]
        self.assertGreaterEqual(len(ours), 2)
        for frame in ours:
            self.assertNotIn(line[:-2], frame.f_locals.values())

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
