"""Which connections are made to other hosts, which are used again, and which are not tried at all."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mailnode.delivery import connections
from mailnode.delivery.client import NotConnected
from mailnode.delivery.connections import KEPT, LONGEST_PAUSE, MESSAGES, PAUSE, Connections
from mailnode.delivery.destination import Destination, Host, Login
from mailnode.delivery.fitting import Message
from mailnode.delivery.outcome import Outcome, Peer, Stage, Verdict, own
from mailnode.delivery.tls_policy import Level, TlsPolicy
from mailnode.net.blocking import InlineExecutor
from mailnode.runtime import Runtime
from mailnode.wire.smtp import Reply
from tests.delivery.peers import ANNA, BEN, CARL, letter

WELCOME = TlsPolicy(Level.OPPORTUNISTIC)
YES = Verdict(Reply(250, "2.0.0", "Ok"), Stage.END)
LATER = Verdict(Reply(450, "4.2.0", "Later"), Stage.RCPT)
GONE = own(421, "4.4.2", "The connection was lost", Stage.MAIL)
SENT_AWAY = Verdict(Reply(421, "4.7.0", "Enough"), Stage.MAIL)
UNREACHABLE = own(421, "4.4.1", "No connection: refused", Stage.CONNECT)
BUSY = Verdict(Reply(421, "4.3.2", "Too busy"), Stage.GREETING)
NEVER = Verdict(Reply(554, "5.7.1", "Go away"), Stage.GREETING)


def host(name: str, *addresses: str, tls: TlsPolicy = WELCOME) -> Host:
    """On port 25."""
    return Host(name, addresses or (f"{name}'s",), 25, tls)


def there(*hosts: Host, key: str = "there.example", login: Login | None = None) -> Destination:
    """A destination."""
    return Destination(key, hosts or (host("mx"),), login)


@dataclass(eq=False)
class Session:
    """A connection that says what it was told."""

    verdicts: list[Verdict]
    peer: Peer
    held: bool = False
    usable: bool = True
    closed: bool = False
    sent: int = 0
    ends: list["Deferred[None]"] = field(default_factory=list)

    async def deliver(self, message: Message) -> tuple[Outcome, ...]:
        """The next verdict; where it is held, when the test says so."""
        verdict = self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]
        if self.held:
            end: Deferred[None] = Deferred()
            self.ends.append(end)
            await end
        self.sent += 1
        if verdict.reply.code == 421:
            self.usable = False
        return (Outcome(ANNA, verdict, self.peer),)

    async def close(self) -> None:
        """The end."""
        self.closed, self.usable = True, False


class ConnectionsTestCase(SynchronousTestCase):
    """Connections to hosts that answer as a test wants."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.most = 5
        self.called: list[str] = []  # addresses
        self.answers: dict[str, Verdict] = {}  # of an address where no session begins
        self.verdicts: Callable[[], list[Verdict]] = lambda: [YES]
        self.sessions: list[Session] = []
        self.held = False
        self.slow: Deferred[None] | None = None
        self.session_type = Session
        runtime = Runtime(self.clock, random.Random(1), InlineExecutor())
        self.pool = Connections(runtime, self.connect, lambda: self.most)

    async def connect(self, _destination: Destination, place: Host, address: str) -> Session:
        """As a Dialer."""
        self.called.append(address)
        await (self.slow or succeed(None))
        if address in self.answers:
            raise NotConnected(self.answers[address], Peer(place.name, address))
        self.sessions.append(self.session_type(self.verdicts(), Peer(place.name, address), self.held))
        return self.sessions[-1]

    def send(self, destination: Destination | None = None, *, priority: int = 0) -> "Deferred[Any]":
        """One message on its way."""
        message = letter(ANNA, priority=priority)
        sending = Deferred.fromCoroutine(self.pool.deliver(destination or there(), message))
        self.clock.advance(0)
        return sending

    def sent(self, destination: Destination | None = None) -> Verdict:
        """What came of one message."""
        (outcome,) = self.successResultOf(self.send(destination))
        assert isinstance(outcome, Outcome)
        return outcome.verdict

    def failed(self, sending: "Deferred[Any]") -> Verdict:
        """Why nobody took it."""
        error = self.failureResultOf(sending, NotConnected).value
        assert isinstance(error, NotConnected)
        return error.verdict

    def end_one(self) -> None:
        """Some message that is held has been sent."""
        next(one for session in self.sessions for one in session.ends if not one.called).callback(None)
        self.clock.advance(0)


