"""EHLO's announcement, and what STARTTLS changes, over real OpenSSL; attacks: tests/vectors/starttls.toml."""

import tempfile
from datetime import UTC, datetime
from typing import Any

from twisted.protocols import tls

from mailnode.admin.certificates import write_certificates
from mailnode.fs import FileSystem
from mailnode.net.breath import Breather
from mailnode.net.tls import TlsServer, make_context
from tests.net.memory import TlsPeer
from tests.smtp.world import CUTS, EHLO, FROM, MAIL, RCPT, SmtpTestCase, World, auth_plain

IN_CLEAR = {
    "SIZE 52428800",
    "8BITMIME",
    "BINARYMIME",
    "CHUNKING",
    "DELIVERBY",
    "ENHANCEDSTATUSCODES",
    "HELP",
    "LIMITS MAILMAX=50 RCPTMAX=200",
    "MT-PRIORITY",
    "PIPELINING",
    "SMTPUTF8",
}
SUBMISSION = {*IN_CLEAR, "DSN", "FUTURERELEASE 2592000 2001-10-09T01:46:40Z"}


class Encrypted(SmtpTestCase):
    """Sessions with a certificate."""

    certificate: Any = None

    def setUp(self) -> None:
        super().setUp()
        if Encrypted.certificate is None:
            directory = tempfile.mkdtemp()
            moment = datetime(2026, 1, 1, tzinfo=UTC)
            Encrypted.certificate = write_certificates(directory, "mx.local.example", FileSystem(), moment)
        self.tls = TlsServer(make_context(self.certificate.certificate, self.certificate.key))
        # Twisted gathers small encrypted writes with a clock of its own.
        self.patch(tls, "_get_default_clock", lambda: self.worlds[-1].clock if self.worlds else None)

    def encrypted(self, world: World) -> TlsPeer:
        """After STARTTLS and the handshake."""
        self.check(world, [(b"STARTTLS\r\n", [b"220 2.0.0"])])
        peer = TlsPeer(world.transport)
        peer.handshake()
        return peer

    def talk(self, world: World, peer: TlsPeer, data: bytes) -> list[bytes]:
        """Encrypted commands; the lines of the replies."""
        peer.send(data)
        world.clock.advance(0)
        return peer.receive().split(b"\r\n")[:-1]

    def announced(self, lines: list[bytes]) -> set[str]:
        """The extensions in the lines of an EHLO reply."""
        return {line[4:].decode() for line in lines[1:]}

    def in_clear(self, protocol: str, **facts: Any) -> set[str]:
        """What EHLO announces to a new connection."""
        world = self.world(protocol, **facts)
        world.send(b"")
        world.stream.dataReceived(EHLO)
        return self.announced(world.transport.take().split(b"\r\n")[:-1])

    def test_announcement(self) -> None:
        """RFC 5321 section 4.1.1.1: EHLO tells what works here and now, and nothing else."""
        auth = {"AUTH PLAIN LOGIN"}
        starttls = {"STARTTLS"}
        self.assertEqual(self.in_clear("smtp"), IN_CLEAR)
        self.assertEqual(self.in_clear("smtp", tls=self.tls), IN_CLEAR | starttls)
        self.assertEqual(self.in_clear("smtp", tls=self.tls, loopback=True), IN_CLEAR | starttls)
        self.assertEqual(self.in_clear("submission", tls=self.tls), SUBMISSION | starttls)
        self.assertEqual(
            self.in_clear("submission", tls=self.tls, loopback=True), SUBMISSION | starttls | auth
        )
        self.assertEqual(self.in_clear("submission", limits={"message_size": 99999}), (
            SUBMISSION - {"SIZE 52428800"} | {"SIZE 99999"}
        ))  # fmt: skip

    def test_upgrade(self) -> None:
        """T2, T5, RFC 3207 section 4.2: nothing said in clear is known afterwards, and EHLO differs."""
        for cut in CUTS:
            world = self.greeted("submission", tls=self.tls, cut=cut)
            peer = self.encrypted(world)
            self.assertEqual(self.talk(world, peer, MAIL)[0][:9], b"503 5.5.1")
            self.assertEqual(self.talk(world, peer, RCPT)[0][:9], b"503 5.5.1")
            lines = self.talk(world, peer, EHLO)
            self.assertEqual(self.announced(lines), SUBMISSION | {"AUTH PLAIN LOGIN", "REQUIRETLS"})
            self.assertEqual(self.talk(world, peer, b"STARTTLS\r\n")[0][:9], b"503 5.5.1")
            self.assertEqual(self.talk(world, peer, auth_plain(b"anna@local.example"))[0][:9], b"235 2.7.0")
            again = SUBMISSION | {"REQUIRETLS", "EXPN"}
            self.assertEqual(self.announced(self.talk(world, peer, EHLO)), again)
            self.talk(world, peer, b"MAIL FROM:<anna@local.example>\r\n" + RCPT + b"DATA\r\n")
            self.assertEqual(self.talk(world, peer, FROM + b"\r\nx\r\n.\r\n")[0][:9], b"250 2.0.0")
            self.assertIn(b" with ESMTPSA id ", world.courier.delivered[0].content)

    def test_upgrade_under_stress(self) -> None:
        """The second EHLO, which TLS asks for, is no second command without effect."""
        world = self.world(tls=self.tls)
        world.gate.stressed = True
        self.check(world, [(b"", [b"220"]), (EHLO, [b"250"])])
        peer = self.encrypted(world)
        for command, reply in ((EHLO, b"250-"), (MAIL, b"250 "), (b"NOOP\r\n", b"421 ")):
            self.assertEqual(self.talk(world, peer, command)[0][:4], reply)

    def test_quick_client(self) -> None:
        """TLS has begun when the client can have seen the 220, also where a busy server takes turns."""
        world = self.greeted("submission", tls=self.tls)
        begun: list[bool] = []
        write = world.transport.write

        def answered(data: bytes) -> None:
            write(data)
            world.clock.callLater(0, lambda: begun.append(bool(world.transport.TLS)))

        self.patch(Breather, "is_due", lambda breather, since: True)
        self.patch(world.transport, "write", answered)
        self.check(world, [(b"STARTTLS\r\n", [b"220 2.0.0"])])
        self.assertEqual(begun[:1], [True])

    def test_refused(self) -> None:
        """RFC 3207: without a certificate there is no STARTTLS."""
        self.check(self.greeted(), [(b"STARTTLS\r\n", [b"502 5.5.1"])])
