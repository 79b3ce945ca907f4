"""Mail that is kept for other hosts until they call for it: from the queue to their servers."""

from dataclasses import replace
from typing import Any

from mailnode.delivery.waiting import CalledFor
from mailnode.envelope import Recipient
from mailnode.queue.changes import hold
from mailnode.queue.entry import Fate, Progress
from mailnode.wire.address import Address, parse_address
from mailnode.wire.esmtp import Notify
from tests.delivery.test_elsewhere import ElsewhereTestCase
from tests.delivery.world import ANNA, BOB
from tests.smtp.world import EHLO, World, auth_plain

BRANCH, FAR = "branch.example.net", "far.example.net"
TIM, UTA, VAL = (parse_address(one) for one in (f"tim@{BRANCH}", f"uta@{BRANCH}", f"val@{FAR}"))
WAITS = Progress(Fate.WAITING, "4.4.4", "It waits until its host calls for it")
GREETING, OK = b"220 branch ESMTP\r\n", b"250 Ok\r\n"
HELLO = b"250-branch\r\n250-8BITMIME\r\n250 SIZE\r\n"


class Hurried:
    """Connections, of which only that is asked."""

    def __init__(self) -> None:
        self.count = 0

    def hurry(self) -> None:
        """Count."""
        self.count += 1