class Reuse(ConnectionsTestCase):
    """What a connection is used for again."""

    def test_again(self) -> None:
        """Many messages, one connection; after so many it is another one."""
        for _ in range(MESSAGES + 1):
            self.assertEqual(self.sent(), YES)
        self.assertEqual([one.sent for one in self.sessions], [MESSAGES, 1])
        self.assertTrue(self.sessions[0].closed)

    def test_ended(self) -> None:
        """One that has ended meanwhile, or may take no more (MAILMAX), is not used."""
        self.sent()
        self.sessions[0].usable = False
        self.assertEqual(self.sent(), YES)
        self.assertEqual(len(self.sessions), 2)

    def test_lost_at_the_beginning(self) -> None:
        """A used connection that turns out to be gone costs no try; a new one that is lost does."""
        for gone in (GONE, SENT_AWAY):
            self.sent()
            self.sessions[-1].verdicts = [gone]
            self.assertEqual(self.sent(), YES)
        self.sessions[-1].usable = False
        self.verdicts = lambda: [GONE]
        self.assertEqual(self.sent(), GONE)

    def test_few_recipients(self) -> None:
        """Whom a host has not heard of on one connection (MAILMAX, RCPTMAX) it hears of on the next."""
        people = (ANNA, BEN, CARL)
        over = own(421, "4.4.2", "The connection is over", Stage.CONNECT)
        heard: list[str] = []

        class FirstOnly(Session):
            async def deliver(self, message: Message) -> tuple[Outcome, ...]:
                self.usable = False
                first, *others = message.envelope.recipients
                heard.append(str(first.address))
                return (
                    Outcome(first, LATER if first is ANNA else YES, self.peer),
                    *(Outcome(one, over, self.peer) for one in others),
                )

        self.session_type = FirstOnly
        outcomes = self.successResultOf(Deferred.fromCoroutine(self.pool.deliver(there(), letter(*people))))
        self.assertEqual([one.verdict for one in outcomes], [LATER, YES, YES])
        self.assertEqual([one.recipient for one in outcomes], list(people))
        self.assertEqual(heard, [str(one.address) for one in people])

    def test_few_recipients_and_no_more(self) -> None:
        """Where no other connection is to be had they wait; those that were heard of keep their outcome."""
        over = own(421, "4.4.2", "The connection is over", Stage.CONNECT)

        class FirstOnly(Session):
            async def deliver(self, message: Message) -> tuple[Outcome, ...]:
                self.usable = False
                pool.answers["mx's"] = UNREACHABLE
                return (Outcome(ANNA, YES, self.peer), Outcome(BEN, over, self.peer))

        pool = self
        self.session_type = FirstOnly
        outcomes = self.successResultOf(Deferred.fromCoroutine(self.pool.deliver(there(), letter(ANNA, BEN))))
        self.assertEqual([one.verdict for one in outcomes], [YES, UNREACHABLE])
        self.assertEqual(len(self.called), 2)

    def test_lost_later(self) -> None:
        """What is lost behind the envelope is no reason to begin again (O2)."""
        lost = replace(own(421, "4.4.2", "Lost", Stage.END), maybe_delivered=True)
        self.sent()
        self.sessions[0].verdicts = [lost]
        self.assertEqual(self.sent(), lost)
        self.assertEqual(len(self.sessions), 1)

    def test_others(self) -> None:
        """Another destination, another login, or a host with another policy has one of its own."""
        strict = TlsPolicy(Level.ENCRYPTED)
        for destination in (
            there(),
            there(key="other.example"),
            there(login=Login("anna", "/file")),
            there(host("mx", tls=strict)),
            there(login=Login("anna", "/file")),
        ):
            self.sent(destination)
        self.assertEqual(len(self.sessions), 4)
        self.assertFalse(self.sessions[1].closed)
        self.assertTrue(self.sessions[0].closed)

    def test_order_of_addresses(self) -> None:
        """Addresses in another order, as the DNS gives them, change nothing."""
        self.sent(there(host("mx", "a", "b")))
        self.sent(there(host("mx", "b", "a")))
        self.assertEqual(self.called, ["a"])

    def test_bounded(self) -> None:
        """Not more than so many are kept: the one that was idle for longest goes."""
        for number in range(KEPT + 1):
            self.sent(there(key=str(number)))
        self.assertEqual([one.closed for one in self.sessions], [True] + [False] * KEPT)

    def test_close(self) -> None:
        """At the end those that are idle are closed at once, the others with their message; none begins."""
        self.sent(there(key="idle"))
        self.held = True
        under_way = self.send()
        self.successResultOf(Deferred.fromCoroutine(self.pool.close()))
        self.assertEqual([one.closed for one in self.sessions], [True, False])
        self.end_one()
        self.successResultOf(under_way)
        self.assertTrue(self.sessions[1].closed)
        self.assertEqual(self.failed(self.send()).status, "4.3.2")


