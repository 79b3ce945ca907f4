"""The SMTP client against servers that are good, and servers that are not (vectors O1 to O4, S16, S17)."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.delivery.client import NotConnected, connect
from mailnode.delivery.fitting import Message
from mailnode.delivery.link import StreamLink
from mailnode.delivery.opening import Manner
from mailnode.delivery.outcome import Outcome, Result, Stage
from mailnode.delivery.transaction import CHUNK, GROUP
from mailnode.envelope import Body, Recipient
from mailnode.wire.address import Address
from tests.delivery.peers import (
    ANNA,
    BARE,
    BEN,
    CARL,
    CUT,
    EHLO,
    IN_CLEAR,
    TEXT,
    ClientTestCase,
    FakeServer,
    World,
    letter,
)

LMTP = Manner("here.example", lmtp=True, tls=IN_CLEAR.tls)
CHUNKING = b"250-there.example\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250-CHUNKING\r\n250 PIPELINING\r\n"

GOOD = ("delivered", "end of content", "2.0.0")
# What one reply makes of a message to Anna and Ben: verb, reply, the two outcomes.
REPLIES: tuple[tuple[str, bytes | list[bytes], list[tuple[str, str, str]]], ...] = (
    ("MAIL", b"451 4.3.0 Later\r\n", [("temporary", "MAIL", "4.3.0")] * 2),
    ("MAIL", b"550 5.7.1 No\r\n", [("permanent", "MAIL", "5.7.1")] * 2),
    ("MAIL", b"421 4.3.2 Bye\r\n", [("temporary", "MAIL", "4.3.2")] * 2),
    ("MAIL", b"354 What?\r\n", [("temporary", "MAIL", "4.5.0")] * 2),
    ("RCPT", [b"450 4.2.1 Later\r\n", b"250 Ok\r\n"], [("temporary", "RCPT", "4.2.1"), GOOD]),
    ("RCPT", [b"550\r\n", b"251 2.1.5 Will forward\r\n"], [("permanent", "RCPT", "5.0.0"), GOOD]),
    ("RCPT", [b"252 Who knows\r\n", b"552 Too many\r\n"], [GOOD, ("temporary", "RCPT", "4.5.3")]),
    ("RCPT", [b"250 Ok\r\n", b"552 5.2.2 Full\r\n"], [GOOD, ("permanent", "RCPT", "5.2.2")]),
    ("RCPT", b"550 5.1.1 Nobody\r\n", [("permanent", "RCPT", "5.1.1")] * 2),
    (
        "RCPT",
        [b"550 5.1.1 Nobody\r\n", b"421 4.3.2 Bye\r\n"],
        [("permanent", "RCPT", "5.1.1"), ("temporary", "RCPT", "4.3.2")],
    ),
    ("RCPT", [b"250 Ok\r\n", CUT], [("temporary", "RCPT", "4.4.2")] * 2),
    ("DATA", b"451 4.3.0 Later\r\n", [("temporary", "DATA", "4.3.0")] * 2),
    ("DATA", b"554 5.7.1 No\r\n", [("permanent", "DATA", "5.7.1")] * 2),
    ("DATA", b"421 4.3.2 Bye\r\n", [("temporary", "DATA", "4.3.2")] * 2),
    # O2: a yes to DATA that is not 354, and a yes before the end.
    ("DATA", b"250 Ok\r\n354 Go on\r\n", [("temporary", "DATA", "4.5.0")] * 2),
    ("DATA", b"354 Go on\r\n250 2.0.0 Ok\r\n", [("temporary", "content", "4.5.0")] * 2),
    ("DATA", b"354 Go on\r\n552 5.3.4 Too large\r\n", [("permanent", "content", "5.3.4")] * 2),
    ("END", b"451 4.3.0 Later\r\n", [("temporary", "end of content", "4.3.0")] * 2),
    ("END", b"550 5.7.1 Spam\r\n", [("permanent", "end of content", "5.7.1")] * 2),
    ("END", b"421 4.3.2 Bye\r\n", [("temporary", "end of content", "4.3.2")] * 2),
    ("END", b"354 What?\r\n", [("temporary", "end of content", "4.5.0")] * 2),
    ("END", CUT, [("temporary", "end of content", "4.4.2")] * 2),
    ("END", b"250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n", [GOOD, GOOD]),
)
# O1: what is no reply, at any stage.
RUBBISH = (
    b"abc\r\n",
    b"000 x\r\n",
    b"299 x\r\n",
    b"250-a\r\n251 b\r\n",
    b"250-x\r\n" * 10000,
    b"2" * 1_000_000,
    b"\xff" * 100 + b"\r\n",
    b"250 x\n",
)
VERBS = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "END", "BDAT", "RSET")
WORDS = st.lists(
    st.sampled_from(
        [
            b"220 ",
            b"250-",
            b"250 ",
            b"354 ",
            b"421 ",
            b"450 ",
            b"550 ",
            b"299",
            b"\r\n",
            b"\r\n",
            b"\n",
            b"x",
            b"\xff",
        ]
    ),
    max_size=8,
).map(b"".join)


class Replies(ClientTestCase):
    """One message, and what one reply makes of it."""

    def outcomes(self, extensions: bytes, verb: str, reply: bytes | list[bytes]) -> tuple[World, Any]:
        """A message to Anna and Ben."""
        answer = list(reply) if isinstance(reply, list) else reply
        world = self.world(FakeServer(EHLO=extensions, **{verb: answer}))
        return world, self.delivered(world, letter(ANNA, BEN))

    def test_replies(self) -> None:
        """O2, O3: the same with PIPELINING and without; each outcome names its stage, peer and reply."""
        for verb, reply, wanted in REPLIES:
            for extensions in (EHLO, BARE):
                _, outcomes = self.outcomes(extensions, verb, reply)
                self.assertEqual(self.words(outcomes), wanted, (verb, reply, extensions))
                self.assertEqual([one.recipient for one in outcomes], [ANNA, BEN])
                self.assertEqual({one.peer.address for one in outcomes}, {"192.0.2.25"})

    def test_never_without_yes(self) -> None:
        """O2: only 250 to the end is delivered; where the end was sent and no answer came, it may be."""
        for verb, reply, _ in REPLIES:
            _, outcomes = self.outcomes(BARE, verb, reply)
            maybe = verb == "END" and reply in (CUT, b"354 What?\r\n")
            self.assertEqual({one.verdict.maybe_delivered for one in outcomes}, {maybe}, (verb, reply))

    def test_rubbish(self) -> None:
        """O1: at every stage temporary, bounded, and the connection ends."""
        for rubbish in RUBBISH:
            for verb in ("MAIL", "RCPT", "DATA", "END"):
                for extensions in (EHLO, BARE):
                    world, outcomes = self.outcomes(extensions, verb, rubbish)
                    world.pass_time(700)  # for those that never end
                    self.assertEqual({one.result for one in outcomes}, {Result.TEMPORARY}, (rubbish, verb))
                    self.assertFalse(world.pipes[0].transport.connected)
                    self.assertTrue(all(len(one.verdict.text) <= 1000 for one in outcomes))

    def test_what_is_said(self) -> None:
        """RFC 2920 section 3.1: the commands, in one group or one by one."""
        for extensions in (EHLO, BARE):
            world, _ = self.outcomes(extensions, "QUIT", b"221\r\n")
            size = b" SIZE=27" if extensions == EHLO else b""
            self.assertEqual(
                world.server.lines,
                [
                    b"EHLO here.example",
                    b"MAIL FROM:<sender@here.example>" + size,
                    b"RCPT TO:<anna@there.example>",
                    b"RCPT TO:<ben@there.example>",
                    b"DATA",
                ],
            )
            self.assertEqual(world.server.contents, [TEXT])

    def test_nobody_left(self) -> None:
        """Without PIPELINING there is no DATA for nobody; with it, one dot and no content."""
        world, _ = self.outcomes(BARE, "RCPT", b"550 5.1.1 No\r\n")
        self.assertNotIn(b"DATA", world.server.lines)
        world, _ = self.outcomes(EHLO, "RCPT", b"550 5.1.1 No\r\n")
        self.assertEqual(world.server.contents, [b""])

    def test_no_mail(self) -> None:
        """Without PIPELINING nothing follows a refused MAIL."""
        world, _ = self.outcomes(BARE, "MAIL", b"550 5.7.1 No\r\n")
        self.assertEqual(len(world.server.lines), 2)

    def test_many_recipients(self) -> None:
        """More than a group: each reply belongs to its recipient."""
        people = [Recipient(Address(f"user{number}", "there.example")) for number in range(3 * GROUP + 7)]
        answers = [b"550 5.1.1 No\r\n" if number % 3 else b"250 Ok\r\n" for number in range(len(people))]
        for extensions in (EHLO, BARE):
            world = self.world(FakeServer(EHLO=extensions, RCPT=list(answers)))
            outcomes = self.delivered(world, letter(*people))
            self.assertEqual(
                [one.result is Result.DELIVERED for one in outcomes],
                [number % 3 == 0 for number in range(len(people))],
            )

    def test_too_many(self) -> None:
        """RFC 5321 section 4.5.3.1.10, RFC 9422: who was one too many goes in another transaction."""
        people = [Recipient(Address(f"user{number}", "there.example")) for number in range(7)]
        three = [b"250 Ok\r\n"] * 3
        for extensions, replies in (
            (EHLO, [*three, *[b"452 4.5.3 Too many\r\n"] * 4, *three, b"552 Too many\r\n", b"250 Ok\r\n"]),
            (BARE, [*three, *[b"452 Too many\r\n"] * 4, *three, b"452 Too many\r\n", b"250 Ok\r\n"]),
            (b"250-x\r\n250 LIMITS RCPTMAX=3 MAILMAX=99\r\n", b"250 Ok\r\n"),
        ):
            world = self.world(FakeServer(EHLO=extensions, RCPT=replies))
            self.assertEqual(
                {one.result for one in self.delivered(world, letter(*people))}, {Result.DELIVERED}
            )
            self.assertEqual(world.server.contents, [TEXT] * 3)
        # Where nobody gets through, or the reason is another, it is for later.
        for replies in (b"452 4.5.3 Too many\r\n", [b"250 Ok\r\n", b"452 4.2.2 Full\r\n"]):
            world = self.world(FakeServer(EHLO=BARE, RCPT=replies))
            outcomes = self.delivered(world, letter(ANNA, BEN))
            self.assertIs(outcomes[1].result, Result.TEMPORARY)
            self.assertEqual(len([line for line in world.server.lines if line[:4] == b"MAIL"]), 1)

    def test_enough(self) -> None:
        """RFC 9422: after MAILMAX transactions the session is over, for what is left of a message too."""
        world = self.world(FakeServer(EHLO=b"250-x\r\n250 LIMITS RCPTMAX=1 MAILMAX=2 X=1\r\n"))
        client = self.connected(world)
        outcomes = self.successResultOf(world.run(client.deliver(letter(ANNA, BEN, CARL))))
        self.assertEqual(self.words(outcomes), [GOOD, GOOD, ("temporary", "connect", "4.4.2")])
        self.assertFalse(client.usable)
        world.pass_time(61)
        self.assertEqual(world.server.lines[-1], b"QUIT")


class Sessions(ClientTestCase):
    """More than one message on a connection."""

    def deliver(self, world: World, client: Any, message: Message) -> tuple[Outcome, ...]:
        """The outcomes of one message."""
        found: tuple[Outcome, ...] = self.successResultOf(world.run(client.deliver(message)))
        return found

    def test_many(self) -> None:
        """RSET comes only where the peer may still hold a transaction, in the next group."""
        for extensions in (EHLO, BARE):
            replies: list[bytes] = [b"250 Ok\r\n", b"550 5.1.1 No\r\n", b"250 Ok\r\n"]
            answers: list[bytes] = [b"354 Go on\r\n", b"554 5.5.1 Nobody\r\n", b"354 Go on\r\n"]
            if extensions == BARE:
                answers.pop(1)
            world = self.world(FakeServer(EHLO=extensions, RCPT=replies, DATA=answers))
            client = self.connected(world)
            results = [self.deliver(world, client, letter())[0].result.value for _ in range(4)]
            self.assertEqual(results, ["delivered", "permanent", "delivered", "delivered"])
            self.assertEqual(world.server.lines.count(b"RSET"), 1)
            self.assertEqual(world.server.lines[world.server.lines.index(b"RSET") + 1][:4], b"MAIL")
            self.successResultOf(world.run(client.close()))
            self.assertEqual(world.server.lines[-1], b"QUIT")
            self.assertFalse(client.usable)

    def test_reset_refused(self) -> None:
        """A server that cannot forget is left alone."""
        world = self.world(FakeServer(DATA=b"451 4.3.0 Later\r\n", RSET=b"502 5.5.1 No\r\n"))
        client = self.connected(world)
        self.deliver(world, client, letter())
        self.assertEqual(self.words(self.deliver(world, client, letter())), [("temporary", "RSET", "4.5.0")])
        self.assertFalse(client.usable)

    def test_out_of_nowhere(self) -> None:
        """A reply that nobody asked for: nobody knows any more which reply means what."""
        world = self.world(FakeServer())
        client = self.connected(world)
        world.say(world.pipes[0], b"250 2.0.0 Queued\r\n")
        self.assertFalse(client.usable)
        outcomes = self.deliver(world, client, letter())
        self.assertEqual(self.words(outcomes), [("temporary", "connect", "4.4.2")])
        self.assertEqual(len(world.server.lines), 1)

    def test_gone(self) -> None:
        """A peer that went in the meantime."""
        world = self.world(FakeServer())
        client = self.connected(world)
        world.say(world.pipes[0], CUT)
        self.assertFalse(client.usable)
        self.assertEqual(
            self.words(self.deliver(world, client, letter())), [("temporary", "connect", "4.4.2")]
        )
        self.successResultOf(world.run(client.close()))

    def test_idle(self) -> None:
        """After a minute without a message the client says goodbye by itself."""
        world = self.world(FakeServer())
        client = self.connected(world)
        world.pass_time(59)
        self.deliver(world, client, letter())
        world.pass_time(59)
        self.assertTrue(client.usable)
        world.pass_time(2)
        self.assertEqual(world.server.lines[-1], b"QUIT")
        self.assertFalse(client.usable)

    def test_packets(self) -> None:
        """With PIPELINING a small message is two writes: its envelope, and its content with the end."""
        world = self.world(FakeServer())
        client = self.connected(world)
        sent: list[tuple[Stage, bytes]] = []
        send = StreamLink.send

        async def noted(link: StreamLink, data: bytes, stage: Stage) -> None:
            sent.append((stage, data))
            await send(link, data, stage)

        self.patch(StreamLink, "send", noted)
        self.deliver(world, client, letter(cut=65536))
        self.assertEqual([stage for stage, _ in sent], [Stage.MAIL, Stage.END])
        self.assertTrue(sent[0][1].endswith(b"DATA\r\n") and sent[1][1].endswith(b"\r\n.\r\n"))

    def test_one_timer(self) -> None:
        """However many messages go over it, a session that rests has one timer."""
        world = self.world(FakeServer())
        client = self.connected(world)
        before = world.clock.getDelayedCalls()
        for _ in range(3):
            self.deliver(world, client, letter())
        self.assertEqual([one for one in world.clock.getDelayedCalls() if one not in before], [])
        self.successResultOf(world.run(client.close()))

    def test_quit(self) -> None:
        """O4: a peer that does not answer QUIT is cut off after 5 seconds."""
        world = self.world(FakeServer(QUIT=b""))
        client = self.connected(world)
        closing = world.run(client.close())
        world.pass_time(4)
        self.assertNoResult(closing)
        world.pass_time(2)
        self.successResultOf(closing)
        self.assertFalse(world.pipes[0].transport.connected)

    def test_timeouts(self) -> None:
        """RFC 5321 section 4.5.3.2: each stage has its time, however slowly octets drip in (O4)."""
        for verb, seconds in (("MAIL", 300), ("RCPT", 300), ("DATA", 120), ("END", 600)):
            world = self.world(FakeServer(EHLO=BARE, **{verb: b""}))
            client = self.connected(world)
            running = world.run(client.deliver(letter()))
            for _ in range(seconds - 1):
                world.say(world.pipes[0], b"2" if world.clock.seconds() < 1 else b"")
                world.pass_time(1)
            self.assertNoResult(running)
            world.pass_time(2)
            (outcome,) = self.successResultOf(running)
            self.assertEqual((outcome.result, outcome.verdict.status), (Result.TEMPORARY, "4.4.2"))
            self.assertEqual(outcome.verdict.maybe_delivered, verb == "END")

    def test_deaf(self) -> None:
        """O4: a peer that does not read has three minutes for a block."""
        world = self.world(FakeServer())
        client = self.connected(world)
        stream: Any = world.pipes[0].transport.protocol
        stream.pauseProducing()
        running = world.run(client.deliver(letter()))
        world.pass_time(179)
        self.assertNoResult(running)
        world.pass_time(2)
        self.assertEqual(self.words(self.successResultOf(running)), [("temporary", "MAIL", "4.4.2")])

    def test_message_cannot_be_read(self) -> None:
        """A disk that fails in the middle: temporary, and the peer gets no end."""
        good = letter()

        async def content() -> Any:
            yield b"Subject: a\r\n"
            raise OSError(5, "Input/output error")

        for extensions in (EHLO, CHUNKING):
            world = self.world(FakeServer(EHLO=extensions))
            manner = Manner("here.example", tls=IN_CLEAR.tls, chunking=True)
            outcomes = self.delivered(world, Message(good.envelope, 100, content), manner)
            self.assertEqual(self.words(outcomes), [("temporary", "content", "4.3.0")])
            self.assertFalse(world.pipes[0].transport.connected)
            self.assertNotIn(b" LAST", b"".join(world.server.lines))


class Openings(ClientTestCase):
    """From the connection to EHLO."""

    def test_greetings(self) -> None:
        """O3: whoever does not greet with 220 is left, with QUIT where it is still there."""
        for greeting, result, status in (
            (b"421 4.3.2 Busy\r\n", "temporary", "4.3.2"),
            (b"451 Later\r\n", "temporary", "4.0.0"),
            (b"554 5.7.1 Not you\r\n", "permanent", "5.7.1"),
            (b"250 Hello\r\n", "temporary", "4.5.0"),
            (b"HTTP/1.1 400 Bad Request\r\n", "temporary", "4.5.0"),
            (CUT, "temporary", "4.4.2"),
        ):
            world = self.world(FakeServer(greeting=greeting))
            failed = self.not_connected(world)
            self.assertEqual((failed.verdict.result.value, failed.verdict.status), (result, status))
            self.assertIs(failed.verdict.stage, Stage.GREETING)
            self.assertEqual(world.server.lines, [b"QUIT"] if greeting[:3] in (b"451", b"554") else [])
            self.assertFalse(world.pipes[0].transport.connected)
            self.assertEqual([one.recipient for one in failed.outcomes([ANNA, BEN])], [ANNA, BEN])

    def test_no_greeting(self) -> None:
        """Five minutes are enough."""
        world = self.world(FakeServer(greeting=b""))
        running = world.run(connect(self.place(world), IN_CLEAR, world.runtime))
        world.pass_time(299)
        self.assertNoResult(running)
        world.pass_time(2)
        self.failureResultOf(running, NotConnected)

    def test_no_connection(self) -> None:
        """Nobody is there."""
        world = self.world(FakeServer(), refused=True)
        verdict = self.not_connected(world).verdict
        self.assertEqual((verdict.stage, verdict.status), (Stage.CONNECT, "4.4.1"))

    def test_helo(self) -> None:
        """RFC 5321 section 3.2: HELO for a server that does not know EHLO; then no parameters."""
        world = self.world(FakeServer(EHLO=b"502 5.5.1 What?\r\n"))
        outcomes = self.delivered(world, letter())
        self.assertEqual(outcomes[0].result, Result.DELIVERED)
        self.assertEqual(world.server.lines[1:3], [b"HELO here.example", b"MAIL FROM:<sender@here.example>"])

    def test_no_hello(self) -> None:
        """Neither is taken; LMTP has one only (RFC 2033 section 4.1)."""
        for replies, manner, lines in (
            ({"EHLO": b"550 No\r\n", "HELO": b"550 5.7.1 No\r\n"}, IN_CLEAR, 3),
            ({"EHLO": b"450 4.7.1 Later\r\n"}, IN_CLEAR, 2),
            ({"LHLO": b"550 5.7.1 No\r\n"}, LMTP, 2),
        ):
            world = self.world(FakeServer(**replies))  # type: ignore[arg-type]
            self.assertIs(self.not_connected(world, manner).verdict.stage, Stage.EHLO)
            self.assertEqual(len(world.server.lines), lines)


class Contents(ClientTestCase):
    """What arrives is what was sent."""

    BODIES = (b"", b".\r\n", b"..\r\n", b"\r\n.\r\nx\r\n", TEXT, b"x" * 70 + b"\r\n.\r\n", b"no end")

    def test_every_cut(self) -> None:
        """S17: dots and edges; what has no line end gets one, with DATA."""
        client_world = self.world(FakeServer(EHLO=EHLO))
        client = self.connected(client_world)
        for body in self.BODIES:
            for cut in (*range(1, 12), 69, 70, 71, 72):
                self.successResultOf(client_world.run(client.deliver(letter(text=body, cut=cut))))
                wanted = body if not body or body.endswith(b"\r\n") else body + b"\r\n"
                self.assertEqual(client_world.server.contents[-1], wanted, (body, cut))

    def test_bare_line_ends(self) -> None:
        """S16, S17: never as they are; a CRLF each."""
        world = self.world(FakeServer())
        client = self.connected(world)
        for body in (b"a\n.\nb", b"a\r.\rb", b"a\r\n.\rb", b"a\n.\r\nb"):
            for cut in range(1, len(body) + 1):
                self.successResultOf(world.run(client.deliver(letter(text=body, cut=cut))))
                self.assertEqual(world.server.contents[-1], b"a\r\n.\r\nb\r\n")
        self.assertEqual(world.server.lines.count(b"DATA"), len(world.server.contents))

    def test_chunks(self) -> None:
        """RFC 3030: any octets as they are, in chunks; a binary message needs that, others may wish it.

        S16: of those that are not binary, a bare CR or LF never goes out.
        """
        binary = b"\r\n.\r\nMAIL FROM:<e@x>\r\n\0\n\r" * 30000
        whole = b"\r\n.\r\nMAIL FROM:<e@x>\r\n\0\r\n\r\n" * 30000
        for body, manner in (
            (Body.BINARY, IN_CLEAR),
            (Body.SEVEN_BIT, Manner("h", tls=IN_CLEAR.tls, chunking=True)),
        ):
            for text in (binary, b"", b"x" * CHUNK, b"x" * (CHUNK + 1)):
                world = self.world(FakeServer(EHLO=CHUNKING))
                outcomes = self.delivered(world, letter(text=text, cut=10007, body=body), manner)
                self.assertEqual(self.words(outcomes), [("delivered", "end of content", "2.0.0")])
                plain = text if body is Body.BINARY else {binary: whole}.get(text, text)
                self.assertEqual(world.server.contents, [plain])
                self.assertEqual(b" BODY=BINARYMIME" in world.server.lines[1], body is Body.BINARY)

    def test_chunk_refused(self) -> None:
        """A no to any chunk is one for everybody; RSET follows (RFC 3030 section 2)."""
        for number in range(3):
            answers = [b"250 Ok\r\n"] * number + [b"552 5.3.4 Too large\r\n", b"250 Ok\r\n"]
            world = self.world(FakeServer(EHLO=CHUNKING, BDAT=answers))
            client = self.connected(world)
            message = letter(ANNA, BEN, text=b"x" * (2 * CHUNK + 1), cut=65536, body=Body.BINARY)
            outcomes = self.successResultOf(world.run(client.deliver(message)))
            self.assertEqual({one.verdict.status for one in outcomes}, {"5.3.4"})
            self.successResultOf(world.run(client.deliver(letter())))
            self.assertIn(b"RSET", world.server.lines)

    @settings(deadline=None, max_examples=60, derandomize=True)
    @given(
        st.lists(st.sampled_from([b"\r\n", b".", b"..", b"a", b"\r", b"\n", b"\0", b"\xff"]), max_size=20),
        st.integers(1, 9),
        st.booleans(),
    )
    def test_any_body(self, words: list[bytes], cut: int, chunking: bool) -> None:
        """By DATA with whole lines, by BDAT octet for octet."""
        text = b"".join(words)
        world = self.world(FakeServer(EHLO=CHUNKING))
        body = Body.BINARY if chunking else Body.EIGHT_BIT
        self.delivered(world, letter(text=text, cut=cut, body=body))
        if not chunking:
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
            text += b"" if not text or text.endswith(b"\r\n") else b"\r\n"
        self.assertEqual(world.server.contents, [text])
        self.end(self.worlds.pop())


class Same(ClientTestCase):
    """A server that keeps to the RFCs gets the same out of a client that waits and one that does not."""

    @settings(deadline=None, max_examples=150, derandomize=True)
    @given(
        st.sampled_from([b"250", b"450", b"550"]),
        st.lists(st.sampled_from([b"250", b"251", b"450", b"451", b"550", b"553"]), min_size=3, max_size=3),
        st.sampled_from([b"354", b"354", b"451", b"554"]),
        st.sampled_from([b"250", b"452", b"554"]),
    )
    def test_pipelining(self, mail: bytes, people: list[bytes], data: bytes, end: bytes) -> None:
        """RFC 2920 section 3.1: each reply is counted off against its command."""
        found = []
        for extensions in (EHLO, BARE):
            refused, nobody = mail != b"250", all(code >= b"400" for code in people)
            world = self.world(
                FakeServer(
                    EHLO=extensions,
                    MAIL=mail + b"\r\n",
                    RCPT=[b"503\r\n"] if refused else [code + b"\r\n" for code in people],
                    DATA=b"503\r\n" if refused or nobody else data + b"\r\n",
                    END=end + b"\r\n",
                )
            )
            outcomes = self.delivered(world, letter(ANNA, BEN, CARL))
            found.append([(one.verdict.stage, one.verdict.reply.code) for one in outcomes])
            self.end(self.worlds.pop())
        self.assertEqual(found[0], found[1])
        good = mail + data + end == b"250354250"
        self.assertEqual(
            [one.result is Result.DELIVERED for one in outcomes], [good and code < b"400" for code in people]
        )


class Lmtp(ClientTestCase):
    """RFC 2033: one answer for each recipient."""

    def test_each(self) -> None:
        """In the order of those who were accepted; with DATA and with BDAT."""
        for extensions, verb, manner in ((EHLO, "END", LMTP), (CHUNKING, "BDAT", LMTP)):
            server = FakeServer(
                LHLO=extensions,
                RCPT=[b"250 Ok\r\n", b"550 5.1.1 No\r\n", b"250 Ok\r\n"],
                END=[b"250 2.0.0 Ok\r\n", b"452 4.2.2 Full\r\n"],
                BDAT=b"250 2.0.0 Ok\r\n452 4.2.2 Full\r\n",
            )
            world = self.world(server)
            body = Body.BINARY if verb == "BDAT" else Body.SEVEN_BIT
            outcomes = self.delivered(world, letter(ANNA, BEN, CARL, body=body), manner)
            wanted = [GOOD, ("permanent", "RCPT", "5.1.1"), ("temporary", "end of content", "4.2.2")]
            self.assertEqual(self.words(outcomes), wanted)

    def test_lost_between(self) -> None:
        """Who has an answer keeps it; of the others nobody knows."""
        world = self.world(FakeServer(END=[b"250 2.0.0 Ok\r\n", CUT]))
        outcomes = self.delivered(world, letter(ANNA, BEN, CARL), LMTP)
        self.assertEqual([one.result.value for one in outcomes], ["delivered", "temporary", "temporary"])
        self.assertEqual([one.verdict.maybe_delivered for one in outcomes], [False, True, True])

    def test_nobody(self) -> None:
        """DATA let go ahead for nobody: an end without answers, and the connection is not used again."""
        world = self.world(FakeServer(RCPT=b"550 5.1.1 No\r\n"))
        self.assertEqual(self.delivered(world, letter(), LMTP)[0].verdict.status, "5.1.1")
        self.assertFalse(world.pipes[0].transport.connected)


class Anything(ClientTestCase):
    """Whatever a peer sends."""

    @settings(deadline=None, max_examples=300, derandomize=True)
    @given(
        st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "END", "BDAT", "RSET"), WORDS
            ),
        ),
        st.sampled_from([EHLO, BARE, CHUNKING]),
        st.integers(1, 12),
        st.booleans(),
    )
    def test_outcomes(self, replies: dict[str, bytes], extensions: bytes, cut: int, binary: bool) -> None:
        """Outcomes for everybody, and no exception; delivered only with a positive reply to the end."""
        server = FakeServer(**{"EHLO": extensions, **replies})
        world = self.world(server, cut=cut)
        running = world.run(connect(self.place(world), IN_CLEAR, world.runtime))
        world.pass_time(601)
        found: list[Any] = []
        running.addBoth(found.append)
        if not hasattr(found[0], "deliver"):
            found[0].trap(NotConnected)
            self.end(self.worlds.pop())
            return
        client = found[0]
        for _ in range(2):
            delivering = world.run(
                client.deliver(letter(ANNA, BEN, body=Body.BINARY if binary else Body.SEVEN_BIT))
            )
            world.pass_time(2000)
            outcomes = self.successResultOf(delivering)
            self.assertEqual([one.recipient for one in outcomes], [ANNA, BEN])
            for one in outcomes:
                self.assertTrue(one.verdict.text.isprintable())
                delivered = one.result is Result.DELIVERED
                positive = one.verdict.stage is Stage.END and one.verdict.reply.positive
                self.assertEqual(delivered, positive and not one.verdict.own)
        self.end(self.worlds.pop())
