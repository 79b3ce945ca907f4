"""ETRN (RFC 1985), ATRN (RFC 2645) and TURN (RFC 821)."""

from typing import Any

from tests.smtp.world import CUTS, EHLO, MAIL, SmtpTestCase, Waiting, World, auth_plain

ANNA = b"anna@local.example"
BRANCH, OTHER, BELOW = "branch.example.net", "other.example.net", "far.branch.example.net"
ON_DEMAND = {
    BRANCH: ("anna@local.example",),
    BELOW: ("anna@local.example", "bob@local.example"),
    OTHER: ("bob@local.example",),
}
PATIENT = {"errors_hard": 99, "errors_soft": 99, "junk_commands": 99}


# What waits for which domain; a command of Anna's; the reply; what is started.
ETRN: tuple[tuple[dict[str, int], bytes, bytes, list[str]], ...] = (
    ({}, b"branch.example.net", b"251 2.0.0 No messages waiting for node branch.example.net", []),
    ({OTHER: 1}, b"branch.example.net", b"251 2.0.0", []),
    ({BRANCH: 3, BELOW: 4}, b"Branch.Example.net", b"253 2.0.0 3 pending messages for node Branch", [BRANCH]),
    ({BRANCH: 3, BELOW: 4}, b"@branch.example.net", b"253 2.0.0 7 pending messages", [BRANCH, BELOW]),
    ({BELOW: 4, OTHER: 2}, b"@example.net", b"253 2.0.0 4 pending messages", [BELOW]),
    ({BRANCH: 3}, b"#branch.example.net", b"253 2.0.0 3 pending messages", [BRANCH]),
    ({OTHER: 2}, b"other.example.net", b"459 4.7.1 Node other.example.net not allowed", []),
    ({OTHER: 2}, b"@other.example.net", b"459 4.7.1", []),
    ({BRANCH: 3}, b"#uucp", b"459 4.7.1", []),
    ({BRANCH: 3}, b"@ranch.example.net", b"459 4.7.1", []),
    ({}, b"local.example", b"459 4.7.1", []),
    ({}, b"", b"501 5.5.4", []),
    ({}, b"branch", b"501 5.5.4", []),
    ({}, b"@", b"501 5.5.4", []),
    ({}, b"branch.example.net other.example.net", b"501 5.5.4", []),
    ({}, b"<branch.example.net>", b"501 5.5.4", []),
    ({}, b"branch..net", b"501 5.5.4", []),
    ({}, b"br\xc3\xa4nch.example.net", b"501 5.5.4", []),
)
# The same for the commands that reverse the connection; None: it is reversed, for these domains.
REVERSING: tuple[tuple[dict[str, int], bytes, bytes | None, tuple[str, ...]], ...] = (
    ({}, b"ATRN", b"453 4.7.0 You have no mail", ()),
    ({OTHER: 1}, b"ATRN", b"453 4.7.0", ()),
    ({BELOW: 1}, b"ATRN", None, (BRANCH, BELOW)),
    ({BRANCH: 1}, b"ATRN branch.example.net", None, (BRANCH,)),
    ({BELOW: 1}, b"ATRN branch.example.net", b"453 4.7.0", ()),
    ({BELOW: 1}, b"atrn Branch.example.net,far.branch.example.net", None, (BRANCH, BELOW)),
    ({BRANCH: 1}, b"ATRN branch.example.net,other.example.net", b"450 4.7.1 ATRN request refused", ()),
    ({OTHER: 1}, b"ATRN other.example.net", b"450 4.7.1", ()),
    ({BRANCH: 1}, b"ATRN branch.example.net, far.branch.example.net", b"501 5.5.4", ()),
    ({BRANCH: 1}, b"ATRN ,", b"501 5.5.4", ()),
    ({BRANCH: 1}, b"ATRN \xff", b"501 5.5.4", ()),
    ({}, b"TURN", b"502 5.5.1", ()),
    ({BELOW: 1}, b"TURN", None, (BRANCH, BELOW)),
    ({BELOW: 1}, b"TURN x", b"501 5.5.4", ()),
)