class Many(ConnectionsTestCase):
    """How many there are at a time."""

    def test_grows(self) -> None:
        """Two at first, one more for each message that gets through, up to what is configured."""
        self.held = True
        sendings = [self.send() for _ in range(20)]
        self.assertEqual(len(self.sessions), 2)
        for count in (3, 4, 5, 5, 5):
            self.end_one()
            self.assertEqual(sum(bool(one.ends) for one in self.sessions), count)
        while any(not end.called for one in self.sessions for end in one.ends):
            self.end_one()
        self.assertEqual([self.successResultOf(one)[0].verdict for one in sendings], [YES] * 20)
        self.assertEqual(len(self.sessions), 5)

    def test_priority(self) -> None:
        """RFC 6710: of those that wait for their turn the most important is next."""
        self.held, self.most = True, 1
        order: list[int] = []
        for priority in (0, -1, 3, 0, 3, 9):
            self.send(priority=priority).addCallback(lambda _, one=priority: order.append(one))
        for _ in range(6):
            self.end_one()
        self.assertEqual(order, [0, 9, 3, 3, 0, -1])

    def test_configured(self) -> None:
        """One is possible, too, and holds at once."""
        self.held, self.most = True, 1
        sendings = [self.send() for _ in range(3)]
        for _ in sendings:
            self.assertEqual(len(self.sessions), 1)
            self.end_one()
        for one in sendings:
            self.successResultOf(one)

    def test_no_more_taken(self) -> None:
        """A host that takes one connection only gets the messages over that one, one after the other."""
        self.held = True
        first = self.send()
        self.answers = {"mx's": BUSY}
        second = self.send()
        self.assertNoResult(second)
        self.end_one()
        self.successResultOf(first)
        self.end_one()
        self.assertEqual(self.successResultOf(second)[0].verdict, YES)
        self.assertEqual((len(self.sessions), self.called), (1, ["mx's"] * 2))

    def test_no_more_asked_for(self) -> None:
        """It is not asked for more with each message that gets through; that is forgotten at the end."""
        self.held = True
        first = self.send()
        self.answers = {"mx's": BUSY}
        others = [self.send() for _ in range(10)]
        for _ in range(11):
            self.end_one()
        for one in (first, *others):
            self.successResultOf(one)
        self.assertEqual((len(self.sessions), self.called), (1, ["mx's"] * 2))
        self.answers = {}
        again = [self.send() for _ in range(2)]
        self.assertEqual(len(self.sessions), 2)
        self.end_one()
        self.end_one()
        for one in again:
            self.successResultOf(one)

    def test_in_all(self) -> None:
        """All destinations together have a limit; who waits gets his turn."""
        self.patch(connections, "CONNECTIONS", 2)
        runtime = Runtime(self.clock, random.Random(1), InlineExecutor())
        self.pool = Connections(runtime, self.connect, lambda: self.most)
        self.held = True
        sendings = [self.send(there(key=str(number))) for number in range(3)]
        self.assertEqual(len(self.sessions), 2)
        self.end_one()
        self.assertEqual(len(self.sessions), 3)
        self.end_one()
        self.end_one()
        for one in sendings:
            self.successResultOf(one)


