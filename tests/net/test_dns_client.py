"""The stub resolver against a DNS server on loopback that can be rude (vectors N1, N3, N6, N8)."""

import random
from collections.abc import Callable
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor  # noqa: TID251
from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from mailnode.config_sending import Dns
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.net.dns_client import (
    ALIASES,
    CACHE_SIZE,
    LONGEST_NOTHING,
    MALFORMED,
    TIMEOUTS,
    DnsClient,
    interpreted,
    make_client,
    nameservers,
    read_answer,
    server,
)
from mailnode.net.resolver import Answer, Kind, LookupFailed, Mx, NoRecords, NoSuchName, Tlsa
from mailnode.runtime import Runtime

HERE = "127.0.0.1"
Say = Callable[[dns.message.Message], "list[bytes]"]


def reply(question: dns.message.Message, *rrsets: str, rcode: int = 0, flags: int = 0) -> bytes:
    """An answer of this server's, with RRsets as in zone files: "name ttl IN kind text[; more]"."""
    answer = dns.message.make_response(question)
    answer.set_rcode(dns.rcode.Rcode(rcode))
    answer.flags |= flags
    for text in rrsets:
        name, ttl, _, kind, data = text.split(maxsplit=4)
        answer.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, *data.split("; ")))
    return answer.to_wire(max_size=65535)


class Datagrams(DatagramProtocol):
    """A server over UDP that says what the test wants."""

    def __init__(self, test: "ClientTests") -> None:
        self.test = test

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        question = dns.message.from_wire(datagram)
        self.test.questions.append(question)
        for answer in self.test.by_udp(question):
            assert self.transport is not None
            self.transport.write(answer, addr)
        if self.test.heard is not None:
            heard, self.test.heard = self.test.heard, None
            heard.callback(None)


class Streams(Protocol):
    """The same over TCP."""

    def __init__(self, test: "ClientTests") -> None:
        self.test = test

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        answers = self.test.by_tcp(dns.message.from_wire(data[2:]))
        for answer in answers:
            self.transport.write(len(answer).to_bytes(2, "big") + answer)
        if not answers:
            self.transport.loseConnection()


