"""The order of commands, and the limits on a session; attacks on both are in tests/vectors/states.toml."""

from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher

from mailnode.events.life import Accepted, Refused
from mailnode.smtp.verbs import VERBS
from tests.smtp.world import CUTS, EHLO, MAIL, RCPT, Delivery, SmtpTestCase, World, auth_plain

TEXT = b"Subject: x\r\n\r\nbody\r\n.\r\n"
COMMANDS = (
    EHLO,
    MAIL,
    RCPT,
    b"DATA\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"AUTH PLAIN\r\n",
    b"STARTTLS\r\n",
    b"RCPT TO:<bad\r\n",
    b"\xff\r\n",
)
Step = tuple[bytes, list[bytes]]
BEGUN: list[Step] = [(MAIL, [b"250 2.1.0"]), (RCPT, [b"250 2.1.5"])]

# Name: what is said after EHLO, in groups, each with how its replies begin.
DIALOGUES: dict[str, list[Step]] = {
    "a message": [
        *BEGUN,
        (b"DATA\r\n", [b"354 "]),
        (TEXT, [b"250 2.0.0 Ok: "]),
        (b"QUIT\r\n", [b"221 2.0.0"]),
    ],
    "parameters in any letters": [
        (b"mail from:<a@x.example> size=1 body=8bitmime auth=<>+0A\r\n", [b"250"]),
    ],
    "blanks and letters": [
        (b"mAIL  FROM: <a@x.example>  \r\n", [b"250"]),
        (b"rcpt\tTO:<ANNA@Local.Example>\r\n", [b"250"]),
        (b"noop anything at all\r\n", [b"250"]),
    ],
    "no arguments": [
        (b"RSET x\r\n", [b"501 5.5.4"]),
        (b"DATA x\r\n", [b"501 5.5.4"]),
        (b"QUIT x\r\n", [b"501 5.5.4"]),
        (b"VRFY\r\n", [b"501 5.5.4"]),
    ],
    "not done here": [
        (b"EXPN staff\r\n", [b"550 5.7.1"]),
        (b"ATRN\r\n", [b"502 5.5.1"]),
        (b"TURN\r\n", [b"502 5.5.1"]),
        (b"ETRN x\r\n", [b"502 5.5.1"]),
        (b"SEND FROM:<a@x.example>\r\n", [b"502 5.5.1"]),
        (b"SOML FROM:<a@x.example>\r\nSAML FROM:<a@x.example>\r\n", [b"502 5.5.1", b"502 5.5.1"]),
    ],
    "R26 a pipelined group": [
        (MAIL + RCPT + RCPT + b"DATA\r\n", [b"250", b"250", b"250", b"354"]),
        (TEXT + b"QUIT\r\n", [b"250", b"221"]),
    ],
    "names that are taken": [
        (b"HELO [IPv6:2001:db8::1]\r\n", [b"250 "]),
        (b"EHLO MY_PC\r\n", [b"250 "]),
    ],
}  # fmt: skip