class Hosts(ConnectionsTestCase):
    """Which hosts are tried."""

    def test_in_order(self) -> None:
        """All addresses of the first host, then the next one (RFC 5321 section 5.1)."""
        self.answers = {"a": UNREACHABLE, "b": BUSY}
        self.assertEqual(self.sent(there(host("first", "a", "b"), host("second", "c", "d"))), YES)
        self.assertEqual(self.called, ["a", "b", "c"])

    def test_answer_of_a_recipient(self) -> None:
        """What is said to a recipient is the answer; no other host is asked."""
        self.verdicts = lambda: [LATER]
        self.assertEqual(self.sent(there(host("first"), host("second"))), LATER)
        self.assertEqual(self.called, ["first's"])

    def test_failures(self) -> None:
        """O3: 5yz of all is for good; anything temporary makes it temporary. Two answers are enough (O5)."""
        for answers, called, verdict in (
            ({"a": NEVER}, "a", NEVER),
            ({"a": NEVER, "b": UNREACHABLE}, "ab", UNREACHABLE),
            ({"a": UNREACHABLE, "b": NEVER}, "ab", UNREACHABLE),
            ({"a": NEVER, "b": BUSY, "c": UNREACHABLE}, "ab", BUSY),
        ):
            self.called, self.answers = [], answers
            destination = there(host("mx", *answers), key=str(answers))
            self.assertEqual(self.failed(self.send(destination)), verdict)
            self.assertEqual("".join(self.called), called)

    def test_require_tls(self) -> None:
        """RFC 8689 section 4.2.1: every host is asked whether it has it."""
        none = own(550, "5.7.30", "No REQUIRETLS", Stage.EHLO)
        self.answers = dict.fromkeys("abc", none)
        destination = replace(there(host("mx", *"abcd")), require_tls=True)
        self.assertEqual(self.sent(destination), YES)
        self.assertEqual(self.called, [*"abcd"])