class Calling(ElsewhereTestCase):
    """The branch calls, as anna."""

    def setUp(self) -> None:
        super().setUp()
        on_demand = {BRANCH: ("anna@a.example",), FAR: ("anna@a.example", "bob@a.example")}
        self.live.config = replace(self.live.config, on_demand=on_demand)
        self.says = {str(one): WAITS for one in (TIM, UTA, VAL)}
        self.hurried = Hurried()
        connections: Any = self.hurried
        parts = (self.live, self.runtime, self.spool, self.runner, self.queued, self.bus, connections)
        self.waiting = CalledFor(*parts)

    def keep(self, *to: Address | Recipient, **facts: Any) -> str:
        """A message that was tried, and waits; its id."""
        name = self.accept(*to, **facts).id
        self.clock.advance(1)
        return name

    def call(self, command: bytes = b"ATRN\r\n") -> World:
        """A session of anna's with this command, which reverses it."""
        names = ("hostname", "domains", "state", "store", "on_demand")
        world = World(
            "submission",
            loopback=True,
            config={name: getattr(self.live.config, name) for name in names},
            mailboxes=self.live.mailboxes,
            queue=self.runner,
            waiting=self.waiting,
        )
        self.addCleanup(world.lose)
        world.send(EHLO + auth_plain(b"anna@a.example"))
        self.assertEqual(world.send(command)[-1][:9], b"250 2.0.0")
        return world

    def say(self, world: World, *replies: bytes) -> list[bytes]:
        """Reply as a server; all that is heard, in lines."""
        heard = b""
        for reply in replies:
            world.feed(reply)
            heard += world.transport.take()
            self.clock.advance(0)  # the turn of the reactor ends
        return heard.split(b"\r\n")[:-1]

    def take(self, world: World, *answers: bytes, end: bytes = OK) -> list[bytes]:
        """Take a message: the answers to MAIL and each RCPT, and to its end."""
        return self.say(world, OK, *answers, b"354 Go on\r\n", end)

    def test_atrn(self) -> None:
        """RFC 2645 section 5.2: all that waits for the branch goes to it, and nothing that is for others."""
        self.keep(TIM, UTA)
        self.keep(VAL, BOB)
        world = self.call(b"ATRN branch.example.net\r\n")
        self.assertEqual(self.say(world, GREETING), [b"EHLO mx.example"])
        heard = self.say(world, HELLO)
        heard += self.take(world, OK, OK)
        self.assertEqual(
            [line for line in heard if line.startswith(b"RCPT")],
            [f"RCPT TO:<{one}>".encode() for one in (TIM, UTA)],
        )
        self.assertIn(b"Text.", heard)
        self.assertEqual(heard[-1], b"QUIT")
        world.feed(b"221 Bye\r\n")
        self.assertFalse(world.transport.connected)
        (left,) = self.spool.names()
        self.assertEqual(
            [str(one.address) for one in self.spool.read(left).envelope.recipients], [str(VAL), str(BOB)]
        )

    def test_all_domains(self) -> None:
        """Without a name all domains of the account are meant; each message goes once."""
        self.keep(TIM, VAL)
        self.keep(VAL, UTA)
        world = self.call()
        heard = self.say(world, GREETING, HELLO)
        heard += self.take(world, OK, OK) + self.take(world, OK, OK)
        self.assertEqual(sum(line.startswith(b"RCPT") for line in heard), 4)
        self.assertEqual((heard[-1], self.spool.names()), (b"QUIT", []))

    def test_refused(self) -> None:
        """What the branch refuses is reported to the sender; what it puts off waits."""
        name = self.keep(TIM, UTA)
        world = self.call()
        self.say(world, GREETING, HELLO)
        self.take(world, b"550 5.1.1 Who?\r\n", b"450 4.2.0 Later\r\n", end=b"")
        self.assertEqual(self.reports(ANNA), ["Your message could not be delivered"])
        fates = [one.fate for one in self.spool.read(name).progress]
        self.assertEqual(fates, [Fate.FAILED, Fate.WAITING])

    def test_lost(self) -> None:
        """Who goes away in the middle has nothing; it waits for the next call."""
        self.keep(TIM)
        self.keep(UTA)
        world = self.call()
        self.say(world, GREETING, HELLO, OK, OK, b"354 Go on\r\n")
        world.lose()
        self.assertEqual(len(self.spool.names()), 2)
        self.assertEqual(self.do(self.waiting.waiting(BRANCH)), 2)
        world = self.call()
        self.say(world, GREETING, HELLO)
        self.take(world, OK)
        self.take(world, OK)
        self.assertEqual(self.spool.names(), [])

    def test_no_server(self) -> None:
        """Who does not greet, or sends us away, gets nothing and loses nothing."""
        self.keep(TIM)
        for greeting in (b"554 No\r\n", b"MAIL FROM:<x@y>\r\n", b"220 branch\r\n421 Bye\r\n"):
            world = self.call()
            self.assertNotIn(b"MAIL", b"".join(self.say(world, greeting)))
            world.lose()
        self.assertEqual(len(self.spool.names()), 1)

    def test_count(self) -> None:
        """What is held does not count, nor what the branch has already."""
        self.assertEqual(self.do(self.waiting.waiting(BRANCH)), 0)
        self.says = {str(UTA): WAITS}
        self.keep(TIM, UTA)
        self.keep(VAL)
        self.says = {str(TIM): WAITS}
        name = self.keep(TIM)
        self.assertEqual(self.do(self.waiting.waiting(BRANCH)), 2)
        self.do(self.runner.change(name, hold))
        self.assertEqual(self.do(self.waiting.waiting(BRANCH)), 1)

    def test_busy(self) -> None:
        """What is being sent another way at this moment is left out."""
        name = self.keep(TIM)
        self.keep(UTA)
        self.runner._due.pop(name)
        world = self.call()
        heard = self.say(world, GREETING, HELLO)
        heard += self.take(world, OK)
        self.assertIn(f"RCPT TO:<{UTA}>".encode(), heard)
        self.assertEqual((heard[-1], self.spool.names()), (b"QUIT", [name]))

    def test_unreadable(self) -> None:
        """What cannot be read once the connection is reversed ends it with QUIT, not with a reply."""
        self.keep(TIM)
        world = self.call()

        def fails() -> None:
            raise OSError(5, "Input/output error")

        self.patch(self.spool, "names", fails)
        self.assertEqual(self.say(world, GREETING, HELLO), [b"EHLO mx.example", b"QUIT"])

    def test_stopping(self) -> None:
        """A server that stops ends the message that is on the way, and begins no other."""
        self.keep(TIM)
        self.keep(UTA)
        world = self.call()
        self.say(world, GREETING, HELLO)
        self.assertEqual(len(self.runner.stop()), 1)
        self.assertEqual(self.take(world, OK)[-1], b"QUIT")
        self.assertEqual(len(self.spool.names()), 1)

    def test_require_tls(self) -> None:
        """RFC 8689: it does not go to a host of which nobody knows who it is."""
        self.keep(TIM, require_tls=True)
        world = self.call()
        self.assertEqual(self.say(world, GREETING, HELLO)[-1], b"QUIT")
        self.assertEqual(len(self.spool.names()), 1)

    def test_start(self) -> None:
        """ETRN: what waits is tried now, and hosts that were found dead are called."""
        self.keep(TIM)
        self.keep(VAL)
        self.carried.clear()
        self.says.clear()
        self.do(self.waiting.start(BRANCH))
        self.clock.advance(1)
        self.assertEqual(self.carried, [("anna@a.example", str(TIM))])
        self.assertEqual((self.hurried.count, len(self.spool.names())), (1, 1))

    def test_others_wait_no_longer(self) -> None:
        """A call is no try of those who wait for other hosts: theirs comes when it would have come."""
        name = self.keep(TIM, VAL)
        before = self.spool.read(name)
        for _ in range(10):
            world = self.call(b"ATRN branch.example.net\r\n")
            self.say(world, GREETING, HELLO, b"450 4.2.0 Later\r\n", OK)
            world.lose()
        after = self.spool.read(name)
        self.assertEqual((after.tries, after.due), (before.tries, before.due))

    def test_success(self) -> None:
        """RFC 3461: the branch gives no notifications, so who asked hears of it from here."""
        self.keep(Recipient(TIM, Notify.SUCCESS))
        world = self.call()
        self.say(world, GREETING, HELLO)
        self.take(world, OK)
        self.assertEqual(self.reports(ANNA), ["Your message was sent on"])


class Accepting(ElsewhereTestCase):
    """Who may send mail that is kept."""

    def test_everybody(self) -> None:
        """For these domains mail is taken from the world, and from nobody for others."""
        for domains, wanted in (({BRANCH: ()}, b"250 2.1.5"), ({}, b"550 5.7.1"), ({FAR: ()}, b"550 5.7.1")):
            world = World("smtp", config={"on_demand": domains})
            world.send(EHLO)
            reply = world.send(f"MAIL FROM:<s@x.example>\r\nRCPT TO:<{TIM}>\r\n".encode())[-1]
            self.assertEqual(reply[:9], wanted)
            world.lose()
