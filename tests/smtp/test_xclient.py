"""XCLIENT: who may name a client, and that the session is that client's from then on."""

from base64 import b64encode
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from mailnode.net.listen import UNKNOWN
from tests.smtp.world import EHLO, FROM, MAIL, RCPT, SmtpTestCase, World, auth_plain

PROXY = "10.0.0.1"
NAMED = b"XCLIENT ADDR=198.51.100.9 NAME=client.remote.example PORT=4711\r\n"
TEXT = b"Subject: x\r\n\r\nbody\r\n.\r\n"
WRONG = b"AUTH PLAIN " + b64encode(b"\0anna@local.example\0wrong") + b"\r\n"


class Naming(SmtpTestCase):
    """A connection from a proxy at 10.0.0.1."""

    def proxied(self, protocol: str = "smtp", **facts: Any) -> World:
        """After 220 and EHLO."""
        facts = {"peer": PROXY, "trusted": True, "xclient_networks": ("10.0.0.0/8",), **facts}
        return self.greeted(protocol, **facts)

    def facts(self, world: World) -> tuple[str, str, bool, bool]:
        """What the session thinks of its peer."""
        one = world.connection
        return one.peer, one.local, one.trusted, one.loopback

    def announced(self, world: World) -> bool:
        """Whether EHLO speaks of it."""
        world.send(b"")
        world.stream.dataReceived(EHLO)
        return b"XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT\r\n" in world.transport.take()

    def test_announced(self) -> None:
        """Only to peers that may use it, on both ports; to others it is no command."""
        for protocol in ("smtp", "submission"):
            self.assertTrue(self.announced(self.proxied(protocol)))
            for facts in ({"peer": "192.0.2.7"}, {"xclient_networks": ()}, {"peer": ""}, {"peer": UNKNOWN}):
                world = self.proxied(protocol, **facts)
                self.assertFalse(self.announced(world))
                peer = world.connection.peer
                self.check(world, [(NAMED, [b"502 5.5.1"])])
                self.assertEqual(world.connection.peer, peer)

    def test_begins_anew(self) -> None:
        """220 and then EHLO, as the named peer: no trust, no XCLIENT, its address in Received."""
        world = self.proxied()
        self.check(world, [(NAMED, [b"220 mx.local.example ESMTP"]), (MAIL, [b"503 5.5.1"])])
        self.assertEqual(self.facts(world), ("198.51.100.9", "192.0.2.1", False, False))
        self.assertFalse(self.announced(world))
        self.check(
            world, [(NAMED, [b"502 5.5.1"]), (MAIL, [b"250"]), (RCPT, [b"250"]), (b"DATA\r\n", [b"354"])]
        )
        self.check(world, [(TEXT, [b"250"])])
        received = b"Received: from client.example ([198.51.100.9])\r\n"
        self.assertIn(received, world.courier.delivered[0].content)

    def test_lmtp(self) -> None:
        """RFC 2033 section 1: LMTP is not for the world, whoever speaks for it."""
        for peer, replies in ((b"10.0.0.9", [b"220", b"250"]), (b"198.51.100.9", [b"554 5.7.1"])):
            world = self.world("lmtp", peer=PROXY, trusted=True, xclient_networks=("10.0.0.0/8",))
            world.live.config = replace(world.live.config, trusted_networks=(ip_network("10.0.0.0/8"),))
            self.check(world, [(b"LHLO a\r\n", [b"220", b"250"])])
            self.check(world, [(b"XCLIENT ADDR=" + peer + b"\r\n", replies[:1])])
            self.check(world, [(b"LHLO a\r\n", replies[1:])])

    def test_names(self) -> None:
        """What the proxy has heard in HELO holds until EHLO; PROTO tells whether it was EHLO there."""
        for proto, means in ((b"", b"ESMTP"), (b" PROTO=ESMTP", b"ESMTP"), (b" PROTO=SMTP", b"SMTP")):
            world = self.proxied()
            self.check(
                world, [(b"XCLIENT HELO=first.example ADDR=IPV6:2001:db8::1" + proto + b"\r\n", [b"220"])]
            )
            self.check(world, [(MAIL, [b"250"]), (RCPT, [b"250"]), (b"DATA\r\n", [b"354"]), (TEXT, [b"250"])])
            content = world.courier.delivered[0].content
            self.assertIn(b"from first.example ([IPv6:2001:db8::1])\r\n", content)
            self.assertIn(b" with " + means + b" id ", content)

    def test_destination(self) -> None:
        """DESTADDR is the address that the client reached: an address literal of it is us."""
        world = self.proxied()
        self.check(world, [(b"XCLIENT ADDR=198.51.100.9 DESTADDR=203.0.113.5 HELO=x\r\n", [b"220"])])
        self.check(world, [(MAIL, [b"250"]), (b"RCPT TO:<anna@[203.0.113.5]>\r\n", [b"250"])])

    def test_unknown(self) -> None:
        """A client whose address the proxy does not know is a stranger, never the proxy."""
        world = self.proxied("submission", loopback=True)
        self.check(world, [(b"XCLIENT ADDR=[UNAVAILABLE] DESTADDR=[UNAVAILABLE]\r\n", [b"220"])])
        self.assertEqual(self.facts(world), (UNKNOWN, "", False, False))

    def test_loopback(self) -> None:
        """A password in clear has come over the network unless the proxy too is on this machine."""
        for loopback in (True, False):
            world = self.proxied("submission", loopback=loopback)
            self.check(world, [(b"XCLIENT ADDR=127.0.0.1\r\n", [b"220"])])
            self.assertEqual(self.facts(world)[2:], (True, loopback))

    def test_state(self) -> None:
        """Not in a transaction; nothing malformed, and no login without a password, changes anything."""
        world = self.proxied()
        self.check(world, [(MAIL, [b"250"]), (NAMED, [b"503 5.5.1"]), (b"RSET\r\n", [b"250"])])
        for argument in (b"", b"LOGIN=anna@local.example", b"ADDR=nonsense", b"ADDR=192.0.2.1 FOO=1"):
            self.check(world, [(b"XCLIENT " + argument + b"\r\n", [b"501 5.5.4"])])
        self.assertEqual(self.facts(world), (PROXY, "192.0.2.1", True, False))
        self.check(world, [(MAIL, [b"250"])])

    def test_login_is_forgotten(self) -> None:
        """Who had logged in was another; the failures of one client are not counted for the next."""
        world = self.proxied("submission", loopback=True)
        self.check(
            world, [(WRONG, [b"535"]), (WRONG, [b"535"]), (auth_plain(b"anna@local.example"), [b"235"])]
        )
        self.assertEqual(world.connection.admission.person, "anna@local.example")
        self.check(world, [(b"XCLIENT ADDR=127.0.0.1\r\n" + EHLO, [b"220", b"250"])])
        self.assertEqual(world.connection.admission.person, "")
        self.check(world, [(b"MAIL FROM:<anna@local.example>\r\n", [b"530"]), (WRONG, [b"535"])])
        self.check(world, [(auth_plain(b"anna@local.example"), [b"235"])])
        self.check(world, [(b"MAIL FROM:<anna@local.example>\r\n", [b"250"]), (RCPT, [b"250"])])
        self.check(world, [(b"DATA\r\n", [b"354"]), (FROM + TEXT, [b"250"])])

    def test_no_place(self) -> None:
        """A client that has too many connections is told so through the proxy, and sent away."""
        world = self.proxied()
        for _ in range(9):
            world.gate.admit("198.51.100.9", trusted=False)
        self.check(world, [(b"XCLIENT ADDR=198.51.100.9\r\n", [b"421 4.3.2"])])
        self.assertFalse(world.open)

    def test_nothing_behind(self) -> None:
        """R25: on the port for the world nothing may follow it before the greeting."""
        self.check(self.proxied(), [(NAMED + EHLO, [b"554 5.5.0"])])