class ClientTests(TestCase):
    """DnsClient with real sockets; its time stands still unless a test moves it."""

    timeout = 20

    def setUp(self) -> None:
        self.clock = Clock()
        self.questions: list[dns.message.Message] = []
        self.heard: Deferred[None] | None = None
        self.by_udp: Say = lambda question: [reply(question)]
        self.by_tcp: Say = lambda question: []
        net: Any = reactor
        streams = net.listenTCP(0, Factory.forProtocol(lambda: Streams(self)), interface=HERE)
        self.addCleanup(streams.stopListening)
        self.port = streams.getHost().port
        datagrams = net.listenUDP(self.port, Datagrams(self), interface=HERE)
        self.addCleanup(datagrams.stopListening)

    def client(self, *servers: tuple[str, int], trusted: bool = False) -> DnsClient:
        runtime = Runtime(self.clock, random.Random(1), InlineExecutor())
        return DnsClient(reactor, runtime, servers or ((HERE, self.port),), trusted=trusted)

    async def fails(self, kind: type[Exception], name: str = "a.example", ask: Kind = "A") -> str:
        """Ask; the text of the failure."""
        try:
            answer = await self.client().query(name, ask)
        except kind as failure:
            return str(failure)
        raise AssertionError(answer)

    async def test_records(self) -> None:
        """Each kind of record becomes its value; the AD bit of a server on loopback is believed (N8)."""
        texts: dict[Kind, tuple[str, tuple[object, ...]]] = {
            "MX": ("10 MX.example.; 0 .", (Mx(10, "mx.example"), Mx(0, ""))),
            "A": ("192.0.2.1; 192.0.2.2", ("192.0.2.1", "192.0.2.2")),
            "AAAA": ("2001:db8::1", ("2001:db8::1",)),
            "TLSA": ("3 1 0 abcd; 9 9 9 ab", (Tlsa(3, 1, 0, b"\xab\xcd"), Tlsa(9, 9, 9, b"\xab"))),
            "TXT": ('"v=spf1 " "-all"; "\\252"', ("v=spf1 -all", "\xfc")),
            "PTR": ("Host.example.; x\\013\\010y.example.", ("host.example", "x\\013\\010y.example")),
        }
        client = self.client()
        for kind, (text, records) in texts.items():
            self.by_udp = lambda question, kind=kind, text=text: [  # type: ignore[misc]
                reply(question, f"a.example. 300 IN {kind} {text}", flags=dns.flags.AD)
            ]
            answer = await client.query("a.example", kind)
            self.assertEqual(set(answer.records), set(records))
            self.assertTrue(answer.secure)
            self.assertEqual((answer.canonical, answer.ttl), ("a.example", 300))
        self.assertTrue(all(one.flags & dns.flags.AD for one in self.questions))
        self.assertNotEqual(len({one.id for one in self.questions}), 1)

    async def test_nothing(self) -> None:
        """NXDOMAIN and an answer without records are two things, and the second question is not asked."""
        client = self.client()
        for rcode, failure in ((3, NoSuchName), (0, NoRecords)):
            self.by_udp = lambda question, rcode=rcode: [  # type: ignore[misc]
                reply(question, rcode=rcode, flags=dns.flags.AD)
            ]
            for _ in range(2):
                with self.assertRaises(failure) as caught:
                    await client.query(f"{rcode}.example", "A")
                self.assertTrue(caught.exception.secure)
        self.assertEqual(len(self.questions), 2)

    async def test_server_failure(self) -> None:
        """Who answers SERVFAIL or REFUSED is asked again, then nobody could say."""
        for rcode in (2, 5):
            self.by_udp = lambda question, rcode=rcode: [reply(question, rcode=rcode)]  # type: ignore[misc]
            self.assertIn(dns.rcode.to_text(dns.rcode.Rcode(rcode)), await self.fails(LookupFailed))
        self.assertEqual(len(self.questions), 2 * len(TIMEOUTS))

    async def test_next_server(self) -> None:
        """Where nobody listens the next server is asked at once."""
        self.by_udp = lambda question: [reply(question, "a.example. 60 IN A 192.0.2.1")]
        answer = await self.client((HERE, 1), (HERE, self.port)).query("a.example", "A")
        self.assertEqual(answer.texts, ("192.0.2.1",))
        self.assertEqual(self.clock.seconds(), 0)

    async def test_silence(self) -> None:
        """A silent server is waited for by the clock, round by round."""
        self.by_udp = lambda question: []
        asking = Deferred.fromCoroutine(self.fails(LookupFailed))
        for seconds in TIMEOUTS:
            self.heard = heard = Deferred()
            if len(self.questions) == TIMEOUTS.index(seconds):
                await heard
            self.assertFalse(asking.called)
            self.clock.advance(seconds)
        self.assertIn("in time", await asking)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_forgeries(self) -> None:
        """What has another id or question, or is no message, is passed over until the answer comes."""

        def say(question: dns.message.Message) -> list[bytes]:
            forged = reply(question, "a.example. 60 IN A 203.0.113.1")
            other = dns.message.make_query("b.example", "A", id=question.id)
            return [
                b"",
                b"garbage",
                bytes([forged[0] ^ 1]) + forged[1:],
                reply(other, "b.example. 60 IN A 203.0.113.1"),
                question.to_wire(),
                reply(question, "a.example. 60 IN A 192.0.2.1"),
            ]

        self.by_udp = say
        self.assertEqual((await self.client().query("a.example", "A")).texts, ("192.0.2.1",))

    async def test_other_letters(self) -> None:
        """A name that comes back in other letters may be forged: the same is asked over TCP."""
        letters = set()

        def small(question: dns.message.Message) -> list[bytes]:
            letters.add(question.question[0].name.to_text())
            wire = reply(question, "a-long-name.example. 60 IN A 203.0.113.1")
            return [wire.replace(question.question[0].name.to_wire(), b"\x0ba-long-name\x07example\x00")]

        self.by_udp = small
        self.by_tcp = lambda question: [reply(question, "a-long-name.example. 60 IN A 192.0.2.1")]
        answer = await self.client().query("a-long-name.example", "A")
        self.assertEqual(answer.texts, ("192.0.2.1",))
        self.assertNotEqual(letters, {"a-long-name.example."})

    async def test_truncated(self) -> None:
        """What does not fit into a datagram is asked for over TCP, up to 64 KiB of it."""
        addresses = [f"10.{n >> 8}.{n & 255}.1" for n in range(4090)]
        self.by_udp = lambda question: [reply(question, flags=dns.flags.TC)]
        self.by_tcp = lambda question: [reply(question, "a.example. 60 IN A " + "; ".join(addresses))]
        self.assertGreater(len(self.by_tcp(dns.message.make_query("a.example", "A"))[0]), 65000)
        self.assertEqual(set((await self.client().query("a.example", "A")).texts), set(addresses))

    async def test_bad_streams(self) -> None:
        """A TCP answer that does not come, is none, or is to another question, is no answer."""
        self.by_udp = lambda question: [reply(question, flags=dns.flags.TC)]
        for answers in ([], [b""], [b"garbage"], [reply(dns.message.make_query("b.example", "A"))]):
            self.by_tcp = lambda question, answers=answers: answers  # type: ignore[misc]
            await self.fails(LookupFailed)

    async def test_cache(self) -> None:
        """An answer holds for its TTL, whatever the letters of the question."""
        self.by_udp = lambda question: [reply(question, "a.example. 60 IN A 192.0.2.1")]
        client = self.client()
        for name in ("a.example", "A.example"):
            await client.query(name, "A")
        self.assertEqual(len(self.questions), 1)
        self.clock.advance(60)
        await client.query("a.example", "A")
        self.assertEqual(len(self.questions), 2)

    async def test_cache_of_nothing(self) -> None:
        """That there is nothing holds for what the SOA says, and not for long."""
        self.by_udp = lambda question: [reply(question, rcode=3)]
        client = self.client()
        for _ in range(2):
            with self.assertRaises(NoSuchName):
                await client.query("a.example", "A")
            self.clock.advance(LONGEST_NOTHING)
        self.assertEqual(len(self.questions), 2)

    async def test_cache_is_bounded(self) -> None:
        """The answer asked for longest ago makes room."""
        self.by_udp = lambda question: [reply(question, rcode=3)]
        client = self.client()
        client._cache.update({(f"{n}.example", "A"): None for n in range(CACHE_SIZE)})  # type: ignore[misc]
        with self.assertRaises(NoSuchName):
            await client.query("a.example", "A")
        self.assertEqual(len(client._cache), CACHE_SIZE)
        self.assertNotIn(("0.example", "A"), client._cache)

    async def test_impossible_names(self) -> None:
        """What cannot be a name does not exist, and nobody is asked."""
        for name in ("x" * 64 + ".example", "a..example", ".".join(["x" * 60] * 5), "b\u00fccher.example"):
            await self.fails(NoSuchName, name)
        self.assertEqual(self.questions, [])


