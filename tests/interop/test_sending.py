"""The SMTP client against servers that others wrote, over real sockets: Postfix' smtp-sink, and aiosmtpd."""

import os
import random
import shutil
import ssl
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.selectreactor import SelectReactor
from twisted.protocols import tls
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mailnode.admin.certificates import write_certificates
from mailnode.delivery.client import NotConnected, connect
from mailnode.delivery.fitting import Message
from mailnode.delivery.opening import Login, Manner, Place
from mailnode.delivery.outcome import Outcome, Result
from mailnode.delivery.tls_policy import Level, TlsPolicy
from mailnode.envelope import Body, Envelope, Recipient
from mailnode.fs import FileSystem
from mailnode.net.blocking import InlineExecutor
from mailnode.net.identity import Identity
from mailnode.runtime import Runtime
from mailnode.wire.address import parse_address
from tests.delivery.test_opening import trusting
from tests.interop.harness import ANNA, BEN, PASSWORD, Server, free_ports, samples
from tests.interop.sink import SmtpSink

T = TypeVar("T")

HOST = "localhost"
SENDER = parse_address("anna@example.test")
PEOPLE = tuple(Recipient(parse_address(f"{name}@example.test")) for name in ("ben", "carl"))
IN_CLEAR = Manner("client.example.test", tls=TlsPolicy(Level.CLEAR))


def verified(name: str) -> TlsPolicy:
    """With nobody but the server of that name."""
    return TlsPolicy(Level.VERIFIED, Identity((name,)))


def message(octets: bytes, **said: Any) -> Message:
    """To two people, in pieces."""

    async def content() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(octets), 65536):
            yield octets[start : start + 65536]

    return Message(replace(Envelope(SENDER, recipients=PEOPLE), **said), len(octets), content)


class SendingTestCase(SynchronousTestCase):
    """With a reactor for each call."""

    def on_reactor(self, work: Callable[[Any, Runtime], Awaitable[T]]) -> T:
        """What the work comes to, or the exception it raises."""
        reactor = SelectReactor()
        self.patch(tls, "_get_default_clock", lambda: reactor)  # Twisted's clock for small encrypted writes
        found: list[Any] = []

        async def whole() -> T:
            return await work(reactor, Runtime(reactor, random.Random(1), InlineExecutor()))

        def end(result: Any) -> None:
            found.append(result)
            reactor.callLater(0.1, reactor.stop)

        reactor.callWhenRunning(lambda: Deferred.fromCoroutine(whole()).addBoth(end))
        late = reactor.callLater(60, reactor.stop)
        reactor.run(installSignalHandlers=False)
        self.assertTrue(found and late.active(), "it took too long")
        late.cancel()
        if isinstance(found[0], Failure):
            found[0].raiseException()
        result: T = found[0]
        return result

    def send(self, port: int, messages: Sequence[Message], manner: Manner = IN_CLEAR) -> list[list[Outcome]]:
        """All on one connection; the outcomes of each."""

        async def work(reactor: Any, runtime: Runtime) -> list[list[Outcome]]:
            place = Place(TCP4ClientEndpoint(reactor, "127.0.0.1", port), HOST)
            client = await connect(place, manner, runtime)
            outcomes = [list(await client.deliver(one)) for one in messages]
            await client.close()
            return outcomes

        return self.on_reactor(work)

    def assert_delivered(self, outcomes: list[list[Outcome]]) -> None:
        """All of it, to everybody."""
        wrong = [str(one.verdict) for each in outcomes for one in each if one.result is not Result.DELIVERED]
        self.assertEqual(wrong, [])


class Sink(SendingTestCase):
    """smtp-sink of Postfix."""

    def sink(self, *options: str) -> int:
        """The port of one."""
        self.server = SmtpSink(*options)
        self.addCleanup(self.server.clean_up)
        return self.server.port

    def messages(self) -> dict[bytes, bytes]:
        """What it got: the content by Message-ID."""
        found = {}
        for recipients, octets in self.server.messages():
            self.assertEqual(recipients, 2)
            content = b"From: Anna" + octets.partition(b"From: Anna")[2]
            found[content.partition(b"Message-ID: ")[2].partition(b"\n")[0]] = content
        return found

    def test_messages(self) -> None:
        """Octet for octet, with and without PIPELINING, with HELO, and by LMTP with an answer for each."""
        for options in ((), ("-p",), ("-e",), ("-L",)):
            port = self.sink(*options)
            letters = [one for one in samples("sink") if "8bit" not in one.name or options != ("-e",)]
            manner = replace(IN_CLEAR, lmtp=options == ("-L",))
            self.assert_delivered(self.send(port, [message(one.octets) for one in letters], manner))
            found = self.messages()
            self.assertEqual(len(found), len(letters), options)
            for one in letters:
                self.assertEqual(found[one.mark], one.octets.replace(b"\r\n", b"\n"), (one.name, options))

    def test_seven_bit(self) -> None:
        """RFC 6152 section 3: a server without 8BITMIME gets no octet above 127."""
        port = self.sink("-8")
        letters = samples("seven")
        self.assert_delivered(self.send(port, [message(one.octets, body=Body.EIGHT_BIT) for one in letters]))
        self.assertTrue(all(content.isascii() for content in self.messages().values()))

    def test_refusals(self) -> None:
        """4yz, 5yz and a lost connection at each stage."""
        for option, result in (("-r", Result.TEMPORARY), ("-f", Result.PERMANENT), ("-q", Result.TEMPORARY)):
            for verb in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."):
                if (option, verb) in (("-f", "EHLO"), ("-q", "CONNECT"), ("-q", ".")):
                    continue  # HELO is taken; the others are not what they seem
                port = self.sink(option, verb)
                try:
                    (outcomes,) = self.send(port, [message(b"From: Anna\r\n\r\nx\r\n")])
                except NotConnected as error:
                    outcomes = list(error.outcomes(PEOPLE))
                self.assertEqual({one.result for one in outcomes}, {result}, (option, verb, outcomes))