class States(SmtpTestCase):
    """Each dialogue, whole, byte by byte and in pieces of random length."""

    def test_dialogues(self) -> None:
        """RFC 5321 section 4.1.4: what may come when, and what is answered."""
        for name, steps in DIALOGUES.items():
            for cut in CUTS:
                world = self.greeted(cut=cut)
                try:
                    self.check(world, steps)
                except AssertionError as wrong:
                    raise AssertionError(name, cut, *wrong.args) from None

    def test_disconnect_anywhere(self) -> None:
        """M16: without the final dot there is no message, wherever the client went away."""
        everything = MAIL + RCPT + b"RCPT TO:<bob@local.example>\r\nDATA\r\n"
        for end in range(len(everything)):
            world = self.greeted()
            world.send(everything[:end])
            world.lose()
            self.assertEqual(world.courier.deliveries, [])
        for end in range(len(TEXT) + 1):
            world = self.greeted()
            world.send(everything)
            world.send(TEXT[:end])
            world.lose()
            self.assertEqual(len(world.courier.delivered), int(end == len(TEXT)))

    def test_shutdown_in_data(self) -> None:
        """M14: a server that closes in the middle of a message keeps nothing of it."""
        world = self.greeted()
        self.check(world, [*BEGUN, (b"DATA\r\n", [b"354"]), (b"Subject: x\r\n\r\nhalf", [])])
        world.stream.close()
        world.lose()
        self.assertEqual([delivery.outcome for delivery in world.courier.deliveries], ["aborted"])

    def test_hello_first(self) -> None:
        """RFC 5321 section 4.1.4: EHLO or HELO comes before mail; help and the like need none."""
        world = self.world()
        self.check(world, [(b"", [b"220 mx.local.example ESMTP"]), (MAIL, [b"503 5.5.1"])])
        self.check(world, [(b"NOOP\r\nVRFY x\r\nHELP\r\nRSET\r\n", [b"250", b"252", b"214", b"250"])])
        self.check(world, [(b"HELO [192.0.2.7]\r\n", [b"250 mx"]), *BEGUN])

    def test_help(self) -> None:
        """HELP names every verb that works here with its syntax, or one; it knows no others."""
        world = self.greeted()
        world.stream.dataReceived(b"HELP\r\n")
        lines = world.transport.take().decode().splitlines()
        others = (
            "LHLO",
            "XCLIENT",
            "STARTTLS",
            "AUTH",
            "SEND",
            "SOML",
            "SAML",
            "EXPN",
            "ETRN",
            "ATRN",
            "TURN",
        )
        done = [name for name in VERBS if name not in others]
        self.assertEqual([line[10:].split()[0] for line in lines], done)
        self.check(world, [(b"help mail\r\n", [b"214 2.0.0 MAIL FROM:<address>"])])
        self.check(world, [(b"HELP EXPN\r\nHELP \xff\r\n", [b"504 5.5.4", b"504 5.5.4"])])

    def test_junk(self) -> None:
        """M20: twenty commands that move no mail, and no more; a message starts the count anew."""
        for junk in (EHLO, b"NOOP\r\n", b"RSET\r\n", b"VRFY x\r\n", b"HELP\r\n"):
            world = self.greeted()
            for _ in range(19):
                self.assertEqual(len(world.send(junk)), 1)
            self.check(world, [*BEGUN, (b"DATA\r\n", [b"354"]), (TEXT, [b"250"])])
            replies = [reply for _ in range(22) for reply in world.send(junk)]
            self.assertEqual([reply[:9] for reply in replies[19:]], [replies[0][:9], b"421 4.7.0"])
            self.assertFalse(world.open)

    def test_errors(self) -> None:
        """After five errors each costs a second; the tenth is answered too, and ends the session."""
        world = self.greeted()
        began = world.clock.seconds()
        for count in range(9):
            self.check(world, [(b"WHAT\r\n", [b"500 5.5.2"])])
            self.assertEqual(world.clock.seconds() - began, max(0, count - 4))
        self.check(world, [(b"WHAT\r\n", [b"500 5.5.2", b"421 4.7.0"])])
        self.assertFalse(world.open)

    def test_messages(self) -> None:
        """After the last allowed message MAIL is answered 421, but not for a trusted peer."""
        for trusted, reply in ((False, b"421 4.7.0"), (True, b"250")):
            world = self.greeted(limits={"messages_per_session": 2}, trusted=trusted)
            for _ in range(2):
                self.check(world, [*BEGUN, (b"DATA\r\n", [b"354"]), (TEXT, [b"250"])])
            self.check(world, [(MAIL, [reply])])

    def test_early_talker(self) -> None:
        """R24: an octet while the greeting is held back sends a stranger away, as one before it does."""
        self.check(self.world(soon=b"E"), [(b"", [b"554 5.5.0"])])

    def stressed(self, **facts: Any) -> World:
        """A greeted connection of one stranger among many."""
        world = self.world(facts.pop("protocol", "smtp"), **facts)
        world.gate.stressed = True
        self.check(world, [(b"", [b"220"]), (EHLO, [b"250"])])
        return world

    def test_stress(self) -> None:
        """Under stress a message is taken as ever, and the first error or the second junk is the last."""
        message = [*BEGUN, (b"DATA\r\n", [b"354"]), (TEXT, [b"250"])]
        world = self.stressed()
        self.check(world, [*message, *message, (b"RSET\r\n", [b"250"]), *BEGUN])
        self.check(world, [(b"RCPT TO:<x@local.example>\r\n", [b"550 5.1.1", b"421 4.7.0"])])
        self.check(self.stressed(), [(b"NOOP\r\n", [b"421 4.7.0"])])

    def test_stress_time_out(self) -> None:
        """Under stress a silent stranger has ten seconds, also within a message."""
        for steps in ([], [*BEGUN, (b"DATA\r\n", [b"354"]), (b"x" * 600, [])]):
            world = self.stressed()
            self.check(world, steps)
            world.clock.advance(10)
            self.assertEqual([reply[:9] for reply in world.replies()], [b"421 4.4.2"])

    def test_stress_spares(self) -> None:
        """Trusted peers, and who has logged in, have the time and patience they always had."""
        trusted = self.stressed(trusted=True)
        person = self.stressed(protocol="submission", loopback=True)
        self.check(person, [(auth_plain(b"anna@local.example"), [b"235"])])
        for world in (trusted, person):
            self.check(world, [(b"WHAT\r\nNOOP\r\nNOOP\r\n", [b"500", b"250", b"250"])])
            world.clock.advance(299)
            self.check(world, [(b"NOOP\r\n", [b"250"])])

    def test_time_out(self) -> None:
        """RFC 5321 section 4.5.3.2: 421 after five minutes without a command, three within a message."""
        for steps, seconds in (([], 300), ([*BEGUN, (b"DATA\r\n", [b"354"]), (b"x", [])], 180)):
            world = self.greeted()
            self.check(world, steps)
            world.clock.advance(seconds - 1)
            self.assertEqual(world.replies(), [])
            world.clock.advance(1)
            self.assertEqual([reply[:9] for reply in world.replies()], [b"421 4.4.2"])
            self.assertEqual(world.outcome, "TimedOut")

    def test_too_slow(self) -> None:
        """An octet a second keeps no transaction open: 421 when the whole takes longer than it may."""
        world = self.greeted(limits={"data_timeout": 100, "data_rate": 10})
        self.check(world, [*BEGUN, (b"DATA\r\n", [b"354"])])
        for _ in range(112):
            self.assertEqual(world.send(b"x"), [])
            world.clock.advance(1)
        self.assertEqual([reply[:9] for reply in world.replies()], [b"421 4.4.2"])
        self.assertEqual((world.outcome, world.courier.delivered), ("TimedOut", []))

    def test_slow_enough(self) -> None:
        """Who sends at the least rate on the whole, steadily or in bursts, is heard to the end."""
        for piece, seconds in ((b"x" * 8 + b"\r\n", 1), (b"x" * 988 + b"\r\n", 99)):
            world = self.greeted(limits={"data_timeout": 100, "data_rate": 10})
            self.check(world, [*BEGUN, (b"DATA\r\n", [b"354"])])
            for _ in range(300):
                self.assertEqual(world.send(piece), [])
                world.clock.advance(seconds)
            self.check(world, [(b".\r\n", [b"250"])])

    def test_no_room(self) -> None:
        """Promise D10: a disk that is nearly full is told at MAIL, with the declared size counted in."""
        world = self.greeted()
        world.free = world.live.config.limits.min_free_space + 1000
        self.check(world, [(b"MAIL FROM:<a@x.example> SIZE=1001\r\n", [b"452 4.3.1"])])
        self.check(world, [(b"MAIL FROM:<a@x.example> SIZE=1000\r\n", [b"250"])])

    def test_no_disk(self) -> None:
        """A disk that cannot be asked is no bug: mail is put off, and the log has one line."""
        world = self.greeted()
        with patch("tests.smtp.world.succeed", side_effect=OSError(5, "broken")):
            self.check(world, [(MAIL, [b"451 4.3.0"])])
        self.check(world, [(MAIL, [b"250"])])

    @settings(deadline=None, max_examples=100)
    @given(st.lists(st.sampled_from(COMMANDS), max_size=25), st.sampled_from(CUTS))
    def test_any_order(self, commands: list[bytes], cut: Callable[[bytes], Iterator[bytes]]) -> None:
        """Whatever comes in whatever order: one reply each, and a message for each 250 to its end only."""
        world = self.greeted(cut=cut, limits={"errors_soft": 99, "errors_hard": 99, "junk_commands": 99})
        mail = recipient = False
        delivered = 0
        for command in commands:
            replies = [reply[:3] for reply in world.send(command)]
            if command == b"DATA\r\n" and mail and recipient:
                self.assertEqual(replies, [b"354"])
                (reply,) = world.send(TEXT)
                delivered += reply.startswith(b"250 2.0.0 Ok: ")
                mail = recipient = False
                continue
            self.assertEqual(len(replies), 1, command)
            yes = replies == [b"250"]
            self.assertEqual(command == RCPT and yes, command == RCPT and mail)
            recipient = (recipient or (command == RCPT and yes)) and command not in (EHLO, b"RSET\r\n")
            mail = (mail or (command == MAIL and yes)) and command not in (EHLO, b"RSET\r\n")
        self.assertEqual(len(world.courier.delivered), delivered)
        world.lose()

    def test_goodbye(self) -> None:
        """The last reply does not wait for the disk; where it is a no the log tells of it."""
        events = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        for words, code in ((b"QUIT\r\n", b"221 "), (b"x" * 20_000, b"421 ")):
            world = self.greeted()
            self.check(world, [*BEGUN, (b"BDAT 4\r\n\r\nab", [b"250"])])
            disk: Deferred[None] = Deferred()

            async def abort(delivery: Delivery, disk: "Deferred[None]" = disk) -> None:
                await disk
                delivery.outcome = "aborted"

            with patch.object(Delivery, "abort", abort):
                self.assertTrue(world.send(words)[-1].startswith(code))
            disk.callback(None)
        said = [event["line"] for event in events if event.get("line", "").startswith("goodbye")]
        self.assertEqual(len(said), 1)
        self.assertIn("421 4.7.0 The line does not end", said[0])

    def test_who_does_not_read(self) -> None:
        """No further command of somebody is run who does not take the replies."""
        world = self.greeted()
        world.connection.stream.pauseProducing()
        self.assertEqual(len(world.send(b"NOOP\r\n" * 3)), 1)
        world.connection.stream.resumeProducing()
        self.assertEqual(len(world.replies()), 2)

    def test_few_beside_a_refused_recipient(self) -> None:
        """So that the events of who goes on and on stay small; what ends a transaction tells of all."""
        world = self.greeted()
        world.send(b"MAIL FROM:<a@remote.example>\r\n")
        for number in range(9):
            world.send(b"RCPT TO:<anna+%d@local.example>\r\n" % number)
        world.send(b"RCPT TO:<x@local.example>\r\nDATA\r\n")
        world.send(b"Subject: x\n\r\n.\r\n")
        told = [
            (event.command, len(event.recipients)) for event in world.events if isinstance(event, Refused)
        ]
        self.assertEqual(told, [("RCPT", 5), ("DATA", 9)])

    def test_events(self) -> None:
        """A refused recipient and an accepted message are events, with what the client said."""
        world = self.greeted()
        self.check(world, [*BEGUN, (b"RCPT TO:<x@local.example>\r\n", [b"550"]), (b"DATA\r\n", [b"354"])])
        replies = world.send(TEXT)
        refused, accepted = world.events
        assert isinstance(refused, Refused)
        assert isinstance(accepted, Accepted)
        self.assertEqual((refused.connection, refused.command), ("CONN", "RCPT"))
        self.assertEqual(refused.subject, "TO:<x@local.example>")
        self.assertEqual(
            (refused.reverse_path, refused.recipients), ("a@remote.example", accepted.recipients)
        )
        self.assertEqual(replies, [b"250 2.0.0 Ok: " + accepted.message.encode()])
        self.assertEqual(accepted.recipients, ("anna@local.example",))
        self.assertEqual(accepted.octets, len(b"Subject: x\r\n\r\nbody\r\n"))
        self.assertEqual((accepted.peer, accepted.hello), (world.connection.peer, "client.example"))
        self.assertEqual((refused.peer, accepted.message_id), (world.connection.peer, ""))