def chain(length: int) -> dns.message.QueryMessage:
    """An answer to n0.example that goes through so many CNAMEs to an address."""
    links = [f"n{n}.example. 60 IN CNAME n{n + 1}.example." for n in range(length)]
    question = dns.message.make_query("n0.example", "A")
    wire = reply(question, *links, f"n{length}.example. 30 IN A 192.0.2.1", flags=dns.flags.AD)
    message = dns.message.from_wire(wire)
    assert isinstance(message, dns.message.QueryMessage)
    return message


class MessageTests(SynchronousTestCase):
    """What is made of a message, and of a resolv.conf."""

    def test_aliases(self) -> None:
        """A few CNAMEs are followed, 30 and circles are not (N1)."""
        for length in (0, 1, ALIASES):
            answer, seconds = interpreted(chain(length), "n0.example", "A", believed=True)
            expected = Answer(("192.0.2.1",), True, 30, f"n{length}.example", length)
            self.assertEqual((answer, seconds), (expected, 30))
        links = [f"n{n}.example. 60 IN CNAME n{1 - n}.example." for n in (0, 1)]
        circle = dns.message.from_wire(reply(dns.message.make_query("n0.example", "A"), *links))
        assert isinstance(circle, dns.message.QueryMessage)
        for message in (chain(ALIASES + 1), chain(30), circle):
            with self.assertRaises(LookupFailed):
                interpreted(message, "n0.example", "A", believed=True)

    def test_belief(self) -> None:
        """The AD bit of a server on the network is worth nothing (N8)."""
        answer, _ = interpreted(chain(1), "n0.example", "A", believed=False)
        self.assertFalse(answer.secure)

    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=200))
    def test_any_tlsa(self, data: bytes) -> None:
        """Whatever a TLSA record holds, it is an answer, and one that can be read comes as it is (N3)."""
        question = dns.message.make_query("a.example", "TLSA", id=1, use_edns=False)
        head = reply(question)
        record = b"\xc0\x0c\x00\x34\x00\x01\x00\x00\x00\x3c" + len(data).to_bytes(2, "big") + data
        message = read_answer(question, head[:6] + b"\x00\x01" + head[8:] + record)
        assert message is not None
        answer, _ = interpreted(message, "a.example", "TLSA", believed=True)
        assert isinstance(answer, Answer)
        (found,) = answer.associations
        if found != MALFORMED:
            self.assertEqual(bytes([found.usage, found.selector, found.matching]) + found.data, data)

    def test_malformed(self) -> None:
        """TLSA records of length 0, 3 and 19, and a broken address beside a good one (N3)."""
        for kind, data, expected in (
            ("TLSA", b"", (MALFORMED,)),
            ("TLSA", b"\x03\x01\x01", (MALFORMED,)),
            ("TLSA", b"\x03\x01\x01" + bytes(19), (MALFORMED,)),
            ("A", bytes(3), None),
        ):
            question = dns.message.make_query("a.example", kind, id=1, use_edns=False)
            head = reply(question)
            number = question.question[0].rdtype.to_bytes(2, "big")
            record = b"\xc0\x0c" + number + b"\x00\x01\x00\x00\x00\x3c" + len(data).to_bytes(2, "big") + data
            message = read_answer(question, head[:6] + b"\x00\x01" + head[8:] + record)
            assert message is not None
            if expected is None:
                with self.assertRaises(LookupFailed):
                    interpreted(message, "a.example", "A", believed=True)
                continue
            answer, _ = interpreted(message, "a.example", "TLSA", believed=True)
            assert isinstance(answer, Answer)
            self.assertEqual(answer.associations, expected)

    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=200), st.sampled_from(["A", "MX", "TXT", "TLSA"]))
    def test_garbage(self, data: bytes, kind: Kind) -> None:
        """Whatever follows the id, it is an answer, none, or nonsense; nothing else happens."""
        question = dns.message.make_query("a.example", kind, id=1, use_edns=False)
        for wire in (data, reply(question)[:4] + data, reply(question)[:6] + data, reply(question) + data):
            message = read_answer(question, wire)
            if message is not None:
                try:
                    interpreted(message, "a.example", kind, believed=True)
                except LookupFailed:
                    pass

    def test_nameservers(self) -> None:
        """Of resolv.conf the servers count, three at most; without any it is this machine."""
        text = "# nameserver 192.0.2.9\nsearch x\nnameserver 192.0.2.1\n nameserver\t2001:db8::1\nnameserver"
        self.assertEqual(nameservers(text), (("192.0.2.1", 53), ("2001:db8::1", 53)))
        self.assertEqual(len(nameservers("nameserver 192.0.2.1\n" * 9)), 3)
        self.assertEqual(nameservers(""), (("127.0.0.1", 53),))

    def test_which_servers(self) -> None:
        """Those of the configuration are asked, else those of resolv.conf, else this machine."""
        runtime = Runtime(Clock(), random.Random(1), InlineExecutor())

        class Files(FileSystem):
            text: bytes | None = None

            def read(self, path: str, *, limit: int | None = None) -> bytes:
                if self.text is None:
                    raise FileNotFoundError(path)
                return self.text

        files = Files()
        for settings_, files.text, servers in (
            (Dns(("192.0.2.1:5353",), trusted=True), b"nameserver 192.0.2.9", (("192.0.2.1", 5353),)),
            (Dns(), b"nameserver 192.0.2.9\n\xff", (("192.0.2.9", 53),)),
            (Dns(), None, (("127.0.0.1", 53),)),
        ):
            client = make_client(None, runtime, settings_, files)
            self.assertEqual((client._servers, client._trusted), (servers, settings_.trusted))

    def test_server(self) -> None:
        """A server of the configuration has a port where one is written."""
        for text, expected in (
            ("192.0.2.1", ("192.0.2.1", 53)),
            ("192.0.2.1:5353", ("192.0.2.1", 5353)),
            ("2001:db8::1", ("2001:db8::1", 53)),
            ("[2001:db8::1]", ("2001:db8::1", 53)),
            ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
        ):
            self.assertEqual(server(text), expected)