class Handler:
    """Keeps what aiosmtpd gets."""

    def __init__(self) -> None:
        self.envelopes: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """One message."""
        self.envelopes.append(envelope)
        return "250 2.0.0 Queued"


class Aiosmtpd(SendingTestCase):
    """aiosmtpd, also under TLS and with logins."""

    def controller(self, **options: Any) -> tuple[int, Handler]:
        """A server in a thread of its own."""
        handler = Handler()
        (port,) = free_ports(1)
        controller = Controller(handler, hostname="127.0.0.1", port=port, **options)
        controller.start()
        self.addCleanup(controller.stop)
        return port, handler

    def test_messages(self) -> None:
        """Octet for octet."""
        port, handler = self.controller(enable_SMTPUTF8=True)
        letters = [one for one in samples("aio") if "long" not in one.name]  # it takes 1000 octets in a line
        self.assert_delivered(
            self.send(port, [message(one.octets, body=Body.EIGHT_BIT, utf8=True) for one in letters])
        )
        self.assertEqual([one.original_content for one in handler.envelopes], [one.octets for one in letters])
        self.assertEqual(handler.envelopes[0].rcpt_tos, [str(one.address) for one in PEOPLE])

    def test_long_lines(self) -> None:
        """Lines go as they are; a server that takes none of more than 1000 octets says so."""
        port, _ = self.controller()
        (one,) = (one for one in samples("aio") if "long" in one.name)
        ((first, second),) = self.send(port, [message(one.octets)])
        self.assertEqual((first.result, second.verdict.reply.code), (Result.PERMANENT, 500))

    def test_tls_and_login(self) -> None:
        """STARTTLS with the right name, then AUTH; with another name nothing is said."""
        directory = tempfile.mkdtemp(prefix="mailnode-")
        self.addCleanup(shutil.rmtree, directory)
        files = write_certificates(directory, HOST, FileSystem(), datetime.now(UTC))
        server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_side.load_cert_chain(files.certificate, files.key)
        logins: list[Any] = []

        def authenticate(
            _server: Any, _session: Any, _envelope: Any, mechanism: str, data: Any
        ) -> AuthResult:
            logins.append((mechanism, data.login, data.password))
            return AuthResult(success=data.password == b"secret", handled=False)

        port, handler = self.controller(
            tls_context=server_side, require_starttls=True, authenticator=authenticate, auth_required=True
        )
        manner = replace(
            IN_CLEAR,
            tls=verified(HOST),
            roots=trusting(os.path.join(directory, "ca.pem")),
            login=Login("anna", "secret"),
        )
        outcomes = self.send(port, [message(b"Subject: a\r\n\r\nx\r\n")] * 3, manner)
        self.assert_delivered(outcomes)
        self.assertEqual((len(handler.envelopes), len(logins)), (3, 1))
        self.assertIn(logins[0], [(name, b"anna", b"secret") for name in ("PLAIN", "LOGIN")])
        facts = outcomes[0][0].peer.tls
        assert facts is not None
        self.assertTrue(facts.verified)
        other = replace(manner, tls=verified("other.example.test"))
        self.assertRaises(NotConnected, self.send, port, [], other)
        wrong = replace(manner, login=Login("anna", "wrong"))
        refused = self.assertRaises(NotConnected, self.send, port, [], wrong)
        self.assertIn("535 5.7.8", str(refused))

    def test_nobody_there(self) -> None:
        """A port nobody listens on."""
        self.assertRaises(NotConnected, self.send, free_ports(1)[0], [])


class Ourselves(SendingTestCase):
    """A mailnode of our own, as a process."""

    def test_all_doors(self) -> None:
        """By SMTP, and by submission with STARTTLS or TLS from the start: all arrives, octet for octet."""
        server = Server()
        self.addCleanup(server.clean_up)
        server.start()
        required = replace(
            IN_CLEAR,
            tls=verified(HOST),
            roots=trusting(server.authority),
            login=Login(ANNA, PASSWORD),
        )
        doors = {
            "smtp": IN_CLEAR,
            "submission": required,
            "submissions": replace(required, tls=replace(verified(HOST), implicit=True)),
        }
        for door, manner in doors.items():
            for chunking in (False, True):
                letters = samples(f"{door}-{chunking}".lower())
                people = tuple(Recipient(parse_address(name)) for name in (ANNA, BEN))
                sent = [message(one.octets, recipients=people, body=Body.EIGHT_BIT) for one in letters]
                outcomes = self.send(server.ports[door], sent, replace(manner, chunking=chunking))
                self.assert_delivered(outcomes)
                stored = []
                for path in server.files(BEN):
                    with open(path, "rb") as file:
                        stored.append(file.read())
                for one in letters:
                    found = [content for content in stored if one.mark in content]
                    self.assertEqual(len(found), 1, one.name)
                    self.assertTrue(found[0].endswith(one.octets.replace(b"\r\n", b"\n")), one.name)
        self.assertNotIn("Traceback", server.log())