class Pauses(ConnectionsTestCase):
    """Hosts that do not answer."""

    def test_dead_host(self) -> None:
        """A thousand messages cost one call a minute, then one in two, and so on; then it is back."""
        self.answers = {"mx's": UNREACHABLE}
        wait = PAUSE
        for calls in range(1, 8):
            for _ in range(100):
                self.assertEqual(self.failed(self.send()), UNREACHABLE)
            self.assertEqual(len(self.called), calls)
            self.clock.advance(wait - 1)
            self.failed(self.send())
            self.assertEqual(len(self.called), calls)
            self.clock.advance(1)
            wait = min(2 * wait, LONGEST_PAUSE)
        self.answers = {}
        self.assertEqual(self.sent(), YES)
        self.sessions[0].usable = False
        self.answers = {"mx's": UNREACHABLE}
        self.failed(self.send())
        self.clock.advance(PAUSE)
        self.answers = {}
        self.assertEqual(self.sent(), YES)

    def test_hurry(self) -> None:
        """An administrator need not wait."""
        self.answers = {"mx's": UNREACHABLE}
        self.failed(self.send())
        self.pool.hurry()
        self.answers = {}
        self.assertEqual(self.sent(), YES)

    def test_together(self) -> None:
        """Messages that come while the first call goes on wait for its end, and make none of their own."""
        self.slow = Deferred()
        self.answers = {"mx's": UNREACHABLE}
        sendings = [self.send() for _ in range(50)]
        self.slow.callback(None)
        for _ in sendings:
            self.clock.advance(0)
        for one in sendings:
            self.assertEqual(self.failed(one), UNREACHABLE)
        self.assertEqual(len(self.called), 1)

    def test_others_go_on(self) -> None:
        """A dead host is no reason to leave others alone."""
        self.answers = {"dead": UNREACHABLE}
        self.failed(self.send(there(host("dead", "dead"), key="dead")))
        self.assertEqual(self.sent(), YES)

    def test_other_logins_go_on(self) -> None:
        """Nor is a login that fails a reason for another at the same host to wait, or to hear of it."""
        self.answers = {"mx's": UNREACHABLE}
        self.failed(self.send(there(login=Login("anna", "/file"))))
        self.answers.clear()
        self.assertEqual(self.sent(there(login=Login("ben", "/file"))), YES)

    def test_refused_for_good(self) -> None:
        """A host that says never is asked for each message: each is a message that comes back."""
        self.answers = {"mx's": NEVER}
        for count in (1, 2):
            self.assertEqual(self.failed(self.send()), NEVER)
            self.assertEqual(len(self.called), count)

    def test_forgotten(self) -> None:
        """What is known of destinations is bounded; one that is paused is not forgotten."""
        self.patch(connections, "REMEMBERED", 10)
        self.answers = {"dead": UNREACHABLE}
        dead = there(host("dead", "dead"), key="dead")
        self.failed(self.send(dead))
        for number in range(50):
            self.sent(there(key=str(number)))
        self.failed(self.send(dead))
        self.assertEqual(self.called.count("dead"), 1)
        self.assertLessEqual(len(self.pool._ways), 11)


class Anything(SynchronousTestCase):
    """Whatever happens, in whatever order."""

    @settings(deadline=None, max_examples=200, derandomize=True)
    @given(
        st.lists(
            st.sampled_from(("send a", "send b", "end", "lose", "refuse", "never", "take", "pass")),
            max_size=40,
        ),
        st.integers(1, 5),
    )
    def test_all_end(self, actions: list[str], most: int) -> None:
        """Each message comes to an end; no destination has more connections than it may; nothing is left."""
        case = ConnectionsTestCase("setUp")
        case.setUp()
        case.held, case.most = True, most
        sendings = []
        for action in [*actions, "take"]:
            match action.split():
                case "send", key:
                    sendings.append(case.send(there(host(key), key=key)))
                case ["end"] | ["lose"]:
                    waiting = [(one, end) for one in case.sessions for end in one.ends if not end.called]
                    if waiting:
                        one, end = waiting[0]
                        one.usable = one.usable and action == "end"
                        end.callback(None)
                case ["refuse"] | ["never"]:
                    case.answers = dict.fromkeys(("a's", "b's"), UNREACHABLE if action == "refuse" else NEVER)
                case ["take"]:
                    case.answers = {}
                case ["pass"]:
                    case.clock.advance(PAUSE)
            case.clock.advance(0)
            for key in "ab":
                used = [one for one in case.sessions if one.peer.name == key and not one.closed]
                self.assertLessEqual(len(used), most)
        while any(not end.called for one in case.sessions for end in one.ends):
            case.end_one()
        for sending in sendings:
            sending.addErrback(lambda failure: failure.trap(NotConnected))
            self.successResultOf(sending)
        self.assertEqual([way.used for way in case.pool._ways.values() if way.used or way.waiting], [])
        self.successResultOf(Deferred.fromCoroutine(case.pool.close()))
        self.assertTrue(all(one.closed for one in case.sessions))
        self.assertEqual(case.clock.getDelayedCalls(), [])