class OnDemand(SmtpTestCase):
    """On a submission listener, where mail is configured to be called for."""

    def connected(self, waiting: Waiting | None = None, user: bytes = ANNA, **facts: Any) -> World:
        """A connection after EHLO; logged in, unless `user` is empty."""
        config = {"on_demand": ON_DEMAND}
        more = {"waiting": waiting} if waiting else {}
        world = self.greeted(
            facts.pop("protocol", "submission"), loopback=True, config=config, limits=PATIENT, **more, **facts
        )
        if user:
            self.check(world, [(auth_plain(user), [b"235"])])
        return world

    def test_etrn(self) -> None:
        """RFC 1985 section 5: how much waits is told and sent, of one's own domains only."""
        for counts, node, reply, started in ETRN:
            for cut in CUTS:
                waiting = Waiting(counts)
                world = self.connected(waiting, cut=cut)
                self.check(world, [(b"ETRN " + node + b"\r\n", [reply]), (b"NOOP\r\n", [b"250"])])
                self.assertEqual(waiting.started, started, node)

    def test_reversing(self) -> None:
        """RFC 2645 section 5: after 250 the peer begins with 220, and after QUIT the connection is over."""
        for counts, command, reply, domains in REVERSING:
            for cut in CUTS:
                waiting = Waiting(counts)
                world = self.connected(waiting, cut=cut)
                if reply is not None:
                    self.check(world, [(command + b"\r\n", [reply]), (b"NOOP\r\n", [b"250"])])
                    self.assertEqual(waiting.sent, [])
                    continue
                self.check(world, [(command + b"\r\n", [b"250 2.0.0 OK now reversing the connection"])])
                for said, heard in (
                    (b"220 branch.example.net\r\n", b"EHLO mx.local.example\r\n"),
                    (b"250 branch.example.net\r\n", b"QUIT\r\n"),
                    (b"221 bye\r\nNOOP\r\n", b""),
                ):
                    world.stream.dataReceived(said)
                    self.assertEqual(world.transport.take(), heard)
                self.assertEqual((waiting.sent, world.outcome), ([domains], "ended"))

    def test_lost_while_reversed(self) -> None:
        """A peer that goes away instead of greeting ends the session, and nothing is sent."""
        waiting = Waiting({BRANCH: 1})
        world = self.connected(waiting)
        self.check(world, [(b"ATRN\r\n", [b"250"])])
        world.lose()
        self.assertEqual((waiting.sent, world.outcome), ([], "ConnectionClosed"))

    def test_pipelined(self) -> None:
        """What comes before our reply is no greeting: the peer is sent away."""
        waiting = Waiting({BRANCH: 1})
        world = self.connected(waiting)
        self.check(world, [(b"ATRN\r\n220 branch.example.net\r\n", [b"554 5.5.0"])])
        self.assertEqual((waiting.sent, world.open), ([], False))

    def test_trouble(self) -> None:
        """What cannot be counted now is for later."""
        world = self.connected(Waiting(fails=OSError(5, "Input/output error")))
        self.check(world, [(b"ETRN branch.example.net\r\n", [b"458 4.3.0"]), (b"ATRN\r\n", [b"451 4.3.0"])])

    def test_nothing_waits(self) -> None:
        """While no mail for others is taken, the answers say so."""
        steps = [
            (b"ETRN branch.example.net\r\n", [b"251 2.0.0 No messages waiting for node branch.example.net"]),
            (b"ATRN\r\n", [b"453 4.7.0 You have no mail"]),
            (b"TURN\r\n", [b"502 5.5.1"]),
        ]
        self.check(self.connected(), steps)

    def test_not_configured(self) -> None:
        """Where nothing can be called for, the commands are unknown; also to who has no domain."""
        for world in (self.submitting(), self.connected(user=b"carl@second.example")):
            self.check(world, [(b"TURN\r\nATRN\r\nETRN branch.example.net\r\n", [b"502 5.5.1"] * 3)])

    def test_between_transactions(self) -> None:
        """RFC 1985 section 5: not while there is one; and not before EHLO."""
        world = self.connected()
        self.check(world, [(MAIL.replace(b"a@remote.example", ANNA), [b"250"])])
        self.check(world, [(b"ETRN branch.example.net\r\nATRN\r\nTURN\r\n", [b"503 5.5.1"] * 3)])
        world = self.world("submission", config={"on_demand": ON_DEMAND})
        self.check(world, [(b"", [b"220"]), (b"ETRN branch.example.net\r\n", [b"503 5.5.1"])])

    def test_announced(self) -> None:
        """EHLO and HELP name them to who may, and to who may once it is known who it is."""
        for user, protocol, offered in (
            (b"", "smtp", False),
            (b"", "submission", True),
            (ANNA, "submission", True),
            (b"carl@second.example", "submission", False),
        ):
            world = self.connected(user=user, protocol=protocol)
            world.stream.dataReceived(EHLO + b"HELP\r\n")
            said = world.transport.take()
            for line in (b"250-ETRN\r\n", b"250-ATRN\r\n", b"214-2.0.0 ETRN ", b"214-2.0.0 ATRN "):
                self.assertEqual(line in said, offered, (user, protocol, line))
